//! The calls that wait for an answer on one connection.
//!
//! Pure.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::TransportError;
use crate::message::{Refusal, RequestId};
use crate::metadata::Metadata;
use crate::status::Status;

/// How a call on a connection ended.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The handler's value, and when it arrived.
    Reply { metadata: Metadata, body: Bytes, at: Instant },
    /// The handler's status.
    Status(Box<Status>),
    /// The node did not execute it.
    Refused { refusal: Refusal, status: Box<Status> },
    /// The connection ended first.
    Broken { was_sent: bool, error: Arc<TransportError> },
    /// The deadline passed first.
    TimedOut,
}

/// A table of slots, reused without allocating.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    free: Vec<u32>,
    waiting: usize,
    /// No call's deadline is earlier; it may be that of one that has been answered.
    earliest: Option<Instant>,
}

#[derive(Debug)]
struct Slot {
    generation: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting { waker: Option<Waker>, deadline: Instant, end: u64 },
    Answered(Answer),
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

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// The id that the next call will have.
    pub(crate) fn reserve(&mut self) -> RequestId {
        if self.free.is_empty() {
            self.free.push(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
            self.slots.push(Slot { generation: 0, state: State::Free });
        }
        let index = self.free[self.free.len() - 1];
        id_of(index, self.slots[index as usize].generation)
    }

    /// Takes the slot of [`reserve`](Self::reserve) for a call whose last byte is at `end`.
    pub(crate) fn insert(&mut self, deadline: Instant, end: u64, waker: Option<Waker>) {
        let Some(index) = self.free.pop() else { return };
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        self.slots[index as usize].state = State::Waiting { waker, deadline, end };
        self.waiting += 1;
    }

    /// Notes an answer; the waker of its caller, if one waits.
    pub(crate) fn answer(&mut self, id: RequestId, answer: Answer) -> Option<Waker> {
        let slot = self.slot(id)?;
        let State::Waiting { waker, .. } = &mut slot.state else { return None };
        let waker = waker.take();
        slot.state = State::Answered(answer);
        self.waiting -= 1;
        waker
    }

    /// Takes the answer, or has `waker` woken when it comes.
    pub(crate) fn look(&mut self, id: RequestId, waker: &Waker) -> Look {
        let Some(slot) = self.slot(id) else { return Look::Gone };
        match &mut slot.state {
            State::Waiting { waker: known, .. } => {
                match known {
                    Some(known) => known.clone_from(waker),
                    None => *known = Some(waker.clone()),
                }
                Look::Waiting
            }
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
    pub(crate) fn forget(&mut self, id: RequestId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let was_waiting = matches!(slot.state, State::Waiting { .. });
        slot.state = State::Free;
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
        for slot in &mut self.slots {
            let State::Waiting { waker, deadline, .. } = &mut slot.state else { continue };
            if *deadline <= now {
                wakers.extend(waker.take());
                slot.state = State::Answered(Answer::TimedOut);
                self.waiting -= 1;
            } else {
                let deadline = *deadline;
                self.earliest = Some(self.earliest.map_or(deadline, |known| known.min(deadline)));
            }
        }
    }

    /// Ends all calls because the connection has; `written` is how far the peer may have read.
    pub(crate) fn fail_all(
        &mut self,
        written: u64,
        error: &Arc<TransportError>,
        wakers: &mut Vec<Waker>,
    ) {
        for slot in &mut self.slots {
            let State::Waiting { waker, end, .. } = &mut slot.state else { continue };
            wakers.extend(waker.take());
            let was_sent = *end <= written;
            slot.state = State::Answered(Answer::Broken { was_sent, error: Arc::clone(error) });
            self.waiting -= 1;
        }
    }

    fn slot(&mut self, id: RequestId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(usize::try_from(id.0 & INDEX_MASK).ok()?)?;
        (slot.generation == id.0 >> INDEX_BITS && !matches!(slot.state, State::Free))
            .then_some(slot)
    }

    fn release(&mut self, id: RequestId) {
        // The index came from this table, so it fits.
        let index = u32::try_from(id.0 & INDEX_MASK).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.generation += 1;
            self.free.push(index);
        }
    }
}

fn id_of(index: u32, generation: u64) -> RequestId {
    RequestId(generation << INDEX_BITS | u64::from(index))
}

/// The low bits of an id are its slot, so that a connection's ids stay short on the wire.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Calls one connection can have in flight at all.
pub(crate) const MOST_IN_FLIGHT: usize = 1 << INDEX_BITS;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_not_used_twice() {
        let mut calls = InFlight::default();
        let first = calls.reserve();
        calls.insert(later(), 1, None);
        assert!(calls.forget(first));
        let second = calls.reserve();
        calls.insert(later(), 2, None);
        assert_ne!(first, second);
        assert!(calls.answer(first, Answer::TimedOut).is_none());
        assert!(matches!(calls.look(second, Waker::noop()), Look::Waiting));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_written_was_not_sent() {
        let mut calls = InFlight::default();
        let sent = calls.reserve();
        calls.insert(later(), 10, None);
        let unsent = calls.reserve();
        calls.insert(later(), 20, None);
        calls.fail_all(19, &Arc::new(TransportError::Closed), &mut Vec::new());
        let was_sent = |look| match look {
            Look::Answered(Answer::Broken { was_sent, .. }) => was_sent,
            _ => panic!("not broken"),
        };
        assert!(was_sent(calls.look(sent, Waker::noop())));
        assert!(!was_sent(calls.look(unsent, Waker::noop())));
        assert_eq!(calls.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_passed_deadlines_expire() {
        let (mut calls, now) = (InFlight::default(), Instant::now());
        let short = calls.reserve();
        calls.insert(now + Duration::from_millis(10), 1, None);
        let long = calls.reserve();
        calls.insert(now + Duration::from_millis(20), 2, None);
        calls.expire(now + Duration::from_millis(10), &mut Vec::new());
        assert!(matches!(calls.look(short, Waker::noop()), Look::Answered(Answer::TimedOut)));
        assert!(matches!(calls.look(long, Waker::noop()), Look::Waiting));
        assert_eq!(calls.earliest(), Some(now + Duration::from_millis(20)));
    }
}
