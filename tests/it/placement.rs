//! Where a handler's actors live, and how requests reach all of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use futures_util::future::try_join_all;

use crate::stage::{House, LONG, no_connection, start, stop, within};

#[actix::test]
async fn a_handler_is_one_actor_unless_it_asks_for_more() {
    let found = survey(3, |handler| handler).await;
    assert_eq!((found.actors.len(), found.threads.len()), (1, 1));
}

#[actix::test]
async fn a_pool_has_as_many_actors_as_it_asks_for_on_all_arbiters() {
    let found = survey(2, |handler| handler.pool(5)).await;
    assert_eq!((found.actors.len(), found.threads.len()), (5, 2));
}

#[actix::test]
async fn per_arbiter_there_is_one_actor_on_each_thread() {
    let found = survey(3, HandlerBuilder::per_arbiter).await;
    assert_eq!((found.actors.len(), found.threads.len()), (3, 3));
}

#[actix::test]
async fn callers_in_the_same_process_reach_all_actors_too() {
    let server = start(crowd(&House::default(), 1, |handler| handler.pool(4))).await;
    let crowd = server.service("crowd");
    let places = within(LONG, try_join_all((0..400).map(|_| crowd.send(Where).into_future())))
        .await
        .unwrap();
    let actors: BTreeSet<_> = places.into_iter().map(|place| place.0).collect();
    assert_eq!(actors.len(), 4);
    no_connection(&server).await;
    stop(&[&server]).await;
}

#[actix::test]
async fn callers_on_another_thread_reach_all_actors_of_a_pool_one_call_after_the_other() {
    let server = start(crowd(&House::default(), 1, |handler| handler.pool(2))).await;
    let crowd = server.service("crowd");
    let calls = async move {
        let mut actors = BTreeSet::new();
        for _ in 0..20 {
            actors.insert(crowd.send(Where).await.unwrap().0);
        }
        actors.len()
    };
    let calls = tokio::task::spawn_blocking(|| {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(calls)
    });
    assert_eq!(within(LONG, calls).await.unwrap(), 2);
    stop(&[&server]).await;
}

/// Which actors and threads answered.
#[derive(Default)]
struct Survey {
    actors: BTreeSet<usize>,
    threads: BTreeSet<String>,
}

/// Has ten clients make a hundred calls each, all of which are answered.
async fn survey(
    arbiters: usize,
    place: impl FnOnce(HandlerBuilder<Extra>) -> HandlerBuilder<Extra>,
) -> Survey {
    let house = House::default();
    let server = start(crowd(&house, arbiters, place)).await;
    let mut survey = Survey::default();
    for _ in 0..10 {
        let client = house.client().await;
        let crowd = client.service("crowd");
        let places =
            within(LONG, try_join_all((0..100).map(|_| crowd.send(Where).into_future()))).await;
        for Place(actor, thread) in places.expect("every call is answered") {
            survey.actors.insert(actor);
            survey.threads.insert(thread);
        }
        stop(&[&client]).await;
    }
    stop(&[&server]).await;
    survey
}

fn crowd(
    house: &House,
    arbiters: usize,
    place: impl FnOnce(HandlerBuilder<Extra>) -> HandlerBuilder<Extra>,
) -> callboard::SystemBuilder {
    let made = Arc::<AtomicUsize>::default();
    house.system("crowd").configure(|config| config.arbiters = Some(arbiters)).handler(
        move || Extra(made.fetch_add(1, Ordering::Relaxed)),
        |h| place(h.request::<Where>()),
    )
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Crowd.Where", reply = Place)]
struct Where;

#[derive(Debug, Serialize, Deserialize)]
struct Place(usize, String);

struct Extra(usize);

impl Actor for Extra {
    type Context = Context<Self>;
}

impl Handler<Request<Where>> for Extra {
    type Result = Reply<Where>;

    fn handle(&mut self, _: Request<Where>, _: &mut Context<Self>) -> Reply<Where> {
        Ok(Place(self.0, format!("{:?}", std::thread::current().id())))
    }
}
