//! What a request is for, and how much time it has: a part of its head that seldom changes.
//!
//! Pure.

use std::time::Duration;

use callboard_actors::message::RouteSlot;

use super::varint::{Fields, MAX_VARINT, write_varint};
use super::{DEFINE, TIME_LEFT};

/// A route slot and the time that is left, as they are in the heads of requests, behind the id.
///
/// Both sides keep that of a request before. The next one nearly always has the same, and then it
/// is copied or compared as a whole.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) route: RouteSlot,
    pub(super) time_left: Option<Duration>,
    bytes: u128,
    /// Covers the bytes.
    mask: u128,
    length: usize,
}

impl Errand {
    pub(super) fn new(route: RouteSlot, time_left: Option<Duration>) -> Self {
        let mut bytes = [0; BYTES];
        let mut length = write_varint(u64::from(route.0), &mut bytes);
        if let Some(time_left) = time_left {
            length += write_varint(micros(time_left), &mut bytes[length..]);
        }
        let mask = u128::MAX >> (8 * (BYTES - length));
        Self { route, time_left, bytes: u128::from_le_bytes(bytes), mask, length }
    }

    /// Writes it at the start of `target`, with zeros behind it; how long it is itself.
    ///
    /// # Panics
    /// When `target` has less than 16 bytes.
    #[inline]
    pub(super) fn write(&self, target: &mut [u8]) -> usize {
        // As many bytes each time, since that is one move.
        target[..BYTES].copy_from_slice(&self.bytes.to_le_bytes());
        self.length
    }

    /// Goes on behind it, if a request of these flags has it next.
    #[inline]
    pub(super) fn skip(&self, flags: u8, fields: &mut Fields<'_>) -> bool {
        let Some(word) = fields.rest().first_chunk() else { return false };
        let is_alike = flags & DEFINE == 0 && (flags & TIME_LEFT != 0) == self.time_left.is_some();
        let is_next = is_alike && (u128::from_le_bytes(*word) ^ self.bytes) & self.mask == 0;
        if is_next {
            fields.skip(self.length);
        }
        is_next
    }
}

#[inline]
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One word: a slot takes at most five bytes, and a time takes [`MAX_VARINT`].
const BYTES: usize = 16;
const _: () = assert!(5 + MAX_VARINT <= BYTES, "the longest errand fits");

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    /// A request's bytes from the errand on.
    fn bytes(errand: &Errand, behind: &[u8]) -> Vec<u8> {
        let mut bytes = [0; BYTES];
        let length = errand.write(&mut bytes);
        [&bytes[..length], behind].concat()
    }

    #[test]
    fn the_longest_errand_is_written_whole() {
        let errand = Errand::new(RouteSlot(u32::MAX), Some(Duration::MAX));
        let bytes = bytes(&errand, &[]);
        let mut fields = Fields::new(&bytes);
        assert_eq!(fields.varint(), Ok(u64::from(u32::MAX)));
        assert_eq!(fields.varint(), Ok(u64::MAX));
        assert!(fields.is_empty());
    }

    #[test]
    fn the_same_errand_is_skipped_and_no_other() {
        let known = Errand::new(RouteSlot(3), SECOND);
        let skipped = |flags: u8, bytes: &[u8]| {
            let mut fields = Fields::new(bytes);
            known.skip(flags, &mut fields).then_some(fields.position())
        };
        let same = bytes(&known, &[7; BYTES]);
        assert_eq!(skipped(TIME_LEFT, &same), Some(known.length));
        assert_eq!(skipped(TIME_LEFT | DEFINE, &same), None, "it explains its route");
        assert_eq!(skipped(0, &same), None, "these bytes are no time");
        assert_eq!(skipped(TIME_LEFT, &same[..known.length]), None, "read in the other way");
        for other in [(RouteSlot(4), SECOND), (RouteSlot(3), Some(Duration::from_secs(2)))] {
            let other = bytes(&Errand::new(other.0, other.1), &[7; BYTES]);
            assert_eq!(skipped(TIME_LEFT, &other), None);
        }
    }
}
