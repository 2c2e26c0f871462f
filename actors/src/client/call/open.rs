//! Opening a stream: attempts until a node accepts it.

use std::sync::Arc;

use tokio::time::Instant;

use super::verdict::Next;
use super::{Call, Obstacle};
use crate::client::attempt::FailedAttempt;
use crate::client::error::{CallError, Executed};
use crate::deadline::Deadline;
use crate::message::Body;
use crate::selector::{Candidate, Outcome};
use crate::stream::{ClientStream, OpenFailure, StreamWindow};
use crate::transport::in_flight::Patience;
use crate::transport::outbox::OutgoingCall;

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
        self.learn_forms(&body);
        loop {
            let now = Instant::now();
            let (opening, candidate) = match self.ask(&body, stream, now)? {
                Asked::Opening(opening, candidate) => (opening, candidate),
                Asked::Blocked(obstacle) => {
                    self.overcome(obstacle).await?;
                    continue;
                }
                Asked::TooOld(node, candidate) => {
                    let next = self.unsuited(CallError::NoStreams { node }, candidate);
                    self.go_on(next).await?;
                    continue;
                }
            };
            let opened = self.caller.shard().within(self.deadline, opening.opened()).await;
            match opened {
                None => {
                    let has_ended = self.caller.shard().pool.has_ended();
                    let late = self.timeout_of(Executed::Maybe);
                    let error = if has_ended { CallError::Stopped } else { late };
                    self.leave(Err(&error));
                    return Err(error);
                }
                Some(Ok(())) => {
                    self.leave(Ok(()));
                    if let Some(candidate) = candidate {
                        candidate.mark(Outcome::Success { latency: now.elapsed() }, Instant::now());
                    }
                    return Ok((opening, body));
                }
                Some(Err(OpenFailure { failure, outbox })) => {
                    let next = self.judge(FailedAttempt { failure, outbox, form: opening.form() });
                    self.leave(Err(next.error()));
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
        let form = match self.form(body, candidate.as_ref()) {
            Ok(form) => form,
            Err(obstacle) => return Ok(Asked::Blocked(obstacle)),
        };
        self.attempts += 1;
        let outbox = link.outbox();
        if self.chain.is_some() && outbox.is_over() {
            return Ok(Asked::Blocked(Obstacle::Unconnected(link, candidate)));
        }
        if !outbox.takes_streams() && !outbox.is_over() {
            return Ok(Asked::TooOld(outbox.address().to_owned(), candidate));
        }
        let entered = self.enter(outbox, candidate.as_ref())?;
        let metadata = entered.as_ref().map_or(&self.options.metadata, |it| &it.info.metadata);
        let call = OutgoingCall {
            target: &self.target,
            patience: stream.deadline.map_or(Patience::Within(FOREVER), Patience::Until),
            time_left: stream.deadline.map(|deadline| deadline.time_left_at(now)),
            metadata,
            body,
            form,
        };
        match outbox.open_stream(&call, candidate.as_ref(), stream.window) {
            Ok(opening) => {
                self.entered = entered;
                Ok(Asked::Opening(opening, candidate))
            }
            Err(not_sent) => {
                self.not_sent(&not_sent, entered, (link, candidate)).map(Asked::Blocked)
            }
        }
    }

    /// A node that cannot take this request is as good as ever for others; another one may take it.
    pub(super) fn unsuited(&mut self, error: CallError, candidate: Option<Arc<Candidate>>) -> Next {
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
