//! A call whose time runs: all that is needed to make it, whichever way it goes.

use callboard_actors::Deadline;
use callboard_actors::client::{CallError, CallTarget, Executed, FailedAttempt, NodeReply};

use super::ServiceRef;
use super::local::{LocalCall, Sent};
use super::own::Own;
use crate::codec::{Codec, CodecError, EncodedRequest, Form, decode_reply};
use crate::handler::{LocalEndpoint, LocalFailure};
use crate::middleware::{CallInfo, CallKind, Side, run_chain};
use crate::request::{Annotated, Endpoint, Request};

/// A call that has begun.
pub(super) struct Prepared<T> {
    pub(super) service: ServiceRef,
    pub(super) message: T,
    pub(super) own: Own,
    pub(super) deadline: Deadline,
    /// Whether a handler in this process may take it.
    pub(super) may_be_local: bool,
}

impl<T: Endpoint> Prepared<T> {
    /// How it is encoded.
    fn form(&self) -> Form {
        *self.own.form(&self.service, T::schema().fingerprint())
    }

    /// The handler in this process that takes the call.
    fn handler(&self) -> Option<&LocalEndpoint<Request<T>>> {
        if !self.may_be_local {
            return None;
        }
        self.service.system().local(self.service.name())
    }

    /// Goes on after a first attempt that failed.
    pub(super) async fn go_on(
        self,
        failed: FailedAttempt,
    ) -> Result<Annotated<T::Reply>, CallError> {
        let form = self.form();
        let Self { service, message, own, .. } = self;
        let body = EncodedRequest::<_, T>::new(&form, message);
        let (caller, remote) = (service.system().caller(), service.remote());
        let (target, options) = (target::<T>(form.codec), own.options(caller));
        decode::<T>(form, caller.go_on(remote, target, body, options, failed).await?)
    }

    /// The whole call, as it is made when there is no shorter way.
    pub(super) async fn run(self) -> Result<Annotated<T::Reply>, CallError> {
        let service = self.service.clone();
        let chain = service.system().client_middleware();
        if chain.is_empty() {
            return self.run_bare().await;
        }
        let info = CallInfo {
            side: Side::Client,
            kind: CallKind::Request,
            service: service.name().to_owned(),
            endpoint: T::NAME,
            metadata: self.own.options(service.system().caller()).metadata.clone(),
            deadline: Some(self.deadline),
            peer: String::new(),
        };
        let last = |info: &CallInfo| {
            let mut call = self;
            call.own.say(&call.service).options.metadata = info.metadata.clone();
            call.deadline = call.deadline.earlier(info.deadline);
            call.run_bare()
        };
        run_chain(chain, info, last).await
    }

    async fn run_bare(mut self) -> Result<Annotated<T::Reply>, CallError> {
        if self.may_be_local
            && let Some(handler) = self.service.system().local(self.service.name())
        {
            // Its time has been running for a while.
            self.own.say(&self.service).options.limit = Some(self.deadline);
            let options = self.own.options(self.service.system().caller());
            let sent = match Sent::new(handler, self.message, (options, &self.service), None)? {
                Sent::Answered(answer) => return answer,
                Sent::Waits(sent) => sent,
            };
            let mut waiting = LocalCall::new(sent, self.service, self.own);
            match (&mut waiting).await {
                Err(LocalFailure::Refused(refusal, Some(message))) if waiting.may_go(refusal) => {
                    self = waiting.elsewhere(message);
                }
                other => return other.map_err(|failure| waiting.explain(failure)),
            }
        }
        self.run_remote().await
    }

    async fn run_remote(self) -> Result<Annotated<T::Reply>, CallError> {
        let form = self.form();
        let Self { service, message, own, deadline, .. } = self;
        let body = EncodedRequest::<_, T>::new(&form, message);
        let caller = service.system().caller();
        let options = (own.options(caller), deadline);
        let target = target::<T>(form.codec);
        decode::<T>(form, caller.call(service.remote(), target, body, options).await?)
    }

    /// Hands the request over without waiting for an answer.
    pub(super) async fn run_one_way(self) -> Result<(), CallError> {
        if !self.service.system().client_middleware().is_empty() || self.handler().is_some() {
            return self.run().await.map(drop);
        }
        let form = self.form();
        let Self { service, message, own, deadline, .. } = self;
        let body = EncodedRequest::<_, T>::new(&form, message);
        let caller = service.system().caller();
        let options = (own.options(caller), deadline);
        caller.send_one_way(service.remote(), target::<T>(form.codec), body, options).await
    }
}

/// What the caller of a request in this form is given.
fn decode<T: Endpoint>(
    form: Form,
    NodeReply { node, form: sent, reply }: NodeReply,
) -> Result<Annotated<T::Reply>, CallError> {
    decode_reply::<T>(form.chosen(sent), &reply.body)
        .map(|value| Annotated::from_parts(value, reply.metadata))
        .map_err(|error| unreadable::<T>(&node, &error))
}

/// What the caller is told of a reply that cannot be decoded.
#[cold]
pub(super) fn unreadable<T: Endpoint>(node: &str, error: &CodecError) -> CallError {
    let detail = format!("the reply of {node} is not what {} says: {error}", T::NAME);
    CallError::Codec { detail, executed: Executed::Yes }
}

/// What is called.
pub(super) fn target<T: Endpoint>(codec: Codec) -> CallTarget {
    CallTarget {
        endpoint: T::NAME,
        content_type: T::schema().content_type(codec),
        is_idempotent: T::IDEMPOTENT,
    }
}
