//! The typed side of an endpoint that is a stream.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use actix::prelude::{Actor, Handler};
use bytes::Bytes;
use callboard_actors::client::CallError;
use callboard_actors::contain::{Panic, contain};
use callboard_actors::inbox::{Job, JobKey, Progress};
use callboard_actors::message::Refusal;
use callboard_actors::server::{Arrival, ReplySlot};
use callboard_actors::stream::{StreamSide, StreamWindow};
use callboard_actors::{Context, Deadline, Metadata, Status};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::job::respond;
use super::port::{AnyEndpoint, TypedPort};
use crate::codec::Codec;
use crate::middleware::{CallInfo, CallKind, Outcome, Side, run_chain};
use crate::request::RequestContext;
use crate::stream::{CODEC, StreamEndpoint, Streaming};

pub(super) struct StreamingEndpoint<A, T> {
    index: usize,
    window: StreamWindow,
    types: PhantomData<fn(A) -> T>,
}

impl<A, T> StreamingEndpoint<A, T> {
    pub(super) fn new(index: usize, window: StreamWindow) -> Self {
        Self { index, window, types: PhantomData }
    }
}

/// A stream whose opening has been decoded.
struct Opened<T: StreamEndpoint> {
    stream: Streaming<T>,
    side: Arc<StreamSide>,
}

impl<A, T> AnyEndpoint<A> for StreamingEndpoint<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Streaming<T>>,
    <A as Handler<Streaming<T>>>::Result: 'static,
    T: StreamEndpoint,
{
    fn job(&self, codec: Codec, arrival: Arrival) -> Option<Box<dyn Job<A>>> {
        let (opened, slot) = decode::<T>(codec, arrival)?;
        let (origin, id) = slot.key();
        Some(pack::<A, T>(self.index, self.window, opened, Way::Remote(slot), (origin, id.0)))
    }

    fn serve_wrapped(
        &self,
        port: &Arc<TypedPort<A>>,
        actor: usize,
        codec: Codec,
        arrival: Arrival,
    ) {
        let Some((Opened { stream, side }, mut slot)) = decode::<T>(codec, arrival) else {
            return;
        };
        let (origin, id) = slot.key();
        let key = JobKey { origin, id: id.0 };
        let (index, window, port) = (self.index, self.window, Arc::clone(port));
        let backstage = Arc::clone(&port.backstage);
        let wrapped = backstage.enter(key, async move {
            let mut info = info_of(&stream, &port.service);
            let mut once = Some((stream, side));
            let mut last = |info: &CallInfo| -> Outcome<'static> {
                let Some((stream, side)) = once.take() else {
                    let status = Status::internal(T::NAME, "a middleware ran `next` twice");
                    return Box::pin(std::future::ready(Err(status.into())));
                };
                let stream = stream.with(info.metadata.clone(), info.deadline);
                let (way, ended) = oneshot::channel();
                let opened = Opened { stream, side };
                let job = pack::<A, T>(index, window, opened, Way::Wrapped(way), (origin, id.0));
                port.inboxes[actor].push_one(job, Instant::now());
                Box::pin(
                    async move { ended.await.unwrap_or_else(|_| Err(unanswered::<T>().into())) },
                )
            };
            run_chain(&port.middleware[index], &mut info, &mut last).await
        });
        // As for requests: beside the connection, and a panic drops the slot, which answers.
        actix_rt::spawn(async move {
            match wrapped.await {
                Some(Ok(())) => slot.reply(&Metadata::new(), &Bytes::new()),
                Some(Err(CallError::Status(status))) => slot.status(&status),
                Some(Err(CallError::Overloaded { retry_after, .. })) => {
                    slot.refuse(Refusal::Overloaded { retry_after }, None);
                }
                Some(Err(CallError::Draining { .. })) => slot.refuse(Refusal::Draining, None),
                None | Some(Err(CallError::Cancelled { .. })) => {
                    slot.refuse(Refusal::Cancelled, None);
                }
                Some(Err(error)) => slot.status(&Status::internal(T::NAME, error.to_string())),
            }
        });
    }

    /// Nothing: callers in this process come over a connection.
    fn local(&self, _: Arc<TypedPort<A>>) -> Arc<dyn Any + Send + Sync> {
        Arc::new(())
    }
}

/// A stream on its way through an actor.
struct StreamJob<A, T: StreamEndpoint> {
    stream: Option<Streaming<T>>,
    way: Option<WayBack>,
    key: JobKey,
    deadline: Option<Deadline>,
    endpoint: usize,
    window: StreamWindow,
    actor: PhantomData<fn() -> A>,
}

/// Ends a stream, once; what is dropped without has ended with status 500.
struct WayBack {
    way: Option<Way>,
    side: Arc<StreamSide>,
}

enum Way {
    /// To the client.
    Remote(ReplySlot),
    /// Through middleware.
    Wrapped(oneshot::Sender<Result<(), CallError>>),
}

