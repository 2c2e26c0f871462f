//! The actor's side of an inbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::Actor;
use tokio::time::Instant;

use super::Job;
use super::cancels::Cancels;
use super::entry::Entry;
use super::queue::Shared;
use super::spares::PORTION;
use crate::bell::Bell;
use crate::contain::contain;
use crate::deadline::Deadline;
use crate::message::Refusal;
use crate::now::Now;
use crate::waiting;

/// The actor's side of its inbox; survives restarts.
pub(crate) struct InboxReceiver<A: Actor> {
    shared: Arc<Shared<A>>,
    taken: VecDeque<Entry<A>>,
    lanes: Vec<Lane<A>>,
    /// Held back before, may start now.
    unblocked: VecDeque<Entry<A>>,
    /// Answered, and not counted out yet.
    finished: usize,
    /// Answered, to be filled anew; less than a portion.
    spares: Vec<Box<dyn Job<A>>>,
    clock: Clock,
    /// Of this poll, for what is put aside in it.
    now: Now,
}

/// The concurrency of one endpoint.
struct Lane<A: Actor> {
    limit: usize,
    /// Being handled, or in `unblocked` with a place of their own.
    running: usize,
    /// Only when all places are taken.
    held_back: VecDeque<Entry<A>>,
}

impl<A: Actor> Lane<A> {
    fn new(limit: usize) -> Self {
        // None at all would hold requests back for ever.
        Self { limit: limit.max(1), running: 0, held_back: VecDeque::new() }
    }
}

/// What an inbox has next.
pub(crate) enum Next<A: Actor> {
    /// A request to run; [`InboxReceiver::answered`] must follow.
    Run(Box<dyn Job<A>>),
    /// One was dropped because it had expired.
    Expired,
    /// Nothing to do now.
    Empty,
}

impl<A: Actor> InboxReceiver<A> {
    pub(super) fn new(shared: Arc<Shared<A>>, concurrency: Vec<usize>) -> Self {
        let lanes = concurrency.into_iter().map(Lane::new).collect();
        Self {
            shared,
            taken: VecDeque::new(),
            lanes,
            unblocked: VecDeque::new(),
            finished: 0,
            spares: Vec::new(),
            clock: Clock::default(),
            now: Now::unread(),
        }
    }

    /// Tells this inbox from all others.
    pub(crate) fn number(&self) -> u64 {
        self.shared.number
    }

    /// Rings when there is something new.
    pub(crate) fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    pub(crate) fn next(&mut self) -> Next<A> {
        let Some(entry) = self.next_entry() else { return Next::Empty };
        if self.has_passed(entry.job.deadline()) {
            let endpoint = entry.job.endpoint();
            refuse(entry, Refusal::Expired);
            self.answered(endpoint);
            return Next::Expired;
        }
        Next::Run(entry.job)
    }

    /// Whether a deadline has passed, to be asked before each request is handled; no deadline never
    /// has, but the time that others take is not lost sight of.
    fn has_passed(&mut self, deadline: Option<Deadline>) -> bool {
        if let Some(deadline) = deadline {
            return self.clock.has_passed(deadline);
        }
        self.wake_answered();
        false
    }

    /// Has those woken whom this turn has answered, unless what it does is quickly done; to be called
    /// before each piece of work.
    pub(crate) fn wake_answered(&mut self) {
        if waiting::are_kept() {
            self.clock.look();
        }
    }

    fn next_entry(&mut self) -> Option<Entry<A>> {
        let Some(entry) = self.unblocked.pop_front() else { return self.take_runnable() };
        self.queue_fewer(1);
        Some(entry)
    }

    /// Whether [`next`](Self::next) may have something.
    pub(crate) fn has_more(&self) -> bool {
        !self.unblocked.is_empty() || !self.taken.is_empty() || self.shared.has_entries()
    }

    /// Whether there are cancellations.
    pub(crate) fn has_cancels(&self) -> bool {
        self.shared.has_cancels()
    }

    /// Whether a request that had been held back may start now.
    pub(crate) fn is_unblocked(&self) -> bool {
        !self.unblocked.is_empty()
    }

    /// Frees the place of an answered request of this endpoint.
    pub(crate) fn answered(&mut self, endpoint: usize) {
        self.leave(endpoint);
        self.finished += 1;
    }

