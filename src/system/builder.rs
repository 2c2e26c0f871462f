//! Describing a system.

mod calls;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::Actor;
use callboard_actors::Context;
use callboard_actors::broker::Broker;
use callboard_actors::node::{Hook, Hooks, NodeOptions};
use callboard_actors::registry::Registry;
use callboard_actors::selector::Strategy;
use callboard_actors::supervisor::Intensity;
use callboard_actors::transport::Transport;

use super::{ServiceSystem, assemble, home, run};
use crate::codec::Codec;
use crate::config::{Config, ListenAddress, Parsed};
use crate::error::Error;
use crate::handler::{HandlerBuilder, HandlerPlan};
use crate::middleware::{AttemptMiddleware, Middleware};
use crate::transport::HttpOptions;

/// A system that has not been started.
///
/// What is set here is overridden by the environment, and that by flags; see
/// [`config`](crate::config).
///
/// ```no_run
/// use std::time::Duration;
///
/// use callboard::prelude::*;
///
/// # async fn example() -> Result<(), callboard::Error> {
/// let client = ServiceSystem::new("greeter.client")
///     .timeout(Duration::from_secs(2))
///     .configure(|config| config.client_retries = 3)
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before `run` or `start`"]
pub struct SystemBuilder {
    pub(super) config: Config,
    pub(super) options: NodeOptions,
    pub(super) service_metadata: Vec<(String, String)>,
    pub(super) registry: Option<Arc<dyn Registry>>,
    pub(super) transport: Option<Arc<dyn Transport>>,
    pub(super) http: HttpOptions,
    pub(super) broker: Option<Arc<dyn Broker>>,
    pub(super) handlers: Vec<HandlerPlan>,
    pub(super) has_debug: bool,
    pub(super) handler_intensity: Intensity,
    pub(super) middleware: Vec<Arc<dyn Middleware>>,
    pub(super) client_middleware: Vec<Arc<dyn Middleware>>,
    pub(super) codecs: Vec<Codec>,
    pub(super) codec: Codec,
    pub(super) strategy: Option<Strategy>,
    pub(super) fallback: Option<Codec>,
    pub(super) hooks: Hooks,
    reads_environment: bool,
}

