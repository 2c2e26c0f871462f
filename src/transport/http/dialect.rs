//! Which of the ways to ask a request uses, and how it is answered.

use std::time::Duration;

use bytes::Bytes;
use callboard_actors::message::Message;
use callboard_actors::{Metadata, Status};

use super::answer::Answer;
use super::ask::Called;
use super::go_micro::GoMicro;
use super::head::Head;
use super::host::Host;
use super::inbox::Inbox;
use super::plain::{self, Plain};

/// A way to ask.
pub(super) enum Dialect {
    /// A path that names the endpoint, and proper status codes.
    Plain(Plain),
    /// Go Micro's, of either generation.
    GoMicro(GoMicro),
    /// An event of Go Micro's HTTP broker.
    Inbox(Inbox),
}

/// Why a request does not get as far as the engine.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The metadata exceed their limits.
    Metadata,
    /// Too many different endpoints on one connection.
    Routes,
    /// The body exceeds this many bytes.
    Body(usize),
    /// The body did not come in this time.
    Slow(Duration),
    /// The body is not what HTTP says.
    Broken(String),
    /// The endpoint is a stream.
    Stream,
}

impl Trouble {
    pub(super) fn status(&self) -> Status {
        let (code, detail) = match self {
            Self::Metadata => (
                431,
                format!(
                    "the headers exceed {} entries or {} bytes",
                    Metadata::MAX_ENTRIES,
                    Metadata::MAX_BYTES
                ),
            ),
            Self::Routes => {
                (503, "too many different endpoints on one connection; open another one".into())
            }
            Self::Body(limit) => (413, format!("the body exceeds {limit} bytes")),
            Self::Slow(limit) => (408, format!("the body did not arrive within {limit:?}")),
            Self::Broken(reason) => (400, format!("the body was not read: {reason}")),
            Self::Stream => (
                501,
                "the endpoint is a stream; open it over the native wire, or as Go Micro does"
                    .into(),
            ),
        };
        Status::new(ID, code, detail)
    }

    /// Whether the connection cannot be used any more.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Metadata | Self::Stream)
    }
}

impl Dialect {
    /// The way to ask that a request uses, or the answer if that needs nothing more.
    pub(super) fn of(head: &Head<'_>, host: Host<'_>) -> Result<Self, Box<Answer>> {
        if let Some(answer) = plain::probe(head, host) {
            return Err(Box::new(answer));
        }
        if let Some(event) = Inbox::of(head) {
            return event.map(Self::Inbox);
        }
        if let Some(asked) = GoMicro::of(head) {
            return asked.map(Self::GoMicro);
        }
        Plain::of(head, host).map(Self::Plain)
    }

    /// What is asked, and with which message; or the answer if that cannot be told.
    pub(super) fn open(&mut self, body: Bytes) -> Result<(Called, Bytes), Box<Answer>> {
        match self {
            Self::Plain(plain) => Ok(plain.open(body)),
            Self::GoMicro(go_micro) => go_micro.open(body),
            Self::Inbox(inbox) => inbox.open(&body),
        }
    }

    /// The engine's answer.
    pub(super) fn answer(&self, message: Message, host: Host<'_>) -> Answer {
        match self {
            Self::Plain(plain) => plain.answer(message, host),
            Self::GoMicro(go_micro) => go_micro.answer(message, host),
            Self::Inbox(_) => Inbox::answer(message),
        }
    }

    /// The answer when the request is not handed to the engine.
    pub(super) fn refuse(&self, trouble: &Trouble) -> Answer {
        match self {
            Self::Plain(_) => plain::trouble(trouble),
            Self::GoMicro(go_micro) => go_micro.trouble(trouble),
            Self::Inbox(_) => Inbox::trouble(trouble),
        }
    }
}

/// Who speaks in a status that no handler wrote.
pub(super) const ID: &str = "callboard";
