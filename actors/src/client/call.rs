//! One call: attempts, retries, deadline.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::attempt::{Attempt, FailedAttempt, Flight};
use super::caller::{Caller, RemoteService};
use super::error::{CallError, Executed};
use super::link::Link;
use crate::deadline::Deadline;
use crate::message::{Body, Refusal};
use crate::metadata::Metadata;
use crate::selector::{Candidate, Filter, Outcome, Pick, PickError, Strategy};
use crate::server::STATUS_ID;
use crate::status::Status;
use crate::transport::TransportError;
use crate::transport::in_flight::Answer;
use crate::transport::outbox::{NotSent, Outbox, OutgoingCall, Ticket};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTarget {
    /// E.g. `Greeter.Hello`.
    pub endpoint: &'static str,
    /// How request and reply are encoded.
    pub content_type: &'static str,
    /// Whether it may be repeated although it may have been executed.
    pub is_idempotent: bool,
}

/// How a call is made.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// When the answer is of no use any more; covers all attempts.
    pub deadline: Deadline,
    /// The time given at the beginning, for messages.
    pub timeout: Duration,
    /// Attempts after the first for what may have been executed, or was refused for overload.
    pub retries: u32,
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// Equal keys go to the same node, with a strategy that heeds them.
    pub key: Option<String>,
    /// What the node must be like.
    pub filters: Vec<Filter>,
    /// How one of several nodes is chosen; default the caller's.
    pub strategy: Option<Strategy>,
    /// Calls the node at this address, whatever the registry says.
    pub node: Option<String>,
}

impl CallOptions {
    /// Whether any node would take a request like this.
    ///
    /// # Errors
    /// [`CallError::TooLarge`]: the metadata exceed their limits.
    pub fn check(&self) -> Result<(), CallError> {
        TransportError::check_metadata(&self.metadata).map_err(|error| invalid(&error))
    }
}

/// A handler's value, encoded.
#[derive(Debug, Clone)]
pub struct EncodedReply {
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// In the content type of the request.
    pub body: Bytes,
    pub(super) link: Arc<Link>,
}

impl EncodedReply {
    /// The address of the node that answered.
    pub fn node(&self) -> &str {
        self.link.address()
    }
}

/// The state of a call over its attempts.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) service: &'a RemoteService,
    pub(super) target: CallTarget,
    pub(super) options: &'a CallOptions,
    /// Nodes that did not take it.
    tried: Vec<Arc<Candidate>>,
    retries_left: u32,
    attempts: u32,
    /// The nodes have been looked up for this very call.
    is_resolved: bool,
    last: Option<CallError>,
}

/// How an attempt began.
enum Begun {
    /// A one-way request has no ticket.
    Sent(Option<Ticket>, Flight),
    Blocked(Obstacle),
}

/// What must be waited for before a request can be sent.
enum Obstacle {
    /// There is no open connection to this node.
    Unconnected(Arc<Link>, Flight),
    /// The connection to this node is full.
    Full(Arc<Outbox>),
    /// The nodes of the service are not known.
    Unresolved,
    /// All nodes that would do are about to leave.
    AllDraining(CallError),
}

/// What follows from a failure.
enum Next {
    /// Try again at once, on another node.
    Retry(CallError),
    /// Try again after a pause.
    Pause(Duration, CallError),
    Fail(CallError),
}

impl<'a> Call<'a> {
    pub(super) fn new(
        caller: &'a Caller,
        service: &'a RemoteService,
        target: CallTarget,
        options: &'a CallOptions,
    ) -> Self {
        let retries_left = options.retries;
        Self {
            caller,
            service,
            target,
            options,
            tried: Vec::new(),
            retries_left,
            attempts: 0,
            is_resolved: false,
            last: None,
        }
    }

    /// Makes the first attempt, if that can be done without waiting; wakes `waker` at its end.
    pub(super) fn attempt(
        mut self,
        body: &dyn Body,
        waker: &Waker,
        now: Instant,
    ) -> Result<Option<Attempt>, CallError> {
        Ok(match self.begin(body, false, Some(waker), now)? {
            Begun::Sent(Some(ticket), flight) => Some(Attempt::new(ticket, flight)),
            Begun::Sent(None, _) | Begun::Blocked(_) => None,
        })
    }

    /// Hands a one-way request over, if that can be done without waiting.
    pub(super) fn post(mut self, body: &dyn Body, now: Instant) -> Result<bool, CallError> {
        Ok(matches!(self.begin(body, true, None, now)?, Begun::Sent(..)))
    }

