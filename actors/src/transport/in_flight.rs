//! The calls that wait for an answer on one connection.
//!
//! A call is put down without a look at the clock: the connection's own task, which knows the time
//! anyway, [stamps](InFlight::stamp) all that came since its last poll before it writes them.
//!
//! Pure.

mod answer;
mod gathering;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub(crate) use self::answer::{Answer, Cause, Failure};
use self::gathering::Told;
pub(crate) use self::gathering::{Gathered, Gathering};
use super::TransportError;
pub(crate) use super::ledger::Counted;
use super::ledger::{AccountId, Ledger};
use crate::deadline::Deadline;
use crate::message::RequestId;
use crate::metadata::Metadata;
use crate::selector::Candidate;

/// How long a call waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// From when the connection takes it.
    Within(Duration),
    /// Until this moment.
    Until(Deadline),
    /// As long as whoever made it, who looks at the clock for all calls of a gathering.
    Unlimited,
}

/// When a call began, and when it is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) begun: Instant,
    pub(crate) deadline: Instant,
}

impl Patience {
    fn from(self, begun: Instant) -> Option<Timing> {
        let deadline = match self {
            Self::Within(timeout) => Deadline::after(begun, timeout),
            Self::Until(deadline) => deadline,
            Self::Unlimited => return None,
        };
        Some(Timing { begun, deadline: deadline.instant() })
    }
}

/// A table of slots, reused without allocating.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slots of calls that have not been stamped; perhaps also of some that are over.
    fresh: Vec<u32>,
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
}

#[derive(Debug)]
struct Waiting {
    told: Told,
    /// Where its last byte is in the stream of the connection.
    end: u64,
    account: AccountId,
    time: Time,
    /// How long a stream lasts says nothing about how fast its node is.
    is_stream: bool,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    Unstamped(Patience),
    Running(Timing),
}

impl Waiting {
    fn timing(&self) -> Option<Timing> {
        match self.time {
            Time::Unstamped(_) => None,
            Time::Running(timing) => Some(timing),
        }
    }
}

