//! What a node has to send on one connection, and how many requests it has not answered.

use std::task::Waker;

use parking_lot::Mutex;

use super::wire;
use super::{Error, Figures, Message};

/// The way back of all requests of a connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    out: Vec<u8>,
    unanswered: u32,
    is_scheduled: bool,
    is_over: bool,
    task: Option<Waker>,
    figures: Figures,
}

impl Outbox {
    /// Counts requests that came together; how many are unanswered.
    pub(super) fn begin(&self, count: u32) -> u32 {
        let mut state = self.state.lock();
        state.unanswered += count;
        state.figures.begun += u64::from(count);
        state.unanswered
    }

    /// Bytes that wait to be taken.
    pub(super) fn queued(&self) -> usize {
        self.state.lock().out.len()
    }

    pub(super) fn figures(&self) -> Figures {
        self.state.lock().figures
    }

    /// Takes what is queued, so that answers can be written behind it without a lock.
    pub(super) fn borrow(&self) -> Vec<u8> {
        std::mem::take(&mut self.state.lock().out)
    }

    /// Gives back what was [borrowed](Self::borrow), with so many answers more.
    pub(super) fn give_back(&self, mut written: Vec<u8>, answered: u32, failed: u32) {
        let mut state = self.state.lock();
        if state.is_over {
            written.clear();
        }
        if state.out.is_empty() {
            state.out = written;
        } else {
            state.out.extend_from_slice(&written);
        }
        state.answered(answered, failed);
    }

    /// Answers one request.
    pub(super) fn answer(&self, id: u64, answer: &Result<Message, Error>) {
        let mut state = self.state.lock();
        if !state.is_over {
            put_answer(&mut state.out, id, answer);
        }
        state.answered(1, u32::from(answer.is_err()));
    }

    /// Moves what is queued into the empty `batch`.
    pub(super) fn take(&self, batch: &mut Vec<u8>, task: &Waker) {
        let mut state = self.state.lock();
        state.is_scheduled = true;
        match &mut state.task {
            Some(known) => known.clone_from(task),
            None => state.task = Some(task.clone()),
        }
        std::mem::swap(&mut state.out, batch);
    }

    /// Whether there is nothing to write; from then on who answers wakes the task.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        state.is_scheduled = !state.out.is_empty();
        !state.is_scheduled
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        (state.is_over, state.out) = (true, Vec::new());
    }
}

impl State {
    fn answered(&mut self, answered: u32, failed: u32) {
        self.unanswered -= answered;
        self.figures.ended += u64::from(answered);
        self.figures.failed += u64::from(failed);
        if !self.is_scheduled && !self.out.is_empty() {
            self.is_scheduled = true;
            if let Some(task) = &self.task {
                task.wake_by_ref();
            }
        }
    }
}

/// Writes an answer; a reply that is too long for a frame becomes a status.
#[inline]
pub(super) fn put_answer(out: &mut Vec<u8>, id: u64, answer: &Result<Message, Error>) {
    match answer {
        Ok(message) => {
            if wire::put_reply(out, id, message).is_err() {
                wire::put_status(out, id, 413, "the reply is too long");
            }
        }
        Err(Error::Status { code, text }) => wire::put_status(out, id, *code, text),
        Err(error) => wire::put_status(out, id, 500, &error.to_string()),
    }
}
