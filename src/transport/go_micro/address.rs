//! Which node, and which of the two wires it speaks.
//!
//! Pure.

use callboard_actors::transport::TransportError;

use super::NAME;

/// The wire that a Go Micro node speaks.
///
/// ```
/// use callboard::transport::Generation;
///
/// assert_eq!(Generation::Current.scheme(), "mucp");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// That of November 2016: each body is in an RPC envelope.
    Early,
    /// That of version 6: bare bodies, and what belongs to them in headers.
    Current,
}

impl Generation {
    /// How addresses of such nodes begin, before a colon.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Early => "mucp-2016",
            Self::Current => "mucp",
        }
    }
}

/// An address of a Go Micro node, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) generation: Generation,
    /// `host:port`.
    pub(super) peer: String,
    /// The service's name; may be empty.
    pub(super) service: String,
}

impl Address {
    /// The wire that an address names, if it is one of a Go Micro node.
    pub(super) fn generation(address: &str) -> Option<Generation> {
        let scheme = address.split_once(':')?.0;
        [Generation::Early, Generation::Current].into_iter().find(|one| one.scheme() == scheme)
    }

    pub(super) fn parse(address: &str) -> Result<Self, TransportError> {
        let error = |reason: &str| TransportError::Address {
            transport: NAME,
            address: address.to_owned(),
            reason: reason.to_owned(),
        };
        let generation = Self::generation(address)
            .ok_or_else(|| error("it begins neither with mucp: nor with mucp-2016:"))?;
        let rest = &address[generation.scheme().len() + 1..];
        let (peer, service) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = peer.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !has_port {
            return Err(error("expected host:port after the scheme, e.g. mucp:127.0.0.1:9210"));
        }
        Ok(Self { generation, peer: peer.to_owned(), service: service.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_wire_node_and_service() {
        let address = Address::parse("mucp:127.0.0.1:9210/gm.greeter").unwrap();
        assert_eq!(address.generation, Generation::Current);
        assert_eq!((&*address.peer, &*address.service), ("127.0.0.1:9210", "gm.greeter"));
        let address = Address::parse("mucp-2016:[::1]:9210").unwrap();
        assert_eq!(address.generation, Generation::Early);
        assert_eq!((&*address.peer, &*address.service), ("[::1]:9210", ""));
    }

    #[test]
    fn an_address_without_a_port_or_of_another_kind_is_refused() {
        for wrong in ["mucp:localhost", "mucp::80", "mucp:host:0", "127.0.0.1:9210", "unix:/x", ""]
        {
            let error = Address::parse(wrong).unwrap_err();
            assert!(matches!(error, TransportError::Address { .. }), "{wrong}");
        }
    }
}
