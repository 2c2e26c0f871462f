//! Wakers that the present thread has collected for the rooms of others.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;

use super::attendant::{self, Door};
use super::room::WaitingRoom;

/// A turn of an actor; when it ends, those whom it answered are woken.
pub(crate) struct Turn {
    /// Whether the one around it had answered anybody.
    outer: bool,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        let outer = BATCHES.try_with(|batches| {
            let mut batches = batches.borrow_mut();
            batches.turns += 1;
            std::mem::take(&mut batches.has_added)
        });
        Self { outer: outer.unwrap_or_default() }
    }

    /// Ends it; whether it answered any task of another arbiter that waits in its room, turns inside
    /// of it apart.
    pub(crate) fn end(self) -> bool {
        let has_answered = BATCHES.try_with(|batches| batches.borrow().has_added);
        drop(self);
        has_answered.unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = BATCHES.try_with(|batches| {
            let mut batches = batches.borrow_mut();
            batches.turns -= 1;
            batches.has_added = self.outer;
        });
        flush();
    }
}

/// Wakes a task of a room, now or together with others.
pub(super) fn wake(room: WaitingRoom, task: Waker) {
    if room.is_here() {
        return task.wake();
    }
    let mut task = Some(task);
    let full = BATCHES.try_with(|batches| batches.borrow_mut().add(room, &mut task));
    if let Ok(Some(batch)) = full {
        send(batch);
    }
    if let Some(task) = task {
        task.wake();
    }
}

/// Wakes those who wait for it.
pub(crate) fn flush() {
    while let Ok(Some(batch)) = BATCHES.try_with(|batches| batches.borrow_mut().take_any()) {
        send(batch);
    }
}

/// Nothing is borrowed meanwhile: whom it wakes is not known here.
fn send((place, door, mut tasks): (usize, Arc<Door>, Vec<Waker>)) {
    // One alone is not worth the way through its attendant.
    match tasks.len() {
        1 => tasks.drain(..).for_each(Waker::wake),
        _ => door.wake(&mut tasks),
    }
    let _ = BATCHES.try_with(|batches| batches.borrow_mut().give_back(place, tasks));
}

/// Whether any task waits for the end of a turn of the present thread.
pub(crate) fn are_kept() -> bool {
    BATCHES.try_with(|batches| batches.borrow().waiting > 0).unwrap_or_default()
}

/// Tasks that wait for the end of a turn of the present thread.
#[cfg(test)]
pub(super) fn kept() -> usize {
    BATCHES.with_borrow(|batches| batches.waiting)
}

struct Batches {
    /// Turns of actors under way, each but one inside of another.
    turns: usize,
    waiting: usize,
    /// Whether the innermost turn has added any.
    has_added: bool,
    of_rooms: Vec<Batch>,
    /// Doors that had closed when those of `of_rooms` were looked at.
    closed: usize,
}

struct Batch {
    room: WaitingRoom,
    door: Arc<Door>,
    tasks: Vec<Waker>,
}

impl Batches {
    /// Adds a task, if there is somebody to end the batch; what is to be sent now.
    fn add(
        &mut self,
        room: WaitingRoom,
        task: &mut Option<Waker>,
    ) -> Option<(usize, Arc<Door>, Vec<Waker>)> {
        if self.turns == 0 {
            return None;
        }
        let place = self.place(room)?;
        let batch = &mut self.of_rooms[place];
        batch.tasks.extend(task.take());
        self.waiting += 1;
        self.has_added = true;
        if batch.tasks.len() < PORTION { None } else { self.take(place) }
    }

    /// Where the batch of a room is.
    fn place(&mut self, room: WaitingRoom) -> Option<usize> {
        if let Some(place) = self.of_rooms.iter().position(|batch| batch.room == room) {
            return Some(place);
        }
        if self.of_rooms.len() >= ROOMS_MOST {
            // Each look at a door takes a lock that others want, so only if it may find something.
            let closed = attendant::closed();
            if std::mem::replace(&mut self.closed, closed) != closed {
                self.of_rooms.retain(|batch| !batch.tasks.is_empty() || !batch.door.is_closed());
            }
        }
        if self.of_rooms.len() >= ROOMS_MOST {
            return None;
        }
        self.of_rooms.push(Batch { room, door: attendant::door(room)?, tasks: Vec::new() });
        Some(self.of_rooms.len() - 1)
    }

    fn take_any(&mut self) -> Option<(usize, Arc<Door>, Vec<Waker>)> {
        if self.waiting == 0 {
            return None;
        }
        let place = self.of_rooms.iter().position(|batch| !batch.tasks.is_empty())?;
        self.take(place)
    }

    fn take(&mut self, place: usize) -> Option<(usize, Arc<Door>, Vec<Waker>)> {
        let batch = self.of_rooms.get_mut(place)?;
        let tasks = std::mem::take(&mut batch.tasks);
        self.waiting -= tasks.len();
        Some((place, Arc::clone(&batch.door), tasks))
    }

    /// Keeps the memory of a batch for the next one.
    fn give_back(&mut self, place: usize, tasks: Vec<Waker>) {
        if let Some(batch) = self.of_rooms.get_mut(place).filter(|batch| batch.tasks.is_empty()) {
            batch.tasks = tasks;
        }
    }
}

thread_local! {
    static BATCHES: RefCell<Batches> = const {
        RefCell::new(Batches {
            turns: 0,
            waiting: 0,
            has_added: false,
            of_rooms: Vec::new(),
            closed: 0,
        })
    };
}

/// Tasks of a room that are woken together at most, so that both arbiters work at the same time.
pub(super) const PORTION: usize = 32;

/// Rooms for which a thread collects; tasks of further ones are woken at once.
pub(super) const ROOMS_MOST: usize = 64;
