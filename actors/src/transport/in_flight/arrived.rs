//! Replies, and how they are noted.
//!
//! Pure.

use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::chunks::Place;
use super::gathering::Told;
use super::{AccountId, Answer, InFlight, State, slot_of};
use crate::message::{Replies, RequestId};
use crate::metadata::Metadata;

/// A reply, as it arrived.
enum Arrived {
    Whole {
        metadata: Metadata,
        body: Bytes,
    },
    /// With nothing beside it.
    Small(Place),
}

impl InFlight {
    /// Notes a reply, which came `now`, as [`settle`](Self::settle) must be told; the waker of its
    /// caller, if one waits.
    pub(crate) fn reply(
        &mut self,
        id: RequestId,
        metadata: Metadata,
        body: Bytes,
        now: Instant,
    ) -> Option<Waker> {
        self.note(id, Arrived::Whole { metadata, body }, now)
    }

    /// Notes replies that arrived together; collects whom to wake.
    pub(crate) fn replies(&mut self, replies: Replies, now: Instant, wakers: &mut Vec<Waker>) {
        let (memory, places) = replies.into_parts();
        let chunk = self.chunks.add(memory);
        for (id, range) in places {
            wakers.extend(self.note(id, Arrived::Small(Place { chunk, range }), now));
        }
        self.chunks.close(chunk);
    }

    #[allow(clippy::inline_always, reason = "it differs by what has arrived, with a lock held")]
    #[inline(always)]
    fn note(&mut self, id: RequestId, reply: Arrived, now: Instant) -> Option<Waker> {
        let Self { ledger, turns, chunks, .. } = self;
        let slot = slot_of(&mut self.slots, id)?;
        let State::Waiting(waiting) = &mut slot.state else { return None };
        if waiting.account != AccountId::NONE {
            let begun = turns.begun(waiting.turn).unwrap_or(now);
            ledger.close(waiting.account, (!waiting.is_stream).then_some(begun));
        }
        turns.leave(waiting.turn);
        let waker = match &mut waiting.told {
            Told::Caller(waker) => {
                let waker = waker.take();
                slot.state = match reply {
                    Arrived::Whole { metadata, body } => {
                        State::Answered(Answer::Reply { metadata, body })
                    }
                    // An empty body keeps no memory alive.
                    Arrived::Small(place) if place.range.is_empty() => {
                        let (metadata, body) = (Metadata::new(), Bytes::new());
                        State::Answered(Answer::Reply { metadata, body })
                    }
                    Arrived::Small(place) => {
                        chunks.open(place.chunk);
                        State::Replied(place)
                    }
                };
                waker
            }
            Told::Gathering(gathered) => {
                let body = match &reply {
                    Arrived::Whole { body, .. } => body,
                    Arrived::Small(place) => chunks.body(place),
                };
                let waker = gathered.gathering.replied(body);
                self.release(id);
                waker
            }
        };
        self.waiting -= 1;
        waker
    }
}
