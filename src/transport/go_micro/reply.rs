//! What a Go Micro node's answer means.
//!
//! Pure.

use bytes::Bytes;
use callboard_actors::message::{Message, Refusal, RequestId};
use callboard_actors::{Metadata, Status};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;

use super::address::{Address, Generation};
use super::request::Format;
use crate::codec::{EnvelopeError, json_rpc, proto_rpc};

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer to call `id`.
    pub(super) fn into_message(self, id: RequestId, from: &Address, format: Format) -> Message {
        match self.outcome(from.generation, format) {
            // Its headers are a copy of the request's, if not of another one's.
            Ok(body) => Message::Reply { id, metadata: Metadata::new(), body },
            Err((text, refusal)) => {
                let status = Box::new(status(&text, from));
                Message::Status { id, status, refusal }
            }
        }
    }

    /// The body of the reply, or the text of the error.
    fn outcome(
        self,
        generation: Generation,
        format: Format,
    ) -> Result<Bytes, (String, Option<Refusal>)> {
        if self.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&self.body);
            let text = if body.starts_with('{') {
                body.into_owned()
            } else {
                format!("{}: {body}", self.status)
            };
            return Err((text, None));
        }
        let is_text =
            |value: &hyper::header::HeaderValue| value.as_bytes().starts_with(b"text/plain");
        if self.headers.get(CONTENT_TYPE).is_some_and(is_text) {
            let text = String::from_utf8_lossy(&self.body).into_owned();
            return Err((text, Some(Refusal::UnknownContentType)));
        }
        let (error, body) = match generation {
            Generation::Current => (self.error_header(), self.body),
            Generation::Early => envelope(format, &self.body)
                .map_err(|reason| (format!("the answer is not an envelope: {reason}"), None))?,
        };
        match error {
            None => Ok(body),
            Some(text) => {
                let refusal = is_unknown(&text).then_some(Refusal::UnknownEndpoint);
                Err((text, refusal))
            }
        }
    }

    fn error_header(&self) -> Option<String> {
        let value =
            self.headers.get("micro-error").or_else(|| self.headers.get("x-micro-error"))?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| !text.is_empty())
    }
}

/// Takes an answer of 2016 out of its envelope.
fn envelope(format: Format, body: &Bytes) -> Result<(Option<String>, Bytes), EnvelopeError> {
    let response = match format {
        Format::Json => json_rpc::decode_response(body)?,
        Format::Protobuf => proto_rpc::decode_response(body)?,
    };
    Ok((response.error, response.body))
}

/// Whether the node's own router says that nothing was called.
fn is_unknown(text: &str) -> bool {
    ROUTER_ERRORS.iter().any(|start| text.starts_with(start))
}

/// What an error's text says: a status in JSON by convention, or just a text.
fn status(text: &str, from: &Address) -> Status {
    let Ok(GoError { id, code, detail, status }) = serde_json::from_str(text) else {
        let id = if from.service.is_empty() { &from.peer } else { &from.service };
        return Status::internal(id, text);
    };
    // Where no code was given the handler failed, as with a plain text.
    let code = u16::try_from(code).ok().filter(|code| *code > 0).unwrap_or(500);
    let said = Status::new(id, code, detail);
    if status.is_empty() { said } else { Status { status, ..said } }
}

/// The error that Go Micro's services return by convention.
#[derive(Debug, Deserialize)]
struct GoError {
    #[serde(default)]
    id: String,
    #[serde(default)]
    code: i64,
    detail: String,
    #[serde(default)]
    status: String,
}

/// How the texts begin with which Go Micro's router refuses.
const ROUTER_ERRORS: &[&str] = &[
    "rpc: can't find service ",
    "rpc: can't find method ",
    "rpc: service/method request ill-formed: ",
    "rpc: service/endpoint request ill-formed: ",
];
