//! The context that a supervised actor runs in.
//!
//! It has the interface of actix's own context and is written on actix's extension points. What it
//! does differently:
//!
//! - the mailbox outlives the actor: after a panic a fresh actor takes the place of the old one
//!   and every `Addr` stays valid; only the message being handled fails;
//! - a wake-up of one spawned future costs the same however many others there are;
//! - one poll does a bounded amount of work, so that a busy actor cannot starve its arbiter;
//! - beside the mailbox there is an [`Inbox`](crate::inbox::Inbox) for requests.

mod allowance;
mod guest;
mod life;
mod mail;
mod patience;
mod prompt;
mod provided;
mod runner;
mod seed;
mod tasks;
mod turns;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use actix::WeakAddr;
use actix::dev::{Envelope, ToEnvelope};
use actix::fut::LocalBoxActorFuture;
use actix::prelude::{
    Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle,
};
use tokio::sync::oneshot;

use crate::supervisor::Exit;
use crate::vitals::Vitals;

pub(crate) use self::allowance::take_one as take_call_at_once;
pub(crate) use self::mail::Mail;
pub(crate) use self::prompt::take_turn;
pub(crate) use self::provided::Provided;
pub(crate) use self::runner::take_turn_for;
pub(crate) use self::seed::{Control, Factory, Order, Report, Reporter, Seed};

/// The execution context of a supervised actor.
///
/// ```
/// use actix::prelude::*;
/// use callboard_actors::Context;
///
/// struct Greeter;
///
/// impl Actor for Greeter {
///     type Context = Context<Self>;
/// }
/// ```
pub struct Context<A: Actor<Context = Self>> {
    address: WeakAddr<A>,
    vitals: Arc<Vitals>,
    provided: Provided,
    state: ActorState,
    exit: Option<Exit>,
    last_handle: SpawnHandle,
    news: News<A>,
    /// Whether a `wait` future is running.
    is_waiting: bool,
}

/// What the actor's code asked for and the context has not done yet.
struct News<A: Actor> {
    any: bool,
    spawned: Vec<(SpawnHandle, LocalBoxActorFuture<A, ()>)>,
    waits: Vec<LocalBoxActorFuture<A, ()>>,
    cancelled: Vec<SpawnHandle>,
}

impl<A: Actor<Context = Self>> Context<A> {
    fn new(address: WeakAddr<A>, vitals: Arc<Vitals>, provided: Provided) -> Self {
        Self {
            address,
            vitals,
            provided,
            state: ActorState::Started,
            exit: None,
            last_handle: SpawnHandle::default(),
            news: News {
                any: false,
                spawned: Vec::new(),
                waits: Vec::new(),
                cancelled: Vec::new(),
            },
            is_waiting: false,
        }
    }

    /// Stops the actor with a reason that its supervisor acts on.
    ///
    /// [`ActorContext::stop`] is the same with [`Exit::Normal`].
    pub fn exit(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.stop();
    }

    /// The actor's counters.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// What the actor was provided with by [`Child::provide`](crate::supervisor::Child::provide);
    /// `None` when that was nothing of this type.
    pub fn provided<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.provided.find()
    }
}

impl<A: Actor<Context = Self>> ActorContext for Context<A> {
    fn stop(&mut self) {
        if self.state.alive() {
            self.state = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.state = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for Context<A> {
    fn address(&self) -> Addr<A> {
        self.address.upgrade().expect("the context runs only while its mailbox exists")
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.last_handle = self.last_handle.next();
        self.news.any = true;
        self.news.spawned.push((self.last_handle, Box::pin(future)));
        self.last_handle
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.news.any = true;
        self.news.waits.push(Box::pin(future));
    }

    fn waiting(&self) -> bool {
        self.is_waiting || !self.news.waits.is_empty() || self.state.stopping()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.news.any = true;
        self.news.cancelled.push(handle);
        true
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, answer: Option<oneshot::Sender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, answer)
    }
}

impl<A: Actor<Context = Self>> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("state", &self.state).finish_non_exhaustive()
    }
}