impl WayBack {
    fn end(mut self, result: Result<(), Status>) {
        match (self.way.take(), result) {
            (Some(Way::Remote(mut slot)), Ok(())) => slot.reply(&Metadata::new(), &Bytes::new()),
            (Some(Way::Remote(mut slot)), Err(status)) => slot.status(&status),
            (Some(Way::Wrapped(way)), result) => {
                // The client may have gone.
                let _ = way.send(result.map_err(CallError::Status));
            }
            (None, _) => {}
        }
    }

    fn refuse(mut self, refusal: Refusal, endpoint: &'static str) {
        match self.way.take() {
            Some(Way::Remote(mut slot)) => slot.refuse(refusal, None),
            Some(Way::Wrapped(way)) => {
                let _ = way.send(Err(refused(refusal, endpoint)));
            }
            None => {}
        }
    }
}

impl Drop for WayBack {
    fn drop(&mut self) {
        // The answer first: whoever still holds the stream may go on only behind it.
        drop(self.way.take());
        self.side.finish();
    }
}

impl<A, T> Job<A> for StreamJob<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Streaming<T>>,
    <A as Handler<Streaming<T>>>::Result: 'static,
    T: StreamEndpoint,
{
    fn key(&self) -> JobKey {
        self.key
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn endpoint(&self) -> usize {
        self.endpoint
    }

    fn run(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Progress<A> {
        let (Some(stream), Some(way)) = (self.stream.take(), &self.way) else {
            return Progress::Done;
        };
        way.side.accept(self.window);
        // The way back stays behind, so that a panic here can be answered.
        let result = actor.handle(stream, ctx);
        let Some(way) = self.way.take() else { return Progress::Done };
        respond(T::NAME, result, move |result| way.end(result), self.deadline, ctx)
    }

    fn panicked(&mut self, _: &Panic) {
        if let Some(way) = self.way.take() {
            way.end(Err(Status::internal(T::NAME, "the handler panicked")));
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if let Some(way) = self.way.take() {
            way.refuse(refusal, T::NAME);
        }
    }
}

fn pack<A, T>(
    endpoint: usize,
    window: StreamWindow,
    opened: Opened<T>,
    way: Way,
    (origin, id): (u64, u64),
) -> Box<dyn Job<A>>
where
    A: Actor<Context = Context<A>> + Handler<Streaming<T>>,
    <A as Handler<Streaming<T>>>::Result: 'static,
    T: StreamEndpoint,
{
    let Opened { stream, side } = opened;
    Box::new(StreamJob {
        deadline: stream.deadline(),
        stream: Some(stream),
        way: Some(WayBack { way: Some(way), side }),
        key: JobKey { origin, id },
        endpoint,
        window,
        actor: PhantomData,
    })
}

/// Refuses what cannot be decoded.
fn decode<T: StreamEndpoint>(codec: Codec, arrival: Arrival) -> Option<(Opened<T>, ReplySlot)> {
    let Arrival { mut reply, deadline, metadata, peer, body, stream } = arrival;
    if stream.is_some() && codec != CODEC {
        let detail = format!("streams are in {CODEC} only");
        reply.refuse(Refusal::UnknownContentType, Some(&detail));
        return None;
    }
    // The user's `Deserialize` may panic; the connection must not.
    let decoded = contain(|| CODEC.decode::<T>(&body));
    let failure = match (decoded, stream) {
        (Ok(Ok(opening)), Some(side)) => {
            let context = RequestContext { endpoint: T::NAME, metadata, deadline, peer };
            let stream = Streaming::new(opening, context, Arc::clone(&side));
            return Some((Opened { stream, side }, reply));
        }
        (_, None) => "it does not open a stream".to_owned(),
        (Ok(Err(error)), _) => error.to_string(),
        (Err(_), _) => "decoding it panicked".to_owned(),
    };
    reply.refuse(Refusal::Undecodable, Some(&failure));
    None
}

fn info_of<T: StreamEndpoint>(stream: &Streaming<T>, service: &str) -> CallInfo {
    CallInfo {
        side: Side::Server,
        kind: CallKind::Stream,
        service: service.to_owned(),
        endpoint: T::NAME,
        metadata: stream.metadata().clone(),
        deadline: stream.deadline(),
        peer: stream.peer_node().to_owned(),
    }
}

fn unanswered<T: StreamEndpoint>() -> Status {
    Status::internal(T::NAME, "the handler ended without an answer")
}

/// What middleware is told of a stream that was not run.
fn refused(refusal: Refusal, endpoint: &'static str) -> CallError {
    let node = "this node".to_owned();
    match refusal {
        Refusal::Draining => CallError::Draining { node },
        Refusal::Overloaded { retry_after } => {
            let detail = callboard_actors::server::refusal_text(refusal).to_owned();
            CallError::Overloaded { node, retry_after, detail }
        }
        Refusal::Cancelled => CallError::Cancelled { endpoint },
        refusal => CallError::Status(Status::new(
            endpoint,
            callboard_actors::server::refusal_code(refusal),
            callboard_actors::server::refusal_text(refusal),
        )),
    }
}
