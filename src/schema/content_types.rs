//! Content types that say which types a body needs.

use parking_lot::Mutex;

use crate::codec::Codec;

/// What is said of bodies of certain types: a codec without names needs both sides to have the same
/// ones, so there the fingerprint goes with it.
pub(super) struct ContentTypes {
    fingerprint: Option<u64>,
    /// That of the default codec.
    bincode: Box<str>,
    /// Those of other codecs without names; as many as there are such codecs.
    others: Mutex<Vec<(Codec, &'static str)>>,
}

impl ContentTypes {
    pub(super) fn new(fingerprint: Option<u64>) -> Self {
        let bincode = content_type(Codec::Bincode, fingerprint);
        Self { fingerprint, bincode, others: Mutex::default() }
    }

    #[inline]
    pub(super) fn fingerprint(&self) -> Option<u64> {
        self.fingerprint
    }

    #[inline]
    pub(super) fn of(&'static self, codec: Codec) -> &'static str {
        match codec {
            Codec::Bincode => &self.bincode,
            codec if codec.describes_itself() => codec.content_type(),
            codec => self.of_other(codec),
        }
    }

    fn of_other(&self, codec: Codec) -> &'static str {
        let mut others = self.others.lock();
        if let Some((_, text)) = others.iter().find(|(known, _)| *known == codec) {
            return text;
        }
        let text = Box::leak(content_type(codec, self.fingerprint));
        others.push((codec, text));
        text
    }
}

/// The fingerprint that goes with a content type.
pub(crate) fn fingerprint_in(content_type: &str) -> Option<u64> {
    let mut parameters = content_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case(PARAMETER);
        u64::from_str_radix(value.trim().trim_matches('"'), 16).ok().filter(|_| is_it)
    })
}

fn content_type(codec: Codec, fingerprint: Option<u64>) -> Box<str> {
    let plain = codec.content_type();
    match fingerprint {
        Some(fingerprint) => format!("{plain}; {PARAMETER}={fingerprint:016x}").into(),
        None => plain.into(),
    }
}

/// Goes with the content types of codecs without names.
const PARAMETER: &str = "schema";
