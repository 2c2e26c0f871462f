//! One direction of a connection: a bounded queue of messages under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::faults::Fate;
use super::path::Path;
use super::routes::Routes;
use crate::message::Message;
use crate::transport::owned::size;
use crate::transport::{Hello, TransportError};

/// What one side sends and the other receives.
#[derive(Debug)]
pub(super) struct Pipe {
    path: Arc<Path>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hello: Option<Arc<Hello>>,
    queue: VecDeque<Flight>,
    queued_bytes: usize,
    routes: Routes,
    last_due: Option<Instant>,
    /// How it ends once the queue is empty; nothing can be sent any more.
    end: Option<TransportError>,
    severed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A message under way.
#[derive(Debug)]
struct Flight {
    due: Instant,
    size: usize,
    content: Result<Message, TransportError>,
}

/// What a reader finds.
pub(super) enum Found {
    /// At least one message was appended.
    Messages,
    /// The next message arrives then; the waker is not registered for that.
    Later(Instant),
}

impl Pipe {
    pub(super) fn new(path: &Arc<Path>) -> Arc<Self> {
        let pipe = Arc::new(Self { path: path.clone(), state: Mutex::default() });
        path.add(&pipe);
        pipe
    }

    pub(super) fn greet(&self, hello: Arc<Hello>) {
        self.state.lock().hello = Some(hello);
        self.wake_reader();
    }

    pub(super) fn poll_greeting(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arc<Hello>, TransportError>> {
        let mut state = self.state.lock();
        if state.severed || !self.path.is_blocked() {
            match (&state.hello, &state.end) {
                (Some(hello), _) if !state.severed => return Poll::Ready(Ok(hello.clone())),
                (_, Some(end)) => return Poll::Ready(Err(end.clone())),
                _ => {}
            }
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Moves messages from the front of `messages`, as many as there is room for, and returns how
    /// many were moved.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<u64, TransportError>> {
        let mut state = self.state.lock();
        if let Some(end) = &state.end {
            return Poll::Ready(Err(match end {
                TransportError::Closed => TransportError::Broken("already closed".into()),
                end => end.clone(),
            }));
        }
        let moved = state.room_for(messages);
        if moved == 0 && !messages.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let now = Instant::now();
        for message in messages.drain(..moved) {
            state.push(message, &self.path, now);
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Poll::Ready(Ok(moved as u64))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
        most: usize,
    ) -> Poll<Result<Found, TransportError>> {
        let mut state = self.state.lock();
        if !self.path.is_blocked() || state.severed {
            match state.pop_due(messages, most) {
                Some(Ok(Found::Messages)) => {
                    let writer = state.writer.take();
                    drop(state);
                    wake(writer);
                    return Poll::Ready(Ok(Found::Messages));
                }
                Some(found) => {
                    state.reader = Some(cx.waker().clone());
                    return Poll::Ready(found);
                }
                None => {}
            }
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends it after what is under way.
    pub(super) fn end(&self, end: TransportError) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }

    /// Ends it at once; what is under way is lost.
    pub(super) fn sever(&self, reason: &str) {
        let mut state = self.state.lock();
        let lost = std::mem::take(&mut state.queue);
        state.queued_bytes = 0;
        state.severed = true;
        state.end = Some(TransportError::Broken(reason.to_owned()));
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        drop(lost);
        wakers.into_iter().for_each(wake);
    }

    pub(super) fn wake_reader(&self) {
        let reader = self.state.lock().reader.take();
        wake(reader);
    }
}

impl State {
    /// How many of `messages` fit; a large one fits when nothing else is there.
    fn room_for(&self, messages: &[Message]) -> usize {
        let mut bytes = self.queued_bytes;
        let room = MOST_MESSAGES.saturating_sub(self.queue.len());
        let fits = |message: &&Message| {
            let fits = bytes == 0 || bytes + size(message) <= MOST_BYTES;
            bytes += size(message);
            fits
        };
        messages.iter().take(room).take_while(fits).count()
    }

    fn push(&mut self, mut message: Message, path: &Path, now: Instant) {
        let size = size(&message);
        let departed = self.routes.depart(&mut message);
        let content = departed.map(|()| message).map_err(TransportError::Protocol);
        let (content, after, overtakes) = match path.draw() {
            Fate::Dropped => return,
            Fate::Corrupted => {
                let corrupted = TransportError::Protocol("a message was corrupted".into());
                (Err(corrupted), None, false)
            }
            Fate::Delivered { after, overtakes } => (content, Some(after), overtakes),
        };
        let due = now + after.unwrap_or_default();
        let due = self.last_due.map_or(due, |last| last.max(due));
        self.last_due = Some(due);
        self.queued_bytes += size;
        self.queue.push_back(Flight { due, size, content });
        let last = self.queue.len() - 1;
        if overtakes && last > 0 {
            // Only contents change places: the times stay in order.
            self.queue.swap(last - 1, last);
            let earlier = self.queue[last].due;
            self.queue[last].due = self.queue[last - 1].due;
            self.queue[last - 1].due = earlier;
        }
    }

    /// Takes up to `most` of what has arrived, or says when something will; `None` when nothing is
    /// under way.
    fn pop_due(
        &mut self,
        messages: &mut Vec<Message>,
        most: usize,
    ) -> Option<Result<Found, TransportError>> {
        let before = messages.len();
        let now = Instant::now();
        while messages.len() - before < most
            && let Some(flight) = self.queue.front()
        {
            if flight.due > now {
                let later = Found::Later(flight.due);
                return Some(Ok(if messages.len() > before { Found::Messages } else { later }));
            }
            if let Err(error) = &flight.content {
                // It stays at the front: a connection ends once and for all.
                let error = error.clone();
                return Some(if messages.len() > before {
                    Ok(Found::Messages)
                } else {
                    Err(error)
                });
            }
            if let Some(Flight { size, content: Ok(mut message), .. }) = self.queue.pop_front() {
                self.queued_bytes -= size;
                self.routes.arrive(&mut message);
                messages.push(message);
            }
        }
        if messages.len() > before {
            return Some(Ok(Found::Messages));
        }
        self.end.clone().map(Err)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Messages under way in one direction.
const MOST_MESSAGES: usize = 1024;

/// Bytes under way in one direction: about what a socket's buffers hold.
const MOST_BYTES: usize = 256 * 1024;
