//! Keeps one registration alive.
//!
//! A registration is a lease: the registry forgets it when its TTL passes without a renewal.
//! [`Heartbeat`] registers when it is told to [`Announce`], renews with some jitter, registers
//! again at once when the registry has lost the lease, and gives the lease back when it is told to
//! [`Release`] it or when it is stopped.
//!
//! ```text
//! node ──Announce, Release──▶ Heartbeat ──register, renew, deregister──▶ registry
//! ```
//!
//! Supervised by the node, permanent, last to start and first to stop. A restart registers again,
//! which renews. A crash of the process leaves the lease to expire: peers lose sight of the node at
//! most one TTL later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::fut;
use actix::prelude::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, AtomicResponse, Handler, Message, Running,
    WrapFuture,
};
use rand::RngExt;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::context::Context;
use crate::registry::{BoxFuture, Registry, RegistryError, Service};

/// Holds a node's registration from start to stop.
pub struct Heartbeat {
    registry: Arc<dyn Registry>,
    service: Service,
    options: HeartbeatOptions,
    backoff: Backoff,
    /// Shared by all incarnations: a restarted heartbeat goes on where the last one ended.
    is_announced: Arc<AtomicBool>,
    is_released: bool,
    /// Whether the lease is held, for those who ask the node whether it is ready.
    is_held: Arc<AtomicBool>,
    /// When the registry last said that it holds.
    renewed: Instant,
}

/// How a registration is kept alive.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::heartbeat::HeartbeatOptions;
///
/// assert_eq!(HeartbeatOptions::default().interval, Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatOptions {
    /// Time after which the registry forgets a node that does not renew; default 30 s.
    pub ttl: Duration,
    /// Time between renewals; default a third of the TTL, so that two may fail.
    pub interval: Duration,
}

impl HeartbeatOptions {
    /// Renews three times per TTL.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, interval: ttl / RENEWALS_PER_TTL }
    }
}

impl Default for HeartbeatOptions {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl Heartbeat {
    /// Creates a heartbeat for the nodes of `service`; `is_announced` outlives restarts.
    pub fn new(
        registry: Arc<dyn Registry>,
        service: Service,
        options: HeartbeatOptions,
        is_announced: Arc<AtomicBool>,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FIRST, options.interval);
        Self {
            registry,
            service,
            options,
            backoff,
            is_announced,
            is_released: false,
            is_held: Arc::default(),
            renewed: Instant::now(),
        }
    }