/// What a look at a slot found.
pub(crate) enum Look {
    Waiting,
    Answered(Answer),
    /// There is no such call.
    Gone,
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
        patience: Patience,
        end: u64,
        counted: Option<Counted<'_>>,
        waker: Option<Waker>,
    ) {
        self.put(patience, end, counted, Told::Caller(waker), false);
    }

    /// The same for a call whose answer is gathered with others; its slot is free again as soon as
    /// it has ended.
    pub(crate) fn insert_gathered(&mut self, patience: Patience, end: u64, gathered: Gathered) {
        self.put(patience, end, None, Told::Gathering(gathered), false);
    }

    /// The same for a stream: it counts for its node as long as it is open.
    pub(crate) fn insert_stream(
        &mut self,
        patience: Patience,
        end: u64,
        candidate: Option<&Arc<Candidate>>,
    ) {
        self.put(patience, end, candidate.map(Counted::Now), Told::Caller(None), true);
    }

    #[allow(clippy::inline_always, reason = "of 105 instructions 80 are spared, with a lock held")]
    #[inline(always)]
    fn put(
        &mut self,
        patience: Patience,
        end: u64,
        counted: Option<Counted<'_>>,
        told: Told,
        is_stream: bool,
    ) {
        let Some(index) = self.free.pop() else { return };
        let account = self.ledger.open(counted);
        let time = Time::Unstamped(patience);
        let waiting = Waiting { told, end, account, time, is_stream };
        self.slots[index as usize].state = State::Waiting(waiting);
        if !matches!(patience, Patience::Unlimited) {
            self.fresh.push(index);
        }
        self.waiting += 1;
    }

    /// Lets the time of all calls run that came since the last time, and counts them for their
    /// nodes; the earliest deadline.
    pub(crate) fn stamp(&mut self, now: Instant) -> Option<Instant> {
        self.ledger.tell();
        for index in self.fresh.drain(..) {
            if let State::Waiting(waiting) = &mut self.slots[index as usize].state
                && let Time::Unstamped(patience) = waiting.time
                && let Some(timing) = patience.from(now)
            {
                waiting.time = Time::Running(timing);
                let earliest = self.earliest.map_or(timing.deadline, |it| it.min(timing.deadline));
                self.earliest = Some(earliest);
            }
        }
        self.earliest
    }

    /// Notes a reply, which came `now`, as [`settle`](Self::settle) must be told; the waker of its
    /// caller, if one waits.
    pub(crate) fn reply(
        &mut self,
        id: RequestId,
        metadata: Metadata,
        body: Bytes,
        now: Instant,
    ) -> Option<Waker> {
        let (slot, ledger) = self.slot_and_ledger(id)?;
        let State::Waiting(waiting) = &mut slot.state else { return None };
        if waiting.account != AccountId::NONE {
            let begun = waiting.timing().map_or(now, |timing| timing.begun);
            ledger.close(waiting.account, (!waiting.is_stream).then_some(begun));
        }
        let waker = match &mut waiting.told {
            Told::Caller(waker) => {
                let waker = waker.take();
                slot.state = State::Answered(Answer::Reply { metadata, body });
                waker
            }
            Told::Gathering(gathered) => {
                let waker = gathered.gathering.replied(&body);
                self.release(id);
                waker
            }
        };
        self.waiting -= 1;
        waker
    }

    /// Notes that there is no reply; the waker of its caller, if one waits.
    pub(crate) fn fail(&mut self, id: RequestId, cause: Cause) -> Option<Waker> {
        self.slot_and_ledger(id)?;
        self.fail_slot(usize::try_from(id.0 & INDEX_MASK).ok()?, cause)
    }

    fn fail_slot(&mut self, index: usize, cause: Cause) -> Option<Waker> {
        let slot = &mut self.slots[index];
        let State::Waiting(waiting) = &mut slot.state else { return None };
        let failure = Box::new(failure(waiting, cause, &mut self.ledger));
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

    /// Takes the answer, or has `waker` woken when it comes.
    pub(crate) fn look(&mut self, id: RequestId, waker: &Waker) -> Look {
        let Some((slot, _)) = self.slot_and_ledger(id) else { return Look::Gone };
        match &mut slot.state {
            State::Waiting(Waiting { told: Told::Caller(known), .. }) => {
                match known {
                    Some(known) => known.clone_from(waker),
                    None => *known = Some(waker.clone()),
                }
                Look::Waiting
            }
            // Nobody holds a ticket for it.
            State::Waiting(Waiting { told: Told::Gathering(_), .. }) => Look::Waiting,
            State::Answered(_) => {
                let State::Answered(answer) = std::mem::replace(&mut slot.state, State::Free)
                else {
                    return Look::Gone;
                };
                self.release(id);
                Look::Answered(answer)
            }
            State::Free => Look::Gone,
        }
    }

    /// Gives a call up; true when it had not been answered.
    pub(crate) fn forget(&mut self, id: RequestId, now: impl FnOnce() -> Instant) -> bool {
        let Some((slot, ledger)) = self.slot_and_ledger(id) else { return false };
        let was_waiting = match std::mem::replace(&mut slot.state, State::Free) {
            State::Waiting(waiting) => {
                ledger.close(waiting.account, None);
                ledger.settle(now());
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
            let Some(Timing { deadline, .. }) = waiting.timing() else { continue };
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
            (self.slots, self.free, self.fresh) = (Vec::new(), Vec::new(), Vec::new());
        }
    }

    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.slots.capacity() == 0
    }

    fn slot_and_ledger(&mut self, id: RequestId) -> Option<(&mut Slot, &mut Ledger)> {
        let slot = self.slots.get_mut(usize::try_from(id.0 & INDEX_MASK).ok()?)?;
        (slot.generation == id.0 >> INDEX_BITS && !matches!(slot.state, State::Free))
            .then_some((slot, &mut self.ledger))
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

/// What is told of a call that has ended without a reply.
fn failure(waiting: &Waiting, cause: Cause, ledger: &mut Ledger) -> Failure {
    let candidate = ledger.candidate(waiting.account).cloned();
    ledger.close(waiting.account, None);
    Failure { cause, candidate, timing: waiting.timing() }
}

fn id_of(index: u32, generation: u64) -> RequestId {
    RequestId(generation << INDEX_BITS | u64::from(index))
}

/// The low bits of an id are its slot, so that a connection's ids stay short on the wire.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Calls one connection can have in flight at all.
pub(crate) const MOST_IN_FLIGHT: usize = 1 << INDEX_BITS;
