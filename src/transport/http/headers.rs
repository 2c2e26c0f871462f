//! Which headers are for the handler, and which metadata for the client.
//!
//! Pure.

use std::time::Duration;

use callboard_actors::Metadata;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName};

use crate::transport::http_message::canonical;

/// Time for a request. As Go Micro does: nanoseconds, and anything else is ignored.
pub(super) fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let nanos = headers.get(&TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    nanos.map(Duration::from_nanos)
}

/// The headers that are for the handler, by their usual names; those of Go Micro get the length of
/// the body too, as its own handlers do.
pub(super) fn metadata(headers: &HeaderMap, is_go_micros: bool) -> Metadata {
    let mut metadata = Metadata::new();
    let mut last = None;
    for (name, value) in headers {
        // Of repeated ones, which follow each other, the first counts.
        if last.replace(name) != Some(name)
            && !FRAMING.contains(&name.as_str())
            && (is_go_micros || name != CONTENT_LENGTH)
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
            && !is_go_micros(&name)
        {
            headers.insert(name, value);
        }
    }
}

/// Whether Go Micro alone uses a header of this name.
pub(super) fn is_go_micros(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.strip_prefix("x-").unwrap_or(name).starts_with("micro-")
}

static TIMEOUT: HeaderName = HeaderName::from_static("timeout");

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
