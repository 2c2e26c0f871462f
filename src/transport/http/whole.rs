//! Whole, ordinary requests, found in what has been read.
//!
//! Only what every reader takes for the same is one: a request in one form of many is the HTTP
//! library's to judge, and so is whatever is wrong. What this finds ends where the library would
//! have it end, and says what the library would have it say.
//!
//! Source: RFC 9112.
//!
//! Pure.

use std::mem::MaybeUninit;

use httparse::Status;
use hyper::Method;

use super::head::{Fields, Head};
use super::options::HttpOptions;
use crate::transport::http_message::length;

/// What some bytes begin with.
pub(super) enum Front<'a> {
    Whole(Whole<'a>),
    /// Perhaps an ordinary request, of which more must come.
    Part,
    /// What is not for us to judge.
    Other,
}

/// A whole, ordinary request.
pub(super) struct Whole<'a> {
    pub(super) head: Head<'a>,
    /// Bytes of the head, behind which the body begins.
    pub(super) head_length: usize,
    /// Bytes of both.
    pub(super) length: usize,
    /// Whether the client wants no further answer on this connection.
    pub(super) is_last: bool,
}

/// Room for the headers of an ordinary request.
pub(super) struct Room<'a>([MaybeUninit<httparse::Header<'a>>; HEADERS_MOST]);

/// What the headers say of the message itself.
#[derive(Default)]
struct Said {
    body: Option<usize>,
    is_last: Option<bool>,
}

impl Room<'_> {
    pub(super) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; HEADERS_MOST])
    }
}

impl<'a> Front<'a> {
    /// Looks at bytes of which none belongs to an earlier request.
    pub(super) fn of(
        bytes: &'a [u8],
        room: &'a mut Room<'a>,
        options: &HttpOptions,
        max_body: usize,
    ) -> Self {
        let room = &mut room.0[..options.headers.min(HEADERS_MOST)];
        let mut found = httparse::Request::new(&mut []);
        let head_length = match found.parse_with_uninit_headers(bytes, room) {
            Ok(Status::Complete(length)) if length <= options.head_bytes => length,
            Ok(Status::Partial) if bytes.len() < options.head_bytes => return Self::Part,
            _ => return Self::Other,
        };
        let httparse::Request {
            method: Some(method),
            path: Some(target),
            version: Some(1),
            headers,
        } = found
        else {
            return Self::Other;
        };
        let Some((head, said)) = head(&bytes[..head_length], method, target, headers) else {
            return Self::Other;
        };
        let body = said.body.unwrap_or(0);
        if body > max_body.min(BODY_MOST) {
            return Self::Other;
        }
        let length = head_length + body;
        if bytes.len() < length {
            return Self::Part;
        }
        Self::Whole(Whole { head, head_length, length, is_last: said.is_last.unwrap_or(false) })
    }
}

/// A head, if nothing about it is unusual.
fn head<'a>(
    bytes: &[u8],
    method: &str,
    target: &'a str,
    headers: &'a [httparse::Header<'a>],
) -> Option<(Head<'a>, Said)> {
    let method = match method {
        "POST" => &Method::POST,
        "GET" => &Method::GET,
        _ => return None,
    };
    // Anything else than a path is for proxies.
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let is_path = target.starts_with('/') && target.len() <= TARGET_MOST;
    if !is_path || !path.bytes().chain(query.unwrap_or_default().bytes()).all(is_plain) {
        return None;
    }
    // Lines may end with a line feed alone, or begin with empty ones: not here.
    if returns(bytes) != headers.len() + 2 || bytes.starts_with(b"\r") {
        return None;
    }
    let said = said(headers)?;
    Some((Head { method, path, query, fields: Fields::Found(headers) }, said))
}

/// What headers say of the message, if they say it once and in the usual way.
fn said(headers: &[httparse::Header<'_>]) -> Option<Said> {
    let mut said = Said::default();
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let is_first = if is("content-length") {
            said.body.replace(length(header.value)?).is_none()
        } else if is("connection") {
            said.is_last.replace(is_close(header.value)?).is_none()
        } else {
            !(is("transfer-encoding") || is("expect") || is("upgrade"))
        };
        if !is_first {
            return None;
        }
    }
    Some(said)
}

/// How many carriage returns there are; within a head each stands before a line feed.
fn returns(bytes: &[u8]) -> usize {
    // In portions whose number fits a byte, so that many bytes are looked at together.
    let portions = bytes.chunks(usize::from(u8::MAX));
    let counts = portions.map(|it| it.iter().map(|byte| u8::from(*byte == b'\r')).sum::<u8>());
    counts.map(usize::from).sum()
}

/// Whether all readers take a byte of a target for itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/.-_~%=&+,;:@!*()".contains(&byte)
}

/// What a connection is to become, if it is said in one of the usual ways.
fn is_close(value: &[u8]) -> Option<bool> {
    if value.eq_ignore_ascii_case(b"keep-alive") {
        Some(false)
    } else {
        value.eq_ignore_ascii_case(b"close").then_some(true)
    }
}

/// Headers of an ordinary request, which as a rule has five; their places are on the stack.
const HEADERS_MOST: usize = 32;

/// Bytes of its target; more than anybody's path.
const TARGET_MOST: usize = 4 * 1024;

/// Bytes of its body. One that is larger comes piece by piece, which is watched over elsewhere.
const BODY_MOST: usize = 64 * 1024;
