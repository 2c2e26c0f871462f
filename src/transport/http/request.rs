//! A request whose head has been understood, and what it wants once its body is there.

use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use hyper::header::HeaderMap;

use super::answer::Answer;
use super::ask::{Asked, Opening};
use super::dialect::{Dialect, Trouble};
use super::head::Head;
use super::headers::{metadata, time_left};
use super::host::Host;

/// A request that waits for its body.
pub(super) struct Request {
    dialect: Dialect,
    time_left: Option<Duration>,
    /// For the handler; those of an event are in its body.
    metadata: Metadata,
    /// Kept where a stream may need them.
    headers: HeaderMap,
}

/// What a whole request wants.
pub(super) enum Wanted {
    /// The dialect is the one to answer in.
    Call(Dialect, Asked),
    /// The connection, for a stream.
    Stream(Opening),
}

impl Request {
    /// What a head says; or the answer, if that needs nothing more.
    pub(super) fn of(head: &Head<'_>, host: Host<'_>) -> Result<Self, Box<Answer>> {
        let dialect = Dialect::of(head, host)?;
        let (metadata, headers) = match &dialect {
            Dialect::Inbox(_) => (Metadata::new(), HeaderMap::new()),
            Dialect::GoMicro(_) => (metadata(head.fields, true), head.fields.to_map()),
            Dialect::Plain(_) => (metadata(head.fields, false), HeaderMap::new()),
        };
        Ok(Self { dialect, time_left: time_left(head.fields), metadata, headers })
    }

    /// What it wants; or the answer, where it does not get as far as the engine.
    ///
    /// `is_stream` tells of an endpoint that is a stream whether its client sends items.
    pub(super) fn with(
        self,
        body: Result<Bytes, Trouble>,
        is_stream: impl FnOnce(&str) -> Option<bool>,
    ) -> Result<Wanted, Box<Answer>> {
        let Self { mut dialect, time_left, mut metadata, headers } = self;
        let body = body.map_err(|trouble| Box::new(dialect.refuse(&trouble)))?;
        let (called, body) = dialect.open(body)?;
        if let Dialect::Inbox(inbox) = &mut dialect {
            metadata = inbox.take_metadata();
        }
        if !metadata.is_within_limits() {
            return Err(Box::new(dialect.refuse(&Trouble::Metadata)));
        }
        let stream = is_stream(&called.endpoint);
        let asked = Asked { called, time_left, metadata, body };
        match (stream, dialect) {
            (None, dialect) => Ok(Wanted::Call(dialect, asked)),
            (Some(takes_items), Dialect::GoMicro(talk)) => {
                Ok(Wanted::Stream(Opening { talk, asked, headers, takes_items }))
            }
            (Some(_), dialect) => Err(Box::new(dialect.refuse(&Trouble::Stream))),
        }
    }
}
