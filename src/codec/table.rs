//! The codecs of a system, by their content types.

use std::sync::Arc;

use callboard_actors::broker::ContentTypes;
use callboard_actors::registry::NodeInfo;

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

    /// What a node's record tells of them: their content types and further names, with commas
    /// between them; nothing if that is too long.
    pub(crate) fn label(&self) -> Option<String> {
        let mut names = Vec::new();
        for codec in &*self.all {
            for name in [&codec.content_type()].into_iter().chain(codec.aliases()) {
                if !names.contains(name) {
                    names.push(*name);
                }
            }
        }
        let is_plain = |name: &&str| !name.contains([',', ';']) && !name.trim().is_empty();
        let label = names.iter().copied().filter(is_plain).collect::<Vec<_>>().join(",");
        // What is told in part would be taken for the whole.
        let fits = label.len() <= LABEL_MOST && names.len() <= NodeInfo::CODECS_MOST;
        fits.then_some(label)
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

/// Bytes of the label at most.
const LABEL_MOST: usize = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Format;
    use crate::codec::erased_serde::{Deserializer, Error, Serialize};

    struct Named(&'static str);

    impl Format for Named {
        fn content_type(&self) -> &'static str {
            self.0
        }

        fn encode(&self, _: &dyn Serialize, _: &mut Vec<u8>) -> Result<(), String> {
            Err("it encodes nothing".to_owned())
        }

        fn decode(
            &self,
            _: &[u8],
            _: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
        ) -> Result<(), String> {
            Err("it decodes nothing".to_owned())
        }
    }

    fn label(name: &'static str) -> Option<String> {
        Codecs::with(&[Codec::custom(Box::leak(Box::new(Named(name))))]).label()
    }

    #[test]
    fn the_label_names_each_codec_once_and_under_each_of_its_names() {
        let label = label("application/json").unwrap();
        assert!(label.starts_with("application/json,application/x-bincode,"), "{label}");
        assert_eq!(label.matches("application/json").count(), 1);
        assert!(label.contains(",application/protobuf,application/x-protobuf"), "{label}");
    }

    #[test]
    fn what_would_not_fit_or_be_understood_is_not_told() {
        assert_eq!(label("x".repeat(1024).leak()), None);
        assert!(!label("one,two").unwrap().contains("two"));
    }
}
