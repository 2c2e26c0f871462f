use callboard_actors::Metadata;
use serde::{Deserialize, Serialize};

use super::super::local::local_reply;
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

fn fill<T: Endpoint>(job: &mut JobOf<T>, message: T) {
    let (endpoint, due) = (T::NAME, Due::At(None));
    let context =
        RequestContext { endpoint, metadata: Metadata::new(), due, peer: Peer::default() };
    let way = WayBack { responder: Responder::Local(local_reply().0), stay: () };
    job.fill(Request::new(message, context), way, JobKey { origin: 1, id: 2 });
}

#[test]
fn the_memory_of_an_answered_request_is_used_again() {
    let mut job = Box::new(JobOf::<Small>::lent(3));
    let place = std::ptr::from_ref(&*job);
    fill(&mut job, Small);
    job.refuse(Refusal::Cancelled);
    let spare = Job::finish(job).expect("it is lent");
    assert_eq!(spare.endpoint(), 3);
    let spare = spare.spare().expect("its type can be found");
    let mut job = spare.downcast::<JobOf<Small>>().expect("it is of this type");
    assert!(job.message.is_none() && job.way.is_none());
    fill(&mut job, Small);
    assert_eq!((std::ptr::from_ref(&*job), job.key()), (place, JobKey { origin: 1, id: 2 }));
}

#[test]
fn much_memory_is_given_back() {
    let mut job = Box::new(JobOf::<Large>::lent(0));
    fill(&mut job, Large([[0; 16]; 4]));
    job.refuse(Refusal::Cancelled);
    assert!(Job::finish(job).is_none());
}
