//! Tests of the promises: a yardstick that keeps them not would measure nothing. That latency decides
//! a choice, that turns are bounded, that a node stops reading where its answers are not taken, and
//! that a late batch is stamped again has none.

mod limits;
mod peer;

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::timeout;

use super::{
    Answering, Call, Error, Figures, Later, Message, Metadata, Node, Object, Service, Table, serve,
};
use crate::echo::Echo;
use crate::worker::block_on;

/// Runs a test, which is not to wait for ever.
fn run(test: impl Future<Output = ()>) {
    block_on(async { timeout(PATIENCE, test).await.expect("the test ends") });
}

/// A node whose object counts what it echoes, and holds or panics when asked to.
struct Served {
    address: SocketAddr,
    table: Arc<Table>,
    held: Held,
}

type Held = Arc<Mutex<Vec<Later>>>;

async fn served() -> Served {
    let held = Held::default();
    let holding = Arc::clone(&held);
    let object = Object::new(|| 0)
        .endpoint(ECHO, |count: &mut u64, mut message: Message, answering: Answering<'_>| {
            *count += 1;
            message.echo.id = *count;
            answering.answer(&Ok(message));
        })
        .endpoint(HOLD, move |_, _, answering| holding.lock().push(answering.later()))
        .endpoint(PANIC, |_, _, _| panic!("as asked"))
        .endpoint(NOTHING, |_, _, _| {});
    let table = Arc::new(Table::default().with(object));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(serve(listener, Arc::clone(&table)));
    Served { address, table, held }
}

async fn node(served: &Served) -> Arc<Node> {
    Node::connect(served.address).await.unwrap()
}

/// The code of an answer without a value.
async fn code(call: Call) -> u16 {
    match call.await {
        Err(Error::Status { code, .. }) => code,
        answer => panic!("{answer:?}"),
    }
}

/// Sends a call that is not answered at once.
async fn begin(call: Call) -> std::pin::Pin<Box<Call>> {
    let mut call = Box::pin(call);
    poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    call
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_call_may_be_made_on_any_thread_and_outlives_the_service() {
    fn is_free<T: Send + 'static>(it: T) -> T {
        it
    }
    run(async {
        let served = served().await;
        let call = Service::new(vec![node(&served).await]).call(ECHO, Echo::new(0));
        let call = is_free(call);
        let elsewhere = move || Builder::new_current_thread().build().unwrap().block_on(call);
        assert_eq!(spawn_blocking(elsewhere).await.unwrap(), Ok(Echo::new(1).into()));
    });
}

#[test]
fn a_call_ends_at_its_deadline() {
    run(async {
        let served = served().await;
        let node = node(&served).await;
        let service = Service::new(vec![Arc::clone(&node)]);
        let _longer = begin(service.call(HOLD, Echo::new(0))).await;
        let short = service.call(HOLD, Echo::new(1)).within(Duration::from_millis(20));
        assert_eq!(short.await, Err(Error::TimedOut));
        assert_eq!(node.in_flight(), 1, "the other call waits for five seconds");
    });
}

#[test]
fn a_call_goes_to_the_nodes_that_the_service_has_now() {
    run(async {
        let (one, other) = (served().await, served().await);
        let service = Service::new(vec![node(&one).await]);
        service.call(ECHO, Echo::new(0)).await.unwrap();
        let (elsewhere, next) = (service.clone(), node(&other).await);
        spawn_blocking(move || elsewhere.replace(vec![next])).await.unwrap();
        service.call(ECHO, Echo::new(0)).await.unwrap();
        assert_eq!([&one, &other].map(|it| it.table.figures().begun), [1, 1]);
        service.replace(Vec::new());
        assert_eq!(service.call(ECHO, Echo::new(0)).await, Err(Error::NoNodes));
    });
}

#[test]
fn a_call_goes_where_less_is_under_way() {
    run(async {
        let (one, other) = (served().await, served().await);
        let busy = node(&one).await;
        let alone = Service::new(vec![Arc::clone(&busy)]);
        let _held = begin(alone.call(HOLD, Echo::new(0))).await;
        let both = Service::new(vec![busy, node(&other).await]);
        both.call(ECHO, Echo::new(0)).await.unwrap();
        assert_eq!(other.table.figures().begun, 1);
    });
}

