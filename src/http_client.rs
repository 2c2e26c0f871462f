//! A small HTTP/1.1 client over hyper: keep-alive connections to one peer, one request on each.
//!
//! Calls to Go Micro's services and the HTTP APIs of registries go through it.

mod channel;
mod exchange;
mod pool;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderMap;

#[cfg(feature = "consul")]
pub(crate) use self::channel::Security;
pub(crate) use self::exchange::{Exchanged, exchange};
pub(crate) use self::pool::Pool;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}
