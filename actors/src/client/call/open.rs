//! Opening a stream: attempts until a node accepts it.

use std::sync::Arc;

use tokio::time::Instant;

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
    ) -> Result<ClientStream, CallError> {
        loop {
            let now = Instant::now();
            let (opening, candidate) = match self.ask(&body, stream, now)? {
                Ok(asked) => asked,
                Err(obstacle) => {
                    self.overcome(obstacle).await?;
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
                    return Ok(opening);
                }
                Some(Err(OpenFailure { mut failure, outbox })) => {
                    failure.candidate = candidate;
                    let next = self.judge(FailedAttempt { failure, outbox, is_alternative: false });
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
    ) -> Result<Result<Asked, Obstacle>, CallError> {
        if self.deadline.has_passed_at(now) {
            return Err(self.last.take().unwrap_or_else(|| self.timeout_of(Executed::No)));
        }
        let (link, candidate) = match self.pick(now)? {
            Ok(picked) => picked,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        self.attempts += 1;
        let outbox = link.outbox();
        let call = OutgoingCall {
            endpoint: self.target.endpoint,
            content_type: self.target.content_type,
            patience: stream.deadline.map_or(Patience::Within(FOREVER), Patience::Until),
            time_left: stream.deadline.map(|deadline| deadline.time_left_at(now)),
            metadata: &self.options.metadata,
            body,
            // Its items could not change with it.
            alternative: None,
            needs_alternative: false,
        };
        match outbox.open_stream(&call, stream.window) {
            Ok(opening) => Ok(Ok((opening, candidate))),
            Err(NotSent::Full) => Ok(Err(Obstacle::Full(Arc::clone(outbox)))),
            Err(NotSent::Closed) => Ok(Err(Obstacle::Unconnected(link, candidate))),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }
}

type Asked = (ClientStream, Option<Arc<Candidate>>);

/// A stream without a deadline ends when one of both sides ends it.
const FOREVER: std::time::Duration = std::time::Duration::MAX;
