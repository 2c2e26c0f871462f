//! Which headers are for the handler, and which metadata for the client.
//!
//! Pure.

use std::time::Duration;

use callboard_actors::Metadata;
use hyper::header::{CONTENT_LENGTH, HeaderName};

use super::answer::Answer;
use super::head::{Fields, text};
use crate::transport::http_message::canonical;

/// Time for a request. As Go Micro does: nanoseconds, and anything else is ignored.
pub(super) fn time_left(fields: Fields<'_>) -> Option<Duration> {
    let nanos = fields.text("timeout").and_then(|value| value.parse().ok());
    nanos.map(Duration::from_nanos)
}

/// The headers that are for the handler, by their usual names; those of Go Micro get the length of
/// the body too, as its own handlers do.
pub(super) fn metadata(fields: Fields<'_>, is_go_micros: bool) -> Metadata {
    let mut metadata = Metadata::new();
    for (index, (name, value)) in fields.iter().enumerate() {
        let is_length = name.eq_ignore_ascii_case("content-length");
        if (is_length && !is_go_micros) || is_framing(name) {
            continue;
        }
        // Of repeated ones the first counts.
        let mut before = fields.iter().take(index);
        if !before.any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
            && let Some(value) = text(value)
        {
            metadata.put(&canonical(&name.to_ascii_lowercase()), value);
        }
    }
    metadata
}

/// Has metadata of a reply travel as headers, but for those that a client takes for something else.
pub(super) fn add_metadata(answer: &mut Answer, metadata: &Metadata) {
    for (name, value) in metadata.iter() {
        // A wrong length, for one, would have the next answer taken for this one's.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into())
            && name != CONTENT_LENGTH
            && !is_framing(name.as_str())
            && !is_go_micros(name.as_str())
        {
            answer.set(name, value);
        }
    }
}

/// Whether Go Micro alone uses a header of this name.
pub(super) fn is_go_micros(name: &str) -> bool {
    let begins_with = |start: &str| {
        name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    begins_with("micro-") || begins_with("x-micro-")
}

fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|it| it.eq_ignore_ascii_case(name))
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
