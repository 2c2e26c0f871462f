//! PROTO-RPC envelopes as Go Micro writes them, in both its generations.
//!
//! Two blocks, each after its length as a big-endian `u32`: a protobuf header
//! `{string service_method = 1; fixed64 seq = 2; string error = 3}`, and the message.
//!
//! Pure.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{EnvelopeError, Generation, RequestEnvelope, ResponseEnvelope};

/// Writes a request; `body` must be protobuf.
///
/// ```
/// use callboard::codec::{Generation, proto_rpc};
///
/// let request = proto_rpc::encode_request(Generation::Current, "A.B", 0, b"");
/// assert_eq!(&request[..], b"\0\0\0\x05\x0a\x03A.B\0\0\0\0");
/// ```
pub fn encode_request(generation: Generation, method: &str, seq: u64, body: &[u8]) -> Bytes {
    blocks(&Header { method, seq, error: None }, generation, body)
}

/// Reads a request; its id is the sequence number.
///
/// # Errors
/// [`EnvelopeError::Block`], [`EnvelopeError::Header`].
pub fn decode_request(bytes: &Bytes) -> Result<RequestEnvelope<u64>, EnvelopeError> {
    let mut bytes = bytes.clone();
    let fields = Fields::decode(&block(&mut bytes)?)?;
    let body = block(&mut bytes)?;
    Ok(RequestEnvelope { method: fields.method, id: fields.seq, body })
}

/// Writes the response with a value.
///
/// The present generation leaves out the method, which a client of 2016 expects to read.
pub fn encode_reply(generation: Generation, method: &str, seq: u64, body: &[u8]) -> Bytes {
    blocks(&Header { method: said(generation, method), seq, error: Some("") }, generation, body)
}

/// Writes the response with an error's text.
pub fn encode_error(generation: Generation, method: &str, seq: u64, text: &str) -> Bytes {
    blocks(&Header { method: said(generation, method), seq, error: Some(text) }, generation, b"")
}

/// Reads a response; its method and number are not looked at.
///
/// # Errors
/// [`EnvelopeError::Block`], [`EnvelopeError::Header`].
pub fn decode_response(bytes: &Bytes) -> Result<ResponseEnvelope, EnvelopeError> {
    let mut bytes = bytes.clone();
    let fields = Fields::decode(&block(&mut bytes)?)?;
    let body = block(&mut bytes)?;
    let error = Some(fields.error).filter(|text| !text.is_empty());
    Ok(ResponseEnvelope { body: if error.is_none() { body } else { Bytes::new() }, error })
}

struct Header<'a> {
    method: &'a str,
    seq: u64,
    error: Option<&'a str>,
}

fn said(generation: Generation, method: &str) -> &str {
    match generation {
        Generation::Early => method,
        Generation::Current => "",
    }
}

fn blocks(header: &Header<'_>, generation: Generation, body: &[u8]) -> Bytes {
    let mut fields = BytesMut::with_capacity(header.method.len() + 32);
    // That of 2016 is proto2 with all fields set; that of today is proto3.
    let is_wanted = |is_empty: bool| generation == Generation::Early || !is_empty;
    if is_wanted(header.method.is_empty()) {
        put_string(METHOD, header.method, &mut fields);
    }
    if is_wanted(header.seq == 0) {
        fields.put_u8(SEQ << 3 | FIXED64);
        fields.put_u64_le(header.seq);
    }
    if let Some(error) = header.error.filter(|error| is_wanted(error.is_empty())) {
        put_string(ERROR, error, &mut fields);
    }
    let mut buffer = BytesMut::with_capacity(fields.len() + body.len() + 8);
    for block in [&fields[..], body] {
        // What is larger than this was refused long before.
        buffer.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
        buffer.put_slice(block);
    }
    buffer.freeze()
}

