//! Why a node did not start, or ended.

use std::time::Duration;

use crate::broker::BrokerError;
use crate::registry::RegistryError;
use crate::server::DuplicateEndpoint;
use crate::supervisor::{Exit, StartError};
use crate::transport::TransportError;

/// Why a node did not start, or ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Two handlers answer one endpoint.
    #[error(transparent)]
    DuplicateEndpoint(#[from] DuplicateEndpoint),
    /// A hook failed.
    #[error("the hook {hook} failed: {reason}")]
    Hook {
        /// E.g. `before_start`.
        hook: &'static str,
        /// What it said.
        reason: String,
    },
    /// A part of the node, or a handler, did not start.
    #[error("{child} did not start")]
    Child {
        /// Its name.
        child: String,
        /// Why.
        #[source]
        source: StartError,
    },
    /// No address could be listened on.
    #[error("the node has no address to listen on")]
    Listen {
        /// What was wrong with the last one tried.
        #[source]
        source: TransportError,
    },
    /// The address to announce could not be determined.
    #[error("no address to announce for {listen}: {reason}; set one to advertise")]
    Advertise {
        /// The address listened on.
        listen: String,
        /// What is wrong.
        reason: String,
    },
    /// The node could not reach itself, so it was not announced.
    #[error("the node does not answer on its own address {address}: {reason}")]
    SelfCheck {
        /// The address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The registry did not take the registration in time.
    #[error("not registered within {timeout:?}")]
    Register {
        /// The time for the whole start.
        timeout: Duration,
        /// What the registry said last.
        #[source]
        source: RegistryError,
    },
    /// The broker did not take a subscription.
    #[error("not subscribed to {topic}")]
    Subscribe {
        /// The topic's name.
        topic: String,
        /// What the broker said last.
        #[source]
        source: BrokerError,
    },
    /// A handler that was added while the node runs does more than hear events, or less.
    #[error("{handler} cannot be added while the node runs: {reason}")]
    NotSubscriber {
        /// Its name.
        handler: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The start took too long.
    #[error("not started within {timeout:?}: {step} took too long")]
    StartTimeout {
        /// The time for the whole start.
        timeout: Duration,
        /// What was under way.
        step: String,
    },
    /// The node gave up because its parts failed too often.
    #[error("the node {0}")]
    GaveUp(Exit),
}
