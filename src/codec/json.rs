//! `application/json`.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::depth;

pub(super) fn encode<T: Serialize>(value: &T, buffer: &mut BytesMut) -> Result<(), String> {
    serde_json::to_writer(buffer.writer(), value).map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    depth::check_json(body)?;
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
