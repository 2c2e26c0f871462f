//! A request whose head has been understood, and what it wants once its body is there.

use bytes::Bytes;
use hyper::header::HeaderMap;

use super::ask::{Asked, Opening};
use super::dialect::{Dialect, Trouble};
use super::headers::{metadata, time_left};
use super::service::Answer;

/// A request that waits for its body.
pub(super) struct Request {
    dialect: Dialect,
    headers: HeaderMap,
}

/// What a whole request wants.
pub(super) enum Wanted {
    /// The dialect is the one to answer in.
    Call(Dialect, Asked),
    /// The connection, for a stream.
    Stream(Box<Opening>),
}

impl Request {
    pub(super) fn new(dialect: Dialect, headers: HeaderMap) -> Self {
        Self { dialect, headers }
    }

    /// What it wants; or the answer, where it does not get as far as the engine.
    ///
    /// `is_stream` tells of an endpoint that is a stream whether its client sends items.
    pub(super) fn with(
        self,
        body: Result<Bytes, Trouble>,
        is_stream: impl FnOnce(&str) -> Option<bool>,
    ) -> Result<Wanted, Box<Answer>> {
        let Self { mut dialect, headers } = self;
        let body = body.map_err(|trouble| Box::new(dialect.refuse(&trouble)))?;
        let (called, body) = dialect.open(&body)?;
        let metadata = match &mut dialect {
            Dialect::Inbox(inbox) => inbox.take_metadata(),
            Dialect::GoMicro(_) => metadata(&headers, true),
            Dialect::Plain(_) => metadata(&headers, false),
        };
        if !metadata.is_within_limits() {
            return Err(Box::new(dialect.refuse(&Trouble::Metadata)));
        }
        let stream = is_stream(&called.endpoint);
        let asked = Asked { called, time_left: time_left(&headers), metadata, body };
        match (stream, dialect) {
            (None, dialect) => Ok(Wanted::Call(dialect, asked)),
            (Some(takes_items), Dialect::GoMicro(talk)) => {
                Ok(Wanted::Stream(Box::new(Opening { talk, asked, headers, takes_items })))
            }
            (Some(_), dialect) => Err(Box::new(dialect.refuse(&Trouble::Stream))),
        }
    }
}
