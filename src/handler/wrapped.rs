//! Handling a request inside middleware.

use std::sync::Arc;

use callboard_actors::Status;
use callboard_actors::client::{CallError, Executed};
use callboard_actors::message::Refusal;
use parking_lot::Mutex;

use super::local::{LocalFailure, LocalReply, local_reply};
use crate::middleware::{CallInfo, CallKind, Middleware, Outcome, Side, run_chain};
use crate::request::{Endpoint, Request};

/// Runs `chain` around `submit`, which hands the request to its actor.
pub(super) async fn serve<T: Endpoint>(
    service: &str,
    chain: &[Arc<dyn Middleware>],
    request: Request<T>,
    submit: impl FnOnce(Request<T>, LocalReply<T>) + Send,
) -> Result<T::Reply, LocalFailure<T>> {
    let mut info = CallInfo {
        side: Side::Server,
        kind: CallKind::Request,
        service: service.to_owned(),
        endpoint: T::NAME,
        metadata: request.metadata().clone(),
        deadline: request.deadline(),
        peer: request.peer_node().to_owned(),
    };
    let reply = Arc::new(Mutex::new(None));
    let mut once = Some((request, submit));
    let mut last = |info: &CallInfo| -> Outcome<'static> {
        let Some((request, submit)) = once.take() else {
            let status = Status::internal(T::NAME, "a middleware ran `next` twice");
            return Box::pin(std::future::ready(Err(status.into())));
        };
        let (way_back, answer) = local_reply();
        submit(request.with(info.metadata.clone(), info.deadline), way_back);
        let reply = Arc::clone(&reply);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(value)) => {
                    *reply.lock() = Some(value);
                    Ok(())
                }
                Ok(Err(failure)) => Err(failure.into_call_error()),
                Err(_) => {
                    Err(Status::internal(T::NAME, "the handler ended without an answer").into())
                }
            }
        })
    };
    let outcome = run_chain(chain, &mut info, &mut last).await;
    outcome.map_err(LocalFailure::from_call_error)?;
    reply.lock().take().ok_or_else(|| {
        let detail = "a middleware succeeded without running `next`";
        LocalFailure::Status(Status::internal(T::NAME, detail))
    })
}

impl<T: Endpoint> LocalFailure<T> {
    /// What a caller is told; `T` is given up.
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
            Self::Refused(Refusal::Cancelled, _) => CallError::Cancelled { endpoint: T::NAME },
            Self::Refused(Refusal::Expired, _) => CallError::Timeout {
                endpoint: T::NAME,
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
            error => Self::Status(Status::internal(T::NAME, error.to_string())),
        }
    }
}
