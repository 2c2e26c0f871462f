//! Opening a stream: attempts until a node accepts it.

use std::sync::Arc;

use tokio::time::Instant;

use super::verdict::Next;
use super::{Call, Obstacle};
use crate::client::attempt::FailedAttempt;
use crate::client::error::{CallError, Executed};
use crate::client::options::invalid;
use crate::deadline::Deadline;
use crate::message::Body;
use crate::selector::{Candidate, Outcome};
use crate::stream::{ClientStream, OpenFailure, StreamWindow};
use crate::transport::in_flight::Patience;
use crate::transport::outbox::{NotSent, OutgoingCall};

/// How long a stream lasts and how much may be sent ahead to its client.
///
/// ```
/// use callboard_actors::client::StreamOptions;
///
/// assert!(StreamOptions::default().deadline.is_none());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamOptions {
    /// When it is over, whatever it has come to; default never.
    pub deadline: Option<Deadline>,
    /// What the node may send ahead.
    pub window: StreamWindow,
}

impl Call<'_> {
    /// Makes attempts until a node accepts the stream, or no further one is allowed.
    pub(in crate::client) async fn open<B: Body>(
        mut self,
        body: B,
        stream: StreamOptions,
    ) -> Result<(ClientStream, B), CallError> {
        self.has_alternative = body.alternative().is_some();
        loop {
            let now = Instant::now();
            let (opening, candidate) = match self.ask(&body, stream, now)? {
                Asked::Opening(opening, candidate) => (opening, candidate),
                Asked::Blocked(obstacle) => {
                    self.overcome(obstacle).await?;
                    continue;
                }
                Asked::TooOld(node, candidate) => {
                    let next = self.too_old(node, candidate);
                    self.go_on(next).await?;
                    continue;
                }
            };
            let opened = self.caller.shard().within(self.deadline, opening.opened()).await;
            match opened {
                None if self.caller.shard().pool.has_ended() => return Err(CallError::Stopped),
                None => return Err(self.timeout_of(Executed::Maybe)),
                Some(Ok(())) => {
                    if let Some(candidate) = candidate {
                        candidate.mark(Outcome::Success { latency: now.elapsed() }, Instant::now());
                    }
                    return Ok((opening, body));
                }
                Some(Err(OpenFailure { failure, outbox })) => {
                    let is_alternative = opening.is_alternative();
                    let next = self.judge(FailedAttempt { failure, outbox, is_alternative });
                    self.go_on(next).await?;
                }
            }
        }
    }

    /// Picks a node and asks it for the stream, if that can be done without waiting.
    fn ask(
        &mut self,
        body: &dyn Body,
        stream: StreamOptions,
        now: Instant,
    ) -> Result<Asked, CallError> {
        if self.deadline.has_passed_at(now) {
            return Err(self.last.take().unwrap_or_else(|| self.timeout_of(Executed::No)));
        }
        let (link, candidate) = match self.pick(now)? {
            Ok(picked) => picked,
            Err(obstacle) => return Ok(Asked::Blocked(obstacle)),
        };
        self.attempts += 1;
        let outbox = link.outbox();
        if !outbox.takes_streams() && !outbox.is_over() {
            return Ok(Asked::TooOld(outbox.address().to_owned(), candidate));
        }
        let alternative = body.alternative();
        let call = OutgoingCall {
            endpoint: self.target.endpoint,
            content_type: self.target.content_type,
            patience: stream.deadline.map_or(Patience::Within(FOREVER), Patience::Until),
            time_left: stream.deadline.map(|deadline| deadline.time_left_at(now)),
            metadata: &self.options.metadata,
            body,
            alternative,
            needs_alternative: candidate.as_ref().is_some_and(|candidate| {
                OutgoingCall::other_needed(alternative, self.target.endpoint, candidate)
            }),
        };
        match outbox.open_stream(&call, candidate.as_ref(), stream.window) {
            Ok(opening) => Ok(Asked::Opening(opening, candidate)),
            Err(NotSent::Full) => Ok(Asked::Blocked(Obstacle::Full(Arc::clone(outbox)))),
            Err(NotSent::Closed) => Ok(Asked::Blocked(Obstacle::Unconnected(link, candidate))),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }

    /// A node that knows no streams is as good as ever for calls; another one may know them.
    fn too_old(&mut self, node: String, candidate: Option<Arc<Candidate>>) -> Next {
        let error = CallError::NoStreams { node };
        let was_tried = |it: &Arc<Candidate>| self.tried.iter().any(|other| Arc::ptr_eq(it, other));
        match candidate {
            Some(candidate) if !was_tried(&candidate) => {
                self.tried.push(candidate);
                Next::Retry(error)
            }
            _ => Next::Fail(error),
        }
    }
}

/// How far asking for a stream has come.
enum Asked {
    Opening(ClientStream, Option<Arc<Candidate>>),
    Blocked(Obstacle),
    /// This node knows no streams.
    TooOld(String, Option<Arc<Candidate>>),
}

/// A stream without a deadline ends when one of both sides ends it.
const FOREVER: std::time::Duration = std::time::Duration::MAX;
