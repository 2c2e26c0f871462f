//! One HTTP request, from its head to its answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response};

use super::ask::{Asked, Desk};
use super::dialect::{Dialect, Trouble};
use super::unread;

/// What hyper calls for each request of a connection.
pub(super) struct Door {
    desk: Arc<Desk>,
    max_body: usize,
}

/// An answer, ready to be written.
pub(super) type Answer = Response<Full<Bytes>>;

impl Door {
    pub(super) fn new(desk: Arc<Desk>, max_body: usize) -> Self {
        Self { desk, max_body }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.desk.begin();
        let (desk, max_body) = (Arc::clone(&self.desk), self.max_body);
        Box::pin(async move {
            let mut answer = handle(&desk, request, max_body).await;
            desk.end();
            if desk.is_draining() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}

async fn handle(desk: &Arc<Desk>, request: Request<Incoming>, max_body: usize) -> Answer {
    let (head, body) = request.into_parts();
    let mut dialect = match Dialect::of(&head, desk.is_draining()) {
        Ok(dialect) => dialect,
        Err(answer) => return unread::answered(*answer, &head.headers, body).await,
    };
    let body = match read(body, max_body).await {
        Ok(body) => body,
        Err(trouble) => return dialect.refuse(&trouble),
    };
    let (route, body) = match dialect.open(&body) {
        Ok(opened) => opened,
        Err(answer) => return *answer,
    };
    let metadata = metadata(&head.headers);
    if !metadata.is_within_limits() {
        return dialect.refuse(&Trouble::Metadata);
    }
    let time_left = time_left(&head.headers);
    match desk.ask(Asked { route, time_left, metadata, body }).await {
        Some(message) => dialect.answer(message),
        None => dialect.refuse(&Trouble::Routes),
    }
}

async fn read(body: Incoming, max_body: usize) -> Result<Bytes, Trouble> {
    let reading = Limited::new(body, max_body).collect();
    match tokio::time::timeout(BODY_TIME, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Trouble::Body(max_body)),
        Ok(Err(error)) => Err(Trouble::Broken(error.to_string())),
        Err(_) => Err(Trouble::Slow(BODY_TIME)),
    }
}

/// As Go Micro does: nanoseconds, and anything else is ignored.
fn time_left(headers: &HeaderMap) -> Duration {
    let nanos = headers.get("timeout").and_then(|value| value.to_str().ok()?.parse().ok());
    nanos.map_or(TIME, Duration::from_nanos)
}

/// The headers that are for the handler, by their usual names.
fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    for name in headers.keys() {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        if let (Some(value), false) = (value, FRAMING.contains(&name.as_str())) {
            metadata.put(&canonical(name.as_str()), value);
        }
    }
    metadata
}

/// The form in which Go writes a header's name: `x-trace-id` is `X-Trace-Id`.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let upper = |letter: char| {
        let changed = if is_first { letter.to_ascii_uppercase() } else { letter };
        is_first = letter == '-';
        changed
    };
    name.chars().map(upper).collect()
}

/// Headers about the message, not about the call.
pub(super) const FRAMING: &[&str] = &[
    "connection",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "micro-endpoint",
    "micro-id",
    "micro-method",
    "micro-service",
    "micro-stream",
    "timeout",
    "transfer-encoding",
    "upgrade",
];

/// Time for a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Time for a request that says nothing of it.
const TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_go_writes_them() {
        for (name, expected) in [
            ("userid", "Userid"),
            ("lower_case_key", "Lower_case_key"),
            ("x-trace-id", "X-Trace-Id"),
        ] {
            assert_eq!(canonical(name), expected);
        }
    }
}
