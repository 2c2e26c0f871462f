//! The bytes of a body that have not been read yet. Pure.

use bincode::de::read::{BorrowReader, Reader};
use bincode::error::DecodeError;

/// Gives away a body from its front, by reference where that is possible.
pub(super) struct Unread<'de>(pub(super) &'de [u8]);

impl Reader for Unread<'_> {
    #[inline]
    fn read(&mut self, room: &mut [u8]) -> Result<(), DecodeError> {
        room.copy_from_slice(self.take_bytes(room.len())?);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, length: usize) -> Option<&[u8]> {
        self.0.get(..length)
    }

    #[inline]
    fn consume(&mut self, length: usize) {
        self.0 = self.0.get(length..).unwrap_or_default();
    }
}

impl<'de> BorrowReader<'de> for Unread<'de> {
    #[inline]
    fn take_bytes(&mut self, length: usize) -> Result<&'de [u8], DecodeError> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return Err(DecodeError::UnexpectedEnd { additional: length - self.0.len() });
        };
        self.0 = rest;
        Ok(taken)
    }
}
