//! The task of an arbiter that wakes the others there.
//!
//! It lives as long as the arbiter and is spawned when a task of the arbiter first waits for another
//! one; supervised by nobody, as it runs no code but this. What ends with it: the alarms, whose tasks
//! are woken to look after themselves. Whoever is handed to it afterwards is woken as usual.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::room::WaitingRoom;
use crate::bell::Bell;
use crate::contain::contain;

/// Where other threads leave what is for the attendant of a room.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// None once the attendant has gone.
    news: Mutex<Option<News>>,
    bell: Bell,
}

/// What has been left and not been taken.
#[derive(Debug, Default)]
struct News {
    /// At most as many as there are tasks waiting.
    woken: Vec<Waker>,
    /// Alarms that were dropped on another thread.
    forgotten: Vec<usize>,
}

impl Door {
    /// Has tasks of the room woken; empties `tasks`.
    pub(super) fn wake(&self, tasks: &mut Vec<Waker>) {
        let was_empty = match &mut *self.news.lock() {
            Some(news) => {
                let was_empty = news.woken.is_empty();
                news.woken.append(tasks);
                was_empty
            }
            None => false,
        };
        if was_empty {
            self.bell.ring();
        }
        // Left where there is no attendant.
        tasks.drain(..).for_each(Waker::wake);
    }

    /// Whether nobody attends to it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.news.lock().is_none()
    }
}

/// How many doors have closed, ever.
pub(super) fn closed() -> usize {
    CLOSED.load(Ordering::Acquire)
}

/// The door of a room, if that has an attendant.
pub(super) fn door(room: WaitingRoom) -> Option<Arc<Door>> {
    DOORS.lock().get(&room.number).cloned()
}

/// Has the attendant look at its alarms.
pub(super) fn call(room: WaitingRoom) {
    if let Some(door) = door(room) {
        door.bell.ring();
    }
}

/// Has the attendant remove an alarm.
pub(super) fn forget(room: WaitingRoom, alarm: usize) {
    let Some(door) = door(room) else { return };
    if let Some(news) = &mut *door.news.lock() {
        news.forgotten.push(alarm);
    }
    door.bell.ring();
}

/// Wakes the tasks of a room.
pub(super) struct Attendant {
    room: WaitingRoom,
    /// Whether it has been polled.
    has_come: bool,
    /// None before it is polled, and for ever where there are no timers.
    work: Option<Work>,
}

/// What an attendant works with.
struct Work {
    door: Arc<Door>,
    /// Being worked on; empty between two polls.
    news: News,
    timer: Pin<Box<Sleep>>,
}

impl Attendant {
    pub(super) fn new(room: WaitingRoom) -> Self {
        Self { room, has_come: false, work: None }
    }

    /// Opens the room, unless the runtime has no timers; then whoever waits does it elsewhere.
    fn begin(&self, own: &Waker) -> Option<Work> {
        let timer = contain(|| Box::pin(sleep_until(Instant::now()))).ok()?;
        let door =
            Arc::new(Door { news: Mutex::new(Some(News::default())), bell: Bell::default() });
        DOORS.lock().insert(self.room.number, Arc::clone(&door));
        self.room.open(own);
        Some(Work { door, news: News::default(), timer })
    }
}

impl Work {
    /// Does what has been left at the door.
    fn attend(&mut self, room: WaitingRoom, cx: &Context<'_>) {
        Bell::register([&self.door.bell], cx.waker());
        if let Some(news) = &mut *self.door.news.lock() {
            // What it leaves has room for as many as came the last time.
            std::mem::swap(news, &mut self.news);
        }
        self.news.woken.drain(..).for_each(Waker::wake);
        for alarm in self.news.forgotten.drain(..) {
            drop(room.enter(|alarms| alarms.remove(alarm)));
        }
    }

    /// Wakes whose deadline has passed, and has the attendant polled at the next one.
    fn watch(&mut self, room: WaitingRoom, cx: &mut Context<'_>) {
        while let Some(earliest) = room.enter(|alarms| alarms.earliest()).flatten() {
            if self.timer.deadline() != earliest {
                self.timer.as_mut().reset(earliest);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            let due = room.enter(|alarms| alarms.ring(Instant::now()));
            due.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl Future for Attendant {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.has_come {
            this.has_come = true;
            this.work = this.begin(cx.waker());
        }
        if let Some(work) = &mut this.work {
            work.attend(this.room, cx);
            work.watch(this.room, cx);
        }
        // Also where it has nothing to do: so nobody sends for another one.
        Poll::Pending
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        // Their next poll finds that nobody looks after their deadlines here.
        self.room.close().into_iter().for_each(Waker::wake);
        if let Some(Work { door, .. }) = &self.work {
            DOORS.lock().remove(&self.room.number);
            let left = door.news.lock().take();
            CLOSED.fetch_add(1, Ordering::Release);
            left.into_iter().flat_map(|news| news.woken).for_each(Waker::wake);
        }
    }
}

/// Of the rooms that are open; one per arbiter.
static DOORS: Mutex<BTreeMap<u64, Arc<Door>>> = Mutex::new(BTreeMap::new());

static CLOSED: AtomicUsize = AtomicUsize::new(0);