impl SystemBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            config: Config { server_name: name, ..Config::default() },
            options: NodeOptions::default(),
            service_metadata: Vec::new(),
            registry: None,
            transport: None,
            http: HttpOptions::default(),
            broker: None,
            handlers: Vec::new(),
            has_debug: true,
            handler_intensity: Intensity::default(),
            middleware: Vec::new(),
            client_middleware: Vec::new(),
            codecs: Vec::new(),
            codec: Codec::default(),
            strategy: None,
            fallback: Some(Codec::Json),
            hooks: Hooks::default(),
            reads_environment: true,
        }
    }

    // ===== What it serves =====

    /// Adds a handler: `factory` makes its actors, `describe` says what they answer.
    ///
    /// The factory runs once for every actor and once more for each restart.
    pub fn handler<A: Actor<Context = Context<A>>>(
        mut self,
        factory: impl Fn() -> A + Send + Sync + 'static,
        describe: impl FnOnce(HandlerBuilder<A>) -> HandlerBuilder<A>,
    ) -> Self {
        self.handlers.push(HandlerPlan::new(factory, describe(HandlerBuilder::new())));
        self
    }

    /// Leaves out the endpoints `Debug.Health` and `Debug.Stats`; see [`debug`](crate::debug).
    pub fn without_debug(mut self) -> Self {
        self.has_debug = false;
        self
    }

    /// Wraps all endpoints; the first middleware added is outermost.
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Answers requests in another codec too; the built-in ones are known anyway.
    ///
    /// May be repeated. One that has the content type of a built-in codec takes its place.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codecs.push(codec);
        self
    }

    /// Encodes calls like this unless a call says otherwise; default [`Codec::Bincode`].
    ///
    /// Where the types have no [fingerprint](crate::schema::EndpointSchema::fingerprint) and this
    /// codec no names, they go in the [fallback](Self::client_fallback).
    pub fn client_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Encodes calls, streams and events like this where the node's types are not those of this
    /// side, or where it does not speak the [codec](Self::client_codec); default [`Codec::Json`].
    /// A node that does not speak this one either is called in JSON, which all speak.
    ///
    /// A codec with field names lets either side have fields that the other does not know. Without
    /// one (`None`) such calls fail as [`CallError::Codec`](crate::CallError::Codec), and such events
    /// are refused. A codec that a call or an event asks for is never replaced.
    pub fn client_fallback(mut self, codec: impl Into<Option<Codec>>) -> Self {
        self.fallback = codec.into();
        self
    }

    /// Wraps all calls made through this system; the first middleware added is outermost.
    pub fn client_middleware(mut self, middleware: impl Middleware) -> Self {
        self.client_middleware.push(Arc::new(middleware));
        self
    }

    /// Looks at each attempt of the calls made through this system, when its node is known; the
    /// first middleware added is outermost, and all are within [those of calls](Self::client_middleware).
    ///
    /// A call that is answered within the process makes no attempt. Without any such middleware a
    /// call pays nothing for it.
    pub fn attempt_middleware(mut self, middleware: impl AttemptMiddleware) -> Self {
        self.options.caller.attempts.push(Arc::new(middleware));
        self
    }

    /// How often handlers may fail to start, or fail outside of requests, before the node gives
    /// up; default 5 times within 10 s.
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.handler_intensity = intensity;
        self
    }

    // ===== Settings =====

    /// The service's version; default `latest`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.config.server_version = version.into();
        self
    }

    /// Adds a label of the node, for filters.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.server_metadata.insert(name.into(), value.into());
        self
    }

    /// Adds a label of the service as a whole.
    pub fn service_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.service_metadata.push((name.into(), value.into()));
        self
    }

    /// Where to listen; default loopback with a free port.
    ///
    /// # Errors
    /// Not here: an address that cannot be used is reported by the start.
    pub fn address(mut self, address: ListenAddress) -> Self {
        self.config.server_address = address;
        self
    }

    /// Changes any of the settings.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Changes limits and times that are no settings.
    ///
    /// Of those that are settings too (start, settle and drain times, lease, largest frame, call
    /// timeout, retries, strategy, connections and their idle time) the setting counts: change them
    /// with [`configure`](Self::configure).
    pub fn options(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Time for a call, all attempts included; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.client_request_timeout = timeout;
        self
    }

    /// Uses this registry, whatever the settings say.
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry = Some(Arc::new(registry));
        self
    }

    /// Changes limits and times of the HTTP door; see [`HttpOptions`].
    ///
    /// They count for the transport that the settings name. One that is [given](Self::transport)
    /// has its own: [`NativeTransport::http`](crate::transport::NativeTransport::http).
    ///
    /// # Errors
    /// Not here: limits that let nothing through are reported by the start.
    pub fn http(mut self, change: impl FnOnce(&mut HttpOptions)) -> Self {
        change(&mut self.http);
        self
    }

    /// Uses this transport, whatever the settings say.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Uses this broker, whatever the settings say.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Does not read the environment.
    pub fn without_environment(mut self) -> Self {
        self.reads_environment = false;
        self
    }

    // ===== Hooks =====

    /// Runs before anything is listened on; an error ends the start.
    pub fn before_start<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.hooks.before_start.push(boxed(hook));
        self
    }

    /// Runs after the node has been registered; an error ends the start.
    pub fn after_start<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.hooks.after_start.push(boxed(hook));
        self
    }

    /// Runs before the node is deregistered; an error is logged.
    pub fn before_stop<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.hooks.before_stop.push(boxed(hook));
        self
    }

    /// Runs after all actors have stopped; an error is logged.
    pub fn after_stop<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.hooks.after_stop.push(boxed(hook));
        self
    }

    // ===== Starting =====

    /// Starts the system; resolves once it is registered.
    ///
    /// Reads the environment, but no flags: those are the program's own. Inside an actix system it
    /// lives on the present arbiter; anywhere else it makes a thread of its own.
    ///
    /// # Cancellation
    /// The start goes on, and the system then stops.
    ///
    /// # Errors
    /// A wrong setting, a port in use, an unreachable registry, a handler that fails to start:
    /// each says so, and leaves nothing running.
    pub async fn start(self) -> Result<ServiceSystem, Error> {
        let builder = self.resolved(std::iter::empty())?;
        match builder {
            Resolved::Run(builder) => home::start(*builder).await,
            Resolved::Print(_) => unreachable!("only flags ask for a text to be printed"),
        }
    }

    /// Runs the system until it is stopped by SIGTERM or SIGINT, or gives up.
    ///
    /// Reads the environment and the program's flags; `--help` and `--version` are answered. A
    /// wrong flag or variable ends the process with code 2 and an explanation on standard error.
    /// Installs a subscriber for log lines on standard error, unless there is one. The first
    /// signal drains, the second one stops at once.
    ///
    /// # Errors
    /// As [`start`](Self::start), what made the node give up, and a standard output that cannot be
    /// written to when a text was asked for (one that nobody reads any more is no error).
    pub fn run(self) -> Result<(), Error> {
        run::run(self)
    }

    pub(super) fn resolved(
        mut self,
        arguments: impl Iterator<Item = String>,
    ) -> Result<Resolved, Error> {
        let reads = self.reads_environment;
        let environment = std::env::vars_os()
            .filter(|_| reads)
            // A setting has no use for what is not Unicode.
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            });
        match Config::resolve(self.config, environment, arguments)? {
            Parsed::Run(config) => {
                self.config = config;
                self.options.selector.validate()?;
                Ok(Resolved::Run(Box::new(assemble::with_settings(self))))
            }
            Parsed::Help(text) | Parsed::Version(text) => Ok(Resolved::Print(text)),
        }
    }
}

/// What flags and environment come to.
pub(super) enum Resolved {
    Run(Box<SystemBuilder>),
    Print(String),
}

fn boxed<F, E>(hook: impl FnOnce() -> F + Send + 'static) -> Hook
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display,
{
    Box::new(move || Box::pin(async move { hook().await.map_err(|error| error.to_string()) }))
}

impl fmt::Debug for SystemBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
