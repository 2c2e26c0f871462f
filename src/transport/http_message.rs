//! HTTP/1.1 messages by hand, for connections on which both sides send as they like.
//!
//! A stream of Go Micro is many requests one way and many responses the other, without the one
//! belonging to the other. An HTTP library looks for pairs and finds none.
//!
//! Source: RFC 9112.

mod write;

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use httparse::Status;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use tokio::io::{AsyncRead, AsyncReadExt};

pub(super) use self::write::{canonical, encode};

/// A message that has arrived whole.
#[derive(Debug)]
pub(super) struct HttpMessage {
    /// Of a response; a request has none.
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What arrives on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of which neither method nor path matter.
    Requests,
    Responses,
}

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("not an HTTP message: {0}")]
    Malformed(String),
    #[error("the head of a message exceeds {HEAD_MOST} bytes")]
    Head,
    #[error("the body of a message exceeds {0} bytes")]
    Body(usize),
    #[error("the connection ended inside a message")]
    Cut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes messages out of what arrives.
#[derive(Debug)]
pub(super) struct MessageReader {
    kind: Kind,
    max_body: usize,
    buffer: BytesMut,
    /// Of the message whose head has been read.
    head: Option<(Option<StatusCode>, HeaderMap, Framing)>,
}

/// How the end of a body is found.
#[derive(Debug)]
enum Framing {
    Sized(usize),
    Chunked { body: BytesMut, next: Chunk },
}

#[derive(Debug, Clone, Copy)]
enum Chunk {
    Size,
    Data(usize),
    Trailers,
}

impl MessageReader {
    /// Begins with what has been read before.
    pub(super) fn new(kind: Kind, max_body: usize, begun: &[u8]) -> Self {
        Self { kind, max_body, buffer: BytesMut::from(begun), head: None }
    }

    /// Whether a part of a message has arrived.
    pub(super) fn has_begun(&self) -> bool {
        !self.buffer.is_empty() || self.head.is_some()
    }

    /// Resolves to the next message; none when the peer has ended the connection behind one.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HttpMessage>, MessageError>> {
        loop {
            if let Some(message) = self.decode()? {
                return Poll::Ready(Ok(Some(message)));
            }
            self.buffer.reserve(READ_LEAST);
            if ready!(pin!(stream.read_buf(&mut self.buffer)).poll(cx))? == 0 {
                let end = if self.has_begun() { Err(MessageError::Cut) } else { Ok(None) };
                return Poll::Ready(end);
            }
        }
    }

    fn decode(&mut self) -> Result<Option<HttpMessage>, MessageError> {
        if self.head.is_none() {
            self.head = decode_head(self.kind, &mut self.buffer, self.max_body)?;
        }
        let Some((.., framing)) = &mut self.head else { return Ok(None) };
        let body = match framing {
            Framing::Sized(length) if self.buffer.len() < *length => return Ok(None),
            Framing::Sized(length) => self.buffer.split_to(*length).freeze(),
            Framing::Chunked { body, next } => {
                if !decode_chunks(&mut self.buffer, body, next, self.max_body)? {
                    return Ok(None);
                }
                std::mem::take(body).freeze()
            }
        };
        let message =
            self.head.take().map(|(status, headers, _)| HttpMessage { status, headers, body });
        Ok(message)
    }
}

type Head = (Option<StatusCode>, HeaderMap, Framing);

fn decode_head(
    kind: Kind,
    buffer: &mut BytesMut,
    max_body: usize,
) -> Result<Option<Head>, MessageError> {
    loop {
        let mut found = [httparse::EMPTY_HEADER; HEADERS_MOST];
        let (parsed, code, found) = match kind {
            Kind::Requests => {
                let mut request = httparse::Request::new(&mut found);
                (request.parse(buffer), None, &*request.headers)
            }
            Kind::Responses => {
                let mut response = httparse::Response::new(&mut found);
                (response.parse(buffer), response.code, &*response.headers)
            }
        };
        let Status::Complete(length) = parsed.map_err(|error| malformed(&error))? else {
            return if buffer.len() > HEAD_MOST { Err(MessageError::Head) } else { Ok(None) };
        };
        let mut headers = HeaderMap::with_capacity(found.len());
        for header in found {
            let (name, value) = field(header).map_err(|error| malformed(&error))?;
            headers.append(name, value);
        }
        buffer.advance(length);
        let status = code.map(StatusCode::from_u16).transpose().map_err(|it| malformed(&it))?;
        // Something in between, say 100 Continue; the message itself follows.
        if status.is_some_and(|status| status.is_informational()) {
            continue;
        }
        let framing = framing(kind, &headers, max_body)?;
        return Ok(Some((status, headers, framing)));
    }
}

/// A header as it was found.
///
/// # Errors
/// Its name or its value is none.
pub(super) fn field(
    header: &httparse::Header<'_>,
) -> Result<(HeaderName, HeaderValue), hyper::http::Error> {
    Ok((HeaderName::try_from(header.name)?, HeaderValue::try_from(header.value)?))
}

/// The length that a header `Content-Length` tells, if it is digits and nothing else.
pub(super) fn length(value: &[u8]) -> Option<usize> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| usize::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn framing(kind: Kind, headers: &HeaderMap, max_body: usize) -> Result<Framing, MessageError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next().map(|value| length(value.as_bytes()).ok_or(()));
    let coding = headers.get(TRANSFER_ENCODING);
    match (length, coding) {
        (Some(Ok(length)), None) if lengths.next().is_none() => {
            if length > max_body {
                Err(MessageError::Body(max_body))
            } else {
                Ok(Framing::Sized(length))
            }
        }
        (None, Some(coding)) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked { body: BytesMut::new(), next: Chunk::Size })
        }
        (None, None) if kind == Kind::Requests => Ok(Framing::Sized(0)),
        _ => Err(MessageError::Malformed("it does not say where its body ends".into())),
    }
}

