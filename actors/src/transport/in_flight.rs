//! The calls that wait for an answer on one connection.
//!
//! The time of calls begins to run when the connection's own task [stamps](InFlight::stamp) all that
//! came since its last poll, before it writes them.
//!
//! Pure.

mod answer;
mod arrived;
mod chunks;
mod gathering;
mod reply;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::time::Instant;

pub(crate) use self::answer::{Answer, Cause, Failure};
use self::chunks::{Chunks, Place};
use self::gathering::Told;
pub(crate) use self::gathering::{Gathered, Gathering};
pub use self::reply::ReplyBuffer;
pub(crate) use self::turns::{Patience, Timing};
use self::turns::{TurnId, Turns};
use super::TransportError;
pub(crate) use super::ledger::Counted;
use super::ledger::{AccountId, Ledger};
use crate::message::RequestId;
use crate::selector::Candidate;

/// A table of slots, reused without allocating.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    free: Vec<u32>,
    turns: Turns,
    chunks: Chunks,
    waiting: usize,
    /// No call's deadline is earlier; it may be that of one that has been answered.
    earliest: Option<Instant>,
    ledger: Ledger,
    /// Of slots that are new.
    generation: u64,
}

#[derive(Debug)]
struct Slot {
    generation: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting(Waiting),
    Answered(Answer),
    /// With nothing beside it, and still where it arrived.
    Replied(Place),
}

#[derive(Debug)]
struct Waiting {
    told: Told,
    /// Where its last byte is in the stream of the connection.
    end: u64,
    account: AccountId,
    turn: TurnId,
    patience: Patience,
    /// How long a stream lasts says nothing about how fast its node is.
    is_stream: bool,
}

impl InFlight {
    /// Calls that wait for an answer.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// The id that the next call will have.
    #[inline]
    pub(crate) fn reserve(&mut self) -> RequestId {
        if self.free.is_empty() {
            self.free.push(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
            self.slots.push(Slot { generation: self.generation, state: State::Free });
        }
        let index = self.free[self.free.len() - 1];
        id_of(index, self.slots[index as usize].generation)
    }

    /// Takes the slot of [`reserve`](Self::reserve) for a call whose last byte is at `end`.
    pub(crate) fn insert(
        &mut self,
        patience: &Patience,
        end: u64,
        counted: Option<Counted<'_>>,
        waker: Option<Waker>,
    ) {
        self.put(patience, end, counted, Told::Caller(waker), false);
    }

    /// The same for a call whose answer is gathered with others; its slot is free again as soon as
    /// it has ended.
    pub(crate) fn insert_gathered(&mut self, patience: &Patience, end: u64, gathered: Gathered) {
        self.put(patience, end, None, Told::Gathering(gathered), false);
    }

    /// The same for a stream: it counts for its node as long as it is open.
    pub(crate) fn insert_stream(
        &mut self,
        patience: &Patience,
        end: u64,
        candidate: Option<&Arc<Candidate>>,
    ) {
        self.put(patience, end, candidate.map(Counted::Now), Told::Caller(None), true);
    }

    #[allow(clippy::inline_always, reason = "of 105 instructions 80 are spared, with a lock held")]
    #[inline(always)]
    fn put(
        &mut self,
        patience: &Patience,
        end: u64,
        counted: Option<Counted<'_>>,
        told: Told,
        is_stream: bool,
    ) {
        let Some(index) = self.free.pop() else { return };
        let account = self.ledger.open(counted);
        let turn = self.turns.enter(patience);
        let waiting = Waiting { told, end, account, turn, patience: *patience, is_stream };
        let slot = &mut self.slots[index as usize];
        // Free it is; said here, it is written to in place, and what it had is not looked after.
        if let State::Free = slot.state {
            slot.state = State::Waiting(waiting);
            self.waiting += 1;
        }
    }

    /// Lets the time of all calls run that came since the last time, and counts them for their
    /// nodes; the earliest deadline.
    pub(crate) fn stamp(&mut self, now: Instant) -> Option<Instant> {
        self.ledger.tell();
        if let Some(deadline) = self.turns.run(now) {
            self.earliest = Some(self.earliest.map_or(deadline, |known| known.min(deadline)));
        }
        self.earliest
    }

    /// Notes that there is no reply; the waker of its caller, if one waits.
    pub(crate) fn fail(&mut self, id: RequestId, cause: Cause) -> Option<Waker> {
        slot_of(&mut self.slots, id)?;
        self.fail_slot(usize::try_from(id.0 & INDEX_MASK).ok()?, cause)
    }

    fn fail_slot(&mut self, index: usize, cause: Cause) -> Option<Waker> {
        let slot = &mut self.slots[index];
        let State::Waiting(waiting) = &mut slot.state else { return None };
        let failure = Box::new(failure(waiting, cause, (&mut self.ledger, &mut self.turns)));
        self.waiting -= 1;
        match &mut waiting.told {
            Told::Caller(waker) => {
                let waker = waker.take();
                slot.state = State::Answered(Answer::Failed(failure));
                waker
            }
            Told::Gathering(Gathered { gathering, number }) => {
                let waker = gathering.failed(*number, failure);
                self.release_slot(index);
                waker
            }
        }
    }

    /// Tells the nodes of what has ended; once for all that came together.
    pub(crate) fn settle(&mut self, now: Instant) {
        self.ledger.settle(now);
    }

    /// Takes the answer, a reply into `reply`, or has `waker` woken when it comes.
    ///
    /// What is returned fits into registers, and a reply that is copied is moved nowhere else.
    #[inline]
    pub(crate) fn look(
        &mut self,
        id: RequestId,
        waker: &Waker,
        reply: &mut ReplyBuffer,
    ) -> Poll<Result<(), Box<Failure>>> {
        let gone = || Poll::Ready(Err(Box::new(Failure::GONE)));
        let Some(slot) = slot_of(&mut self.slots, id) else { return gone() };
        let result = match &mut slot.state {
            State::Waiting(Waiting { told: Told::Caller(known), .. }) => {
                match known {
                    Some(known) => known.clone_from(waker),
                    None => *known = Some(waker.clone()),
                }
                return Poll::Pending;
            }
            // Nobody holds a ticket for it.
            State::Waiting(Waiting { told: Told::Gathering(_), .. }) => return Poll::Pending,
            State::Replied(place) => {
                reply.copy(self.chunks.body(place));
                self.chunks.close(place.chunk);
                Ok(())
            }
            State::Answered(_) => match std::mem::replace(&mut slot.state, State::Free) {
                State::Answered(Answer::Reply { metadata, body }) => {
                    reply.put(metadata, body);
                    Ok(())
                }
                State::Answered(Answer::Failed(failure)) => Err(failure),
                _ => return gone(),
            },
            State::Free => return gone(),
        };
        self.release(id);
        Poll::Ready(result)
    }

    /// Gives a call up; true when it had not been answered.
    pub(crate) fn forget(&mut self, id: RequestId, now: impl FnOnce() -> Instant) -> bool {
        let Some(slot) = slot_of(&mut self.slots, id) else { return false };
        let was_waiting = match std::mem::replace(&mut slot.state, State::Free) {
            State::Replied(place) => {
                self.chunks.close(place.chunk);
                false
            }
            State::Waiting(waiting) => {
                self.turns.leave(waiting.turn);
                self.ledger.close(waiting.account, None);
                self.ledger.settle(now());
                true
            }
            _ => false,
        };
        self.waiting -= usize::from(was_waiting);
        self.release(id);
        was_waiting
    }

    /// Ends calls whose deadline has passed; collects whom to wake.
    pub(crate) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        self.earliest = None;
        for index in 0..self.slots.len() {
            let State::Waiting(waiting) = &self.slots[index].state else { continue };
            let timing = self.turns.timing(waiting.turn, waiting.patience);
            let Some(Timing { deadline, .. }) = timing else { continue };
            if deadline <= now {
                wakers.extend(self.fail_slot(index, Cause::TimedOut));
            } else {
                self.earliest = Some(self.earliest.map_or(deadline, |known| known.min(deadline)));
            }
        }
        self.ledger.settle(now);
    }

