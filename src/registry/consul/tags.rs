//! How Go Micro hides records in Consul's tags.
//!
//! A tag is a kind, a dash, and the hexadecimal digits of zlib-compressed JSON: `t-…` for a label,
//! `e-…` for an endpoint, `v-…` for the version (which is bare text). Older nodes write `t=`, `e=`
//! and `v=` and the JSON as it is; both are read, and each kind in the form of its first tag.
//!
//! Pure.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// The tags of one node, which stay within what is read.
#[derive(Default)]
pub(super) struct Tags {
    all: Vec<String>,
    text: usize,
    compressed: usize,
}

impl Tags {
    pub(super) fn add(&mut self, kind: char, payload: &str) {
        let tag = encode(kind, payload);
        self.text += payload.len();
        self.compressed += (tag.len() - PREFIX) / 2;
        self.all.push(tag);
    }

    /// # Errors
    /// There is more than a reader takes.
    pub(super) fn finish(self) -> Result<Vec<String>, String> {
        let Self { all, text, compressed } = self;
        if text > MOST || compressed > COMPRESSED_MOST {
            return Err(format!(
                "it takes {text} bytes and {compressed} compressed; at most {MOST} and \
                 {COMPRESSED_MOST} are read"
            ));
        }
        Ok(all)
    }
}

/// Writes a tag.
pub(super) fn encode(kind: char, payload: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail; what comes out if it did is no valid tag.
    let bytes = encoder.write_all(payload.as_bytes()).and_then(|()| encoder.finish());
    let mut tag = String::from(kind);
    tag.push('-');
    for byte in bytes.unwrap_or_default() {
        tag.push(digit(byte >> 4));
        tag.push(digit(byte & 0xF));
    }
    tag
}

/// Reads all tags of a kind; what cannot be read, or is too large, is left out.
pub(super) fn decode<'a>(
    kind: char,
    tags: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = String> {
    let mut form = None;
    let mut left = MOST;
    tags.into_iter().filter_map(move |tag| {
        let mut letters = tag.chars();
        let (found, mark) = (letters.next()?, letters.next()?);
        if found != kind || !matches!(mark, '-' | '=') || *form.get_or_insert(mark) != mark {
            return None;
        }
        let payload = letters.as_str();
        let text = if mark == '=' { Some(payload.to_owned()) } else { inflate(payload, left) }?;
        left = left.checked_sub(text.len())?;
        Some(text)
    })
}

fn inflate(digits: &str, most: usize) -> Option<String> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes: Vec<u8> = pairs
        .iter()
        .map(|pair| {
            let value = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(value(pair[0])? << 4 | value(pair[1])?).ok()
        })
        .collect::<Option<_>>()?;
    let mut text = String::new();
    // One more than allowed, to see whether there is more.
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(&bytes[..]).take(limit).read_to_string(&mut text).ok()?;
    (text.len() <= most).then_some(text)
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

/// The kind and the dash.
const PREFIX: usize = 2;

/// Bytes of one node's tags as they are stored, before they become digits.
const COMPRESSED_MOST: usize = 64 * 1024;

/// Bytes that the tags of one node may become, so that a small record cannot fill the memory.
const MOST: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: char, tags: &[&str]) -> Vec<String> {
        decode(kind, tags.iter().copied()).collect()
    }

    #[test]
    fn go_micros_own_tag_is_read() {
        let version = "v-789c32d433d03300040000ffff02ce00ee";
        assert_eq!(all('v', &[version, "t-00"]), ["1.0.0"]);
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["1.0.0", "", "{\"schön\":\"✓\"}"] {
            assert_eq!(all('t', &[&encode('t', text)]), [text]);
        }
    }

    #[test]
    fn the_first_tag_of_a_kind_decides_its_form() {
        let packed = encode('t', "{}");
        assert_eq!(all('t', &["t={\"a\":\"b\"}", &packed]), ["{\"a\":\"b\"}"]);
        assert_eq!(all('t', &[&packed, "t={\"a\":\"b\"}"]), ["{}"]);
    }

    #[test]
    fn tags_of_others_and_broken_ones_are_left_out() {
        for tag in ["", "t", "t-", "t-7", "t-zz", "t-00", "tag", "ü", "urlprefix-/x"] {
            assert_eq!(all('t', &[tag]), [""; 0], "{tag:?}");
        }
    }

    #[test]
    fn a_small_tag_cannot_become_a_large_record() {
        let bomb = encode('t', &"x".repeat(MOST + 1));
        assert!(bomb.len() < 2_000, "{}", bomb.len());
        assert_eq!(all('t', &[&bomb]), [""; 0]);
        let half = encode('t', &"x".repeat(MOST / 2));
        assert_eq!(all('t', &[&half, &half, &half]).len(), 2);
    }
}