    /// Keeps what a request left when it was [let go of](Job::finish).
    pub(crate) fn keep(&mut self, spare: Box<dyn Job<A>>) {
        self.spares.push(spare);
        if self.spares.len() >= PORTION {
            self.shared.spares.give(&mut self.spares);
        }
    }

    /// Takes in a request that was not queued, unless something is ahead of it or its endpoint has no
    /// place for it; [`guest_answered`](Self::guest_answered) or [`guest_stays`](Self::guest_stays)
    /// must follow.
    pub(crate) fn admit(&mut self, job: &dyn Job<A>) -> bool {
        if self.has_more() || self.shared.capacity == 0 {
            return false;
        }
        if self.has_passed(job.deadline()) {
            return false;
        }
        if let Some(lane) = self.lanes.get_mut(job.endpoint()) {
            if lane.running >= lane.limit {
                return false;
            }
            lane.running += 1;
        }
        self.shared.guest_comes();
        true
    }

    /// What was [admitted](Self::admit) has been answered.
    pub(crate) fn guest_answered(&mut self, endpoint: usize) {
        self.leave(endpoint);
        self.shared.guest_leaves();
    }

    /// What was [admitted](Self::admit) is from now on as if it had been queued; once it has been
    /// answered, [`answered`](Self::answered) must follow.
    pub(crate) fn guest_stays(&mut self) {
        self.shared.guest_stays();
    }

    /// Counts out what has been answered, and has the time of what was not started run; to be called
    /// at the end of each poll.
    pub(crate) fn settle(&mut self) {
        self.taken.iter_mut().for_each(|entry| entry.begin(&self.now));
        self.shared.begin_queued(&self.now);
        self.now = Now::unread();
        self.shared.settle_here();
        match std::mem::take(&mut self.finished) {
            0 => {}
            finished => self.shared.finished(finished),
        }
    }

    /// Gives up a place; the next request of this endpoint gets it.
    #[inline]
    fn leave(&mut self, endpoint: usize) {
        match self.lanes.get_mut(endpoint) {
            Some(lane) if lane.held_back.is_empty() => lane.running -= 1,
            Some(_) => self.unblock(endpoint),
            None => {}
        }
    }

    #[cold]
    fn unblock(&mut self, endpoint: usize) {
        self.unblocked.extend(self.lanes[endpoint].held_back.pop_front());
    }

    /// Takes the cancellations that arrived, drops what they name of the queue, and returns them
    /// for what is running already, with the number dropped; `None` when there are none.
    pub(crate) fn take_cancels(&mut self) -> Option<(Cancels, u64)> {
        let cancels = self.shared.take_cancels(&mut self.taken)?;
        let mut doomed = Vec::new();
        split_off(&mut self.taken, &cancels, &mut doomed);
        let taken = doomed.len();
        for lane in &mut self.lanes {
            split_off(&mut lane.held_back, &cancels, &mut doomed);
        }
        let without_place = doomed.len();
        split_off(&mut self.unblocked, &cancels, &mut doomed);
        for entry in &doomed[without_place..] {
            self.leave(entry.job.endpoint());
        }
        let dropped = doomed.len();
        self.queue_fewer(dropped - taken);
        self.refuse_all(doomed, Refusal::Cancelled);
        Some((cancels, dropped as u64))
    }

    /// Refuses everything that has not been started.
    pub(crate) fn refuse_queued(&mut self) {
        let mut rest: Vec<_> =
            self.lanes.iter_mut().flat_map(|lane| lane.held_back.drain(..)).collect();
        let without_place = rest.len();
        rest.extend(self.unblocked.drain(..));
        for entry in &rest[without_place..] {
            self.leave(entry.job.endpoint());
        }
        self.queue_fewer(rest.len());
        self.shared.take_entries(usize::MAX, &mut self.taken);
        rest.extend(self.taken.drain(..));
        self.refuse_all(rest, Refusal::Draining);
    }

    fn queue_fewer(&self, requests: usize) {
        self.shared.queue_fewer(requests, &self.shared.queue.lock());
    }

