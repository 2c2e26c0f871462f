//! Describing how a system calls others.

use std::time::Duration;

use callboard_actors::client::CallError;
use callboard_actors::selector::{Filter, Strategy};

use super::SystemBuilder;

impl SystemBuilder {
    /// Chooses nodes like this for all calls that do not say otherwise; e.g. an own strategy,
    /// whatever the setting `selector` says.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Calls only nodes that the filter wants, or prefers those; may be repeated, and adds to the
    /// filters of each call.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.options.caller.filters.push(filter);
        self
    }

    /// Also retries what this says of an error, and of the number of attempts so far, for all calls
    /// without a rule of their own; see [`CallBuilder::retry`](crate::CallBuilder::retry).
    ///
    /// The system's calls are then not answered within the process unless they say
    /// [`local`](crate::CallBuilder::local).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use callboard::{CallError, ServiceSystem};
    ///
    /// let client = ServiceSystem::new("stock.client")
    ///     .retry(|error, _| matches!(error, CallError::Status(status) if status.code == 409))
    ///     .backoff(|attempt| Duration::from_millis(10) * attempt)
    ///     .configure(|config| config.client_retries = 3);
    /// ```
    pub fn retry(
        mut self,
        retry: impl Fn(&CallError, u32) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rule = self.options.caller.rule.take().unwrap_or_default();
        self.options.caller.rule = Some(rule.retry(retry));
        self
    }

    /// Waits so long before a retry that such a rule asked for, given the number of attempts so
    /// far; default a random time that grows from 10 ms to 1 s.
    pub fn backoff(mut self, backoff: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        let rule = self.options.caller.rule.take().unwrap_or_default();
        self.options.caller.rule = Some(rule.backoff(backoff));
        self
    }
}
