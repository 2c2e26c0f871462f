//! Handling a message inside middleware.

use std::sync::Arc;

use callboard_actors::Status;
use callboard_actors::client::{CallError, Executed};
use callboard_actors::message::Refusal;

use super::delivery::Delivery;
use super::local::{LocalFailure, LocalReply, LocalResult, local_reply};
use crate::middleware::{CallInfo, Middleware, Side, run_chain};
use crate::request::Due;

/// Runs `chain` around `submit`, which hands the message to its actor.
pub(super) async fn serve<M: Delivery>(
    service: &str,
    chain: &[Arc<dyn Middleware>],
    mut message: M,
    submit: impl FnOnce(M, LocalReply<M>) + Send,
) -> LocalResult<M> {
    let context = message.context_ref();
    let info = CallInfo {
        side: Side::Server,
        kind: M::KIND,
        service: service.to_owned(),
        endpoint: M::ENDPOINT,
        metadata: context.metadata.clone(),
        deadline: context.deadline(),
        peer: context.peer.hello().map(|peer| peer.node.clone()).unwrap_or_default(),
    };
    let last = move |info: &CallInfo| {
        let context = message.context_mut();
        context.metadata = info.metadata.clone();
        context.due = Due::At(info.deadline);
        let (way_back, answer) = local_reply();
        submit(message, way_back);
        async move {
            let unanswered =
                || Status::internal(M::ENDPOINT, "the handler ended without an answer");
            let answer = match answer.await {
                Ok(end) => end.result,
                Err(_) => Err(LocalFailure::Status(unanswered())),
            };
            answer.map_err(LocalFailure::into_call_error)
        }
    };
    run_chain(chain, info, last).await.map_err(LocalFailure::from_call_error)
}

impl<M: Delivery> LocalFailure<M> {
    /// What a caller is told; what was sent is given up.
    pub(crate) fn into_call_error(self) -> CallError {
        let node = || "this node".to_owned();
        match self {
            Self::Status(status) => CallError::Status(status),
            Self::TimedOut(error) => error,
            Self::Refused(Refusal::Overloaded { retry_after }, _) => CallError::Overloaded {
                node: node(),
                retry_after,
                detail: "the handler's queue is full; try again later or elsewhere".into(),
            },
            Self::Refused(Refusal::Draining, _) => CallError::Draining { node: node() },
            Self::Refused(Refusal::Cancelled, _) => CallError::Cancelled { endpoint: M::ENDPOINT },
            Self::Refused(Refusal::Expired, _) => CallError::Timeout {
                endpoint: M::ENDPOINT,
                timeout: std::time::Duration::ZERO,
                executed: Executed::No,
            },
            Self::Refused(refusal, _) => CallError::Codec {
                detail: callboard_actors::server::refusal_text(refusal).into(),
                executed: Executed::No,
            },
        }
    }

    /// The same on the way to a remote caller: what was not executed stays recognisable.
    fn from_call_error(error: CallError) -> Self {
        match error {
            CallError::Status(status) => Self::Status(status),
            CallError::Overloaded { retry_after, .. } => {
                Self::Refused(Refusal::Overloaded { retry_after }, None)
            }
            CallError::Draining { .. } => Self::Refused(Refusal::Draining, None),
            CallError::Cancelled { .. } => Self::Refused(Refusal::Cancelled, None),
            CallError::Timeout { executed: Executed::No, .. } => {
                Self::Refused(Refusal::Expired, None)
            }
            error => Self::Status(Status::internal(M::ENDPOINT, error.to_string())),
        }
    }
}
