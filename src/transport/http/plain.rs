//! Calls by people and programs: a path, a body, and HTTP's own status codes.
//!
//! Sources: RFC 9110 (semantics), RFC 6585 (429, 431).
//!
//! Pure.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Status;
use callboard_actors::message::{Message, Refusal};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};

use super::answer::Answer;
use super::ask::Called;
use super::dialect::{ID, Trouble};
use super::head::{Fields, Head, text as as_text};
use super::headers::add_metadata;
use super::host::{Host, Readiness};
use crate::codec::{MediaType, MediaTypeError};

/// A call by its path.
pub(super) struct Plain {
    /// Empty once it has been opened.
    endpoint: String,
    content_type: Cow<'static, str>,
}

impl Plain {
    pub(super) fn of(head: &Head<'_>, host: Host<'_>) -> Result<Self, Box<Answer>> {
        let path = head.path;
        let endpoint = endpoint(path);
        if *head.method != Method::POST {
            return Err(Box::new(match endpoint {
                Some(_) => not_allowed(head),
                None => error(&not_found(path, host)),
            }));
        }
        let Some(endpoint) = endpoint else {
            return Err(Box::new(error(&not_found(path, host))));
        };
        let content_type = content_type(head.fields)
            .map_err(|reason| Box::new(error(&Status::new(ID, 415, reason.to_string()))))?;
        if !is_accepted(head.fields, &content_type) {
            let detail = format!("the answer would be {content_type}, like the request");
            return Err(Box::new(error(&Status::new(ID, 406, detail))));
        }
        Ok(Self { endpoint, content_type })
    }

    pub(super) fn open(&mut self, body: Bytes) -> (Called, Bytes) {
        // `curl -X POST` sends nothing at all; an endpoint without fields needs no more.
        let is_missing = body.is_empty() && self.content_type == JSON;
        // The answer needs the content type only.
        let endpoint = std::mem::take(&mut self.endpoint);
        let called = Called { endpoint, content_type: self.content_type.clone() };
        (called, if is_missing { Bytes::from_static(b"{}") } else { body })
    }

    pub(super) fn answer(&self, message: Message, host: Host<'_>) -> Answer {
        match message {
            Message::Reply { body, metadata, .. } => {
                let mut answer = Answer::new(body);
                add_metadata(&mut answer, &metadata);
                let content_type = match &self.content_type {
                    Cow::Borrowed(known) => Ok(HeaderValue::from_static(known)),
                    Cow::Owned(other) => HeaderValue::from_str(other),
                };
                if let Ok(content_type) = content_type {
                    answer.set(CONTENT_TYPE, content_type);
                }
                answer
            }
            Message::Status { status, refusal, .. } => refused(*status, refusal, host),
            _ => error(&Status::internal(ID, "the node did not answer")),
        }
    }
}

