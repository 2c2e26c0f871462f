//! HTTP/1.1 messages, as Go writes them.
//!
//! Pure.

use bytes::{BufMut, BytesMut};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};

use super::LINE_END;

/// Appends a message; `start` is its first line, without the line's end.
///
/// Headers that frame a message are left out: its length does.
pub(in crate::transport) fn encode<'a>(
    buffer: &mut BytesMut,
    start: &str,
    fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    body: &[u8],
) {
    let length = body.len();
    buffer.reserve(start.len() + fields.size_hint().0 * 48 + length + 64);
    buffer.put_slice(format!("{start}\r\nContent-Length: {length}\r\n").as_bytes());
    for (name, value) in fields {
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            buffer.put_slice(canonical(name.as_str()).as_bytes());
            buffer.put_slice(b": ");
            buffer.put_slice(value.as_bytes());
            buffer.put_slice(LINE_END);
        }
    }
    buffer.put_slice(LINE_END);
    buffer.put_slice(body);
}

/// The form in which Go writes a header's name: `x-trace-id` is `X-Trace-Id`.
pub(in crate::transport) fn canonical(name: &str) -> String {
    let mut canonical = name.to_owned();
    let behind = name.match_indices('-').map(|(at, _)| at + 1);
    for at in std::iter::once(0).chain(behind) {
        if let Some(letter) = canonical.get_mut(at..=at) {
            letter.make_ascii_uppercase();
        }
    }
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_go_writes_them() {
        for (name, expected) in [
            ("userid", "Userid"),
            ("lower_case_key", "Lower_case_key"),
            ("x-trace-id", "X-Trace-Id"),
        ] {
            assert_eq!(canonical(name), expected);
        }
    }
}
