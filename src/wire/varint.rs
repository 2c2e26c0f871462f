//! Variable-length integers and the cursor that reads fields.
//!
//! Pure.

use super::WireError;

/// Longest varint, in bytes.
pub const MAX_VARINT: usize = 10;

/// Writes `value` at the start of `target` and returns how many bytes it took.
///
/// # Panics
/// When `target` is shorter than the varint; [`MAX_VARINT`] bytes always suffice.
#[inline]
pub fn write_varint(mut value: u64, target: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        target[at] = low_byte(value) | 0x80;
        value >>= 7;
        at += 1;
    }
    target[at] = low_byte(value);
    at + 1
}

/// The varint of `value` in the low bytes of a word, in their order, and how many it takes; nothing
/// for one that takes more than a word.
#[inline]
pub(super) fn varint_word(value: u64) -> Option<(u64, usize)> {
    if value >> 56 != 0 {
        return None;
    }
    // Halves move apart by four bits, quarters by two, and eighths by one: each seven bits have eight.
    let halves = value & 0x0FFF_FFFF | (value & 0x00FF_FFFF_F000_0000) << 4;
    let quarters = halves & 0x0000_3FFF_0000_3FFF | (halves & 0x0FFF_C000_0FFF_C000) << 2;
    let bytes = quarters & 0x007F_007F_007F_007F | (quarters & 0x3F80_3F80_3F80_3F80) << 1;
    let length = (value | 1).ilog2() / 7 + 1;
    // All but the last say that there is more.
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (length - 1))) - 1);
    Some((bytes | more, length as usize))
}

/// Reads fields one after the other from a slice.
///
/// ```
/// use callboard::wire::varint::Fields;
///
/// let mut fields = Fields::new(&[0xAC, 0x02, 2, b'h', b'i']);
/// assert_eq!((fields.varint(), fields.text()), (Ok(300), Ok("hi")));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Creates a cursor at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Reads one byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, WireError> {
        let byte = *self.bytes.get(self.at).ok_or(WireError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Where any varint would fit no byte's place need be checked.
        let (value, length) = match rest.first_chunk::<MAX_VARINT>() {
            Some(longest) => read_varint(longest)?,
            None => read_varint(rest)?,
        };
        self.at += length;
        Ok(value)
    }

    /// Reads a varint length and returns that many bytes.
    pub fn block(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let end = self.at.checked_add(length).ok_or(WireError::Truncated)?;
        let block = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(block)
    }

    /// Reads a text.
    pub fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.block()?).map_err(|_| WireError::Text)
    }
}

/// The varint at the start of `bytes`, and its length.
#[inline]
fn read_varint<B: AsRef<[u8]> + ?Sized>(bytes: &B) -> Result<(u64, usize), WireError> {
    let bytes = bytes.as_ref();
    let mut value = 0;
    for at in 0..MAX_VARINT {
        let byte = *bytes.get(at).ok_or(WireError::Truncated)?;
        if at == MAX_VARINT - 1 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(WireError::Varint)
}

/// The low eight bits.
#[inline]
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_bytes_that_are_written() {
        let edges = (0..64).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for value in edges.chain([u64::MAX, 0x0012_3456_789A_BCDE]) {
            let mut written = [0; MAX_VARINT];
            let length = write_varint(value, &mut written);
            let expected = written.first_chunk::<8>().map(|word| u64::from_le_bytes(*word));
            let expected = expected.filter(|_| length <= 8).map(|word| (word, length));
            assert_eq!(varint_word(value), expected, "{value:#x}");
        }
    }

    #[test]
    fn every_length_of_varint_comes_back() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1u64 << bits) - 1, u64::MAX >> bits] {
                let mut bytes = [0; MAX_VARINT];
                let length = write_varint(value, &mut bytes);
                let mut fields = Fields::new(&bytes[..length]);
                assert_eq!(fields.varint(), Ok(value));
                assert!(fields.is_empty());
            }
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let eleven = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(Fields::new(&eleven).varint(), Err(WireError::Varint));
        let too_big = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02];
        assert_eq!(Fields::new(&too_big).varint(), Err(WireError::Varint));
        assert_eq!(Fields::new(&[0x80]).varint(), Err(WireError::Truncated));
    }

    #[test]
    fn a_longer_form_of_a_varint_is_accepted() {
        assert_eq!(Fields::new(&[0x81, 0x80, 0x00]).varint(), Ok(1));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(Fields::new(&[3, 1, 2]).block(), Err(WireError::Truncated));
        let mut huge = [0; MAX_VARINT];
        write_varint(u64::MAX, &mut huge);
        assert_eq!(Fields::new(&huge).block(), Err(WireError::Truncated));
    }
}