#[test]
fn a_node_s_latency_is_known_after_a_call() {
    run(async {
        let served = served().await;
        let node = node(&served).await;
        assert_eq!(node.latency(), Duration::ZERO);
        Service::new(vec![Arc::clone(&node)]).call(ECHO, Echo::new(0)).await.unwrap();
        assert!(node.latency() > Duration::ZERO);
    });
}

#[test]
fn metadata_goes_along_both_ways() {
    run(async {
        let served = served().await;
        let service = Service::new(vec![node(&served).await]);
        let pair = [("token".to_owned(), "1".to_owned())];
        let metadata = Metadata(Some(Box::new(pair)));
        let answer = service.call(ECHO, Echo::new(0)).with_metadata(metadata.clone()).await;
        assert_eq!(answer, Ok(Message { echo: Echo::new(1), metadata }));
    });
}

#[test]
fn a_panic_ends_one_request_and_the_state_begins_anew() {
    run(async {
        let served = served().await;
        let service = Service::new(vec![node(&served).await]);
        let echo = async || service.call(ECHO, Echo::new(0)).await.unwrap().echo.id;
        assert_eq!([echo().await, echo().await], [1, 2]);
        assert_eq!(code(service.call(PANIC, Echo::new(0))).await, 500);
        assert_eq!(echo().await, 1);
    });
}

#[test]
fn an_unknown_endpoint_is_said_to_be() {
    run(async {
        let served = served().await;
        let service = Service::new(vec![node(&served).await]);
        for _ in 0..2 {
            assert_eq!(code(service.call("Echo.Other", Echo::new(0))).await, 404);
        }
        assert!(service.call(ECHO, Echo::new(0)).await.is_ok());
    });
}

#[test]
fn an_answer_may_come_later_from_another_thread_or_not_at_all() {
    run(async {
        let served = served().await;
        let service = Service::new(vec![node(&served).await]);
        let mut call = begin(service.call(HOLD, Echo::new(0))).await;
        until(|| !served.held.lock().is_empty()).await;
        let later = served.held.lock().pop().unwrap();
        let answer = Ok(Message::from(Echo::new(7)));
        let answered = answer.clone();
        std::thread::spawn(move || later.answer(&answered)).join().unwrap();
        assert_eq!(call.as_mut().await, answer);
        let call = begin(service.call(HOLD, Echo::new(0))).await;
        until(|| !served.held.lock().is_empty()).await;
        served.held.lock().clear();
        assert_eq!(code(*std::pin::Pin::into_inner(call)).await, 500);
        assert_eq!(code(service.call(NOTHING, Echo::new(0))).await, 500);
    });
}

#[test]
fn both_sides_know_how_many_calls_there_were() {
    run(async {
        let served = served().await;
        let node = node(&served).await;
        let service = Service::new(vec![Arc::clone(&node)]);
        service.call(ECHO, Echo::new(0)).await.unwrap();
        assert_eq!(code(service.call(NOTHING, Echo::new(0))).await, 500);
        let figures = Figures { begun: 2, ended: 2, failed: 1 };
        assert_eq!((node.figures(), served.table.figures()), (figures, figures));
    });
}

#[test]
fn a_connection_ends_when_nobody_can_call_on_it_any_more() {
    run(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let node = Node::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut peer = peer::Peer::new(listener.accept().await.unwrap().0);
        let call = Service::new(vec![Arc::clone(&node)]).call(ECHO, Echo::new(0));
        // Its alarm is not what ends the connection.
        let mut call = begin(call.within(2 * PATIENCE)).await;
        let (asked, _) = peer.next().await.unwrap();
        let mut out = Vec::new();
        super::wire::put_reply(&mut out, asked.id, &Echo::new(0).into()).unwrap();
        peer.send(&out).await;
        assert!(call.as_mut().await.is_ok());
        // The connection's task comes to rest.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        drop((call, node));
        // This thread's list of nodes is replaced by the next that is looked at.
        drop(Service::new(Vec::new()).call(ECHO, Echo::new(0)));
        assert_eq!(peer.next().await, None);
    });
}

const ECHO: &str = "Echo.Echo";
const HOLD: &str = "Echo.Hold";
const PANIC: &str = "Echo.Panic";
const NOTHING: &str = "Echo.Nothing";

/// A test that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
