//! `application/x-postcard`: postcard, compact like bincode.

use erased_serde::{Deserializer, Error, Serialize};

use super::{Codec, Format};

/// The codec `application/x-postcard`; both sides must agree on the types.
pub const POSTCARD: Codec = Codec::custom(&Postcard);

struct Postcard;

impl Format for Postcard {
    fn content_type(&self) -> &'static str {
        "application/x-postcard"
    }

    fn encode(&self, value: &dyn Serialize, buffer: &mut Vec<u8>) -> Result<(), String> {
        *buffer = postcard::to_extend(value, std::mem::take(buffer))
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        let mut deserializer = postcard::Deserializer::from_bytes(body);
        read(&mut <dyn Deserializer<'_>>::erase(&mut deserializer))
            .map_err(|error| error.to_string())?;
        let rest = deserializer.finalize().map_err(|error| error.to_string())?;
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", rest.len())) }
    }
}
