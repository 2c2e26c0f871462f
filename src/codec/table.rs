//! The codecs of a system, by their content types.

use std::sync::Arc;

use callboard_actors::broker::ContentTypes;

use super::{Codec, MediaType};
use crate::schema::fingerprint_in;

/// The codecs that a system knows; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Codecs {
    all: Arc<[Codec]>,
}

impl Default for Codecs {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Codecs {
    /// Those that are compiled in, and others, which come first.
    pub(crate) fn with(others: &[Codec]) -> Self {
        let all = others.iter().chain(BUILT_IN).copied();
        Self { all: all.collect() }
    }

    /// The codec of a content type, and its number.
    pub(crate) fn find(&self, content_type: &str) -> Option<(u16, Codec)> {
        // As callboard's own nodes write it.
        let exact = self.all.iter().position(|codec| codec.content_type() == content_type);
        let index = exact.or_else(|| {
            let media_type = MediaType::parse(content_type).ok()?;
            let essence = media_type.essence();
            self.all.iter().position(|codec| {
                codec.content_type() == essence || codec.aliases().contains(&essence)
            })
        })?;
        Some((u16::try_from(index).ok()?, self.all[index]))
    }

    /// The codec of a number.
    pub(crate) fn at(&self, number: u16) -> Codec {
        self.all.get(usize::from(number)).copied().unwrap_or_default()
    }
}

impl ContentTypes for Codecs {
    fn find(&self, content_type: &str) -> Option<u16> {
        Self::find(self, content_type).map(|(number, _)| number)
    }

    fn name(&self, number: u16) -> &'static str {
        self.at(number).content_type()
    }

    fn types(&self, content_type: &str) -> Option<u64> {
        let (_, codec) = Self::find(self, content_type)?;
        fingerprint_in(content_type).filter(|_| !codec.describes_itself())
    }
}

const BUILT_IN: &[Codec] = &[
    Codec::Bincode,
    Codec::Json,
    Codec::Protobuf,
    #[cfg(feature = "msgpack")]
    super::msgpack::MSGPACK,
    #[cfg(feature = "bson")]
    super::bson::BSON,
    #[cfg(feature = "postcard")]
    super::postcard::POSTCARD,
];
