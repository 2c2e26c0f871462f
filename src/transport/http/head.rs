//! The head of a request, whoever has read it.
//!
//! Pure.

use std::slice;

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;

use crate::transport::http_message::field;

/// What a request says before its body.
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) fields: Fields<'a>,
}

/// Its headers, of whose names capitals do not count.
#[derive(Clone, Copy)]
pub(super) enum Fields<'a> {
    Map(&'a HeaderMap),
    /// As they stand in what was read.
    Found(&'a [httparse::Header<'a>]),
}

/// All headers, in their order.
pub(super) enum Iter<'a> {
    Map(header::Iter<'a, HeaderValue>),
    Found(slice::Iter<'a, httparse::Header<'a>>),
}

impl<'a> Head<'a> {
    /// The head that the HTTP library has read.
    pub(super) fn of(head: &'a Parts) -> Self {
        Self {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query(),
            fields: Fields::Map(&head.headers),
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn iter(self) -> Iter<'a> {
        match self {
            Self::Map(map) => Iter::Map(map.iter()),
            Self::Found(found) => Iter::Found(found.iter()),
        }
    }

    /// The values of all headers of a name.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first header of a name.
    pub(super) fn get(self, name: &str) -> Option<&'a [u8]> {
        match self {
            Self::Map(map) => map.get(name).map(HeaderValue::as_bytes),
            Self::Found(found) => {
                let mut found = found.iter();
                found.find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
            }
        }
    }

    /// The same, if it is text.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(text)
    }

    /// A copy for those who keep it.
    pub(super) fn to_map(self) -> HeaderMap {
        match self {
            Self::Map(map) => map.clone(),
            Self::Found(found) => found.iter().filter_map(|it| field(it).ok()).collect(),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Map(map) => map.next().map(|(name, value)| (name.as_str(), value.as_bytes())),
            Self::Found(found) => found.next().map(|it| (it.name, it.value)),
        }
    }
}

/// A header's value, if each byte of it can be seen.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    let is_text = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if is_text { std::str::from_utf8(value).ok() } else { None }
}
