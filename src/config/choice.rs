//! Settings whose values are names.
//!
//! Pure.

use std::fmt;
use std::net::IpAddr;

use crate::config::ValueError;

/// Where nodes are announced and found.
///
/// ```
/// use callboard::config::RegistryKind;
///
/// assert_eq!(RegistryKind::Static.to_string(), "static");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegistryKind {
    /// `mdns`: multicast DNS on the local network; needs no server. The default.
    #[default]
    Mdns,
    /// `static`: fixed addresses from the configuration or a file.
    Static,
    /// `consul`: a Consul agent, with the feature `consul`.
    Consul,
    /// `memory`: this process only.
    Memory,
}

/// How a node is chosen for a call.
///
/// ```
/// use callboard::config::SelectorKind;
///
/// assert_eq!(SelectorKind::RoundRobin.to_string(), "round-robin");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectorKind {
    /// `p2c`, also `default`, `cache`, `blacklist`: the better of two random nodes, by latency and load. The default.
    #[default]
    PowerOfTwo,
    /// `random`: any.
    Random,
    /// `round-robin`, also `roundrobin`: one after the other.
    RoundRobin,
    /// `least-in-flight`: the one with the fewest calls of this client.
    LeastInFlight,
    /// `hash`: the one that the call's key belongs to.
    Hash,
    /// `label`: as `p2c`, among those that have the first of the labels set for it; if none of
    /// them is ready, the second; at last any.
    Label,
    /// `named`: none is looked up; the service's name is an address.
    Named,
}

/// How bytes travel between nodes.
///
/// ```
/// use callboard::config::TransportKind;
///
/// assert_eq!(TransportKind::Tcp.to_string(), "tcp");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// `tcp`: the native wire over TCP or Unix sockets. The default.
    #[default]
    Tcp,
    /// `memory`: this process only.
    Memory,
}

/// How events reach their subscribers.
///
/// ```
/// use callboard::config::BrokerKind;
///
/// assert_eq!(BrokerKind::Direct.to_string(), "direct");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerKind {
    /// `direct`: from node to node, over the connections of calls. The default.
    #[default]
    Direct,
    /// `http`: Go Micro's HTTP broker, of 2016 and of today.
    Http,
    /// `memory`: this process only.
    Memory,
}

/// The network interfaces that mDNS uses.
///
/// ```
/// use callboard::config::{Config, RegistryInterface};
///
/// assert_eq!(Config::default().interface(), RegistryInterface::Loopback);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegistryInterface {
    /// `loopback`: this machine only.
    Loopback,
    /// `all`: each one that is up, loopback included.
    All,
    /// The one of that name, e.g. `eth0`.
    Name(String),
    /// The one that has this address.
    Address(IpAddr),
}

impl RegistryInterface {
    pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "" => Err(ValueError::Empty),
            "loopback" => Ok(Self::Loopback),
            "all" => Ok(Self::All),
            _ if text.len() > LONGEST_INTERFACE || text.contains(char::is_whitespace) => {
                Err(ValueError::OutOfRange)
            }
            _ => Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address)),
        }
    }
}

impl fmt::Display for RegistryInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::All => f.write_str("all"),
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// A setting whose values are known names.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Names and what they stand for; of several names for one value the first is shown.
    const NAMES: &'static [(&'static str, Self)];

    fn parse(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError::Empty);
        }
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, value)| *value).ok_or(ValueError::UnknownName)
    }

    fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, value)| *value == self);
        known.expect("each value has a name; a test goes through all").0
    }

    fn names() -> Vec<&'static str> {
        Self::NAMES.iter().map(|(name, _)| *name).collect()
    }
}

impl Choice for RegistryKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("mdns", Self::Mdns),
        ("static", Self::Static),
        ("consul", Self::Consul),
        ("memory", Self::Memory),
    ];
}

impl Choice for SelectorKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("p2c", Self::PowerOfTwo),
        ("random", Self::Random),
        ("round-robin", Self::RoundRobin),
        ("least-in-flight", Self::LeastInFlight),
        ("hash", Self::Hash),
        ("label", Self::Label),
        ("named", Self::Named),
        ("default", Self::PowerOfTwo),
        // What a registry says is always cached and followed, and nodes that fail are always left
        // alone for a while: what Go Micro has selectors for.
        ("cache", Self::PowerOfTwo),
        ("blacklist", Self::PowerOfTwo),
        ("roundrobin", Self::RoundRobin),
    ];
}

impl Choice for TransportKind {
    const NAMES: &'static [(&'static str, Self)] = &[("tcp", Self::Tcp), ("memory", Self::Memory)];
}

impl Choice for BrokerKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("direct", Self::Direct), ("http", Self::Http), ("memory", Self::Memory)];
}

macro_rules! display_by_name {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    )*};
}

display_by_name!(BrokerKind, RegistryKind, SelectorKind, TransportKind);

/// Longer than any system allows.
const LONGEST_INTERFACE: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_name_that_is_read_back() {
        use SelectorKind::{Hash, Label, LeastInFlight, Named, PowerOfTwo, Random, RoundRobin};

        use RegistryKind::{Consul, Mdns, Memory, Static};
        for kind in [Mdns, Static, Consul, Memory] {
            assert_eq!(RegistryKind::parse(&kind.to_string()), Ok(kind));
        }
        for kind in [PowerOfTwo, Random, RoundRobin, LeastInFlight, Hash, Label, Named] {
            assert_eq!(SelectorKind::parse(&kind.to_string()), Ok(kind));
        }
        for kind in [BrokerKind::Direct, BrokerKind::Http, BrokerKind::Memory] {
            assert_eq!(BrokerKind::parse(&kind.to_string()), Ok(kind));
        }
        for kind in [TransportKind::Tcp, TransportKind::Memory] {
            assert_eq!(TransportKind::parse(&kind.to_string()), Ok(kind));
        }
    }

    #[test]
    fn the_names_of_go_micro_are_understood() {
        for name in ["default", "cache", "blacklist"] {
            assert_eq!(SelectorKind::parse(name), Ok(SelectorKind::PowerOfTwo));
        }
        assert_eq!(SelectorKind::parse("label"), Ok(SelectorKind::Label));
        assert_eq!(SelectorKind::parse("named"), Ok(SelectorKind::Named));
        assert_eq!(SelectorKind::parse("roundrobin"), Ok(SelectorKind::RoundRobin));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(RegistryKind::parse("zookeeper"), Err(ValueError::UnknownName));
        assert_eq!(RegistryKind::parse(""), Err(ValueError::Empty));
    }

    #[test]
    fn an_interface_is_a_word_a_name_or_an_address() {
        let name = RegistryInterface::Name("eth0".into());
        assert_eq!(RegistryInterface::parse("eth0"), Ok(name));
        let address = RegistryInterface::Address([10, 0, 0, 1].into());
        assert_eq!(RegistryInterface::parse("10.0.0.1"), Ok(address));
        for text in ["loopback", "all", "eth0", "10.0.0.1", "::1"] {
            assert_eq!(RegistryInterface::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RegistryInterface::parse(""), Err(ValueError::Empty));
        assert_eq!(RegistryInterface::parse("eth 0"), Err(ValueError::OutOfRange));
    }
}
