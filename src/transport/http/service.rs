//! One HTTP request, from its head to its answer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response};

use super::ask::{Asked, Desk, Opening};
use super::dialect::{Dialect, Trouble};
use super::unread;
use crate::transport::http_message::canonical;

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
    let mut dialect = match Dialect::of(&head, desk.host()) {
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
    let metadata = match &mut dialect {
        Dialect::Inbox(inbox) => inbox.take_metadata(),
        _ => metadata(&head.headers),
    };
    if !metadata.is_within_limits() {
        return dialect.refuse(&Trouble::Metadata);
    }
    let time_left = time_left(&head.headers);
    let asked = Asked { route, time_left, metadata, body };
    if let Some(takes_items) = desk.host().is_stream(&asked.route.endpoint) {
        return match dialect {
            Dialect::GoMicro(talk) => {
                desk.converse(Opening { talk, asked, headers: head.headers, takes_items });
                // From here on the connection is the stream's; this is dropped.
                std::future::pending().await
            }
            Dialect::Plain(_) | Dialect::Inbox(_) => dialect.refuse(&Trouble::Stream),
        };
    }
    match desk.ask(asked).await {
        Some(message) => dialect.answer(message, desk.host()),
        None => dialect.refuse(&Trouble::Routes),
    }
}

async fn read(body: Incoming, max_body: usize) -> Result<Bytes, Trouble> {
    let mut reading = pin!(Limited::new(body, max_body).collect());
    // With the first look the library goes and fetches what has come with the head, and that is
    // nearly always all: only the others need a timer.
    let mut has_looked = false;
    let soon = poll_fn(|cx| match reading.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if has_looked => Poll::Ready(None),
        Poll::Pending => {
            has_looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    let read = match soon.await {
        Some(read) => Ok(read),
        None => tokio::time::timeout(BODY_TIME, reading).await,
    };
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Trouble::Body(max_body)),
        Ok(Err(error)) => Err(Trouble::Broken(error.to_string())),
        Err(_) => Err(Trouble::Slow(BODY_TIME)),
    }
}

/// As Go Micro does: nanoseconds, and anything else is ignored.
fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let nanos = headers.get("timeout").and_then(|value| value.to_str().ok()?.parse().ok());
    nanos.map(Duration::from_nanos)
}

/// The headers that are for the handler, by their usual names.
fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    let mut last = None;
    for (name, value) in headers {
        // Of repeated ones, which follow each other, the first counts.
        if last.replace(name) != Some(name)
            && !FRAMING.contains(&name.as_str())
            && let Ok(value) = value.to_str()
        {
            metadata.put(&canonical(name.as_str()), value);
        }
    }
    metadata
}

/// Has metadata of a reply travel as headers, but for those that a client takes for something else.
pub(super) fn add_metadata(headers: &mut HeaderMap, metadata: &Metadata) {
    for (name, value) in metadata.iter() {
        // A wrong length, for one, would have the next answer taken for this one's.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into())
            && name != CONTENT_LENGTH
            && !FRAMING.contains(&name.as_str())
            && !["micro-", "x-micro-"].iter().any(|own| name.as_str().starts_with(own))
        {
            headers.insert(name, value);
        }
    }
}

/// Headers about the message, not about the call.
const FRAMING: &[&str] = &[
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
