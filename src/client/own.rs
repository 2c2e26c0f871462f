//! What a request says for itself.

use callboard_actors::client::{CallOptions, Caller, RetryRule};

use super::ServiceRef;
use crate::codec::Form;

/// What a request does not leave to its system; nothing, as a rule.
///
/// So it is kept apart: a call would be about twice as large with it, and with a thousand calls in
/// flight that decides whether they fit into the processor's cache. Whatever is said for a request
/// costs it one allocation.
#[derive(Clone, Default)]
pub(crate) struct Own(Option<Box<Said>>);

#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) options: CallOptions,
    pub(super) form: Option<Form>,
    pub(super) is_local: Option<bool>,
}

impl Own {
    /// What it says, to be changed; the rest is as its system says now.
    pub(crate) fn say(&mut self, service: &ServiceRef) -> &mut Said {
        self.0.get_or_insert_with(|| {
            let options = service.system().caller().defaults().clone();
            Box::new(Said { options, form: None, is_local: None })
        })
    }

    /// How it is made.
    #[inline]
    pub(crate) fn options<'a>(&'a self, caller: &'a Caller) -> &'a CallOptions {
        self.0.as_deref().map_or_else(|| caller.defaults(), |said| &said.options)
    }

    /// How it is encoded, where its types have this fingerprint.
    #[inline]
    pub(crate) fn form<'a>(
        &'a self,
        service: &'a ServiceRef,
        fingerprint: Option<u64>,
    ) -> &'a Form {
        let own = self.0.as_deref().and_then(|said| said.form.as_ref());
        own.unwrap_or_else(|| service.system().form(fingerprint))
    }

    /// Whether a handler in this process may take it.
    #[inline]
    pub(super) fn may_be_local(&self, caller: &Caller) -> bool {
        self.0.as_deref().and_then(|said| said.is_local).unwrap_or_else(|| {
            let options = self.options(caller);
            let rule = options.rule.as_deref().or(caller.options().rule.as_ref());
            options.choice.is_none() && !rule.is_some_and(RetryRule::retries)
        })
    }
}
