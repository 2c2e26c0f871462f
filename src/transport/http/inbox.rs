//! Events by Go Micro's HTTP broker, of 2016 and of today.
//!
//! An event that was understood is answered with 200, as Go Micro does, whatever became of it; that
//! is said in a header of our own.

use bytes::{Bytes, BytesMut};
use callboard_actors::broker::{EventDesk, EventFrame, Published};
use callboard_actors::message::{Body, Message, Refusal};
use callboard_actors::{Metadata, Status};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::ask::Called;
use super::dialect::Trouble;
use super::head::Head;
use crate::broker::EARLY_PATH;
use crate::broker::envelope::{EventEnvelope, EventEnvelopeError};
use crate::broker::outcome::{self, OUTCOME};

/// An event for a subscription.
pub(super) struct Inbox {
    /// Of the subscription.
    id: String,
    metadata: Metadata,
}

impl Inbox {
    /// The event that a request brings, if it is one by Go Micro's rules.
    pub(super) fn of(head: &Head<'_>) -> Option<Result<Self, Box<Answer>>> {
        let is_call = || {
            let names = ["micro-endpoint", "micro-method", "micro-service"];
            names.iter().any(|name| head.fields.get(name).is_some())
        };
        let id = match head.path {
            EARLY_PATH => subscription(head.query),
            "/" => Some(subscription(head.query).filter(|_| !is_call())?),
            _ => return None,
        };
        if *head.method != Method::POST {
            let status = Status::new(ID, 400, "Method not allowed");
            let mut answer = wrong(StatusCode::METHOD_NOT_ALLOWED, &status, "\n");
            answer.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            answer.set(ALLOW, HeaderValue::from_static("POST"));
            return Some(Err(Box::new(answer)));
        }
        Some(Ok(Self { id: id.unwrap_or_default(), metadata: Metadata::new() }))
    }

    /// What is asked of the node, and with which message.
    pub(super) fn open(&mut self, body: &Bytes) -> Result<(Called, Bytes), Box<Answer>> {
        let refused = |detail: String| {
            let status = Status::new(ID, 500, detail);
            Box::new(wrong(StatusCode::INTERNAL_SERVER_ERROR, &status, ""))
        };
        let read = EventEnvelope::decode(body);
        let EventEnvelope { topic, content_type, metadata, body } =
            read.map_err(|error: EventEnvelopeError| refused(error.to_string()))?;
        let mut framed = BytesMut::new();
        let frame = EventFrame { topic: &topic, group: Some(&self.id), body: &body };
        frame.encode(&mut framed).map_err(refused)?;
        self.metadata = metadata;
        let called =
            Called { endpoint: EventDesk::INBOX.to_owned(), content_type: content_type.into() };
        Ok((called, framed.freeze()))
    }

    /// What travels beside the event: not the headers of the request, but those in its body.
    pub(super) fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    pub(super) fn answer(message: Message) -> Answer {
        match message {
            Message::Reply { body, .. } => done(Published::read(&body).unwrap_or(FAILED)),
            Message::Status { refusal: Some(Refusal::UnknownEndpoint), .. } => {
                let status = Status::new(ID, 404, "this node takes no events");
                wrong(StatusCode::NOT_FOUND, &status, "")
            }
            _ => done(REFUSED),
        }
    }

    pub(super) fn trouble(trouble: &Trouble) -> Answer {
        let status = trouble.status();
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = wrong(code, &Status::new(ID, status.code, status.detail), "");
        if trouble.is_final() {
            answer.close();
        }
        answer
    }
}

/// The parameter `id` of a query.
fn subscription(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let id = pairs.into_iter().find_map(|(name, value)| (name == "id").then_some(value))?;
    Some(percent_decode_str(&id.replace('+', " ")).decode_utf8_lossy().into_owned())
}

fn done(published: Published) -> Answer {
    let mut answer = Answer::new(Bytes::new());
    answer.set(HeaderName::from_static(OUTCOME), outcome::write(published));
    answer
}

fn wrong(code: StatusCode, status: &Status, end: &str) -> Answer {
    // A string of four fields can always be written.
    let text = serde_json::to_string(status).unwrap_or_default() + end;
    let mut answer = Answer::new(text);
    answer.status = code;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.set(CONTENT_TYPE, plain);
    answer
}

/// Who speaks, as in Go Micro.
const ID: &str = "go.micro.broker";

const FAILED: Published = Published { acknowledged: 0, failed: 1, refused: 0 };

const REFUSED: Published = Published { acknowledged: 0, failed: 0, refused: 1 };
