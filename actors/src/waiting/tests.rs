//! Tasks of one arbiter and a thread that wakes them.

mod actor;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use actix::prelude::Actor;
use actix_rt::System;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::attendant::Attendant;
use super::{BatchedWaker, Turn, WaitingRoom, batch, flush};
use crate::contain::{Panic, quiet_contained_panics};
use crate::inbox::{Inbox, InboxOptions, Job, JobKey, Next, Progress};
use crate::message::Refusal;
use crate::{Context, Deadline};

/// Long enough for whatever happens to have happened on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// The room of the present arbiter, once its attendant has come.
async fn room() -> WaitingRoom {
    let found = async {
        loop {
            let room = poll_fn(|cx| Poll::Ready(WaitingRoom::of(cx.waker()))).await;
            if let Some(room) = room {
                return room;
            }
            yield_now().await;
        }
    };
    // What the system waits for itself is no task.
    let found = timeout(LONG, actix_rt::spawn(found)).await.expect("an attendant comes");
    found.expect("it does not panic")
}

/// A task that has waited until it was woken, and what wakes it.
async fn waiter() -> (tokio::task::JoinHandle<()>, BatchedWaker) {
    let (sender, waker) = oneshot::channel();
    let mut sender = Some(sender);
    let task = actix_rt::spawn(async move {
        let room = room().await;
        poll_fn(|cx| match sender.take() {
            Some(sender) => {
                let _ = sender.send(room.waker(cx.waker()));
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .await;
    });
    (task, waker.await.expect("it waits"))
}

async fn waiters(count: usize) -> (Vec<tokio::task::JoinHandle<()>>, Vec<BatchedWaker>) {
    let (mut tasks, mut wakers) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (task, waker) = waiter().await;
        tasks.push(task);
        wakers.push(waker);
    }
    (tasks, wakers)
}

/// Does something on another thread.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, result) = oneshot::channel();
    thread::spawn(move || sender.send(work()));
    timeout(LONG, result).await.expect("it ends").expect("it does not panic")
}

async fn all_wake(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        timeout(LONG, task).await.expect("it is woken").expect("it does not panic");
    }
}

#[actix::test]
async fn those_whom_a_turn_answers_are_woken_at_its_end() {
    let (tasks, wakers) = waiters(3).await;
    let kept = elsewhere(move || {
        let turn = Turn::begin();
        drop(wakers);
        let inner = Turn::begin();
        let kept = batch::kept();
        let has_answered = inner.end();
        let after_inner = batch::kept();
        (kept, has_answered, after_inner, turn.end(), batch::kept())
    });
    assert_eq!(kept.await, (3, false, 0, true, 0), "the end of any turn is one");
    all_wake(tasks).await;
}

#[actix::test]
async fn a_turn_has_not_answered_whom_one_inside_of_it_answered() {
    let (tasks, wakers) = waiters(3).await;
    let have_answered = elsewhere(move || {
        let (outer, inner) = (Turn::begin(), Turn::begin());
        drop(wakers);
        (inner.end(), outer.end())
    });
    assert_eq!(have_answered.await, (true, false));
    all_wake(tasks).await;
}

#[actix::test]
async fn a_portion_does_not_wait_for_the_end_of_the_turn() {
    let (tasks, wakers) = waiters(batch::PORTION + 2).await;
    let kept = elsewhere(move || {
        let turn = Turn::begin();
        drop(wakers);
        let kept = batch::kept();
        flush();
        let after = batch::kept();
        drop(turn);
        (kept, after)
    });
    assert_eq!(kept.await, (2, 0));
    all_wake(tasks).await;
}

/// A request that is of no account.
struct Nothing {
    deadline: Option<Deadline>,
}

struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl Job<Nobody> for Nothing {
    fn key(&self) -> JobKey {
        JobKey { origin: 0, id: 0 }
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn endpoint(&self) -> usize {
        0
    }

    fn run(&mut self, _: &mut Nobody, _: &mut Context<Nobody>) -> Progress<Nobody> {
        Progress::Done
    }

    fn panicked(&mut self, _: &Panic) {}

    fn refuse(&mut self, _: Refusal) {}
}

#[actix::test]
async fn who_was_answered_does_not_wait_for_what_comes_after_a_long_request() {
    // Or an event, a message that nobody waits for, a call whose time has not begun.
    for deadline in [Some(Deadline::within(LONG * 9)), None] {
        of_two_requests_the_first_is_long(deadline).await;
    }
}

async fn of_two_requests_the_first_is_long(deadline: Option<Deadline>) {
    let (tasks, wakers) = waiters(3).await;
    let kept = elsewhere(move || {
        let (inbox, mut receiver) = Inbox::<Nobody>::new(InboxOptions::default());
        let request = || Box::new(Nothing { deadline });
        (0..2).for_each(|_| inbox.push_one(request(), Instant::now()));
        let _turn = Turn::begin();
        assert!(matches!(receiver.next(), Next::Run(_)));
        drop(wakers);
        let kept = batch::kept();
        // The request takes this long.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1) {
            thread::yield_now();
        }
        assert!(matches!(receiver.next(), Next::Run(_)));
        (kept, batch::kept())
    });
    assert_eq!(kept.await, (3, 0));
    all_wake(tasks).await;
}