    fn refuse_all(&mut self, entries: Vec<Entry<A>>, refusal: Refusal) {
        self.finished += entries.len();
        for entry in entries {
            refuse(entry, refusal);
        }
        self.settle();
    }

    fn take_runnable(&mut self) -> Option<Entry<A>> {
        loop {
            if self.taken.is_empty() {
                // One lock for a batch; a small one, so that the age of the queue's head, and what
                // counts as queued, stay true. A short queue is taken from one by one.
                let batch = (self.shared.capacity / BATCH_SHARE).clamp(1, BATCH_MOST);
                self.shared.take_entries(batch, &mut self.taken);
            }
            let mut entry = self.taken.pop_front()?;
            match self.lanes.get_mut(entry.job.endpoint()) {
                Some(lane) if lane.running >= lane.limit => {
                    entry.begin(&self.now);
                    self.shared.queue_more(1, &self.shared.queue.lock());
                    lane.held_back.push_back(entry);
                }
                Some(lane) => {
                    lane.running += 1;
                    return Some(entry);
                }
                None => return Some(entry),
            }
        }
    }
}

impl<A: Actor> Drop for InboxReceiver<A> {
    // The actor is gone for good: everything is refused, now and from now on.
    fn drop(&mut self) {
        self.shared.queue.lock().is_closed = true;
        self.refuse_queued();
    }
}

/// Moves what was cancelled from `entries` to `doomed`.
fn split_off<A: Actor>(
    entries: &mut VecDeque<Entry<A>>,
    cancels: &Cancels,
    doomed: &mut Vec<Entry<A>>,
) {
    if entries.iter().any(|entry| cancels.name(entry.job.key())) {
        let all = std::mem::take(entries).into_iter();
        let (cancelled, kept) =
            all.partition::<VecDeque<_>, _>(|entry| cancels.name(entry.job.key()));
        *entries = kept;
        doomed.extend(cancelled);
    }
}

/// Its drop belongs to others, like its answer: neither may keep the rest from being answered.
fn refuse<A: Actor>(mut entry: Entry<A>, refusal: Refusal) {
    let refused = contain(move || {
        entry.job.refuse(refusal);
        drop(entry);
    });
    if let Err(panic) = refused {
        tracing::error!(%panic, "a request panicked when it was refused");
    }
}

/// Tells whether deadlines have passed, and reads the clock as seldom as that allows.
///
/// Reading it costs as much as handling a short request. While requests are handled in quick
/// succession, one reading serves a few of them; after a pause, or a slow one, each gets its own.
/// So should the whole thread stall, a few whose deadline passed meanwhile may still be started.
///
/// Where a reading shows that the last piece of work was slow, those who were answered before are
/// woken: they are not to wait for the next one too.
#[derive(Default)]
struct Clock {
    read: Option<Instant>,
    /// What is due by then is compared with a clock read for it.
    near: Option<Instant>,
    /// Pieces of work that may still go by the latest reading.
    credit: u32,
}

impl Clock {
    #[inline]
    fn has_passed(&mut self, deadline: Deadline) -> bool {
        if self.credit > 0 && self.near.is_some_and(|near| deadline.instant() > near) {
            self.credit -= 1;
            return false;
        }
        deadline.has_passed_at(self.read())
    }

    /// Counts a piece of work without a deadline.
    fn look(&mut self) {
        match self.credit.checked_sub(1) {
            Some(credit) => self.credit = credit,
            None => {
                self.read();
            }
        }
    }

    #[inline(never)]
    fn read(&mut self) -> Instant {
        let now = Instant::now();
        let was_quick = self.read.is_some_and(|read| now - read < QUICK);
        self.credit = if was_quick { CREDIT } else { 0 };
        if !was_quick {
            waiting::flush();
        }
        (self.read, self.near) = (Some(now), Some(now + SPARE));
        now
    }
}

/// Requests taken from the queue under one lock: a share of its capacity, at most so many.
const BATCH_SHARE: usize = 16;
const BATCH_MOST: usize = 64;

/// Pieces of work that go by one reading of the clock, if those before took less than [`QUICK`].
const CREDIT: u32 = 8;
const QUICK: Duration = Duration::from_micros(100);

/// A deadline nearer than this is compared with a clock read for it.
const SPARE: Duration = Duration::from_millis(20);
