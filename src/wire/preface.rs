//! The greeting's bytes.
//!
//! Pure.

use callboard_actors::transport::Hello;

use super::varint::{Fields, MAX_VARINT, write_varint};
use super::{MAX_VERSION, MIN_VERSION, STREAMS, WireError};

/// What each side sends before its first frame.
///
/// ```
/// use callboard::actors::transport::Hello;
/// use callboard::wire::Preface;
///
/// let bytes = Preface::new(Hello::new("greeter", "greeter-1", 1)).encode()?;
/// assert_eq!(bytes[..4], Preface::MAGIC);
/// # Ok::<(), callboard::wire::WireError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preface {
    /// Lowest protocol version spoken.
    pub min_version: u8,
    /// Highest protocol version spoken.
    pub max_version: u8,
    /// Bits for optional behaviour.
    pub capabilities: u64,
    /// Identity and limits.
    pub hello: Hello,
}

impl Preface {
    /// First bytes of every connection.
    pub const MAGIC: [u8; 4] = [0xCB, b'C', b'B', b'D'];

    /// Bytes before the fields.
    pub const FIXED: usize = 24;

    /// Bytes that a preface may take.
    pub const MAX: usize = 4096;

    /// Creates this build's preface.
    #[must_use]
    pub fn new(hello: Hello) -> Self {
        let capabilities = if hello.streams { STREAMS } else { 0 };
        Self { min_version: MIN_VERSION, max_version: MAX_VERSION, capabilities, hello }
    }

    /// Writes the preface.
    ///
    /// # Errors
    /// [`WireError::Greeting`] when the service's and the node's names are too long.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&Self::MAGIC);
        bytes.extend_from_slice(&[self.min_version, self.max_version]);
        bytes.extend_from_slice(&self.capabilities.to_le_bytes());
        bytes.extend_from_slice(&self.hello.max_frame.to_le_bytes());
        bytes.extend_from_slice(&self.hello.max_in_flight.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        put_field(&mut bytes, SERVICE, self.hello.service.as_bytes());
        put_field(&mut bytes, NODE, self.hello.node.as_bytes());
        let mut incarnation = [0; MAX_VARINT];
        let length = write_varint(self.hello.incarnation, &mut incarnation);
        put_field(&mut bytes, INCARNATION, &incarnation[..length]);
        if bytes.len() > Self::MAX {
            return Err(WireError::Greeting(bytes.len()));
        }
        let size = u16::try_from(bytes.len() - Self::FIXED)
            .map_err(|_| WireError::Greeting(bytes.len()))?;
        bytes[Self::FIXED - 2..Self::FIXED].copy_from_slice(&size.to_le_bytes());
        Ok(bytes)
    }

    /// How many bytes of fields follow the fixed part.
    ///
    /// # Errors
    /// [`WireError::Magic`] or [`WireError::Greeting`].
    pub fn fields_size(fixed: &[u8; Self::FIXED]) -> Result<usize, WireError> {
        let [a, b, c, d, .., low, high] = *fixed;
        if [a, b, c, d] != Self::MAGIC {
            return Err(WireError::Magic([a, b, c, d]));
        }
        let size = usize::from(u16::from_le_bytes([low, high]));
        if Self::FIXED + size > Self::MAX {
            return Err(WireError::Greeting(Self::FIXED + size));
        }
        Ok(size)
    }

    /// Reads a preface from its two parts.
    ///
    /// Versions are not compared; that is [`version`](Self::version).
    pub fn decode(fixed: &[u8; Self::FIXED], fields: &[u8]) -> Result<Self, WireError> {
        if Self::fields_size(fixed)? != fields.len() {
            return Err(WireError::Truncated);
        }
        let mut hello = Hello::new("", "", 0);
        hello.max_frame = u32::from_le_bytes(array(fixed, 14));
        hello.max_in_flight = u32::from_le_bytes(array(fixed, 18));
        let mut fields = Fields::new(fields);
        while !fields.is_empty() {
            let tag = fields.varint()?;
            let value = fields.block()?;
            match tag {
                SERVICE => hello.service = text(value)?,
                NODE => hello.node = text(value)?,
                INCARNATION => hello.incarnation = Fields::new(value).varint()?,
                _ => {}
            }
        }
        let capabilities = u64::from_le_bytes(array(fixed, 6));
        hello.streams = capabilities & STREAMS != 0;
        Ok(Self { min_version: fixed[4], max_version: fixed[5], capabilities, hello })
    }

    /// The version to speak with the peer that sent this preface.
    ///
    /// # Errors
    /// [`WireError::Version`] when none is spoken by both.
    pub fn version(&self) -> Result<u8, WireError> {
        let highest = self.max_version.min(MAX_VERSION);
        if highest < self.min_version.max(MIN_VERSION) {
            return Err(WireError::Version { min: self.min_version, max: self.max_version });
        }
        Ok(highest)
    }
}

fn put_field(bytes: &mut Vec<u8>, tag: u64, value: &[u8]) {
    let mut head = [0; 2 * MAX_VARINT];
    let tag_length = write_varint(tag, &mut head);
    let length = tag_length + write_varint(value.len() as u64, &mut head[tag_length..]);
    bytes.extend_from_slice(&head[..length]);
    bytes.extend_from_slice(value);
}

fn text(value: &[u8]) -> Result<String, WireError> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| WireError::Text)
}

/// The `N` bytes that start at `at`.
fn array<const N: usize>(fixed: &[u8; Preface::FIXED], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&fixed[at..at + N]);
    bytes
}

const SERVICE: u64 = 1;
const NODE: u64 = 2;
const INCARNATION: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Preface, WireError> {
        let fixed = bytes[..Preface::FIXED].try_into().unwrap();
        Preface::decode(fixed, &bytes[Preface::FIXED..])
    }

    #[test]
    fn a_newer_peer_with_unknown_fields_and_capabilities_is_understood() {
        let mut newer = Preface::new(Hello::new("greeter", "greeter-1", 7));
        newer.max_version = 9;
        newer.capabilities = u64::MAX;
        let mut bytes = newer.encode().unwrap();
        put_field(&mut bytes, 300, b"from the future");
        let size = u16::try_from(bytes.len() - Preface::FIXED).unwrap();
        bytes[22..24].copy_from_slice(&size.to_le_bytes());
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded, newer);
        assert_eq!(decoded.version(), Ok(1));
    }

    #[test]
    fn an_older_peer_that_sets_no_bit_knows_no_streams() {
        let mut older = Preface::new(Hello::new("greeter", "greeter-1", 7));
        assert!(decode(&older.encode().unwrap()).unwrap().hello.streams);
        older.capabilities = 0;
        assert!(!decode(&older.encode().unwrap()).unwrap().hello.streams);
    }

    #[test]
    fn versions_without_overlap_are_refused() {
        for (min, max) in [(2, 9), (0, 0), (9, 2)] {
            let mut preface = Preface::new(Hello::new("", "", 0));
            (preface.min_version, preface.max_version) = (min, max);
            assert_eq!(preface.version(), Err(WireError::Version { min, max }));
        }
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        let preface = Preface::new(Hello::new("x".repeat(5000), "", 0));
        assert!(matches!(preface.encode(), Err(WireError::Greeting(_))));
        let huge = Preface::new(Hello::new("x".repeat(100_000), "", 0));
        assert!(matches!(huge.encode(), Err(WireError::Greeting(_))));
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_bytes() {
        let fixed = *b"GET / HTTP/1.1\r\nHost: a\r";
        assert_eq!(Preface::fields_size(&fixed), Err(WireError::Magic(*b"GET ")));
    }
}
