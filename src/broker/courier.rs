//! Brings events to the inboxes of Go Micro's HTTP broker.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::broker::{Courier, EncodedEvent, Letter, Published};
use callboard_actors::client::{CallError, Executed};
use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::TransportError;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout_at;
use uuid::Uuid;

use super::directory::{generation, is_ours};
use super::envelope::EventEnvelope;
use super::outcome::{self, OUTCOME};
use crate::codec::Generation;
use crate::http_client::{Answer, Exchanged, Pool, exchange};

/// Posts events, over connections that are kept open.
#[derive(Default)]
pub(super) struct HttpCourier {
    pools: Mutex<HashMap<String, Pool>>,
}

impl Courier for HttpCourier {
    fn deliver(&self, letter: Letter) -> BoxFuture<'_, Result<Published, CallError>> {
        Box::pin(self.post(letter))
    }
}

impl HttpCourier {
    async fn post(&self, letter: Letter) -> Result<Published, CallError> {
        let address = host(&letter.node.address).to_owned();
        let lost = |executed, source| CallError::Connection {
            node: address.clone(),
            executed,
            source: Arc::new(source),
        };
        let event = readable(&letter)
            .map_err(|detail| CallError::Codec { detail, executed: Executed::No })?;
        let request = request(&letter, event)
            .map_err(|error| lost(Executed::No, TransportError::Encode(error.to_string())))?;
        let posting = exchange(self.pool(&address), request, ANSWER_MOST);
        match timeout_at(letter.deadline.instant(), posting).await {
            Ok(Exchanged::Answered(answer)) => told(&answer, &address),
            Ok(Exchanged::Lost { was_sent, cause }) => {
                let executed = if was_sent { Executed::Maybe } else { Executed::No };
                Err(lost(executed, TransportError::Broken(cause.reason)))
            }
            Err(_) => {
                let reason = "the subscriber did not answer in time".to_owned();
                Err(lost(Executed::Maybe, TransportError::Broken(reason)))
            }
        }
    }

    fn pool(&self, address: &str) -> Pool {
        let mut pools = self.pools.lock();
        if pools.len() >= POOLS_MOST && !pools.contains_key(address) {
            // Who is posting holds its own.
            pools.clear();
        }
        let fresh = || Pool::new(address, IDLE_MOST, IDLE_TIME);
        pools.entry(address.to_owned()).or_insert_with(fresh).clone()
    }
}

/// The event as its subscriber can read it.
///
/// Go Micro's records do not tell which content types a subscriber knows. It knows those that its
/// own publishers send; so it gets what they send unless told otherwise, where the publisher leaves
/// the choice and its own codec is none of them.
fn readable(letter: &Letter) -> Result<Cow<'_, EncodedEvent>, String> {
    let event = &letter.event;
    let plain = event.content_type.split(';').next().unwrap_or_default();
    if is_ours(&letter.node) || plain == JSON || plain == PROTOBUF {
        return Ok(Cow::Borrowed(event));
    }
    let (first, second) = match generation(&letter.node) {
        Generation::Early => (PROTOBUF, JSON),
        Generation::Current => (JSON, PROTOBUF),
    };
    let Some(event) = event.in_form(first).or_else(|| event.in_form(second)) else {
        return Ok(Cow::Borrowed(event));
    };
    let mut event = event?;
    if event.content_type == PROTOBUF && first == PROTOBUF {
        event.content_type = EARLY_PROTOBUF;
    }
    Ok(Cow::Owned(event))
}

fn request(
    letter: &Letter,
    event: Cow<'_, EncodedEvent>,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let generation = generation(&letter.node);
    let event = event.into_owned();
    let event = EventEnvelope {
        topic: letter.topic.to_string(),
        content_type: event.content_type.to_owned(),
        metadata: event.metadata,
        body: event.body,
    };
    let id =
        if generation == Generation::Current { Uuid::now_v7().to_string() } else { String::new() };
    let path = if generation == Generation::Current { "/" } else { EARLY_PATH };
    let subscription = utf8_percent_encode(&letter.node.id, QUERY);
    Request::post(format!("{path}?id={subscription}"))
        .header(HOST, host(&letter.node.address))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(event.encode(generation, &id).into()))
}

/// What an answer says. Go Micro's services answer 200 whatever became of the event; ours say more.
fn told(answer: &Answer, node: &str) -> Result<Published, CallError> {
    let published = match (answer.status.as_u16(), answer.headers.get(OUTCOME)) {
        (_, Some(told)) => outcome::read(told),
        (200..300, None) => Published { acknowledged: 1, ..Published::default() },
        (429 | 503, None) => Published { refused: 1, ..Published::default() },
        _ => Published { failed: 1, ..Published::default() },
    };
    if published == (Published { refused: 1, ..Published::default() }) {
        // Another member of its group may take it.
        let detail = "the subscriber refused the event".to_owned();
        let retry_after = RETRY_AFTER;
        return Err(CallError::Overloaded { node: node.to_owned(), retry_after, detail });
    }
    Ok(published)
}

/// Host and port of a node; the registries write the protocol of Go Micro's before them.
fn host(address: &str) -> &str {
    let plain = ["mucp-2016:", "mucp:"].iter().find_map(|scheme| address.strip_prefix(scheme));
    let plain = plain.unwrap_or(address);
    plain.split_once('/').map_or(plain, |(host, _)| host)
}

/// Where Go Micro of 2016 takes events.
pub(crate) const EARLY_PATH: &str = "/_sub";

/// What all of Go Micro's services read.
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/protobuf";

/// As which those of 2016 publish protobuf.
const EARLY_PROTOBUF: &str = "application/octet-stream";

/// When a subscriber that refused may be tried again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// What Go leaves as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Bytes of an answer that are read.
const ANSWER_MOST: usize = 64 * 1024;

/// Subscribers' nodes that connections are kept for at most.
const POOLS_MOST: usize = 1024;

/// Idle connections to each, and how long each is used.
const IDLE_MOST: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_any_address_is_found() {
        for address in ["127.0.0.1:9311", "mucp:127.0.0.1:9311/a", "mucp-2016:127.0.0.1:9311/a"] {
            assert_eq!(host(address), "127.0.0.1:9311");
        }
        assert_eq!(host("mucp:[::1]:9311/a"), "[::1]:9311");
    }
}
