//! What a supervisor is told about a child.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::dev::channel::{AddressReceiver, channel};
use actix::prelude::{Actor, Addr};
use actix_rt::ArbiterHandle;
use parking_lot::Mutex;

use super::roster::Roster;
use super::{Exit, Restart};
use crate::context::{Context, Control, Mail, Provided, Report, Seed};
use crate::context::{Factory, Reporter};
use crate::inbox::{Inbox, InboxOptions, InboxReceiver};
use crate::vitals::Vitals;

/// A child to be: its name, its factory and how it is looked after.
///
/// Its mailbox exists already, so addresses can be handed out before anything runs; messages sent
/// before the start are handled after it.
///
/// ```
/// use actix::prelude::*;
/// use callboard_actors::{Context, supervisor::{Child, Restart}};
///
/// #[derive(Default)]
/// struct Worker;
/// impl Actor for Worker { type Context = Context<Self>; }
///
/// let child = Child::new("worker", Worker::default).restart(Restart::Transient);
/// let address: Addr<Worker> = child.address();
/// ```
pub struct Child<A: Actor<Context = Context<A>>> {
    name: String,
    mailbox: AddressReceiver<A>,
    inbox: Option<InboxReceiver<A>>,
    factory: Factory<A>,
    vitals: Arc<Vitals>,
    provided: Provided,
    care: Care,
    /// When it is a supervisor: its children.
    pub(super) roster: Weak<Mutex<Roster>>,
}

/// How a child is looked after.
#[derive(Debug, Clone)]
pub(super) struct Care {
    pub(super) restart: Restart,
    pub(super) shutdown: Duration,
    pub(super) arbiter: Option<ArbiterHandle>,
    pub(super) counts_request_panics: bool,
}

impl<A: Actor<Context = Context<A>>> Child<A> {
    /// Messages a mailbox holds before senders wait; `do_send` ignores it.
    pub const DEFAULT_MAILBOX: usize = 1024;

    /// Time a child has to stop before it is abandoned.
    pub const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(5);

    /// Creates a permanent child on the supervisor's arbiter.
    ///
    /// `factory` makes the first actor and one more for every restart.
    pub fn new(name: impl Into<String>, factory: impl FnMut() -> A + Send + 'static) -> Self {
        let (_, mailbox) = channel(Self::DEFAULT_MAILBOX);
        Self {
            name: name.into(),
            mailbox,
            inbox: None,
            factory: Box::new(factory),
            vitals: Arc::default(),
            provided: Provided::default(),
            care: Care {
                restart: Restart::Permanent,
                shutdown: Self::DEFAULT_SHUTDOWN,
                arbiter: None,
                counts_request_panics: true,
            },
            roster: Weak::new(),
        }
    }

    /// When it is restarted; default always.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.care.restart = restart;
        self
    }

    /// Time it has to stop before it is abandoned; default 5 s.
    #[must_use]
    pub fn shutdown(mut self, deadline: Duration) -> Self {
        self.care.shutdown = deadline;
        self
    }

    /// The arbiter (thread) it lives on; default the supervisor's.
    #[must_use]
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.care.arbiter = Some(arbiter);
        self
    }

    /// Capacity of its mailbox; default 1,024.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox.set_capacity(capacity);
        self
    }

    /// Restarts it at once after a panic in a request, without counting it as a failure.
    ///
    /// A request that makes its handler panic is as a rule the caller's doing, and the caller has
    /// been told; were it counted, a few bad requests could take a whole node down.
    #[must_use]
    pub fn forgive_request_panics(mut self) -> Self {
        self.care.counts_request_panics = false;
        self
    }

    /// Puts a value into its context, where each incarnation finds it by its type; see
    /// [`Context::provided`]. Of two values of one type the first counts.
    ///
    /// ```
    /// use actix::prelude::*;
    /// use callboard_actors::{Context, supervisor::Child};
    ///
    /// struct Prefix(&'static str);
    ///
    /// #[derive(Default)]
    /// struct Worker;
    ///
    /// impl Actor for Worker {
    ///     type Context = Context<Self>;
    ///
    ///     fn started(&mut self, ctx: &mut Context<Self>) {
    ///         assert_eq!(ctx.provided::<Prefix>().map(|prefix| prefix.0), Some("worker: "));
    ///     }
    /// }
    ///
    /// let child = Child::new("worker", Worker::default).provide(Prefix("worker: "));
    /// ```
    #[must_use]
    pub fn provide(mut self, value: impl Any + Send + Sync) -> Self {
        self.provided = self.provided.with(value);
        self
    }

    /// Gives it an inbox for requests.
    #[must_use]
    pub fn with_inbox(mut self, options: InboxOptions) -> (Self, Inbox<A>) {
        let (inbox, receiver) = Inbox::new(options);
        self.inbox = Some(receiver);
        (self, inbox)
    }

    /// Its address, valid over all restarts.
    pub fn address(&self) -> Addr<A> {
        Addr::new(self.mailbox.sender())
    }

    /// Its counters, over all restarts.
    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.vitals)
    }

    pub(super) fn into_spec(self) -> ChildSpec {
        let control = Arc::<Control>::default();
        let seed = Seed {
            mailbox: Mail::new(self.mailbox, &control),
            inbox: self.inbox,
            factory: self.factory,
            control: Arc::clone(&control),
            vitals: Arc::clone(&self.vitals),
            provided: self.provided,
        };
        let arbiter = self.care.arbiter.clone();
        let plant: Plant = Box::new(move |reporter| plant(seed, arbiter, reporter));
        ChildSpec {
            name: self.name,
            care: self.care,
            control,
            vitals: self.vitals,
            roster: self.roster,
            plant,
        }
    }

    /// Runs it at the top of its arbiter without a supervisor; `reporter` hears of its end.
    pub(super) fn run_alone(self, reporter: Reporter) -> Arc<Control> {
        let spec = self.into_spec();
        spec.control.order(crate::context::Order::Start(0));
        (spec.plant)(reporter);
        spec.control
    }
}

/// Moves a runner to its arbiter; done once, with the first start.
pub(super) type Plant = Box<dyn FnOnce(Reporter) + Send>;

/// A child without its type.
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) care: Care,
    pub(super) control: Arc<Control>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) roster: Weak<Mutex<Roster>>,
    pub(super) plant: Plant,
}

fn plant<A: Actor<Context = Context<A>>>(
    seed: Seed<A>,
    arbiter: Option<ArbiterHandle>,
    reporter: Reporter,
) {
    let Some(arbiter) = arbiter else {
        actix_rt::spawn(seed.run(reporter));
        return;
    };
    let gone = AnnounceIfDropped(Some(reporter));
    arbiter.spawn_fn(move || {
        if let Some(reporter) = gone.disarm() {
            actix_rt::spawn(seed.run(reporter));
        }
    });
}

/// Tells the supervisor when an arbiter dropped the runner instead of starting it.
struct AnnounceIfDropped(Option<Reporter>);

impl AnnounceIfDropped {
    fn disarm(mut self) -> Option<Reporter> {
        self.0.take()
    }
}

impl Drop for AnnounceIfDropped {
    fn drop(&mut self) {
        if let Some(reporter) = self.0.take() {
            reporter(FIRST_EPOCH, Report::Exited(Exit::ArbiterGone));
        }
    }
}

/// The number of a child's first start.
pub(super) const FIRST_EPOCH: u64 = 1;

impl<A: Actor<Context = Context<A>>> fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name)
            .field("care", &self.care)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("care", &self.care)
            .finish_non_exhaustive()
    }
}
