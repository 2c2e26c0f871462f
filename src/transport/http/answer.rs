//! An answer, and how it is written.
//!
//! Pure.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::Full;
use hyper::header::{CONNECTION, DATE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// What a client is told; 200 unless it says otherwise.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Each name once. So few are found sooner in a list than in a map.
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    pub(super) fn new(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, fields: Vec::new(), body: body.into() }
    }

    /// Sets a header, whatever it was before.
    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.fields.iter_mut().find(|(it, _)| *it == name) {
            Some((_, before)) => *before = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Says that the connection ends behind this.
    pub(super) fn close(&mut self) {
        self.set(CONNECTION, HeaderValue::from_static("close"));
    }

    /// Whether the connection ends behind this.
    pub(super) fn is_last(&self) -> bool {
        self.has(&CONNECTION)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// For the HTTP library to write.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.fields);
        response
    }

    /// Byte for byte what the HTTP library writes; a long body stands alone.
    pub(super) fn into_bytes(self, date: &str) -> (BytesMut, Bytes) {
        let is_short = self.body.len() <= SHORT;
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let room = FIXED + fields.sum::<usize>() + if is_short { self.body.len() } else { 0 };
        let mut head = BytesMut::with_capacity(room);
        if self.status == StatusCode::OK {
            head.put_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            let reason = self.status.canonical_reason().unwrap_or("<none>");
            for part in ["HTTP/1.1 ", self.status.as_str(), " ", reason, "\r\n"] {
                head.put_slice(part.as_bytes());
            }
        }
        for (name, value) in &self.fields {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.put_slice(part);
            }
        }
        head.put_slice(b"content-length: ");
        put_number(&mut head, self.body.len());
        if !self.has(&DATE) {
            head.put_slice(b"\r\ndate: ");
            head.put_slice(date.as_bytes());
        }
        head.put_slice(b"\r\n\r\n");
        if is_short {
            head.put_slice(&self.body);
            return (head, Bytes::new());
        }
        (head, self.body)
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|(it, _)| it == name)
    }
}

fn put_number(head: &mut BytesMut, number: usize) {
    if number >= 10 {
        put_number(head, number / 10);
    }
    head.put_u8(DIGITS[number % 10]);
}

const DIGITS: &[u8; 10] = b"0123456789";

/// Bytes that a head has besides its fields, at most.
const FIXED: usize = 128;

/// Bytes of a body that are copied behind its head; more is written from where it is.
const SHORT: usize = 4 * 1024;
