//! What a request is for, and how much time it has: a part of its head that seldom changes.
//!
//! Pure.

use std::time::Duration;

use callboard_actors::message::RouteSlot;

use super::varint::{MAX_VARINT, write_varint};

/// Writes route slots and the time that is left, as they are in the heads of requests behind the id.
///
/// What two requests in a row had in common is kept as it was written: the next one most likely has
/// it too, and it is copied as a whole.
#[derive(Debug)]
pub(super) struct Errands {
    last: Errand,
    kept: Errand,
    bytes: [u8; ERRAND_BYTES],
    length: usize,
}

/// The slot, and the time in µs.
type Errand = (RouteSlot, Option<Duration>);

impl Errands {
    pub(super) fn new() -> Self {
        let (first, mut bytes) = ((RouteSlot(0), None), [0; ERRAND_BYTES]);
        let length = write(first, &mut bytes);
        Self { last: first, kept: first, bytes, length }
    }

    /// The bytes of one, and how many of them it takes.
    #[inline]
    pub(super) fn bytes(&mut self, errand: Errand) -> ([u8; ERRAND_BYTES], usize) {
        if errand != self.kept {
            let mut bytes = [0; ERRAND_BYTES];
            let length = write(errand, &mut bytes);
            if errand != self.last {
                self.last = errand;
                return (bytes, length);
            }
            (self.kept, self.bytes, self.length) = (errand, bytes, length);
        }
        (self.bytes, self.length)
    }
}

fn write((route, time_left): Errand, target: &mut [u8]) -> usize {
    let length = write_varint(u64::from(route.0), target);
    length + time_left.map_or(0, |left| write_varint(micros(left), &mut target[length..]))
}

#[inline]
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A word: a slot takes at most five bytes, and a time takes [`MAX_VARINT`].
const ERRAND_BYTES: usize = 16;
const _: () = assert!(5 + MAX_VARINT <= ERRAND_BYTES, "the longest errand fits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_came_before_an_errand_is_written_the_same() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let all = [
            (RouteSlot(0), None),
            (RouteSlot(0), seconds(5)),
            (RouteSlot(300), seconds(5)),
            (RouteSlot(u32::MAX), Some(Duration::MAX)),
        ];
        let mut errands = Errands::new();
        // Each of them after each other one, once and several times in a row.
        let order = all.iter().flat_map(|one| all.iter().flat_map(move |other| [one, one, other]));
        for errand in order.flat_map(|it| [it; 3]).chain(&all) {
            let mut expected = [0; ERRAND_BYTES];
            let length = write(*errand, &mut expected);
            assert_eq!(errands.bytes(*errand), (expected, length), "{errand:?}");
        }
    }
}
