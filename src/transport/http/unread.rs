//! What becomes of the body of a request that is refused for its head.
//!
//! hyper closes a connection on which something is left of a body, without a word: the client would
//! send its next request there, in vain. So the rest is read, or the client is told.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use tokio::time::timeout;

use super::answer::Answer;

/// Gives an answer for which the body was not needed.
pub(super) async fn answered(mut answer: Answer, headers: &HeaderMap, body: Incoming) -> Answer {
    if !is_skipped(headers, body).await {
        answer.close();
    }
    answer
}

/// Whether nothing of the body is left.
async fn is_skipped(headers: &HeaderMap, body: Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let is_large = usize::try_from(body.size_hint().lower()).map_or(true, |size| size > MOST);
    // Whoever asks first would be told to send it.
    if is_large || headers.contains_key(EXPECT) {
        return false;
    }
    matches!(timeout(TIME, Limited::new(body, MOST).collect()).await, Ok(Ok(_)))
}

/// Bytes that are read for nothing; more cost more than a new connection.
const MOST: usize = 64 * 1024;

/// Time for them.
const TIME: Duration = Duration::from_secs(1);