    /// Notes in `is_held` whether the registry tells of the node: from the registration on, until
    /// it is given back or has not been renewed for longer than the TTL.
    #[must_use]
    pub fn telling(self, is_held: Arc<AtomicBool>) -> Self {
        Self { is_held, ..self }
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("registry", &self.registry.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Actor for Heartbeat {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.is_announced.load(Ordering::Acquire) {
            ctx.notify(Renew);
        }
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        if self.is_released || !self.is_announced.load(Ordering::Acquire) {
            return Running::Stop;
        }
        self.is_released = true;
        let answer = self.ask(Question::Deregister);
        ctx.spawn(answer.into_actor(self).map(|answer, this, ctx| {
            this.released(&answer);
            ctx.stop();
        }));
        Running::Continue
    }
}

// ===== Messages =====

/// Registers the node and keeps it registered from then on.
///
/// Sent by the node once it can serve. Replies with the registry's answer; after an error nothing
/// is announced, and the message may be sent again.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RegistryError>")]
pub struct Announce;

/// Gives the lease back; the node is announced no more.
///
/// Sent by the node before it stops serving. Replies with the registry's answer; whatever that is,
/// there are no renewals from then on. Repeating it is safe.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RegistryError>")]
pub struct Release;

/// Ends the heartbeat for good, after it has given its lease back.
///
/// Sent by whoever announced something that a node can do without. It must not be restarted after
/// a normal exit then. Repeating it is safe.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Retire;

/// Renews the lease, then schedules the next renewal.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Renew;

// ===== Handlers =====

type Answer = Result<(), RegistryError>;

impl Handler<Announce> for Heartbeat {
    type Result = AtomicResponse<Self, Answer>;

    fn handle(&mut self, _: Announce, _: &mut Self::Context) -> Self::Result {
        let answer = self.ask(Question::Register);
        AtomicResponse::new(Box::pin(answer.into_actor(self).map(|answer, this, ctx| {
            if answer.is_ok() {
                this.is_announced.store(true, Ordering::Release);
                this.held();
                this.log("registered");
                ctx.notify_later(Renew, this.delay_after(&answer));
            }
            answer
        })))
    }
}

impl Handler<Release> for Heartbeat {
    type Result = AtomicResponse<Self, Answer>;

    fn handle(&mut self, _: Release, _: &mut Self::Context) -> Self::Result {
        if self.is_released || !self.is_announced.load(Ordering::Acquire) {
            return AtomicResponse::new(Box::pin(fut::ready(Ok(()))));
        }
        self.is_released = true;
        let answer = self.ask(Question::Deregister);
        AtomicResponse::new(Box::pin(answer.into_actor(self).map(|answer, this, _| {
            this.released(&answer);
            answer
        })))
    }
}

impl Handler<Retire> for Heartbeat {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Renew> for Heartbeat {
    // Atomic, so that `Release` waits for a renewal in flight. Were the two to overlap, the
    // renewal could land last and the node would reappear after it left.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Renew, _: &mut Self::Context) -> Self::Result {
        // A timer may fire after `Release` was handled.
        if self.is_released {
            return AtomicResponse::new(Box::pin(fut::ready(())));
        }
        let answer = self.ask(Question::Renew);
        AtomicResponse::new(Box::pin(answer.into_actor(self).map(|answer, this, ctx| {
            ctx.notify_later(Renew, this.delay_after(&answer));
        })))
    }
}

// ===== Private helpers =====

/// What the registry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Register,
    Renew,
    Deregister,
}

impl Heartbeat {
    /// Asks the registry; it has a renewal's interval to answer.
    fn ask(&self, question: Question) -> BoxFuture<'static, Answer> {
        let registry = Arc::clone(&self.registry);
        let (service, ttl) = (self.service.clone(), self.options.ttl);
        let limit = self.options.interval.max(ANSWER_LEAST);
        Box::pin(async move {
            let answer = async {
                match question {
                    Question::Register => registry.register(service, ttl).await,
                    Question::Deregister => registry.deregister(service).await,
                    Question::Renew => match registry.renew(service.clone(), ttl).await {
                        Err(RegistryError::LeaseLost { node, .. }) => {
                            tracing::warn!(node, "the registry lost the lease: registering again");
                            registry.register(service, ttl).await
                        }
                        answer => answer,
                    },
                }
            };
            timeout(limit, answer).await.unwrap_or_else(|_| {
                Err(RegistryError::Unavailable {
                    registry: registry.name(),
                    address: registry.address(),
                    reason: format!("no answer within {limit:?}"),
                })
            })
        })
    }

    fn delay_after(&mut self, answer: &Answer) -> Duration {
        match answer {
            Ok(()) => {
                self.backoff.reset();
                self.held();
                // Nodes that started together do not renew together.
                self.options.interval.mul_f64(rand::rng().random_range(JITTER..=1.0))
            }
            Err(error) => {
                if self.renewed.elapsed() >= self.options.ttl {
                    self.is_held.store(false, Ordering::Release);
                }
                let delay = self.backoff.next_delay(&mut rand::rng());
                tracing::warn!(%error, retry_in = ?delay, "the registration was not renewed");
                delay
            }
        }
    }

    /// The registry has just said that it holds the lease.
    fn held(&mut self) {
        self.renewed = Instant::now();
        // A renewal that ends after the lease was given back must not take that back.
        self.is_held.store(!self.is_released, Ordering::Release);
    }

    fn released(&self, answer: &Answer) {
        self.is_announced.store(false, Ordering::Release);
        self.is_held.store(false, Ordering::Release);
        match answer {
            Ok(()) => self.log("deregistered"),
            Err(error) => tracing::warn!(%error, "not deregistered; the lease will expire"),
        }
    }

    fn log(&self, event: &'static str) {
        for node in &self.service.nodes {
            let (service, registry) = (&self.service.name, self.registry.name());
            tracing::info!(service, node = node.id, address = node.address, registry, "{event}");
        }
    }
}

/// Renewals per TTL; two may fail before the registry forgets the node.
const RENEWALS_PER_TTL: u32 = 3;

/// Upper bound of the first delay after a failed renewal.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// A registry has at least this long to answer.
const ANSWER_LEAST: Duration = Duration::from_secs(1);

/// The shortest share of the interval after which a renewal comes.
const JITTER: f64 = 0.9;
