//! The calls that wait for an answer on one connection. Pure.
//!
//! An answer waits in its slot as it arrived, copied there: a reference on the receive buffer would
//! cost two atomic changes, and what type it has only its caller knows.

use std::task::{Poll, Waker};
use std::time::Duration;

use super::time::Moment;
use super::wire::take_message;
use super::{Error, Message};

/// A table of slots, reused without allocating.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    /// So that a late answer finds nobody.
    generation: u32,
    state: State,
    /// Of an answer, or of earlier ones.
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting {
        waker: Waker,
        begun: Moment,
        deadline: Moment,
    },
    /// With the flags of its frame.
    Answered(Result<u8, Error>),
}

impl Slots {
    /// The id that the next call will have.
    #[inline]
    pub(super) fn reserve(&mut self) -> u64 {
        if self.free.is_empty() {
            self.free.push(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
            self.slots.push(Slot { generation: 0, state: State::Free, bytes: Vec::new() });
        }
        let index = self.free[self.free.len() - 1];
        u64::from(self.slots[index as usize].generation) << 32 | u64::from(index)
    }

    /// Takes the slot of [`reserve`](Self::reserve).
    #[inline]
    pub(super) fn insert(&mut self, waker: Waker, begun: Moment, deadline: Moment) {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize].state = State::Waiting { waker, begun, deadline };
        }
    }

    /// Notes an answer; whom to wake, and when the call began.
    #[inline]
    pub(super) fn answer(
        &mut self,
        id: u64,
        answer: Result<(u8, &[u8]), Error>,
    ) -> Option<(Waker, Moment)> {
        let slot = self.find(id)?;
        if !matches!(slot.state, State::Waiting { .. }) {
            return None;
        }
        let answer = answer.map(|(flags, bytes)| {
            slot.bytes.clear();
            slot.bytes.extend_from_slice(bytes);
            flags
        });
        match std::mem::replace(&mut slot.state, State::Answered(answer)) {
            State::Waiting { waker, begun, .. } => Some((waker, begun)),
            _ => None,
        }
    }

    /// Takes the answer, or has `waker` woken when it comes.
    #[inline]
    pub(super) fn look(&mut self, id: u64, waker: &Waker) -> Poll<Result<Message, Error>> {
        let Some(slot) = self.find(id) else { return Poll::Ready(Err(Error::Closed)) };
        let answer = match &mut slot.state {
            State::Answered(Ok(flags)) => {
                let flags = *flags;
                slot.read(flags)
            }
            State::Answered(Err(error)) => Err(error.clone()),
            State::Waiting { waker: known, .. } => {
                known.clone_from(waker);
                return Poll::Pending;
            }
            State::Free => return Poll::Ready(Err(Error::Closed)),
        };
        slot.state = State::Free;
        self.release(id);
        Poll::Ready(answer)
    }

    /// Gives a call up; true when it had not been answered.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        let Some(slot) = self.find(id) else { return false };
        let state = std::mem::replace(&mut slot.state, State::Free);
        if !matches!(state, State::Free) {
            self.release(id);
        }
        matches!(state, State::Waiting { .. })
    }

    /// Ends calls whose deadline has passed; the earliest deadline of the others.
    pub(super) fn expire(&mut self, now: Moment, wakers: &mut Vec<Waker>) -> Moment {
        let mut earliest = Moment::NEVER;
        for slot in &mut self.slots {
            let State::Waiting { deadline, .. } = slot.state else { continue };
            if deadline <= now {
                wakers.extend(slot.end(Error::TimedOut));
            } else {
                earliest = earliest.min(deadline);
            }
        }
        earliest
    }

    /// Lets the time of calls that began at `begun` run from `now`; the earliest deadline of those.
    pub(super) fn restamp(&mut self, from: Moment, now: Moment) -> Moment {
        let mut earliest = Moment::NEVER;
        for slot in &mut self.slots {
            if let State::Waiting { begun, deadline, .. } = &mut slot.state
                && *begun == from
            {
                let given: Duration = deadline.since(*begun);
                (*begun, *deadline) = (now, now.after(given));
                earliest = earliest.min(*deadline);
            }
        }
        earliest
    }

    /// Ends all calls.
    pub(super) fn fail_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.slots.iter_mut().filter_map(|slot| slot.end(Error::Closed)));
    }

    #[inline]
    fn find(&mut self, id: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(usize::try_from(id & u64::from(u32::MAX)).ok()?)?;
        (u64::from(slot.generation) == id >> 32).then_some(slot)
    }

    #[inline]
    fn release(&mut self, id: u64) {
        let Some(slot) = self.find(id) else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(u32::try_from(id & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    }
}

impl Slot {
    #[inline]
    fn read(&mut self, flags: u8) -> Result<Message, Error> {
        let message = take_message(flags, &self.bytes).map_err(|_| Error::Unreadable);
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        message
    }

    fn end(&mut self, error: Error) -> Option<Waker> {
        if !matches!(self.state, State::Waiting { .. }) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Answered(Err(error))) {
            State::Waiting { waker, .. } => Some(waker),
            _ => None,
        }
    }
}

/// Most memory that a slot keeps for its next answer.
const KEPT: usize = 4096;
