use std::time::Duration;

use callboard_actors::Metadata;
use callboard_actors::inbox::InboxOptions;
use callboard_actors::supervisor::{Child, Supervisor};
use serde::{Deserialize, Serialize};

use super::super::local::{LocalAnswer, local_reply};
use super::*;
use crate::request::{Due, Endpoint, Peer, Request, RequestContext};

#[derive(Debug, Serialize, Deserialize)]
struct Small;

impl Endpoint for Small {
    type Reply = ();
    const NAME: &'static str = "Test.Small";
}

#[derive(Debug, Serialize, Deserialize)]
struct Large([[u64; 16]; 4]);

impl Endpoint for Large {
    type Reply = ();
    const NAME: &'static str = "Test.Large";
}

struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl<T: Endpoint<Reply = ()>> Handler<Request<T>> for Nobody {
    type Result = Result<(), Status>;

    fn handle(&mut self, _: Request<T>, _: &mut Context<Self>) -> Self::Result {
        Ok(())
    }
}

type JobOf<T> = TypedJob<Nobody, Request<T>>;

/// Puts a message into a job; its answer.
fn fill<A, T>(job: &mut TypedJob<A, Request<T>>, message: T, id: u64) -> LocalAnswer<Request<T>>
where
    T: Endpoint,
{
    let (metadata, peer) = (Metadata::new(), Peer::default());
    let context = RequestContext { endpoint: T::NAME, metadata, due: Due::At(None), peer };
    let (reply, answer) = local_reply();
    let way = WayBack { responder: Responder::Local(reply), stay: () };
    job.fill(Request::new(message, context), way, JobKey { origin: 1, id });
    answer
}

#[test]
fn the_memory_of_an_answered_request_is_used_again() {
    let mut job = Box::new(JobOf::<Small>::lent(3));
    let place = std::ptr::from_ref(&*job);
    fill(&mut job, Small, 1);
    job.refuse(Refusal::Cancelled);
    let spare = Job::finish(job).expect("it is lent");
    assert_eq!(spare.endpoint(), 3);
    let spare = spare.spare().expect("its type can be found");
    let mut job = spare.downcast::<JobOf<Small>>().expect("it is of this type");
    assert!(job.message.is_none() && job.way.is_none());
    fill(&mut job, Small, 2);
    assert_eq!((std::ptr::from_ref(&*job), job.key()), (place, JobKey { origin: 1, id: 2 }));
}

/// What shows whether it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    #[serde(skip)]
    held: Arc<()>,
}

impl Endpoint for Held {
    type Reply = ();
    const NAME: &'static str = "Test.Held";
}

/// Answers later, and with an error.
struct Slow;

impl Actor for Slow {
    type Context = Context<Self>;
}

impl Handler<Request<Held>> for Slow {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, request: Request<Held>, _: &mut Context<Self>) -> Self::Result {
        assert!(Arc::strong_count(&request.held) > 1, "its caller has it too");
        Box::pin(async move {
            tokio::task::yield_now().await;
            drop(request);
            Err(Status::internal("test", "no"))
        })
    }
}

/// Has an actor handle so many requests that they come back, and looks into all of them.
async fn nothing_is_left<A, T>(child: Child<A>, message: impl Fn() -> T)
where
    A: Actor<Context = Context<A>> + Handler<Request<T>>,
    <A as Handler<Request<T>>>::Result: 'static,
    T: Endpoint<Reply = ()>,
{
    let (child, inbox) = child.with_inbox(InboxOptions::default());
    let mut builder = Supervisor::builder("test");
    builder.child(child);
    let supervisor = builder.start();
    let (mut jobs, mut answers) = (Vec::<Box<dyn Job<A>>>::new(), Vec::new());
    for id in (0..).take(PORTION) {
        let mut job = Box::new(TypedJob::<A, Request<T>>::lent(0));
        answers.push(fill(&mut job, message(), id));
        jobs.push(job);
    }
    inbox.push(&mut jobs, Instant::now());
    for answer in answers {
        timeout_at(Instant::now() + PATIENCE, answer).await.expect("an answer").expect("one each");
    }
    inbox.take_spares(0, PORTION, &mut jobs);
    assert_eq!(jobs.len(), PORTION);
    for job in jobs {
        let job = job.spare().and_then(|job| job.downcast::<TypedJob<A, Request<T>>>().ok());
        let job = job.expect("its type is known");
        assert!(job.message.is_none() && job.way.is_none() && job.reply.is_none());
    }
    supervisor.stop().await;
}

#[actix::test]
async fn a_request_that_was_run_leaves_nothing_in_its_memory() {
    nothing_is_left(Child::new("at once", || Nobody), || Small).await;
    let held = Arc::new(());
    nothing_is_left(Child::new("later", || Slow), || Held { held: Arc::clone(&held) }).await;
    assert_eq!(Arc::strong_count(&held), 1);
}

/// As many as come back together.
const PORTION: usize = 16;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn much_memory_is_given_back() {
    let mut job = Box::new(JobOf::<Large>::lent(0));
    fill(&mut job, Large([[0; 16]; 4]), 1);
    job.refuse(Refusal::Cancelled);
    assert!(Job::finish(job).is_none());
}
