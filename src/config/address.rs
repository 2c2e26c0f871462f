//! Where a node listens: a host and a range of ports, or the path of a Unix socket.
//!
//! Pure.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Where a node listens.
///
/// | text | |
/// |---|---|
/// | `127.0.0.1:0` | the default: loopback, any free port |
/// | `127.0.0.1:9000-9010` | the first port of these that is free |
/// | `localhost:9000`, `[::1]:9000` | names and IPv6 addresses |
/// | `:9000` | all interfaces, IPv4, as in Go Micro; `[::]:9000` for IPv6 |
/// | `unix:/run/greeter.sock` | a Unix socket |
///
/// ```
/// use callboard::config::ListenAddress;
///
/// let address: ListenAddress = ":9000-9001".parse()?;
/// let candidates: Vec<String> = address.candidates().collect();
/// assert_eq!(candidates, ["0.0.0.0:9000", "0.0.0.0:9001"]);
/// # Ok::<(), callboard::config::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A host and the ports to try.
    Tcp {
        /// A name or an IP address, the latter without brackets.
        host: String,
        /// Tried in order.
        ports: PortRange,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The addresses to try, in order: `host:port`, or `unix:` and the path.
    pub fn candidates(&self) -> impl Iterator<Item = String> + use<> {
        let (tcp, unix) = match self {
            Self::Tcp { host, ports } => (Some((host.clone(), ports.iter())), None),
            Self::Unix(_) => (None, Some(self.to_string())),
        };
        let tcp = tcp.into_iter().flat_map(|(host, ports)| {
            ports.map(move |port| format!("{}:{port}", bracketed(&host)))
        });
        tcp.chain(unix)
    }

    /// Whether only this machine can reach it.
    ///
    /// Of names only `localhost` is known to stay here; nothing is resolved.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl Default for ListenAddress {
    /// `127.0.0.1:0`: to be reached from other machines is a decision.
    fn default() -> Self {
        Self::Tcp { host: "127.0.0.1".into(), ports: PortRange::ANY }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(AddressError::NoPath),
                path if path.contains('\0') => Err(AddressError::Host { host: path.into() }),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let (host, ports) = host_and_port(text)?;
        let ports = ports.ok_or(AddressError::NoPort)?.parse()?;
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        Ok(Self::Tcp { host: host.into(), ports })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, ports } => write!(f, "{}:{ports}", bracketed(host)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One port, several in a row, or any free one (0).
///
/// ```
/// use callboard::config::PortRange;
///
/// let ports: PortRange = "9000-9002".parse()?;
/// assert_eq!(ports.iter().collect::<Vec<_>>(), [9000, 9001, 9002]);
/// # Ok::<(), callboard::config::AddressError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Any free port.
    pub const ANY: Self = Self { first: 0, last: 0 };

    /// Creates a range; both ends belong to it.
    ///
    /// # Errors
    /// When it runs backwards, or holds 0 beside other ports.
    pub fn new(first: u16, last: u16) -> Result<Self, AddressError> {
        if first > last {
            return Err(AddressError::Backwards { first, last });
        }
        if first == 0 && last > 0 {
            return Err(AddressError::ZeroInRange);
        }
        Ok(Self { first, last })
    }

    /// The ports in order.
    #[must_use]
    pub fn iter(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for PortRange {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::new(port(first)?, port(last)?)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

/// What is wrong with an address.
///
/// ```
/// use callboard::config::{AddressError, ListenAddress};
///
/// assert_eq!("127.0.0.1".parse::<ListenAddress>(), Err(AddressError::NoPort));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is empty.
    #[error("the address is empty")]
    Empty,
    /// There is no port, and one is needed.
    #[error("the port is missing; 0 stands for any free one")]
    NoPort,
    /// A port that is not a number up to 65535.
    #[error("`{}` is not a port", super::error::Shown(port))]
    Port {
        /// As written.
        port: String,
    },
    /// A range that ends before it starts.
    #[error("the port range {first}-{last} runs backwards")]
    Backwards {
        /// Its start.
        first: u16,
        /// Its end.
        last: u16,
    },
    /// A range that holds 0.
    #[error("port 0 stands for any free port, so that it cannot be part of a range")]
    ZeroInRange,
    /// Neither a name nor an IP address.
    #[error("`{}` is not a host", super::error::Shown(host))]
    Host {
        /// As written.
        host: String,
    },
    /// An IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets, e.g. `[::1]:9000`")]
    NoBrackets,
    /// `unix:` and nothing behind it.
    #[error("the path is missing after `unix:`")]
    NoPath,
}

/// Splits `host:port`, both of which may be missing; the host is checked, the port is not.
pub(super) fn host_and_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let bad = || AddressError::Host { host: text.into() };
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        host.parse::<Ipv6Addr>().map_err(|_| bad())?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(bad()),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => return Err(AddressError::NoBrackets),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if !host.is_empty() && !is_host(host) {
        return Err(AddressError::Host { host: host.into() });
    }
    Ok((host, port))
}

/// A port between 0 and 65535.
pub(super) fn port(text: &str) -> Result<u16, AddressError> {
    let bad = || AddressError::Port { port: text.into() };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}

/// The host as it stands before a port.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn is_host(host: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // Digits and dots alone are an IPv4 address or a mistake, never a name.
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= LONGEST_HOST
        && host.bytes().all(is_allowed)
        && (!is_number || host.parse::<IpAddr>().is_ok())
}

/// The longest name that DNS allows.
const LONGEST_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    fn candidates(text: &str) -> Vec<String> {
        parse(text).candidates().collect()
    }

    #[test]
    fn the_default_is_loopback_with_a_free_port() {
        assert_eq!(ListenAddress::default(), parse("127.0.0.1:0"));
        assert!(ListenAddress::default().is_local());
    }

    #[test]
    fn a_range_is_tried_in_order() {
        assert_eq!(candidates("[::1]:9000-9002"), ["[::1]:9000", "[::1]:9001", "[::1]:9002"]);
        assert_eq!(candidates("localhost:65535-65535"), ["localhost:65535"]);
        assert_eq!(candidates("unix:/run/a.sock"), ["unix:/run/a.sock"]);
    }

    #[test]
    fn an_address_without_host_is_on_all_interfaces() {
        assert_eq!(candidates(":9000"), ["0.0.0.0:9000"]);
        assert!(!parse(":9000").is_local());
    }

    #[test]
    fn addresses_are_shown_as_they_are_read() {
        for text in ["127.0.0.1:0", "[::]:9000-9010", "my-host.local:80", "unix:a b.sock"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        for text in ["127.9.9.9:0", "[::1]:1", "LocalHost:1", "unix:a"] {
            assert!(parse(text).is_local(), "{text}");
        }
        for text in ["0.0.0.0:0", "[::]:0", "10.0.0.1:1", "example.org:1"] {
            assert!(!parse(text).is_local(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, reason) in [
            ("", "the address is empty"),
            ("127.0.0.1", "the port is missing; 0 stands for any free one"),
            ("9000", "`9000` is not a host"),
            ("127.0.0.1:", "`` is not a port"),
            ("127.0.0.1:http", "`http` is not a port"),
            ("127.0.0.1:65536", "`65536` is not a port"),
            ("127.0.0.1:+1", "`+1` is not a port"),
            ("127.0.0.1:1-", "`` is not a port"),
            ("127.0.0.1:9010-9000", "the port range 9010-9000 runs backwards"),
            (
                "127.0.0.1:0-9",
                "port 0 stands for any free port, so that it cannot be part of a range",
            ),
            ("::1:9000", "an IPv6 address stands in brackets, e.g. `[::1]:9000`"),
            ("[::1", "`[::1` is not a host"),
            ("[::1]9000", "`[::1]9000` is not a host"),
            ("[localhost]:1", "`[localhost]:1` is not a host"),
            ("256.0.0.1:1", "`256.0.0.1` is not a host"),
            ("*:1", "`*` is not a host"),
            ("unix:", "the path is missing after `unix:`"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert_eq!(error.to_string(), reason, "{text}");
        }
    }
}
