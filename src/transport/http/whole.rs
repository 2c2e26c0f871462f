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
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};

use super::options::HttpOptions;
use crate::transport::http_message::{field, length};

/// What some bytes begin with.
pub(super) enum Front {
    Whole(Whole),
    /// Perhaps an ordinary request, of which more must come.
    Part,
    /// What is not for us to judge.
    Other,
}

/// A whole, ordinary request.
pub(super) struct Whole {
    pub(super) head: Parts,
    /// Bytes of the head, behind which the body begins.
    pub(super) head_length: usize,
    /// Bytes of both.
    pub(super) length: usize,
    /// Whether the client wants no further answer on this connection.
    pub(super) is_last: bool,
}

/// What the headers say of the message itself.
#[derive(Default)]
struct Said {
    body: Option<usize>,
    connection: Option<bool>,
}

impl Front {
    /// Looks at bytes of which none belongs to an earlier request.
    pub(super) fn of(bytes: &[u8], options: &HttpOptions, max_body: usize) -> Self {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_MOST];
        let room = &mut room[..options.headers.min(HEADERS_MOST)];
        let mut found = httparse::Request::new(&mut []);
        let head_length = match found.parse_with_uninit_headers(bytes, room) {
            Ok(Status::Complete(length)) if length <= options.head_bytes => length,
            Ok(Status::Partial) if bytes.len() < options.head_bytes => return Self::Part,
            _ => return Self::Other,
        };
        let Some((head, said)) = head(&bytes[..head_length], &found) else { return Self::Other };
        let body = said.body.unwrap_or(0);
        if body > max_body.min(BODY_MOST) {
            return Self::Other;
        }
        let length = head_length + body;
        if bytes.len() < length {
            return Self::Part;
        }
        Self::Whole(Whole {
            head,
            head_length,
            length,
            is_last: said.connection.unwrap_or(false),
        })
    }
}

/// A head, if nothing about it is unusual.
fn head(bytes: &[u8], found: &httparse::Request<'_, '_>) -> Option<(Parts, Said)> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = match found.method? {
        "POST" => Method::POST,
        "GET" => Method::GET,
        _ => return None,
    };
    // Anything else than a path is for proxies.
    let target = found.path.filter(|target| target.starts_with('/') && target.len() <= TARGET_MOST);
    head.uri = Uri::try_from(target?).ok()?;
    // Each line ends with both, the empty one too.
    let line_ends = bytes.iter().filter(|byte| **byte == b'\r').count();
    if found.version != Some(1) || line_ends != found.headers.len() + 2 || bytes[0] == b'\r' {
        return None;
    }
    let mut said = Said::default();
    head.headers = HeaderMap::with_capacity(found.headers.len());
    for header in &*found.headers {
        let (name, value) = field(header).ok()?;
        let is_first = match name {
            CONTENT_LENGTH => said.body.replace(length(&value)?).is_none(),
            CONNECTION => said.connection.replace(is_close(value.as_bytes())?).is_none(),
            TRANSFER_ENCODING | EXPECT | UPGRADE => false,
            _ => true,
        };
        if !is_first {
            return None;
        }
        head.headers.append(name, value);
    }
    Some((head, said))
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
