//! Tasks that wait for an answer which another arbiter makes.
//!
//! Waking a task of another thread takes two locks, theirs and of who else wakes one there, and
//! perhaps a system call; a timer for each that waits would take as much. So each arbiter has a
//! waiting room, with an attendant: a task of that arbiter. Whoever answers many in one turn hands
//! their wakers to the attendant all at once, and it wakes the tasks where that is a push into a list
//! of the same thread; and it alone looks after the moments at which those in the room have waited
//! long enough.
//!
//! ```text
//! WaitingRoom ──waker──▶ (another arbiter) BatchedWaker ──turn ends, or 32──▶ attendant ──▶ tasks
//!      └──alarm──▶ attendant's timer
//! ```
//!
//! A task that is not in a room, because its thread is no arbiter or its executor not the arbiter's
//! own, is woken as usual. So is who waits inside of something with a waker of its own: a future that
//! an actor spawned or answers with, one of a `FuturesUnordered`, the body of `#[actix::main]`.

mod attendant;
mod batch;
mod room;
#[cfg(test)]
mod tests;

use std::task::Waker;

pub(crate) use self::batch::{Turn, are_kept, flush};
pub use self::room::{RoomAlarm, WaitingRoom};

/// Wakes a task of another arbiter, together with others that the same turn of an actor wakes.
///
/// It wakes when it is dropped, so that nothing that owns one can end and leave its task waiting.
/// Within a turn of an actor the task is woken when that ends, when there are 32 of its arbiter, or
/// before the next request, message or future of the actor if those before took longer than 100 µs
/// (measured for one in nine while they are shorter), whichever is first; elsewhere at once.
///
/// ```
/// use std::task::Waker;
/// use callboard_actors::waiting::{BatchedWaker, WaitingRoom};
///
/// fn waker(task: &Waker) -> Option<BatchedWaker> {
///     WaitingRoom::of(task).map(|room| room.waker(task))
/// }
///
/// // This is no task of an arbiter.
/// assert!(waker(Waker::noop()).is_none());
/// ```
#[derive(Debug)]
pub struct BatchedWaker {
    room: WaitingRoom,
    /// Until it is dropped.
    waker: Option<Waker>,
}

impl Drop for BatchedWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            batch::wake(self.room, waker);
        }
    }
}
