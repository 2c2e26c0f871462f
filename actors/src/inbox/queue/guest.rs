//! Requests that are handled without being queued.

use std::sync::atomic::Ordering;

use actix::prelude::Actor;

use super::status::place;
use super::{Inbox, Shared};
use crate::context::{Context, take_call_at_once, take_turn_for};
use crate::inbox::Job;

impl<A: Actor<Context = Context<A>>> Inbox<A> {
    /// Gives the actor a turn and has it handle `job` in it, before this returns; whether it did.
    ///
    /// Then `job` has been run, or told of its panic, and is not to be used again; it is not
    /// [finished](Job::finish), as it is still the caller's to let go of. What it left to a
    /// future goes on as if it had been queued. Nothing has happened to it when
    ///
    /// - the actor lives on another arbiter, has a turn just now, or has not begun;
    /// - something is ahead of it: other requests wait, its endpoint is at its limit, the actor waits
    ///   for a future or stops, or it has expired;
    /// - eight turns are being taken inside of one another;
    /// - 128 requests have been handled like this since the arbiter looked for timers and sockets.
    ///
    /// In all of these cases it is to be queued.
    pub fn run_at_once(&self, job: &mut dyn Job<A>) -> bool {
        let shared = &self.shared;
        shared.is_at_home()
            && !shared.has_entries()
            && take_call_at_once()
            && take_turn_for(shared.number, job)
    }
}

impl<A: Actor> Shared<A> {
    /// Whether the actor was polled last on the present thread.
    pub(super) fn is_at_home(&self) -> bool {
        self.home.load(Ordering::Relaxed) == place()
    }

    /// One is handled that was not queued.
    pub(in crate::inbox) fn guest_comes(&self) {
        self.has_guest.store(true, Ordering::Release);
    }

    /// It has been answered.
    pub(in crate::inbox) fn guest_leaves(&self) {
        // A swap, as in `finished`.
        self.has_guest.swap(false, Ordering::SeqCst);
        self.tell_if_idle();
    }

    /// It is as if it had been queued, and been taken from the queue.
    pub(in crate::inbox) fn guest_stays(&self) {
        {
            let _queue = self.queue.lock();
            let accepted = self.counts.accepted.load(Ordering::Relaxed) + 1;
            self.counts.accepted.store(accepted, Ordering::Release);
        }
        self.has_guest.store(false, Ordering::SeqCst);
    }
}
