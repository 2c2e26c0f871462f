//! Calling one certain node, for those who know which.

use std::fmt;
use std::sync::Arc;

use super::call::Call;
use super::caller::{Caller, RemoteService};
use super::error::CallError;
use super::link::Links;
use super::options::{CallOptions, CallTarget, NodeReply};
use crate::deadline::Deadline;
use crate::message::Body;
use crate::selector::ServiceNodes;

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