    /// Makes attempts after one that failed.
    pub(super) async fn run_after<B: Body>(
        mut self,
        failed: FailedAttempt,
        body: B,
    ) -> Result<EncodedReply, CallError> {
        self.attempts = 1;
        let next = self.judge(failed);
        self.go_on(next).await?;
        self.run(body).await
    }

    /// Makes attempts until one is answered, or no further one is allowed.
    pub(super) async fn run<B: Body>(mut self, body: B) -> Result<EncodedReply, CallError> {
        loop {
            match self.begin(&body, false, None, Instant::now())? {
                Begun::Blocked(obstacle) => self.overcome(obstacle).await?,
                Begun::Sent(None, _) => return Err(self.timeout_of(Executed::Maybe)),
                Begun::Sent(Some(ticket), flight) => match flight.settle(ticket.await) {
                    Ok(reply) => return Ok(reply),
                    Err(failed) => {
                        let next = self.judge(failed);
                        self.go_on(next).await?;
                    }
                },
            }
        }
    }

    /// Makes attempts until the request has been handed to a connection.
    pub(super) async fn run_one_way<B: Body>(mut self, body: B) -> Result<(), CallError> {
        loop {
            match self.begin(&body, true, None, Instant::now())? {
                Begun::Blocked(obstacle) => self.overcome(obstacle).await?,
                Begun::Sent(..) => return Ok(()),
            }
        }
    }

