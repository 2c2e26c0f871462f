//! The head of an answer, byte for byte as the HTTP library writes it.
//!
//! Pure.

use bytes::{BufMut, BytesMut};
use hyper::StatusCode;
use hyper::header::{DATE, HeaderMap};

/// Writes a head for a body of `length` bytes; `room` is for what will be put behind it.
pub(super) fn encode(
    status: StatusCode,
    headers: &HeaderMap,
    length: usize,
    date: &str,
    room: usize,
) -> BytesMut {
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let mut head = BytesMut::with_capacity(FIXED + fields.sum::<usize>() + room);
    if status == StatusCode::OK {
        head.put_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        let reason = status.canonical_reason().unwrap_or("<none>");
        for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
            head.put_slice(part.as_bytes());
        }
    }
    for (name, value) in headers {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"content-length: ");
    put_number(&mut head, length);
    if !headers.contains_key(DATE) {
        head.put_slice(b"\r\ndate: ");
        head.put_slice(date.as_bytes());
    }
    head.put_slice(b"\r\n\r\n");
    head
}

fn put_number(head: &mut BytesMut, mut number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    head.put_slice(&digits[at..]);
}

/// Bytes that a head has besides its fields, at most.
const FIXED: usize = 128;
