//! Calling one certain node, for those who know which.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use super::attempt::{Attempt, FailedAttempt};
use super::call::Call;
use super::caller::{Caller, RemoteService};
use super::error::CallError;
use super::link::Links;
use super::options::{CallOptions, CallTarget, NodeReply, invalid};
use crate::deadline::Deadline;
use crate::message::{Body, BodyForm};
use crate::metadata::Metadata;
use crate::selector::ServiceNodes;
use crate::transport::in_flight::{Patience, ReplyBuffer};
use crate::transport::outbox::{NotSent, OutgoingCall, Ticket};

/// A node by its address; holding it spares looking its connections up.
#[derive(Clone)]
pub struct DirectNode {
    pub(super) address: String,
    pub(super) links: Arc<Links>,
}

impl DirectNode {
    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Caller {
    /// The node at an address; connections to it are shared by all who call it by its address.
    pub fn node(&self, address: &str) -> DirectNode {
        DirectNode { address: address.to_owned(), links: self.direct_links(address) }
    }

    /// Calls an endpoint of a node, once, and waits for the answer, at most until the deadline.
    ///
    /// `service` is whose name errors tell.
    ///
    /// # Cancellation
    /// As for [`call`](Self::call).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_node<B: Body>(
        &self,
        node: &DirectNode,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: (&CallOptions, Deadline),
    ) -> Result<NodeReply, CallError> {
        Call::new(self, service, target, options).to(node).run(body).await
    }

    /// Asks a node once, if that can be done without waiting, and waits for the answer, which `read`
    /// makes something of, for at most the timeout; as a rule neither reads the clock nor allocates.
    ///
    /// `None` when no connection is open or has room: nothing has happened then, and
    /// [`call_node`](Self::call_node) does what is needed. [`go_on_node`](Self::go_on_node) goes on
    /// with a failed attempt.
    ///
    /// # Cancellation
    /// As for [`call`](Self::call).
    ///
    /// # Errors
    /// The request cannot be sent as it is.
    pub async fn ask_node<B: Body, T>(
        &self,
        node: &DirectNode,
        target: CallTarget,
        (metadata, body): (&Metadata, &B),
        timeout: Duration,
        read: impl Fn(&[u8]) -> T,
    ) -> Result<Option<Result<T, FailedAttempt>>, CallError> {
        let mut attempt: Option<Attempt> = None;
        poll_fn(|cx| {
            if let Some(attempt) = &mut attempt {
                let mut reply = ReplyBuffer::new();
                let replied = ready!(attempt.poll_reply(cx, &mut reply));
                return Poll::Ready(Ok(Some(replied.map(|()| read(reply.body())))));
            }
            match self.begin_node(node, &target, (metadata, body), timeout, cx.waker()) {
                Ok(begun) => attempt = begun,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if attempt.is_some() { Poll::Pending } else { Poll::Ready(Ok(None)) }
        })
        .await
    }

    fn begin_node(
        &self,
        node: &DirectNode,
        target: &CallTarget,
        (metadata, body): (&Metadata, &dyn Body),
        timeout: Duration,
        waker: &Waker,
    ) -> Result<Option<Attempt>, CallError> {
        let link = node.links.of(self.link_place(), "", &node.address);
        if link.is_draining() || timeout.is_zero() {
            return Ok(None);
        }
        let call = OutgoingCall {
            target,
            patience: Patience::Within(timeout),
            time_left: Some(timeout),
            metadata,
            body,
            form: BodyForm::PREFERRED,
        };
        match link.outbox().call(&call, None, Some(waker)) {
            Ok(sent) => Ok(Some(Attempt::new(Ticket::new(link.outbox(), sent)))),
            Err(NotSent::Full | NotSent::Closed) => Ok(None),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }

    /// Goes on with a call of one node whose first attempt failed; the rest is as in
    /// [`call_node`](Self::call_node).
    ///
    /// # Cancellation
    /// As for [`call`](Self::call).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn go_on_node<B: Body>(
        &self,
        node: &DirectNode,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: (&CallOptions, Deadline),
        failed: FailedAttempt,
    ) -> Result<NodeReply, CallError> {
        Call::new(self, service, target, options).to(node).run_after(failed, body).await
    }

    /// The nodes of a service, kept up to date from then on; none if the registry knows of none.
    ///
    /// Answers at once when they have been looked up before; `again` has them looked up all the
    /// same, for a service that seems to have none.
    ///
    /// # Cancellation
    /// The next one who asks does it.
    ///
    /// # Errors
    /// The registry does not answer, or the deadline passes.
    pub async fn nodes<'a>(
        &self,
        service: &'a RemoteService,
        again: bool,
        deadline: Deadline,
    ) -> Result<Option<&'a Arc<ServiceNodes>>, CallError> {
        if service.nodes().is_none() || again {
            let timeout = || CallError::NoneAvailable {
                service: service.name().to_owned(),
                reason: "the registry did not answer in time".into(),
            };
            match self.resolve(service, deadline, timeout()).await {
                Ok(()) | Err(CallError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(service.nodes())
    }
}

impl fmt::Debug for DirectNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectNode").field("address", &self.address).finish_non_exhaustive()
    }
}
