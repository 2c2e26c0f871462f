//! `application/msgpack`, with structs as maps from names.

use erased_serde::{Deserializer, Error, Serialize};

use super::depth::DEPTH_MOST;
use super::{Codec, Format};

/// The codec `application/msgpack`.
///
/// Structs are maps from field names, so both sides may have fields that the other does not know.
pub const MSGPACK: Codec = Codec::custom(&MessagePack);

struct MessagePack;

impl Format for MessagePack {
    fn content_type(&self) -> &'static str {
        "application/msgpack"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["application/vnd.msgpack", "application/x-msgpack"]
    }

    fn describes_itself(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn Serialize, buffer: &mut Vec<u8>) -> Result<(), String> {
        let mut serializer = rmp_serde::Serializer::new(buffer).with_struct_map();
        let mut serializer = <dyn erased_serde::Serializer>::erase(&mut serializer);
        value.erased_serialize(&mut serializer).map_err(|error| error.to_string())
    }

    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        let mut rest = body;
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
        deserializer.set_max_depth(DEPTH_MOST);
        read(&mut <dyn Deserializer<'_>>::erase(&mut deserializer))
            .map_err(|error| error.to_string())?;
        drop(deserializer);
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", rest.len())) }
    }
}