    /// Picks a node and sends the request, if that can be done without waiting.
    fn begin(
        &mut self,
        body: &dyn Body,
        one_way: bool,
        waker: Option<&Waker>,
        now: Instant,
    ) -> Result<Begun, CallError> {
        if self.options.deadline.has_passed_at(now) {
            return Err(self.last.take().unwrap_or_else(|| self.timeout_of(Executed::No)));
        }
        let (link, candidate) = match self.pick(now)? {
            Ok(picked) => picked,
            Err(obstacle) => return Ok(Begun::Blocked(obstacle)),
        };
        self.attempts += 1;
        let flight = Flight::begin(Arc::clone(&link), candidate, now);
        let outbox = link.outbox();
        let Some(outbox) = &*outbox else {
            return Ok(Begun::Blocked(Obstacle::Unconnected(link, flight)));
        };
        let call = OutgoingCall {
            endpoint: self.target.endpoint,
            content_type: self.target.content_type,
            deadline: self.options.deadline,
            now,
            metadata: &self.options.metadata,
            body,
        };
        let sent = if one_way {
            outbox.one_way(&call).map(|()| None)
        } else {
            outbox.call(&call, waker).map(Some)
        };
        match sent {
            Ok(ticket) => Ok(Begun::Sent(ticket, flight)),
            Err(NotSent::Full) => Ok(Begun::Blocked(Obstacle::Full(Arc::clone(outbox)))),
            // The link has not noticed yet; by the time it is asked it will have.
            Err(NotSent::Closed) => Ok(Begun::Blocked(Obstacle::Unconnected(link, flight))),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }

    async fn overcome(&mut self, obstacle: Obstacle) -> Result<(), CallError> {
        if self.caller.shard().pool.has_ended() {
            return Err(CallError::Stopped);
        }
        match obstacle {
            Obstacle::Unconnected(link, flight) => self.connect(link, flight).await,
            Obstacle::Full(outbox) => self.within(outbox.room()).await,
            Obstacle::Unresolved => {
                self.is_resolved = true;
                let timeout = self.timeout_of(Executed::No);
                self.caller.resolve(self.service, self.options.deadline, timeout).await
            }
            Obstacle::AllDraining(error) => {
                self.attempts += 1;
                let next = if self.attempts < DRAINING_ATTEMPTS_MOST {
                    Next::Pause(self.pause(), error)
                } else {
                    Next::Fail(error)
                };
                self.go_on(next).await
            }
        }
    }

    fn pick(&self, now: Instant) -> Result<Result<Picked, Obstacle>, CallError> {
        let (index, links) = self.caller.link_index();
        if let Some(address) = &self.options.node {
            let direct = self.caller.direct_links(address);
            return Ok(Ok((Arc::clone(direct.of(index, links, "", address)), None)));
        }
        let Some(nodes) = self.service.nodes() else { return Ok(Err(Obstacle::Unresolved)) };
        let snapshot = nodes.load();
        let pick = Pick {
            strategy: self.options.strategy.as_ref().unwrap_or(self.caller.strategy()),
            key: self.options.key.as_deref(),
            endpoint: Some(self.target.endpoint),
            filters: &self.options.filters,
            exclude: &self.tried,
        };
        loop {
            let candidate = match RNG.with_borrow_mut(|rng| snapshot.pick(&pick, rng, now)) {
                Ok(candidate) => candidate,
                Err(error) => {
                    let own = CallError::from_pick(&error, &self.service.name, self.target);
                    let known = self.last.clone().unwrap_or(own);
                    return match error {
                        PickError::AllDraining { .. } => Ok(Err(Obstacle::AllDraining(known))),
                        // Perhaps they have come back, or nobody told the selector any more.
                        PickError::NoNodes { .. } if !self.is_resolved => {
                            Ok(Err(Obstacle::Unresolved))
                        }
                        _ => Err(known),
                    };
                }
            };
            let node = candidate.node();
            let link = candidate.links.of(index, links, &node.id, &node.address);
            if !link.is_draining() {
                return Ok(Ok((Arc::clone(link), Some(Arc::clone(candidate)))));
            }
            // Heard on the connection before the selector did.
            candidate.mark_draining(now);
        }
    }

    async fn connect(&mut self, link: Arc<Link>, flight: Flight) -> Result<(), CallError> {
        let shard = self.caller.shard();
        // Without its supervisor nobody makes the connection, nor says that it is not made.
        let (ready, ended) = (pin!(link.ready(shard)), pin!(shard.pool.ended()));
        match self.within(select(ready, ended)).await? {
            Either::Right(_) => Err(CallError::Stopped),
            Either::Left((Ok(_), _)) => {
                drop(flight);
                Ok(())
            }
            Either::Left((Err(source), _)) => {
                let error = CallError::Connection {
                    node: link.address().to_owned(),
                    executed: Executed::No,
                    source,
                };
                let next = self.not_executed(error, flight, Outcome::Unreachable);
                self.go_on(next).await
            }
        }
    }

    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, CallError> {
        let within = self.caller.shard().within(self.options.deadline, future);
        within.await.ok_or_else(|| {
            // The timer goes with the system.
            if self.caller.shard().pool.has_ended() {
                return CallError::Stopped;
            }
            self.last.clone().unwrap_or_else(|| self.timeout_of(Executed::No))
        })
    }

    /// What follows from an answer that is not a value.
    fn judge(&mut self, failed: FailedAttempt) -> Next {
        let FailedAttempt { answer, mut flight } = failed;
        let now = Instant::now();
        match answer {
            // Never here: `Flight::settle` has taken it out.
            Answer::Reply { .. } => Next::Fail(self.timeout_of(Executed::Maybe)),
            // The handler was cut short at the very deadline at which this gives up.
            Answer::Status(status)
                if status.code == 408 && self.options.deadline.has_passed_at(now) =>
            {
                flight.finish(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Answer::Status(status) => {
                flight.finish(Outcome::Success { latency: now - flight.begun }, now);
                Next::Fail(from_status(*status))
            }
            Answer::TimedOut => {
                flight.finish(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Answer::Broken { was_sent, error } => self.broken(was_sent, error, flight),
            Answer::Refused { refusal, status } => {
                self.refused(refusal, status.detail, flight, now)
            }
        }
    }

    fn broken(&mut self, was_sent: bool, source: Arc<TransportError>, mut flight: Flight) -> Next {
        let executed = if was_sent { Executed::Maybe } else { Executed::No };
        let error = CallError::Connection { node: flight.address(), executed, source };
        if !was_sent {
            return self.not_executed(error, flight, Outcome::Unreachable);
        }
        flight.finish(Outcome::Unreachable, Instant::now());
        if self.target.is_idempotent && self.takes_retry() {
            self.tried.extend(flight.candidate.take());
            return Next::Retry(error);
        }
        Next::Fail(error)
    }

    fn refused(
        &mut self,
        refusal: Refusal,
        detail: String,
        mut flight: Flight,
        now: Instant,
    ) -> Next {
        let node = flight.address();
        let fine = Outcome::Success { latency: now - flight.begun };
        let (outcome, error) = match refusal {
            Refusal::Draining => {
                return self.not_executed(CallError::Draining { node }, flight, Outcome::Draining);
            }
            Refusal::Overloaded { retry_after } => {
                return self.overloaded(node, retry_after, detail, flight);
            }
            Refusal::UnknownEndpoint => {
                (fine, CallError::UnknownEndpoint { node, endpoint: self.target.endpoint })
            }
            Refusal::TooLarge => (fine, CallError::TooLarge { detail, executed: Executed::No }),
            Refusal::Expired => (Outcome::Overloaded, self.timeout_of(Executed::No)),
            Refusal::Cancelled => {
                (Outcome::Cancelled, CallError::Cancelled { endpoint: self.target.endpoint })
            }
            Refusal::UnknownContentType | Refusal::Undecodable | Refusal::Other => {
                (fine, CallError::Codec { detail, executed: Executed::No })
            }
        };
        flight.finish(outcome, now);
        Next::Fail(error)
    }

    fn overloaded(
        &mut self,
        node: String,
        retry_after: Duration,
        detail: String,
        mut flight: Flight,
    ) -> Next {
        flight.finish(Outcome::Overloaded, Instant::now());
        let error = CallError::Overloaded { node, retry_after, detail };
        if !self.takes_retry() {
            return Next::Fail(error);
        }
        self.tried.extend(flight.candidate.take());
        Next::Pause(retry_after.min(PAUSE_MOST), error)
    }

    /// A request that no handler has seen is tried elsewhere, as long as there is time.
    fn not_executed(&mut self, error: CallError, mut flight: Flight, outcome: Outcome) -> Next {
        flight.finish(outcome, Instant::now());
        let Some(candidate) = flight.candidate.take() else { return Next::Fail(error) };
        let was_tried = self.tried.iter().any(|tried| Arc::ptr_eq(tried, &candidate));
        self.tried.push(candidate);
        if self.attempts >= ATTEMPTS_MOST || (was_tried && !self.takes_retry()) {
            Next::Fail(error)
        } else if was_tried {
            Next::Pause(self.pause(), error)
        } else {
            Next::Retry(error)
        }
    }

    /// Grows with each attempt.
    fn pause(&self) -> Duration {
        (PAUSE_LEAST * (1 << self.attempts.min(8))).min(PAUSE_MOST)
    }

    fn takes_retry(&mut self) -> bool {
        if self.retries_left == 0 || !self.service.allows_retry(Instant::now()) {
            return false;
        }
        self.retries_left -= 1;
        true
    }

    async fn go_on(&mut self, next: Next) -> Result<(), CallError> {
        match next {
            Next::Fail(error) => Err(error),
            Next::Retry(error) => {
                self.last = Some(error);
                Ok(())
            }
            Next::Pause(most, error) => {
                // Full jitter: callers that failed together do not come back together.
                let pause = RNG.with_borrow_mut(|rng| most.mul_f64(rng.random::<f64>()));
                let until = Deadline::within(pause).earlier(Some(self.options.deadline));
                self.last = Some(error);
                self.caller.shard().sleep(until).await;
                Ok(())
            }
        }
    }

    fn timeout_of(&self, executed: Executed) -> CallError {
        let (endpoint, timeout) = (self.target.endpoint, self.options.timeout);
        CallError::Timeout { endpoint, timeout, executed }
    }
}

type Picked = (Arc<Link>, Option<Arc<Candidate>>);

/// The handler's own status, or what the node says when it cannot send the handler's reply.
fn from_status(status: Status) -> CallError {
    if status.code == 413 && status.id == STATUS_ID {
        return CallError::TooLarge { detail: status.detail, executed: Executed::Yes };
    }
    CallError::Status(status)
}

/// The request itself cannot be sent; no node would take it.
fn invalid(error: &TransportError) -> CallError {
    let detail = format!("the request was not sent: {error}");
    match error {
        TransportError::TooLarge { .. } | TransportError::Metadata { .. } => {
            CallError::TooLarge { detail, executed: Executed::No }
        }
        _ => CallError::Codec { detail, executed: Executed::No },
    }
}

impl RemoteService {
    fn allows_retry(&self, now: Instant) -> bool {
        self.budget.lock().allows(self.calls.load(Ordering::Relaxed), now)
    }
}

thread_local! {
    /// Draws nodes and pauses; seeded once per thread.
    static RNG: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// Attempts of one call at most, whatever the reason.
const ATTEMPTS_MOST: u32 = 32;

/// Times to look again for a node that stays, when all are about to leave.
const DRAINING_ATTEMPTS_MOST: u32 = 8;

/// Upper bound of the first pause, and of every pause, between attempts.
const PAUSE_LEAST: Duration = Duration::from_millis(5);
const PAUSE_MOST: Duration = Duration::from_secs(1);
