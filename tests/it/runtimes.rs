//! A system works wherever it is started, and its handles wherever they are used.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use callboard::{CallBuilder, CallError, ServiceRef, ServiceSystem};

use crate::stage::{Count, Echo, Hold, House, LONG, call, echo, start, stop, within};

#[actix::test]
async fn a_system_works_inside_an_actix_system() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    assert_eq!(within(LONG, stage.send(echo())).await.unwrap(), "hello");
    stop(&[&client, &server]).await;
}

#[test]
fn a_system_works_inside_a_multi_threaded_runtime() {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let house = House::default();
            let server = start(house.stage("one")).await;
            let client = house.client().await;
            let stage = client.service("stage");
            // As a handler of a web framework does it: the future is `Send` and owns its state.
            let handlers = (0..32).map(|_| {
                let stage = stage.clone();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        stage.send(Count).await?;
                    }
                    Ok::<_, CallError>(())
                })
            });
            for handler in handlers.collect::<Vec<_>>() {
                within(LONG, handler).await.unwrap().unwrap();
            }
            assert_eq!(stage.send(Count).await.unwrap(), 32 * 20 + 1);
            // The node's own calls, from the same runtime.
            assert_eq!(server.service("stage").send(Count).await.unwrap(), 32 * 20 + 2);
            stop(&[&client, &server]).await;
        });
}

#[test]
fn a_system_works_on_threads_without_any_runtime() {
    let (done, outcome) = mpsc::channel();
    // On a thread of its own, so that a call that hangs fails the test.
    thread::spawn(move || {
        let house = House::default();
        let server = block_on(house.stage("one").start()).unwrap();
        let client = block_on(house.system("client").start()).unwrap();
        let stage = client.service("stage");
        let threads = (0..8).map(|_| {
            let stage = stage.clone();
            thread::spawn(move || {
                (0..20).map(|_| block_on(stage.send(Count)).unwrap()).max().unwrap()
            })
        });
        let threads: Vec<_> = threads.collect();
        let most = threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap();
        let timeout = block_on(stage.send(Hold("held".into())).timeout(crate::stage::SHORT));
        let exits = [block_on(client.stop()), block_on(server.stop())];
        done.send((most, timeout, exits)).unwrap();
    });
    let (most, timeout, exits) = outcome.recv_timeout(LONG).unwrap();
    assert_eq!(most, 8 * 20);
    assert!(matches!(timeout, Err(CallError::Timeout { .. })), "{timeout:?}");
    assert!(exits.iter().all(callboard::actors::supervisor::Exit::is_normal), "{exits:?}");
}

#[actix::test]
async fn a_system_is_stopped_from_any_thread() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let (stopped, outcome) = tokio::sync::oneshot::channel();
    let handle = server.clone();
    thread::spawn(move || stopped.send(block_on(handle.stop())));
    assert!(within(LONG, outcome).await.unwrap().is_normal());
    assert!(within(LONG, server.ended()).await.is_normal());
    // Repeating it, from here, waits for the same end.
    assert!(within(LONG, server.stop()).await.is_normal());
}

#[test]
fn a_system_outlives_its_last_handle() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let house = House::default();
        drop(start(house.stage("one")).await);
        let client = house.client().await;
        let stage = client.service("stage");
        for _ in 0..20 {
            assert_eq!(within(LONG, stage.send(echo())).await.unwrap(), "hello");
        }
        stop(&[&client]).await;
    });
}

#[test]
fn a_start_that_nobody_waits_for_leaves_nothing_registered() {
    async fn start_and_go() {
        let house = House::default();
        let (entered, gate) = (house.diary.clone(), house.gate.clone());
        let builder = house.stage("one").before_start(move || async move {
            entered.note("starting");
            gate.pass().await;
            Ok::<_, String>(())
        });
        let starting = tokio::spawn(builder.start());
        house.diary.has("starting").await;
        starting.abort();
        assert!(starting.await.unwrap_err().is_cancelled());
        house.gate.open(1);
        crate::stage::eventually(async || house.registry.deregistrations() == 1).await;
    }

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(start_and_go());
    actix::System::new().block_on(start_and_go());
}

#[actix::test]
async fn calls_after_a_stop_say_that_the_system_has_been_stopped() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let (stage, never_used) = (client.service("stage"), client.service("other"));
    within(LONG, stage.send(echo())).await.unwrap();
    stop(&[&client]).await;
    for result in [
        within(LONG, stage.send(echo())).await,
        within(LONG, never_used.send(echo())).await,
        within(LONG, stage.send(echo()).node(server.node().address.clone())).await,
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, CallError::Stopped), "{error:?}");
        assert_eq!(error.to_string(), "this system has been stopped");
        assert!(!error.is_retryable());
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn calls_under_way_end_when_their_own_system_stops() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let held = call(client.service("stage").send(Hold("held".into())));
    house.diary.has("held starts").await;
    stop(&[&client]).await;
    let error = within(LONG, held).await.unwrap().unwrap_err();
    assert_eq!(error.executed(), callboard::Executed::Maybe, "{error:?}");
    house.diary.has("held is dropped").await;
    stop(&[&server]).await;
}

#[test]
fn handles_and_calls_go_where_they_are_needed() {
    fn goes_anywhere<T: Clone + Send + Sync + 'static>() {}
    fn is_sent<T: Send + 'static>() {}
    goes_anywhere::<ServiceSystem>();
    goes_anywhere::<ServiceRef>();
    is_sent::<CallBuilder<Echo>>();
    is_sent::<<CallBuilder<Echo> as IntoFuture>::IntoFuture>();
}

/// The smallest executor there is: it knows neither timers nor sockets.
pub(crate) fn block_on<F: IntoFuture>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future.into_future());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
