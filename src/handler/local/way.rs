//! The way from callers in the same process to one endpoint of a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::{Actor, Handler};
use callboard_actors::Context;
use callboard_actors::client::thread_hint;
use callboard_actors::inbox::JobKey;
use callboard_actors::server::LOCAL_ORIGIN;
use tokio::time::Instant;

use super::super::delivery::Delivery;
use super::super::job::Responder;
use super::super::port::{TypedEndpoint, TypedPort};
use super::super::wrapped::serve;
use super::at_once::run_at_once;
use super::{LocalOutcome, LocalPort, LocalReply};

/// Chooses one of the handler's actors for each message.
pub(in crate::handler) struct LocalWay<A: Actor<Context = Context<A>>, M: Delivery> {
    endpoint: TypedEndpoint<A, M>,
    port: Arc<TypedPort<A>>,
    /// Of a pool's actors, the one that had the latest turn. Two callers at the same time may take
    /// the same turn, which harms nobody.
    latest: AtomicUsize,
}

impl<A: Actor<Context = Context<A>>, M: Delivery> LocalWay<A, M> {
    pub(in crate::handler) fn new(endpoint: TypedEndpoint<A, M>, port: Arc<TypedPort<A>>) -> Self {
        Self { endpoint, port, latest: AtomicUsize::new(0) }
    }
}

impl<A, M> LocalPort<M> for LocalWay<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    fn choose(&self) -> usize {
        let actors = self.port.inboxes.len();
        if actors == 1 {
            return 0;
        }
        let mut next = self.latest.load(Ordering::Relaxed);
        let actor = self.port.choose(thread_hint() % actors, &mut next);
        self.latest.store(next, Ordering::Relaxed);
        actor
    }

    fn submit(
        &self,
        (actor, number): (usize, u64),
        message: M,
        reply: LocalReply<M>,
        now: Option<Instant>,
    ) {
        let Self { endpoint, port, .. } = self;
        let key = JobKey { origin: LOCAL_ORIGIN, id: number };
        if !endpoint.is_wrapped(port) {
            let job = endpoint.pack(message, Responder::Local(reply), key);
            return match now {
                Some(now) => port.inboxes[actor].push_one(job, now),
                None => port.inboxes[actor].push_fresh(job),
            };
        }
        message.context_ref().due.begin(now.unwrap_or_else(Instant::now));
        let (port, endpoint) = (Arc::clone(port), *endpoint);
        let arbiter = port.arbiters[actor % port.arbiters.len()].clone();
        let backstage = Arc::clone(&port.backstage);
        let wrapped = backstage.enter(key, async move {
            let submit = |message, reply| endpoint.push(&port, actor, (message, reply, key));
            serve(&port.service, endpoint.middleware(&port), message, submit).await
        });
        // On a handler's arbiter: the caller's thread may have no executor of its own.
        arbiter.spawn(async move {
            if let Some(result) = wrapped.await {
                reply.end(result);
            }
        });
    }

    fn run_at_once(
        &self,
        (actor, number): (usize, u64),
        message: &mut Option<M>,
    ) -> Option<LocalOutcome<M>> {
        let Self { endpoint, port, .. } = self;
        if endpoint.is_wrapped(port) {
            return None;
        }
        let stay = endpoint.stay(message.as_ref()?);
        let key = JobKey { origin: LOCAL_ORIGIN, id: number };
        run_at_once(&port.inboxes[actor], message, (stay, endpoint.index(), key))
    }
}