fn put_string(field: u8, text: &str, buffer: &mut BytesMut) {
    buffer.put_u8(field << 3 | DELIMITED);
    let mut length = text.len();
    while length >= 0x80 {
        buffer.put_u8(u8::try_from(length & 0x7F).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    buffer.put_u8(u8::try_from(length).unwrap_or(0));
    buffer.put_slice(text.as_bytes());
}

fn block(bytes: &mut Bytes) -> Result<Bytes, EnvelopeError> {
    let short = |announced, present| EnvelopeError::Block { announced, present };
    let length = bytes.try_get_u32().map_err(|_| short(4, bytes.len()))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > bytes.len() {
        return Err(short(length, bytes.len()));
    }
    Ok(bytes.split_to(length))
}

#[derive(Default)]
struct Fields {
    method: String,
    seq: u64,
    error: String,
}

impl Fields {
    fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (mut rest, mut fields) = (bytes, Self::default());
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            match (key >> 3, u8::try_from(key & 7).unwrap_or(u8::MAX)) {
                (1, DELIMITED) => fields.method = text(&mut rest)?,
                (2, FIXED64) => {
                    fields.seq = rest.try_get_u64_le().map_err(|_| short())?;
                }
                (3, DELIMITED) => fields.error = text(&mut rest)?,
                (_, VARINT) => drop(varint(&mut rest)?),
                (_, FIXED64) => drop(take(&mut rest, 8)?),
                (_, DELIMITED) => {
                    let length = varint(&mut rest)?;
                    take(&mut rest, length)?;
                }
                (_, FIXED32) => drop(take(&mut rest, 4)?),
                _ => return Err(EnvelopeError::Header("an unknown wire type")),
            }
        }
        Ok(fields)
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, EnvelopeError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = rest.try_get_u8().map_err(|_| short())?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(EnvelopeError::Header("a number of more than 64 bits"))
}

fn text(rest: &mut &[u8]) -> Result<String, EnvelopeError> {
    let length = varint(rest)?;
    Ok(String::from_utf8_lossy(take(rest, length)?).into_owned())
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], EnvelopeError> {
    let length = usize::try_from(length).map_err(|_| short())?;
    let (taken, left) = rest.split_at_checked(length).ok_or_else(short)?;
    *rest = left;
    Ok(taken)
}

fn short() -> EnvelopeError {
    EnvelopeError::Header("it ends inside a field")
}

const METHOD: u8 = 1;
const SEQ: u8 = 2;
const ERROR: u8 = 3;

/// Wire types of protobuf.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_missing_or_unknown_do_no_harm() {
        let empty = decode_request(&Bytes::from_static(&[0; 8])).unwrap();
        assert_eq!((&*empty.method, empty.id, empty.body.len()), ("", 0, 0));
        // Field 9 as a varint, field 10 as bytes, field 11 as 32 bits, then the method.
        let fields = b"\x48\x07\x52\x01x\x5d\0\0\0\0\x0a\x03A.B";
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(fields.len()).unwrap());
        bytes.put_slice(fields);
        bytes.put_u32(0);
        assert_eq!(decode_request(&bytes.freeze()).unwrap().method, "A.B");
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        for bytes in [b"".as_slice(), b"\0\0", b"\0\0\0\x01", b"\0\0\0\0", b"\xff\xff\xff\xffx"] {
            let error = decode_request(&Bytes::from_static(bytes)).unwrap_err();
            assert!(matches!(error, EnvelopeError::Block { .. }), "{bytes:?}: {error}");
        }
        for header in [b"\0\0\0\x01\x0a\0\0\0\0".as_slice(), b"\0\0\0\x02\x0a\x09\0\0\0\0"] {
            let error = decode_request(&Bytes::from_static(header)).unwrap_err();
            assert!(matches!(error, EnvelopeError::Header(_)), "{header:?}: {error}");
        }
    }

    #[test]
    fn a_long_text_has_a_long_length() {
        for generation in [Generation::Early, Generation::Current] {
            let text = "x".repeat(20_000);
            let bytes = encode_error(generation, "A.B", 7, &text);
            assert_eq!(decode_response(&bytes).unwrap().error, Some(text));
        }
    }
}
