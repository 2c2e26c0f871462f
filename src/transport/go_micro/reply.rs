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
use crate::codec::{EnvelopeError, bson_rpc, json_rpc, proto_rpc};
use crate::http_client::{Answer, Exchanged};

/// What an exchange with a node came to.
pub(super) fn into_message(
    exchanged: Exchanged,
    id: RequestId,
    from: &Address,
    format: Format,
) -> Message {
    let answer = match exchanged {
        Exchanged::Answered(answer) => answer,
        Exchanged::Lost { was_sent, cause } => {
            return Message::Lost { id, was_sent, reason: cause.reason };
        }
    };
    match outcome(answer, from.generation, format) {
        // Its headers are a copy of the request's, if not of another one's.
        Ok(body) => Message::Reply { id, metadata: Metadata::new(), body },
        Err((text, refusal)) => {
            let status = Box::new(status(&text, from));
            Message::Status { id, status, refusal }
        }
    }
}

/// What one answer of a stream means.
pub(super) fn into_stream_message(
    answer: Answer,
    id: RequestId,
    from: &Address,
    format: Format,
) -> Message {
    match outcome(answer, from.generation, format) {
        Ok(body) => Message::StreamData { id, body },
        Err((text, None)) if text == END_OF_STREAM => {
            Message::Reply { id, metadata: Metadata::new(), body: Bytes::new() }
        }
        Err((text, refusal)) => {
            let status = Box::new(status(&text, from));
            Message::Status { id, status, refusal }
        }
    }
}

/// The body of the reply, or the text of the error.
fn outcome(
    answer: Answer,
    generation: Generation,
    format: Format,
) -> Result<Bytes, (String, Option<Refusal>)> {
    if answer.status != StatusCode::OK {
        let body = String::from_utf8_lossy(&answer.body);
        let text = if body.starts_with('{') {
            body.into_owned()
        } else {
            format!("{}: {body}", answer.status)
        };
        return Err((text, None));
    }
    let is_text = |value: &hyper::header::HeaderValue| value.as_bytes().starts_with(b"text/plain");
    if answer.headers.get(CONTENT_TYPE).is_some_and(is_text) {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        return Err((text, Some(Refusal::UnknownContentType)));
    }
    let (error, body) = match (generation, error_header(&answer.headers)) {
        // Whatever stands beside an error, nobody is told of it.
        (Generation::Current, Some(error)) => (Some(error), Bytes::new()),
        (Generation::Current, None) if format != Format::Bson => (None, answer.body),
        _ => envelope(format, &answer.body)
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

fn error_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("micro-error").or_else(|| headers.get("x-micro-error"))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| !text.is_empty())
}

/// Takes an answer of 2016, or of the plugin for BSON, out of its envelope.
fn envelope(format: Format, body: &Bytes) -> Result<(Option<String>, Bytes), EnvelopeError> {
    let response = match format {
        Format::Json => json_rpc::decode_response(body)?,
        Format::Protobuf => proto_rpc::decode_response(body)?,
        Format::Bson => bson_rpc::decode_response(body)?,
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

/// What stands for an error where a stream ends in order.
pub(super) const END_OF_STREAM: &str = "EOS";

/// How the texts begin with which Go Micro's router refuses.
const ROUTER_ERRORS: &[&str] = &[
    "rpc: can't find service ",
    "rpc: can't find method ",
    "rpc: service/method request ill-formed: ",
    "rpc: service/endpoint request ill-formed: ",
];
