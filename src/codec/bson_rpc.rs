//! BSON-RPC envelopes, as a plugin of Go Micro writes them in both its generations.
//!
//! Two documents: a header `{ServiceMethod, Seq, Error}`, and the message. `Seq` is a number in 2016
//! and a text today, and is repeated as it came. Services must know the codec `application/bson`.
//!
//! The plugin writes with the BSON of Vitess: texts as binary, and unsigned integers as a type of
//! their own (`3F`). Both are read, here and by that codec; what is written is plain BSON, which
//! Vitess reads too, but for unsigned integers of 32 bits. Names of fields are those of Go's structs,
//! capital letter first.
//!
//! Pure.

use bytes::{BufMut, Bytes, BytesMut};

use super::document::{BINARY, Element, SIGNED, TEXT, elements, length};
use super::{EnvelopeError, RequestEnvelope, ResponseEnvelope};

/// What numbers a request, as it was sent.
///
/// ```
/// use callboard::codec::bson_rpc::Seq;
///
/// assert_ne!(Seq::from(7), Seq::default());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seq {
    kind: u8,
    value: Bytes,
}

impl Default for Seq {
    fn default() -> Self {
        Self::from(0)
    }
}

impl From<i64> for Seq {
    fn from(number: i64) -> Self {
        Self { kind: SIGNED, value: Bytes::copy_from_slice(&number.to_le_bytes()) }
    }
}

/// A text, as the plugin of today numbers requests.
impl From<&str> for Seq {
    fn from(text: &str) -> Self {
        let mut value = BytesMut::new();
        put_characters(text, &mut value);
        Self { kind: TEXT, value: value.freeze() }
    }
}

/// Writes a request; `body` must be a BSON document.
///
/// ```
/// use callboard::codec::bson_rpc::{Seq, encode_request};
///
/// let request = encode_request("A.B", &Seq::from(0), b"\x05\0\0\0\0");
/// assert!(request.ends_with(b"\x12Seq\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0"));
/// ```
pub fn encode_request(method: &str, seq: &Seq, body: &[u8]) -> Bytes {
    documents(method, seq, None, body)
}

/// Reads a request.
///
/// # Errors
/// [`EnvelopeError::Document`].
pub fn decode_request(bytes: &Bytes) -> Result<RequestEnvelope<Seq>, EnvelopeError> {
    let (header, body) = split(bytes)?;
    let Header { method, seq, .. } = Header::decode(&header)?;
    Ok(RequestEnvelope { method, id: seq, body })
}

/// Writes the response with a value, which must be a BSON document.
pub fn encode_reply(method: &str, seq: &Seq, body: &[u8]) -> Bytes {
    documents(method, seq, Some(""), body)
}

/// Writes the response with an error's text; its message is an empty document.
pub fn encode_error(method: &str, seq: &Seq, text: &str) -> Bytes {
    documents(method, seq, Some(text), EMPTY)
}

/// Reads a response; its method and number are not looked at.
///
/// # Errors
/// [`EnvelopeError::Document`].
pub fn decode_response(bytes: &Bytes) -> Result<ResponseEnvelope, EnvelopeError> {
    let (header, body) = split(bytes)?;
    let error = Some(Header::decode(&header)?.error).filter(|text| !text.is_empty());
    Ok(ResponseEnvelope { body: if error.is_none() { body } else { Bytes::new() }, error })
}

/// Takes the two documents apart; whether the second one is in order is left to the codec.
fn split(bytes: &Bytes) -> Result<(Bytes, Bytes), EnvelopeError> {
    let end = length(bytes).filter(|end| *end <= bytes.len());
    let end = end.ok_or(EnvelopeError::Document("it has no header"))?;
    if end == bytes.len() {
        return Err(EnvelopeError::Document("nothing follows the header"));
    }
    Ok((bytes.slice(..end), bytes.slice(end..)))
}

#[derive(Default)]
struct Header {
    method: String,
    seq: Seq,
    error: String,
}

impl Header {
    fn decode(document: &Bytes) -> Result<Self, EnvelopeError> {
        let elements =
            elements(document).ok_or(EnvelopeError::Document("the header is not a document"))?;
        let mut header = Self::default();
        for element in elements {
            match element.name {
                b"ServiceMethod" => header.method = text(element)?,
                b"Error" => header.error = text(element)?,
                b"Seq" => {
                    let value = document.slice_ref(element.value);
                    header.seq = Seq { kind: element.kind, value };
                }
                _ => {}
            }
        }
        Ok(header)
    }
}

