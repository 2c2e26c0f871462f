//! Wakers that the present thread has collected for the rooms of others.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;

use super::attendant::{self, Door};
use super::room::WaitingRoom;

/// A turn of an actor; when it ends, those whom it answered are woken.
pub(crate) struct Turn {
    /// What had been added before.
    added: u64,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        let added = BATCHES.try_with(|batches| {
            let mut batches = batches.borrow_mut();
            batches.turns += 1;
            batches.added
        });
        Self { added: added.unwrap_or_default() }
    }

    /// Ends it; whether it answered any task of another arbiter that waits in its room.
    pub(crate) fn end(self) -> bool {
        BATCHES.try_with(|batches| batches.borrow().added).is_ok_and(|added| added != self.added)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = BATCHES.try_with(|batches| batches.borrow_mut().turns -= 1);
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

/// Tasks that wait for the end of a turn of the present thread.
#[cfg(test)]
pub(super) fn kept() -> usize {
    BATCHES.with_borrow(|batches| batches.waiting)
}

struct Batches {
    /// Turns of actors under way, each but one inside of another.
    turns: usize,
    waiting: usize,
    /// Ever.
    added: u64,
    of_rooms: Vec<Batch>,
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
        self.added += 1;
        if batch.tasks.len() < PORTION { None } else { self.take(place) }
    }

    /// Where the batch of a room is.
    fn place(&mut self, room: WaitingRoom) -> Option<usize> {
        if let Some(place) = self.of_rooms.iter().position(|batch| batch.room == room) {
            return Some(place);
        }
        if self.of_rooms.len() >= ROOMS_MOST {
            self.of_rooms.retain(|batch| !batch.tasks.is_empty() || !batch.door.is_closed());
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
    static BATCHES: RefCell<Batches> =
        const { RefCell::new(Batches { turns: 0, waiting: 0, added: 0, of_rooms: Vec::new() }) };
}

/// Tasks of a room that are woken together at most, so that both arbiters work at the same time.
pub(super) const PORTION: usize = 32;

/// Rooms for which a thread collects; tasks of further ones are woken at once.
const ROOMS_MOST: usize = 64;