#[actix::test]
async fn outside_of_a_turn_a_task_is_woken_at_once() {
    let (tasks, wakers) = waiters(3).await;
    let kept = elsewhere(move || {
        drop(wakers);
        batch::kept()
    });
    assert_eq!(kept.await, 0);
    all_wake(tasks).await;
    // On its own arbiter as well, even within a turn.
    let (tasks, wakers) = waiters(3).await;
    let turn = Turn::begin();
    drop(wakers);
    assert_eq!(batch::kept(), 0);
    drop(turn);
    all_wake(tasks).await;
}

#[actix::test]
async fn an_alarm_rings_at_its_deadline_unless_it_was_dropped() {
    let room = room().await;
    let (first, long) = (Deadline::within(Duration::from_millis(20)), Deadline::within(LONG * 9));
    // In a task of its own, which nothing else wakes.
    let woken = actix_rt::spawn(async move {
        let mut alarms = Vec::new();
        poll_fn(|cx| {
            if !alarms.is_empty() {
                return Poll::Ready(());
            }
            let alarm = |deadline| room.alarm(deadline, cx.waker()).expect("it is here");
            alarms.extend([alarm(long), alarm(first)]);
            assert!(alarms.iter().all(|alarm| alarm.wakes(cx.waker())));
            assert!(!alarms[0].wakes(Waker::noop()));
            Poll::Pending
        })
        .await;
        alarms
    });
    let alarms = timeout(LONG, woken).await.expect("it rings");
    let mut alarms = alarms.expect("it does not panic");
    assert!(first.has_passed());
    assert_eq!(room.enter(|alarms| alarms.count()), Some(2));
    // Here, and on another thread.
    drop(alarms.pop());
    assert_eq!(room.enter(|alarms| alarms.count()), Some(1));
    elsewhere(move || drop(alarms)).await;
    let forgotten = async {
        while room.enter(|alarms| alarms.count()) != Some(0) {
            yield_now().await;
        }
    };
    timeout(LONG, forgotten).await.expect("it is forgotten");
    assert!(elsewhere(move || room.alarm(long, Waker::noop()).is_none()).await);
}

#[test]
fn only_tasks_of_the_arbiter_have_a_room() {
    let system = System::new();
    let first = system.block_on(async {
        let room = room().await;
        let own = poll_fn(|cx| Poll::Ready(WaitingRoom::of(cx.waker())));
        assert_eq!(actix_rt::spawn(own).await.expect("it does not panic"), Some(room));
        assert_eq!(WaitingRoom::of(Waker::noop()), None);
        room
    });
    // Its attendant has no turns while the thread is another executor's.
    let other = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let task = other.block_on(async {
        tokio::spawn(poll_fn(|cx| Poll::Ready(WaitingRoom::of(cx.waker())))).await
    });
    assert_eq!(task.expect("it does not panic"), None);
    assert_eq!(system.block_on(async { room().await }), first);
    drop(system);
    assert!(!first.is_here(), "it closes with its arbiter");
    assert_ne!(System::new().block_on(async { room().await }), first);
}

#[test]
fn an_arbiter_that_has_ended_has_no_room() {
    drop(System::new());
    assert_eq!(WaitingRoom::of(Waker::noop()), None);
    assert_eq!(WaitingRoom::of(Waker::noop()), None, "asking again is as harmless");
}

/// A room with an attendant, which has come but has no arbiter.
fn attended() -> (WaitingRoom, Attendant) {
    let room = WaitingRoom::new();
    let mut attendant = Attendant::new(room);
    let poll = Pin::new(&mut attendant).poll(&mut TaskContext::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    (room, attendant)
}

#[test]
fn where_there_are_no_timers_no_room_opens() {
    quiet_contained_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (room, _attendant) = runtime.block_on(async { attended() });
    assert!(!room.is_here());
}

#[actix::test]
async fn a_thread_collects_for_a_further_room_once_another_has_closed() {
    let rooms: Vec<_> = (0..=batch::ROOMS_MOST).map(|_| attended()).collect();
    let kept = elsewhere(move || {
        let wake_all = |rooms: &VecDeque<(WaitingRoom, Attendant)>| {
            for (room, _) in rooms {
                drop(room.waker(Waker::noop()));
            }
        };
        let mut kept = Vec::new();
        let mut rooms = VecDeque::from(rooms);
        for _ in 0..2 {
            let _turn = Turn::begin();
            wake_all(&rooms);
            kept.push(batch::kept());
        }
        rooms.pop_front();
        let _turn = Turn::begin();
        wake_all(&rooms);
        kept.push(batch::kept());
        kept
    });
    assert_eq!(kept.await, [batch::ROOMS_MOST; 3]);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn whoever_has_an_alarm_when_an_attendant_goes_is_woken() {
    let count = Arc::new(Count::default());
    let (system, task) = (System::new(), Waker::from(Arc::clone(&count)));
    let alarm = system.block_on(async { room().await.alarm(Deadline::within(LONG * 9), &task) });
    let alarm = alarm.expect("it is here");
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    drop(system);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(!alarm.wakes(&task));
}

#[test]
fn whoever_is_left_when_an_attendant_goes_is_woken() {
    let count = Arc::new(Count::default());
    let wakers = || vec![Waker::from(Arc::clone(&count)); 2];
    let system = System::new();
    let door = system.block_on(async { super::attendant::door(room().await) }).expect("it is open");
    door.wake(&mut wakers());
    assert_eq!(count.0.load(Ordering::Relaxed), 0, "it has no turn");
    drop(system);
    assert_eq!(count.0.load(Ordering::Relaxed), 2);
    assert!(door.is_closed());
    door.wake(&mut wakers());
    assert_eq!(count.0.load(Ordering::Relaxed), 4);
}