/// A text, which Vitess writes as binary.
fn text(element: Element<'_>) -> Result<String, EnvelopeError> {
    let Element { kind, value, .. } = element;
    let bytes = match kind {
        TEXT => value.get(4..).and_then(|text| text.strip_suffix(b"\0")),
        BINARY => value.get(5..),
        NULL => Some(&[][..]),
        _ => None,
    };
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.map(str::to_owned).ok_or(EnvelopeError::Document("a text of the header is none"))
}

fn documents(method: &str, seq: &Seq, error: Option<&str>, body: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(method.len() + body.len() + 64);
    buffer.put_i32_le(0);
    put_text("ServiceMethod", method, &mut buffer);
    buffer.put_u8(seq.kind);
    buffer.put_slice(b"Seq\0");
    buffer.put_slice(&seq.value);
    if let Some(error) = error {
        put_text("Error", error, &mut buffer);
    }
    buffer.put_u8(0);
    let length = buffer.len();
    buffer[..4].copy_from_slice(&as_length(length).to_le_bytes());
    buffer.put_slice(body);
    buffer.freeze()
}

fn put_text(name: &str, text: &str, buffer: &mut BytesMut) {
    buffer.put_u8(TEXT);
    buffer.put_slice(name.as_bytes());
    buffer.put_u8(0);
    put_characters(text, buffer);
}

fn put_characters(text: &str, buffer: &mut BytesMut) {
    buffer.put_i32_le(as_length(text.len() + 1));
    buffer.put_slice(text.as_bytes());
    buffer.put_u8(0);
}

/// What is larger than this was refused long before.
fn as_length(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// A document without elements.
const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

const NULL: u8 = 0x0A;

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as the plugin of 2016 writes it.
    const EARLY: &[u8] = b"\x35\0\0\0\
        \x05ServiceMethod\0\x0d\0\0\0\0Greeter.Hello\
        \x3FSeq\0\x07\0\0\0\0\0\0\0\0";

    /// As that of today does.
    const CURRENT: &[u8] = b"\x33\0\0\0\
        \x05ServiceMethod\0\x0d\0\0\0\0Greeter.Hello\
        \x05Seq\0\x01\0\0\0\x00\x37\0";

    fn request(header: &[u8], body: &[u8]) -> Bytes {
        let mut header = header.to_vec();
        header[0] = u8::try_from(header.len()).unwrap();
        Bytes::from([&header, body].concat())
    }

    #[test]
    fn what_the_plugin_writes_is_read_and_its_number_comes_back() {
        for header in [EARLY, CURRENT] {
            let request = decode_request(&request(header, EMPTY)).unwrap();
            assert_eq!((&*request.method, &request.body[..]), ("Greeter.Hello", EMPTY));
            let reply = encode_reply("Greeter.Hello", &request.id, EMPTY);
            let seq = &header[header.iter().rposition(|byte| *byte == b'S').unwrap() - 1..];
            let seq = &seq[..seq.len() - 1];
            assert!(reply.windows(seq.len()).any(|window| window == seq), "{reply:?}");
        }
    }

    #[test]
    fn envelopes_come_back() {
        let body = b"\x0c\0\0\0\x10a\0\x01\0\0\0\0";
        let request = decode_request(&encode_request("A.B", &Seq::from(9), body)).unwrap();
        assert_eq!((&*request.method, &request.id), ("A.B", &Seq::from(9)));
        assert_eq!(&request.body[..], body);
        let reply = decode_response(&encode_reply("A.B", &request.id, body)).unwrap();
        assert_eq!((reply.error, &reply.body[..]), (None, &body[..]));
        let error = decode_response(&encode_error("A.B", &request.id, "nö")).unwrap();
        assert_eq!((error.error.as_deref(), error.body.len()), (Some("nö"), 0));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let header = request(EARLY, b"");
        for bytes in [
            b"".as_slice(),
            b"\x05\0\0\0",
            &header,
            &header[..20],
            b"\x0c\0\0\0\x10ServiceMe\0\x01\0\0\0\0\x05\0\0\0\0",
            b"\x1a\0\0\0\x10ServiceMethod\0\x01\0\0\0\0\x05\0\0\0\0",
            b"\xff\xff\xff\xff\0",
        ] {
            let error = decode_request(&Bytes::copy_from_slice(bytes));
            assert!(matches!(error, Err(EnvelopeError::Document(_))), "{bytes:?}: {error:?}");
        }
    }
}