/// The answer to a question about the node itself, if it is one.
pub(super) fn probe(head: &Head<'_>, host: Host<'_>) -> Option<Answer> {
    if !matches!(*head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let unready = |why| Some(text(StatusCode::SERVICE_UNAVAILABLE, why));
    match (head.path, host.readiness()) {
        ("/healthz", _) | ("/readyz", Readiness::Ready) => Some(text(StatusCode::OK, "ok\n")),
        ("/readyz", Readiness::NotRegistered) => unready("not registered\n"),
        ("/readyz", Readiness::Draining) => unready("draining\n"),
        _ => None,
    }
}

/// The answer to a request that could not be read.
pub(super) fn trouble(trouble: &Trouble) -> Answer {
    let mut answer = error(&trouble.status());
    if trouble.is_final() {
        answer.close();
    }
    answer
}

/// A status as `{id, code, detail, status}`.
fn error(status: &Status) -> Answer {
    // A string of four fields can always be written.
    let body = serde_json::to_vec(status).unwrap_or_default();
    let mut answer = Answer::new(body);
    answer.status = status_code(status.code);
    answer.set(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

fn refused(mut status: Status, refusal: Option<Refusal>, host: Host<'_>) -> Answer {
    let wait = match refusal {
        Some(Refusal::Overloaded { retry_after }) => Some(retry_after),
        Some(Refusal::Draining) => Some(Duration::ZERO),
        Some(Refusal::UnknownEndpoint) => {
            status.detail = format!("{}: {}", status.detail, host.endpoints());
            None
        }
        Some(Refusal::UnknownContentType) => {
            status.detail.push_str("; send application/json, say");
            None
        }
        _ => None,
    };
    let mut answer = error(&status);
    if let Some(wait) = wait {
        // Whole seconds, and none at all would be no wait.
        let seconds = wait.as_secs() + 1;
        answer.set(RETRY_AFTER, seconds.into());
    }
    answer
}

/// The code of an answer for the code of a status.
fn status_code(code: u16) -> StatusCode {
    match code {
        // To HTTP it is the client that was too slow then, and may simply repeat.
        408 => StatusCode::GATEWAY_TIMEOUT,
        400..600 => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Answer::new(Bytes::from_static(text.as_bytes()));
    answer.status = status;
    answer.set(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn not_allowed(head: &Head<'_>) -> Answer {
    let detail = format!(
        "{} is not how an endpoint is called: POST its message to {}",
        head.method, head.path
    );
    let mut answer = error(&Status::new(ID, 405, detail));
    answer.set(ALLOW, HeaderValue::from_static("POST"));
    answer
}

fn not_found(path: &str, host: Host<'_>) -> Status {
    let endpoints = host.endpoints();
    let detail = format!(
        "there is nothing at {path}; call an endpoint by POST /Service/Method: {endpoints}"
    );
    Status::not_found(ID, detail)
}

/// The endpoint that a path names: `/Greeter/Hello` and `/Greeter.Hello` are the same.
fn endpoint(path: &str) -> Option<String> {
    let path = path.trim_matches('/');
    let at = path.rfind(['/', '.'])?;
    let is_name = at > 0 && at + 1 < path.len();
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
    (is_name && is_plain).then(|| path.replace('/', "."))
}

fn content_type(fields: Fields<'_>) -> Result<Cow<'static, str>, MediaTypeError> {
    let value = fields.get(CONTENT_TYPE.as_str());
    let Some(value) = value.filter(|value| *value != JSON.as_bytes()) else {
        return Ok(Cow::Borrowed(JSON));
    };
    let text = String::from_utf8_lossy(value);
    let media_type = MediaType::parse(&text)?;
    Ok(match media_type.essence() {
        // What curl says of any `-d`.
        JSON | "application/x-www-form-urlencoded" => Cow::Borrowed(JSON),
        essence => Cow::Owned(essence.to_owned()),
    })
}

/// RFC 9110, section 12.5.1.
fn is_accepted(fields: Fields<'_>, content_type: &str) -> bool {
    let mut ranges = fields.all(ACCEPT.as_str()).filter_map(as_text).peekable();
    if ranges.peek().is_none() {
        return true;
    }
    let kind = content_type.split('/').next().unwrap_or_default();
    // The most specific range that fits decides; a weight of zero means never.
    let mut best = (0, false);
    for range in ranges.flat_map(|value| value.split(',')) {
        let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
        let range = range.trim().to_ascii_lowercase();
        let rank = match &*range {
            "*/*" => 1,
            range if range.strip_suffix("/*") == Some(kind) => 2,
            range if range == content_type => 3,
            _ => continue,
        };
        let weight = parameters.split(';').find_map(|it| it.trim().strip_prefix("q="));
        let is_wanted = weight.is_none_or(|weight| weight.parse().is_ok_and(|it: f32| it > 0.0));
        if rank >= best.0 {
            best = (rank, is_wanted);
        }
    }
    best.1
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use callboard_actors::Metadata;
    use callboard_actors::message::RequestId;
    use hyper::header::HeaderMap;

    use super::*;

    #[test]
    fn a_path_names_an_endpoint_in_either_way() {
        for path in ["/Greeter/Hello", "/Greeter.Hello", "/Greeter.Hello/"] {
            assert_eq!(endpoint(path).as_deref(), Some("Greeter.Hello"), "{path}");
        }
        assert_eq!(endpoint("/gm/Greeter/Hello").as_deref(), Some("gm.Greeter.Hello"));
        for path in ["/", "/metrics", "//", "/Greeter/%20", "/.Hello", "/Greeter."] {
            assert_eq!(endpoint(path), None, "{path}");
        }
    }

    #[test]
    fn metadata_of_a_reply_become_headers_and_do_not_frame_it() {
        let plain = Plain { endpoint: String::new(), content_type: JSON.into() };
        let metadata = Metadata::new()
            .with("X-Trace-Id", "7")
            .with("Content-Length", "999")
            .with("Transfer-Encoding", "chunked")
            .with("Connection", "close");
        let (id, body) = (RequestId(1), Bytes::from_static(b"{}"));
        let answer = plain.answer(Message::Reply { id, metadata, body }, Host(None));
        let names: Vec<_> = answer.fields().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-trace-id", "content-type"]);
    }

    #[test]
    fn the_most_specific_range_decides_what_is_accepted() {
        for (accept, expected) in [
            ("*/*", true),
            ("application/*", true),
            ("text/html, application/json;q=0.5", true),
            ("text/html", false),
            ("*/*, application/json;q=0", false),
            ("application/json;q=0.1, */*;q=0", true),
            ("image/*", false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(is_accepted(Fields::Map(&headers), JSON));
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(is_accepted(Fields::Map(&headers), JSON), expected, "{accept}");
        }
    }
}