/// Goes on with a body in chunks; whether it is complete.
fn decode_chunks(
    buffer: &mut BytesMut,
    body: &mut BytesMut,
    next: &mut Chunk,
    max_body: usize,
) -> Result<bool, MessageError> {
    loop {
        match *next {
            Chunk::Size => {
                let parsed = httparse::parse_chunk_size(buffer);
                let parsed = parsed.map_err(|_| MessageError::Malformed("a chunk".into()))?;
                let Status::Complete((length, size)) = parsed else {
                    return if buffer.len() > HEAD_MOST {
                        Err(MessageError::Head)
                    } else {
                        Ok(false)
                    };
                };
                buffer.advance(length);
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > max_body - body.len() {
                    return Err(MessageError::Body(max_body));
                }
                *next = if size == 0 { Chunk::Trailers } else { Chunk::Data(size) };
            }
            Chunk::Data(size) if buffer.len() < size + LINE_END.len() => return Ok(false),
            Chunk::Data(size) => {
                body.unsplit(buffer.split_to(size));
                if !buffer.starts_with(LINE_END) {
                    return Err(MessageError::Malformed("a chunk".into()));
                }
                buffer.advance(LINE_END.len());
                *next = Chunk::Size;
            }
            Chunk::Trailers => {
                let mut trailers = [httparse::EMPTY_HEADER; HEADERS_MOST];
                let parsed = httparse::parse_headers(buffer, &mut trailers);
                let Status::Complete((length, _)) = parsed.map_err(|error| malformed(&error))?
                else {
                    return if buffer.len() > HEAD_MOST {
                        Err(MessageError::Head)
                    } else {
                        Ok(false)
                    };
                };
                buffer.advance(length);
                return Ok(true);
            }
        }
    }
}

fn malformed(error: &impl ToString) -> MessageError {
    MessageError::Malformed(error.to_string())
}

const LINE_END: &[u8] = b"\r\n";

/// Bytes and lines that the head of a message may take; a peer of Go Micro echoes the request's.
const HEAD_MOST: usize = 64 * 1024;
const HEADERS_MOST: usize = 256;

/// Room for a read.
const READ_LEAST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_all(kind: Kind, bytes: &[u8]) -> Result<Vec<HttpMessage>, MessageError> {
        let mut reader = MessageReader::new(kind, 100, bytes);
        std::iter::from_fn(|| reader.decode().transpose()).collect()
    }

    #[test]
    fn messages_follow_each_other_however_they_are_cut() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\none\
                      POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                      2;x=y\r\ntw\r\n1\r\no\r\n0\r\nTrailer: 1\r\n\r\n\
                      POST / HTTP/1.1\r\nHost: x\r\n\r\n";
        for cut in 0..bytes.len() {
            let (begin, rest) = bytes.split_at(cut);
            let mut reader = MessageReader::new(Kind::Requests, 100, begin);
            let mut bodies = Vec::new();
            while let Some(message) = reader.decode().unwrap() {
                bodies.push(message.body);
            }
            reader.buffer.extend_from_slice(rest);
            while let Some(message) = reader.decode().unwrap() {
                bodies.push(message.body);
            }
            assert_eq!(bodies, ["one", "two", ""], "cut at {cut}");
            assert!(!reader.has_begun());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert("micro-error", HeaderValue::from_static("EOS"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("7"));
        let mut buffer = BytesMut::new();
        encode(&mut buffer, "HTTP/1.1 200 OK", headers.iter(), b"body");
        assert_eq!(buffer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nMicro-Error: EOS\r\n\r\nbody");
        let messages = decode_all(Kind::Responses, &buffer).unwrap();
        assert_eq!(messages[0].status, Some(StatusCode::OK));
        assert_eq!(messages[0].headers["micro-error"], "EOS");
        assert_eq!(messages[0].body, "body");
    }

    #[test]
    fn what_says_its_end_twice_or_not_at_all_is_refused() {
        for head in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length: +1",
            "Transfer-Encoding: gzip",
        ] {
            let bytes = format!("POST / HTTP/1.1\r\n{head}\r\n\r\nx");
            let error = decode_all(Kind::Requests, bytes.as_bytes()).unwrap_err();
            assert!(matches!(error, MessageError::Malformed(_)), "{head}: {error}");
        }
        let endless = decode_all(Kind::Responses, b"HTTP/1.1 200 OK\r\n\r\nx").unwrap_err();
        assert!(matches!(endless, MessageError::Malformed(_)), "{endless}");
    }

    #[test]
    fn limits_hold_before_anything_is_waited_for() {
        let sized = decode_all(Kind::Requests, b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n");
        assert!(matches!(sized.unwrap_err(), MessageError::Body(100)));
        let chunks = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                       ffffffffffffffff\r\n";
        assert!(matches!(decode_all(Kind::Requests, chunks).unwrap_err(), MessageError::Body(100)));
        let endless = vec![b'x'; HEAD_MOST + 1];
        assert!(matches!(decode_all(Kind::Requests, &endless).unwrap_err(), MessageError::Head));
    }

    #[test]
    fn what_comes_in_between_is_passed_over() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let messages = decode_all(Kind::Responses, bytes).unwrap();
        assert_eq!(messages.len(), 1);
    }
}
