//! One direction between two names.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use tokio::sync::watch;

use super::faults::{Fate, Faults, generator};
use super::pipe::Pipe;

/// The faults of one direction, and the pipes that they affect.
#[derive(Debug)]
pub(super) struct Path {
    state: Mutex<State>,
    blocked: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    random: StdRng,
    pipes: Vec<Weak<Pipe>>,
}

impl Path {
    pub(super) fn new(seed: u64, from: &str, to: &str) -> Self {
        let random = generator(seed, from, to);
        let state = State { faults: Faults::default(), random, pipes: Vec::new() };
        Self { state: Mutex::new(state), blocked: watch::Sender::new(false) }
    }

    pub(super) fn inject(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    pub(super) fn refuses(&self) -> bool {
        self.state.lock().faults.refuses()
    }

    pub(super) fn draw(&self) -> Fate {
        let mut state = self.state.lock();
        let faults = state.faults;
        faults.draw(&mut state.random)
    }

    pub(super) fn is_blocked(&self) -> bool {
        *self.blocked.borrow()
    }

    /// Waits until there is no partition.
    pub(super) async fn passable(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.blocked.subscribe().wait_for(|blocked| !blocked).await;
    }

    pub(super) fn block(&self, blocked: bool) {
        self.blocked.send_replace(blocked);
        self.pipes().iter().for_each(|pipe| pipe.wake_reader());
    }

    pub(super) fn sever(&self) {
        self.pipes().iter().for_each(|pipe| pipe.sever("severed"));
    }

    pub(super) fn add(&self, pipe: &Arc<Pipe>) {
        let pipes = &mut self.state.lock().pipes;
        pipes.retain(|pipe| pipe.strong_count() > 0);
        pipes.push(Arc::downgrade(pipe));
    }

    /// The open pipes, taken out of the lock: a pipe's own lock comes before this one's.
    fn pipes(&self) -> Vec<Arc<Pipe>> {
        self.state.lock().pipes.iter().filter_map(Weak::upgrade).collect()
    }
}
