//! Which address a node announces, so that others reach what it listens on.
//!
//! Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::config::AddressError;
use crate::config::address::{bracketed, host_and_port, port};

/// The address that a node announces instead of the one it listens on.
///
/// A host, with the port the node listens on, or a host and a port; as behind a proxy or in a
/// container.
///
/// ```
/// use callboard::config::AdvertiseAddress;
///
/// let address: AdvertiseAddress = "greeter.example".parse()?;
/// assert_eq!(address.with_port(9000), "greeter.example:9000");
/// # Ok::<(), callboard::config::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdvertiseAddress {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port, where it differs from the one that is listened on.
    pub port: Option<u16>,
}

impl AdvertiseAddress {
    /// The address to announce for a listener on `port`.
    #[must_use]
    pub fn with_port(&self, port: u16) -> String {
        format!("{}:{}", bracketed(&self.host), self.port.unwrap_or(port))
    }
}

impl FromStr for AdvertiseAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, given) = host_and_port(text)?;
        let is_anywhere = host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
        if host.is_empty() || is_anywhere {
            return Err(AddressError::Host { host: text.into() });
        }
        let port = given.map(port).transpose()?;
        if port == Some(0) {
            return Err(AddressError::Port { port: "0".into() });
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for AdvertiseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bracketed(&self.host))?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The address under which others reach a listener on `listen`.
///
/// That is `listen` itself unless it stands for all interfaces. Then the best of `interfaces`, the
/// machine's addresses, takes its place: private IPv4 first, then other IPv4, IPv6, link-local
/// IPv4, loopback last; the first of equals. `0.0.0.0` is only reachable by IPv4, `[::]` by both,
/// and a link-local IPv6 address by none, for its scope means nothing elsewhere.
///
/// ```
/// use callboard::config::advertised;
///
/// let interfaces = ["127.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap()];
/// let address = advertised("0.0.0.0:9000".parse().unwrap(), interfaces.into_iter());
/// assert_eq!(address.to_string(), "10.0.0.7:9000");
/// ```
pub fn advertised(listen: SocketAddr, interfaces: impl Iterator<Item = IpAddr>) -> SocketAddr {
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let best = interfaces
        .filter(|address| address.is_ipv4() || listen.is_ipv6())
        .filter_map(|address| rank(address).map(|rank| (rank, address)))
        .min_by_key(|(rank, _)| *rank);
    let loopback = match listen {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(best.map_or(loopback, |(_, address)| address), listen.port())
}

/// How well others reach an address; the first is best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    PrivateV4,
    OtherV4,
    V6,
    LinkLocalV4,
    Loopback,
}

fn rank(address: IpAddr) -> Option<Rank> {
    match address {
        _ if address.is_unspecified() || address.is_multicast() => None,
        _ if address.is_loopback() => Some(Rank::Loopback),
        IpAddr::V4(address) if address.is_private() => Some(Rank::PrivateV4),
        IpAddr::V4(address) if address.is_link_local() => Some(Rank::LinkLocalV4),
        IpAddr::V4(_) => Some(Rank::OtherV4),
        IpAddr::V6(address) if address.is_unicast_link_local() => None,
        IpAddr::V6(_) => Some(Rank::V6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(listen: &str, interfaces: &[&str]) -> String {
        let interfaces = interfaces.iter().map(|address| address.parse().unwrap());
        advertised(listen.parse().unwrap(), interfaces).to_string()
    }

    #[test]
    fn a_specified_address_is_announced_as_it_is() {
        assert_eq!(chosen("127.0.0.1:1", &["10.0.0.1"]), "127.0.0.1:1");
    }

    #[test]
    fn the_most_reachable_interface_takes_the_place_of_all() {
        // Worst first, so that each one is the best of those up to it.
        let ranked = ["127.0.0.1", "169.254.1.1", "2001:db8::1", "203.0.113.5", "192.168.1.4"];
        for (index, best) in ranked.into_iter().enumerate() {
            let expected = SocketAddr::new(best.parse().unwrap(), 9).to_string();
            assert_eq!(chosen("[::]:9", &ranked[..=index]), expected);
        }
        assert_eq!(chosen("0.0.0.0:9", &ranked[..3]), "169.254.1.1:9");
    }

    #[test]
    fn the_first_of_equals_is_chosen() {
        assert_eq!(chosen("0.0.0.0:9", &["10.0.0.1", "192.168.0.1"]), "10.0.0.1:9");
    }

    #[test]
    fn without_interfaces_loopback_is_left() {
        assert_eq!(chosen("0.0.0.0:9", &[]), "127.0.0.1:9");
        assert_eq!(chosen("[::]:9", &["fe80::1", "ff02::1", "::"]), "[::1]:9");
    }

    #[test]
    fn what_is_advertised_may_leave_the_port_to_the_listener() {
        let parse = |text: &str| text.parse::<AdvertiseAddress>().unwrap();
        assert_eq!(parse("example.org").with_port(9000), "example.org:9000");
        assert_eq!(parse("example.org:80").with_port(9000), "example.org:80");
        assert_eq!(parse("[2001:db8::1]").with_port(9000), "[2001:db8::1]:9000");
        for text in ["example.org", "10.0.0.1:80", "[::1]:80"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_nobody_can_reach_is_not_advertised() {
        for (text, reason) in [
            ("", "the address is empty"),
            (":9000", "`:9000` is not a host"),
            ("0.0.0.0:9000", "`0.0.0.0:9000` is not a host"),
            ("[::]", "`[::]` is not a host"),
            ("example.org:0", "`0` is not a port"),
            ("example.org:9000-9010", "`9000-9010` is not a port"),
        ] {
            let error = text.parse::<AdvertiseAddress>().unwrap_err();
            assert_eq!(error.to_string(), reason, "{text}");
        }
    }
}
