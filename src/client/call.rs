//! One call, before it is made.

use std::future::IntoFuture;
use std::task::Context;
use std::time::Duration;

use callboard_actors::client::{Attempt, CallError, RetryRule};
use tokio::time::Instant;

use super::ServiceRef;
use super::builder::RequestBuilder;
use super::future::{AnnotatedCallFuture, CallFuture};
use super::local;
use super::prepared::{Prepared, target};
use crate::codec::{EncodedRequest, Form};
use crate::request::Endpoint;

/// A call that has not been made; awaiting it makes it.
///
/// What holds for streams too, metadata or the choice of a node, is at [`RequestBuilder`].
///
/// ```no_run
/// # use std::time::Duration;
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # async fn example(greeter: ServiceRef) -> Result<(), callboard::Error> {
/// let reply = greeter
///     .send(Hello { name: "John".into() })
///     .timeout(Duration::from_millis(200))
///     .retries(2)
///     .metadata("trace", "1")
///     .key("user-42")
///     .await?;
/// # Ok(())
/// # }
/// ```
pub type CallBuilder<T> = RequestBuilder<T, Once>;

/// The kind of a request that is answered once; see [`CallBuilder`].
///
/// ```
/// use callboard::CallBuilder;
/// use callboard::client::{Once, RequestBuilder};
///
/// fn same<T>(call: RequestBuilder<T, Once>) -> CallBuilder<T> {
///     call
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Once(());

impl<T: Endpoint> CallBuilder<T> {
    /// Time for the call, all attempts included, from when it is sent; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options().timeout = timeout;
        self
    }

    /// Also retries what this says of an error, and of the number of attempts so far; in place of
    /// [the system's](crate::SystemBuilder::retry).
    ///
    /// It is asked about failures that would be final, those of the handler included, and as long as
    /// [`retries`](RequestBuilder::retries), the retry budget and the time allow. Such a call is not answered
    /// within the process unless [`local`](RequestBuilder::local) says so, and is not retried there.
    pub fn retry(
        mut self,
        retry: impl Fn(&CallError, u32) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rule = self.rule();
        self.options().rule = Some(Box::new(rule.retry(retry)));
        self
    }

    /// Waits so long before a retry that [`retry`](Self::retry) asked for, given the number of
    /// attempts so far; default a random time that grows from 10 ms to 1 s.
    pub fn backoff(mut self, backoff: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        let rule = self.rule();
        self.options().rule = Some(Box::new(rule.backoff(backoff)));
        self
    }

    /// The call's own rule, which begins as the system's.
    fn rule(&mut self) -> RetryRule {
        let own = self.options().rule.take().map(|rule| *rule);
        let caller = self.service.system().caller();
        own.or_else(|| caller.options().rule.clone()).unwrap_or_default()
    }

    /// Makes the call for the reply and the pairs beside it.
    ///
    /// ```no_run
    /// # use callboard::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
    /// # #[endpoint(name = "Greeter.Hello", reply = String)]
    /// # struct Hello { name: String }
    /// # async fn example(greeter: ServiceRef) -> Result<(), callboard::Error> {
    /// let reply = greeter.send(Hello { name: "John".into() }).annotated().await?;
    /// println!("{} ({:?})", *reply, reply.metadata().value("cache"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn annotated(self) -> AnnotatedCallFuture<T> {
        AnnotatedCallFuture::new(self)
    }

    /// Makes the call without waiting for it; see [`ServiceRef::do_send`](super::ServiceRef).
    pub fn detach(self) {
        let Some(call) = self.post() else { return };
        let (service, call) = (call.service.clone(), call.prepare());
        let system = service.system().clone();
        let Some(place) = system.detached_place() else {
            return warn::<T>(&service, &"too many messages wait for a connection");
        };
        system.spawn(async move {
            let _place = place;
            if let Err(error) = call.run_one_way().await {
                warn::<T>(&service, &error);
            }
        });
    }

    /// Whether a handler in this process takes the call, if there is one for its endpoint.
    pub(super) fn is_own(&self) -> bool {
        self.may_be_local() && self.service.is_served_here()
    }

    /// Sends the request to a node, if that can be done at once, and puts the attempt down.
    #[inline]
    pub(super) fn begin(
        &self,
        cx: &Context<'_>,
        place: &mut Option<Attempt>,
    ) -> Result<(), CallError> {
        let form = self.form();
        let body = EncodedRequest::<_, T>::new(form, &self.message);
        let (caller, service) = (self.service.system().caller(), self.service.remote());
        let options = self.own.options(caller);
        caller.begin(service, &target::<T>(form.codec), &body, options, (cx.waker(), place))
    }

    /// How it is encoded.
    #[inline]
    pub(super) fn form(&self) -> &Form {
        self.own.form(&self.service, T::schema().fingerprint())
    }

    /// Hands the request over, if that can be done at once; else it comes back. One that no node
    /// would take is given up.
    fn post(self) -> Option<Self> {
        if !self.service.system().client_middleware().is_empty() {
            return Some(self);
        }
        let caller = self.service.system().caller();
        let options = self.own.options(caller);
        if self.is_own()
            && let Some(handler) = self.service.system().handler()
        {
            let posted = local::post(handler, self.message, options, &self.service);
            posted.unwrap_or_else(|error| warn::<T>(&self.service, &error));
            return None;
        }
        let (form, service) = (self.form(), self.service.remote());
        let body = EncodedRequest::<_, T>::new(form, &self.message);
        match caller.post(service, &target::<T>(form.codec), &body, options) {
            Ok(true) => None,
            Ok(false) => Some(self),
            Err(error) => {
                warn::<T>(&self.service, &error);
                None
            }
        }
    }

    /// The call as it goes on when there is no shorter way; its time runs from now on.
    pub(super) fn prepare(self) -> Prepared<T> {
        let may_be_local = self.may_be_local();
        let Self { service, message, own, .. } = self;
        let deadline = own.options(service.system().caller()).deadline_at(Instant::now());
        Prepared { service, message, own, deadline, may_be_local }
    }
}

impl<T: Endpoint> IntoFuture for CallBuilder<T> {
    type Output = Result<T::Reply, CallError>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture::new(self)
    }
}

fn warn<T: Endpoint>(service: &ServiceRef, error: &dyn std::fmt::Display) {
    let service = service.name();
    tracing::warn!(service, endpoint = T::NAME, %error, "a message was not delivered");
}
