//! A call to a free actor on the caller's own thread is answered before it waits for anything.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use callboard::CallError;
use callboard::prelude::*;

use crate::stage::{Count, Hold, House, LONG, Panic, call, start, stop, within};

/// What a call has come to when it was polled once.
fn first_poll<T: Endpoint>(call: &mut callboard::client::CallFuture<T>) -> Option<Answer<T>> {
    match Pin::new(call).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

type Answer<T> = Result<<T as Endpoint>::Reply, CallError>;

#[actix::test]
async fn a_call_is_answered_by_its_first_poll() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    let mut first = stage.send(Count).into_future();
    let mut second = stage.send(Count).into_future();
    // In the order in which they are polled.
    assert!(matches!(first_poll(&mut second), Some(Ok(1))));
    assert!(matches!(first_poll(&mut first), Some(Ok(2))));
    // What was sent before is handled before.
    stage.do_send(Count);
    assert_eq!(within(LONG, stage.send(Count)).await.unwrap(), 4);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_handler_that_panics_harms_its_own_call_only() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    let failure = first_poll(&mut stage.send(Panic).into_future());
    let Some(Err(CallError::Status(status))) = failure else { panic!("{failure:?}") };
    assert_eq!(status.code, 500);
    assert_eq!(within(LONG, stage.send(Count)).await.unwrap(), 1, "by the next incarnation");
    stop(&[&server]).await;
}

#[actix::test]
async fn an_answer_that_takes_time_is_waited_for() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    let mut held = stage.send(Hold("held".into())).into_future();
    assert!(first_poll(&mut held).is_none());
    house.diary.has("held starts").await;
    let dropped = call(stage.send(Hold("dropped".into())));
    house.diary.has("dropped starts").await;
    dropped.abort();
    house.diary.has("dropped is dropped").await;
    // The actor is free meanwhile.
    assert!(matches!(first_poll(&mut stage.send(Count).into_future()), Some(Ok(1))));
    house.gate.open(1);
    assert_eq!(within(LONG, held).await.unwrap(), "held");
    let short = stage.send(Hold("late".into())).timeout(Duration::from_millis(30));
    assert!(matches!(within(LONG, short).await, Err(CallError::Timeout { .. })));
    stop(&[&server]).await;
}

#[actix::test]
async fn a_task_that_calls_for_ever_lets_others_have_their_turn() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    let is_over = Rc::new(Cell::new(false));
    let callers = [(); 3].map(|()| {
        let (stage, is_over) = (stage.clone(), Rc::clone(&is_over));
        actix::spawn(async move {
            // Far more than fit into the timer's millisecond.
            for _ in 0..1_000_000 {
                stage.send(Count).await.unwrap();
                if is_over.get() {
                    return true;
                }
            }
            false
        })
    });
    let timer = Rc::clone(&is_over);
    actix::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        timer.set(true);
    });
    for caller in callers {
        assert!(caller.await.unwrap(), "the timer's task had no turn");
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn actors_that_call_one_another_in_a_ring_are_answered_however_long_the_way() {
    let house = House::default();
    let ring = house
        .system("ring")
        .handler(|| Ring::<0>, |h| h.request::<Pass<0>>())
        .handler(|| Ring::<1>, |h| h.request::<Pass<1>>())
        .handler(|| Ring::<2>, |h| h.request::<Pass<2>>())
        .handler(|| Ring::<3>, |h| h.request::<Pass<3>>())
        .handler(|| Ring::<4>, |h| h.request::<Pass<4>>())
        .handler(|| Ring::<5>, |h| h.request::<Pass<5>>())
        .handler(|| Ring::<6>, |h| h.request::<Pass<6>>())
        .handler(|| Ring::<7>, |h| h.request::<Pass<7>>())
        .handler(|| Ring::<8>, |h| h.request::<Pass<8>>())
        .handler(|| Ring::<9>, |h| h.request::<Pass<9>>());
    let server = start(ring).await;
    let service = server.service("ring");
    // Back at an actor that has its turn, beyond the turns that may nest, and round and round.
    for left in [1, 5, 9, 10, 11, 95] {
        assert_eq!(within(LONG, service.send(Pass::<0> { left })).await.unwrap(), left);
    }
    stop(&[&server]).await;
}

/// Is passed on so many times more.
#[derive(Debug, Serialize, Deserialize)]
struct Pass<const PLACE: usize> {
    left: u32,
}

impl<const PLACE: usize> Endpoint for Pass<PLACE> {
    type Reply = u32;

    const NAME: &'static str = PLACES[PLACE];
}

const PLACES: [&str; 10] = [
    "Ring.Pass0",
    "Ring.Pass1",
    "Ring.Pass2",
    "Ring.Pass3",
    "Ring.Pass4",
    "Ring.Pass5",
    "Ring.Pass6",
    "Ring.Pass7",
    "Ring.Pass8",
    "Ring.Pass9",
];

struct Ring<const PLACE: usize>;

impl<const PLACE: usize> Actor for Ring<PLACE> {
    type Context = Context<Self>;
}

/// The actor at a place passes on to the one at the next.
macro_rules! pass {
    ($($place:literal to $next:literal),*) => {$(
        impl Handler<Request<Pass<$place>>> for Ring<$place> {
            type Result = ResponseFuture<Reply<Pass<$place>>>;

            fn handle(
                &mut self,
                request: Request<Pass<$place>>,
                ctx: &mut Context<Self>,
            ) -> Self::Result {
                let service = ctx.service("ring");
                Box::pin(async move {
                    let Some(left) = request.left.checked_sub(1) else { return Ok(0) };
                    Ok(service.send(Pass::<$next> { left }).within(&request).await? + 1)
                })
            }
        }
    )*};
}

pass!(0 to 1, 1 to 2, 2 to 3, 3 to 4, 4 to 5, 5 to 6, 6 to 7, 7 to 8, 8 to 9, 9 to 0);
