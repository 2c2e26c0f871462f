//! One call: attempts, retries, deadline.

mod first;
mod look;
mod open;
mod verdict;

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

pub(super) use self::first::First;
pub use self::open::StreamOptions;
use self::verdict::Next;
use super::attempt::FailedAttempt;
use super::attempt_middleware::{AttemptChain, Entered};
use super::caller::{Caller, RemoteService};
use super::direct::DirectNode;
use super::error::{CallError, Executed};
use super::link::{Link, Links};
use super::options::{CallOptions, CallTarget, EncodedReply, NodeReply};
use crate::deadline::Deadline;
use crate::message::{Body, BodyForm};
use crate::selector::{Candidate, Outcome, Pick, PickError};
use crate::transport::in_flight::{Answer, Counted, Patience};
use crate::transport::outbox::{Outbox, OutgoingCall, Ticket};

/// The state of a call over its attempts.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) service: &'a RemoteService,
    pub(super) target: CallTarget,
    pub(super) options: &'a CallOptions,
    /// Covers all attempts.
    pub(super) deadline: Deadline,
    /// The connections to the one node that is meant, and its address.
    direct: Option<(Arc<Links>, &'a str)>,
    /// Nodes that did not take it.
    tried: Vec<Arc<Candidate>>,
    retries_left: u32,
    attempts: u32,
    /// The nodes have been looked up for this very call.
    is_resolved: bool,
    /// The content types of the body's further forms.
    further: [Option<&'static str>; BodyForm::LAST.0 as usize],
    /// What is run around its attempts, if anything is.
    chain: Option<&'a AttemptChain>,
    /// The attempt that the chain looks at.
    entered: Option<Entered>,
    /// Attempts that it has looked at.
    looked_at: u32,
    last: Option<CallError>,
}

/// How an attempt began.
enum Begun {
    /// A one-way request has no ticket.
    Sent(Option<Ticket>),
    Blocked(Obstacle),
}

/// What must be waited for before a request can be sent.
enum Obstacle {
    /// There is no open connection to this node.
    Unconnected(Arc<Link>, Option<Arc<Candidate>>),
    /// The connection to this node is full.
    Full(Arc<Outbox>),
    /// The nodes of the service are not known.
    Unresolved,
    /// All nodes that would do are about to leave.
    AllDraining(CallError),
    /// This node does not take the request in any of its forms.
    Unsuited(CallError, Arc<Candidate>),
}

impl<'a> Call<'a> {
    pub(super) fn new(
        caller: &'a Caller,
        service: &'a RemoteService,
        target: CallTarget,
        (options, deadline): (&'a CallOptions, Deadline),
    ) -> Self {
        let retries_left = options.retries;
        Self {
            caller,
            service,
            target,
            options,
            deadline,
            direct: caller
                .direct(service, options)
                .map(|address| (caller.direct_links(address), address)),
            tried: Vec::new(),
            retries_left,
            attempts: 0,
            is_resolved: false,
            further: [None; BodyForm::LAST.0 as usize],
            chain: Some(&caller.options().attempts).filter(|chain| !chain.is_empty()),
            entered: None,
            looked_at: 0,
            last: None,
        }
    }

    /// Makes it a call of this one node, at which nobody looks: the caller knows it.
    pub(super) fn to(mut self, node: &'a DirectNode) -> Self {
        self.chain = None;
        self.direct = Some((Arc::clone(&node.links), &node.address));
        self
    }

    /// Makes attempts after one that failed.
    pub(super) async fn run_after<B: Body>(
        mut self,
        failed: FailedAttempt,
        body: B,
    ) -> Result<NodeReply, CallError> {
        self.attempts = 1;
        self.learn_forms(&body);
        let next = self.judge(failed);
        self.go_on(next).await?;
        self.run(body).await
    }

    /// Makes attempts until one is answered, or no further one is allowed.
    pub(super) async fn run<B: Body>(mut self, body: B) -> Result<NodeReply, CallError> {
        self.learn_forms(&body);
        loop {
            match self.begin(&body, false, Instant::now())? {
                Begun::Blocked(obstacle) => self.overcome(obstacle).await?,
                Begun::Sent(None) => return Err(self.timeout_of(Executed::Maybe)),
                Begun::Sent(Some(ticket)) => {
                    let outbox = Arc::clone(ticket.outbox());
                    let form = ticket.form();
                    match ticket.await {
                        Answer::Reply { metadata, body } => {
                            self.leave(Ok(()));
                            let node = outbox.address().to_owned();
                            let reply = EncodedReply { metadata, body };
                            return Ok(NodeReply { node, form, reply });
                        }
                        Answer::Failed(failure) => {
                            let next = self.judge(FailedAttempt { failure, outbox, form });
                            self.leave(Err(next.error()));
                            self.go_on(next).await?;
                        }
                    }
                }
            }
        }
    }

    /// Makes attempts until the request has been handed to a connection.
    pub(super) async fn run_one_way<B: Body>(mut self, body: B) -> Result<(), CallError> {
        loop {
            match self.begin(&body, true, Instant::now())? {
                Begun::Blocked(obstacle) => self.overcome(obstacle).await?,
                Begun::Sent(_) => {
                    self.leave(Ok(()));
                    return Ok(());
                }
            }
        }
    }

    /// Picks a node and sends the request, if that can be done without waiting.
    fn begin(&mut self, body: &dyn Body, one_way: bool, now: Instant) -> Result<Begun, CallError> {
        if self.deadline.has_passed_at(now) {
            return Err(self.last.take().unwrap_or_else(|| self.timeout_of(Executed::No)));
        }
        let (link, candidate) = match self.pick(now)? {
            Ok(picked) => picked,
            Err(obstacle) => return Ok(Begun::Blocked(obstacle)),
        };
        let form = match self.form(body, candidate.as_ref()) {
            Ok(form) => form,
            Err(obstacle) => return Ok(Begun::Blocked(obstacle)),
        };
        self.attempts += 1;
        let outbox = link.outbox();
        if self.chain.is_some() && outbox.is_over() {
            return Ok(Begun::Blocked(Obstacle::Unconnected(link, candidate)));
        }
        let entered = self.enter(outbox, candidate.as_ref())?;
        let metadata = entered.as_ref().map_or(&self.options.metadata, |it| &it.info.metadata);
        let call = OutgoingCall {
            target: &self.target,
            patience: Patience::Until(self.deadline),
            time_left: Some(self.deadline.time_left_at(now)),
            metadata,
            body,
            form,
        };
        let sent = if one_way {
            outbox.one_way(&call).map(|()| None)
        } else {
            let sent = outbox.call(&call, candidate.as_ref().map(Counted::Now), None);
            sent.map(|sent| Some(Ticket::new(outbox, sent)))
        };
        match sent {
            Ok(ticket) => {
                self.entered = entered;
                Ok(Begun::Sent(ticket))
            }
            Err(not_sent) => {
                self.not_sent(&not_sent, entered, (link, candidate)).map(Begun::Blocked)
            }
        }
    }

    async fn overcome(&mut self, obstacle: Obstacle) -> Result<(), CallError> {
        if self.caller.shard().pool.has_ended() {
            return Err(CallError::Stopped);
        }
        match obstacle {
            Obstacle::Unconnected(link, candidate) => self.connect(link, candidate).await,
            Obstacle::Full(outbox) => self.within(outbox.room()).await,
            Obstacle::Unresolved => {
                self.is_resolved = true;
                let timeout = self.timeout_of(Executed::No);
                self.caller.resolve(self.service, self.deadline, timeout).await
            }
            Obstacle::Unsuited(error, candidate) => {
                let next = self.unsuited(error, Some(candidate));
                self.go_on(next).await
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
        let place = self.caller.link_place();
        if let Some((links, address)) = &self.direct {
            return Ok(Ok((Arc::clone(links.of(place, "", address)), None)));
        }
        let Some(nodes) = self.service.nodes() else { return Ok(Err(Obstacle::Unresolved)) };
        let pick = self.options.pick(self.target, self.caller.options());
        let pick = Pick { exclude: &self.tried, ..pick };
        loop {
            let picked = nodes.look(|snapshot| {
                RNG.with_borrow_mut(|rng| snapshot.pick(&pick, rng, now).cloned())
            });
            let candidate = match picked {
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
            let link = candidate.links.of(place, &node.id, &node.address);
            if !link.is_draining() {
                return Ok(Ok((Arc::clone(link), Some(candidate))));
            }
            // Heard on the connection before the selector did.
            candidate.mark_draining(now);
        }
    }

    async fn connect(
        &mut self,
        link: Arc<Link>,
        candidate: Option<Arc<Candidate>>,
    ) -> Result<(), CallError> {
        let shard = self.caller.shard();
        // Without its supervisor nobody makes the connection, nor says that it is not made.
        let (ready, ended) = (pin!(link.ready(shard)), pin!(shard.pool.ended()));
        match self.within(select(ready, ended)).await? {
            Either::Right(_) => Err(CallError::Stopped),
            Either::Left((Ok(()), _)) => Ok(()),
            Either::Left((Err(source), _)) => {
                let error = CallError::Connection {
                    node: link.address().to_owned(),
                    executed: Executed::No,
                    source,
                };
                let next = self.not_executed(error, candidate, Outcome::Unreachable);
                self.go_on(next).await
            }
        }
    }

    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, CallError> {
        let within = self.caller.shard().within(self.deadline, future);
        within.await.ok_or_else(|| {
            // The timer goes with the system.
            if self.caller.shard().pool.has_ended() {
                return CallError::Stopped;
            }
            self.last.clone().unwrap_or_else(|| self.timeout_of(Executed::No))
        })
    }

    fn timeout_of(&self, executed: Executed) -> CallError {
        let (endpoint, timeout) = (self.target.endpoint, self.options.timeout);
        CallError::Timeout { endpoint, timeout, executed }
    }
}

type Picked = (Arc<Link>, Option<Arc<Candidate>>);

thread_local! {
    /// Draws nodes and pauses; seeded once per thread.
    static RNG: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// Times to look again for a node that stays, when all are about to leave.
const DRAINING_ATTEMPTS_MOST: u32 = 8;
