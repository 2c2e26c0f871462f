//! `application/x-bincode`: bincode 2.

mod deserializer;
#[cfg(test)]
mod properties;
mod unread;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::{SizeWriter, Writer};
use bincode::error::EncodeError;
use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::deserializer::Position;

pub(super) fn encode<T: Serialize>(value: &T, buffer: &mut BytesMut) -> Result<(), String> {
    bincode::serde::encode_into_writer(value, Append(buffer), BINCODE)
        .map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut position = Position::new(body);
    let value = T::deserialize(&mut position).map_err(|error| error.to_string())?;
    match position.unread() {
        0 => Ok(value),
        unread => Err(format!("{unread} bytes too many")),
    }
}

/// How many bytes a value takes, at least one of memory for what cannot be encoded.
pub(crate) fn length<T: Serialize>(value: &T) -> usize {
    let mut count = SizeWriter::default();
    match bincode::serde::encode_into_writer(value, &mut count, BINCODE) {
        Ok(()) => count.bytes_written,
        Err(_) => size_of::<T>().max(1),
    }
}

/// Bytes a decoded body may take at most: 64 MiB, more than any frame.
pub const BODY_MOST: usize = 64 * 1024 * 1024;

const BINCODE: Config = bincode::config::standard().with_limit::<BODY_MOST>();

type Config = Configuration<LittleEndian, Varint, Limit<BODY_MOST>>;

/// Lets bincode write into a buffer that grows.
struct Append<'a>(&'a mut BytesMut);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
