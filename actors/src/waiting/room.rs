//! The waiting room of the present arbiter, as its tasks see it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{RawWakerVTable, Waker};

use actix_rt::Arbiter;
use tokio::runtime::{Handle, Id};

use super::BatchedWaker;
use super::attendant::{self, Attendant};
use crate::alarms::Alarms;
use crate::deadline::Deadline;

/// The waiting room of an arbiter.
///
/// ```
/// use std::time::Duration;
/// use callboard_actors::Deadline;
/// use callboard_actors::waiting::{RoomAlarm, WaitingRoom};
///
/// /// Has the task polled once more in a second, if it is one of an arbiter.
/// fn soon(cx: &std::task::Context<'_>) -> Option<RoomAlarm> {
///     let room = WaitingRoom::of(cx.waker())?;
///     room.alarm(Deadline::within(Duration::from_secs(1)), cx.waker())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingRoom {
    /// No other room of the process ever has it.
    pub(super) number: u64,
}

impl WaitingRoom {
    pub(super) fn new() -> Self {
        Self { number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// The room of the present arbiter, if this is the waker of a task that it polls.
    ///
    /// The first time an arbiter is asked it has none yet: its attendant has to come first. It never
    /// has one whose runtime is without timers (`enable_time`).
    ///
    /// The attendant is a task of the arbiter like any other. While a task that waits in the room is
    /// polled by the arbiter's runtime alone, and not by its `System` or `Arbiter`
    /// (`SystemRunner::runtime().block_on(…)`, which leaves out what was spawned as local), it is not
    /// woken before the arbiter goes on.
    pub fn of(task: &Waker) -> Option<Self> {
        // It is gone when the thread ends.
        let (room, is_missing) = PRESENT
            .try_with(|present| match &*present.borrow() {
                Present::Open(room) => (room.suits(task).then_some(room.room), false),
                Present::Expected(_) => (None, false),
                Present::None => (None, true),
            })
            .unwrap_or_default();
        if is_missing {
            expect();
        }
        room
    }

    /// What wakes the task, from any thread.
    pub fn waker(self, task: &Waker) -> BatchedWaker {
        BatchedWaker { room: self, waker: Some(task.clone()) }
    }

    /// Has the task woken at a deadline, unless the alarm is dropped before; `None` elsewhere than on
    /// the room's own arbiter.
    pub fn alarm(self, deadline: Deadline, task: &Waker) -> Option<RoomAlarm> {
        let at = deadline.instant();
        let (key, is_sooner) = self.enter(|alarms| alarms.insert(at, task.clone()))?;
        if is_sooner {
            attendant::call(self);
        }
        Some(RoomAlarm { room: self, key })
    }

    /// Whether it is that of the present thread.
    pub(super) fn is_here(self) -> bool {
        self.enter(|_| ()).is_some()
    }

    /// Works on the alarms of the room, if it is that of the present thread.
    pub(super) fn enter<T>(self, work: impl FnOnce(&mut Alarms) -> T) -> Option<T> {
        let result = PRESENT.try_with(|present| match &mut *present.borrow_mut() {
            Present::Open(open) if open.room == self => Some(work(&mut open.alarms)),
            _ => None,
        });
        result.ok().flatten()
    }

    /// Opens the room, when its attendant is polled for the first time.
    pub(super) fn open(self, attendant: &Waker) {
        let executor = Handle::current().id();
        let tasks = attendant.vtable();
        let open = Open { room: self, executor, tasks, alarms: Alarms::default() };
        let _ = PRESENT.try_with(|present| present.replace(Present::Open(open)));
    }

    /// Closes it, when its attendant has gone; whom an alarm was to wake.
    pub(super) fn close(self) -> Vec<Waker> {
        let closed = PRESENT.try_with(|present| {
            let mut present = present.borrow_mut();
            let is_it = match &*present {
                Present::Open(open) => open.room == self,
                Present::Expected(room) => *room == self,
                Present::None => false,
            };
            is_it.then(|| std::mem::replace(&mut *present, Present::None))
        });
        match closed {
            Ok(Some(Present::Open(open))) => open.alarms.into_wakers(),
            _ => Vec::new(),
        }
    }
}

/// Wakes a task at a deadline, unless it is dropped before; see [`WaitingRoom::alarm`].
///
/// ```
/// use callboard_actors::waiting::RoomAlarm;
///
/// fn is_still_mine(alarm: &RoomAlarm, cx: &std::task::Context<'_>) -> bool {
///     alarm.wakes(cx.waker())
/// }
/// ```
#[derive(Debug)]
pub struct RoomAlarm {
    room: WaitingRoom,
    key: usize,
}

impl RoomAlarm {
    /// Whether it wakes this task, and this is the arbiter on which it was set.
    pub fn wakes(&self, task: &Waker) -> bool {
        self.room.enter(|alarms| alarms.wakes(self.key, task)).unwrap_or(false)
    }
}

impl Drop for RoomAlarm {
    fn drop(&mut self) {
        if self.room.enter(|alarms| alarms.remove(self.key)).is_none() {
            attendant::forget(self.room, self.key);
        }
    }
}

/// The room of the present thread.
enum Present {
    /// Nobody has asked, or the thread is no arbiter.
    None,
    /// Its attendant has not been polled.
    Expected(WaitingRoom),
    Open(Open),
}

struct Open {
    room: WaitingRoom,
    /// What polls the attendant.
    executor: Id,
    /// That of the tasks of tokio.
    tasks: &'static RawWakerVTable,
    alarms: Alarms,
}

impl Open {
    /// Whether the attendant is polled where this task is: a thread that is an arbiter may block on
    /// other executors.
    fn suits(&self, task: &Waker) -> bool {
        std::ptr::eq(task.vtable(), self.tasks)
            && Handle::try_current().is_ok_and(|executor| executor.id() == self.executor)
    }
}

/// Sends for an attendant, if the present thread is an arbiter.
fn expect() {
    let Some(arbiter) = Arbiter::try_current() else { return };
    let room = WaitingRoom::new();
    let _ = PRESENT.try_with(|present| present.replace(Present::Expected(room)));
    // Nothing is borrowed: where the arbiter has ended, the attendant is dropped here and now, and
    // closes the room.
    arbiter.spawn(Attendant::new(room));
}

thread_local! {
    static PRESENT: RefCell<Present> = const { RefCell::new(Present::None) };
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);