    /// Ends all calls because the connection has; `written` is how far the peer may have read.
    pub(crate) fn fail_all(
        &mut self,
        written: u64,
        error: &Arc<TransportError>,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) {
        for index in 0..self.slots.len() {
            let State::Waiting(waiting) = &self.slots[index].state else { continue };
            let was_sent = waiting.end <= written;
            let cause = Cause::Broken { was_sent, error: Arc::clone(error) };
            wakers.extend(self.fail_slot(index, cause));
        }
        self.ledger.settle(now);
        self.ledger.forget();
    }

    /// Gives memory back, if no call is kept in it, and lets go of nodes that no call is made to,
    /// but for those whose place is ahead of one that is used.
    ///
    /// The numbers of slots that come anew go on where the old ones ended, so that a late answer
    /// finds nobody.
    pub(crate) fn rest(&mut self) {
        self.ledger.forget();
        if self.free.len() == self.slots.len() {
            let highest = self.slots.iter().map(|slot| slot.generation).max();
            self.generation = highest.unwrap_or(self.generation);
            (self.slots, self.free) = (Vec::new(), Vec::new());
            (self.turns, self.chunks) = (Turns::default(), Chunks::default());
        }
    }

    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.slots.capacity() == 0
    }

    #[inline]
    fn release(&mut self, id: RequestId) {
        // The index came from this table, so it fits.
        self.release_slot(usize::try_from(id.0 & INDEX_MASK).unwrap_or(usize::MAX));
    }

    #[inline]
    fn release_slot(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = State::Free;
            slot.generation += 1;
            self.free.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
    }
}

/// The slot of a call, if it is still that call's.
#[inline]
fn slot_of(slots: &mut [Slot], id: RequestId) -> Option<&mut Slot> {
    let slot = slots.get_mut(usize::try_from(id.0 & INDEX_MASK).ok()?)?;
    let is_its = slot.generation == id.0 >> INDEX_BITS && !matches!(slot.state, State::Free);
    is_its.then_some(slot)
}

/// What is told of a call that has ended without a reply.
fn failure(waiting: &Waiting, cause: Cause, (ledger, turns): (&mut Ledger, &mut Turns)) -> Failure {
    let candidate = ledger.candidate(waiting.account).cloned();
    let timing = turns.timing(waiting.turn, waiting.patience);
    turns.leave(waiting.turn);
    ledger.close(waiting.account, None);
    Failure { cause, candidate, timing }
}

fn id_of(index: u32, generation: u64) -> RequestId {
    RequestId(generation << INDEX_BITS | u64::from(index))
}

/// The low bits of an id are its slot, so that a connection's ids stay short on the wire.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Calls one connection can have in flight at all.
pub(crate) const MOST_IN_FLIGHT: usize = 1 << INDEX_BITS;
