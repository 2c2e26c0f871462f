//! The two ends of a connection in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep_until};

use super::path::Path;
use super::pipe::{Found, Pipe};
use crate::message::Message;
use crate::registry::BoxFuture;
use crate::transport::{Batch, Encoder, Hello, Incoming, OwnedMessages, Socket, TransportError};

/// One end before the greeting.
pub(super) struct Opening {
    ends: Ends,
    peer: String,
}

impl Opening {
    /// Creates the connecting and the accepting end.
    pub(super) fn pair(there: &Arc<Path>, back: &Arc<Path>, from: &str) -> (Self, Self) {
        let (there, back) = (Pipe::new(there), Pipe::new(back));
        let near = Ends { sends: there.clone(), receives: back.clone() };
        let far = Ends { sends: back, receives: there };
        let peer = format!("{}{from}", super::PREFIX);
        (Self { ends: near, peer: peer.clone() }, Self { ends: far, peer })
    }

    pub(super) async fn greet(self, hello: Arc<Hello>) -> Result<Box<dyn Socket>, TransportError> {
        self.ends.sends.greet(hello);
        let peer = std::future::poll_fn(|cx| self.ends.receives.poll_greeting(cx)).await?;
        let socket =
            MemorySocket { ends: self.ends, peer, written: 0, portion: usize::MAX, timer: None };
        Ok(Box::new(socket))
    }
}

impl Incoming for Opening {
    fn peer(&self) -> String {
        self.peer.clone()
    }

    fn greet(
        self: Box<Self>,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        Box::pin(Self::greet(*self, hello))
    }
}

/// The pipes of one side; dropping it breaks the connection unless it was closed before.
struct Ends {
    sends: Arc<Pipe>,
    receives: Arc<Pipe>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.sends.end(TransportError::Broken("the peer vanished".into()));
        self.receives.sever("the peer vanished");
    }
}

/// An open connection.
struct MemorySocket {
    ends: Ends,
    peer: Arc<Hello>,
    written: u64,
    /// Messages read at a time.
    portion: usize,
    /// Waits for the next delayed message.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Socket for MemorySocket {
    fn peer(&self) -> &Arc<Hello> {
        &self.peer
    }

    fn encoder(&mut self) -> Box<dyn Encoder> {
        Box::new(OwnedMessages::new(self.peer.max_frame))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        loop {
            let due = match ready!(self.ends.receives.poll_read(cx, messages, self.portion))? {
                Found::Messages => return Poll::Ready(Ok(())),
                Found::Later(due) => due,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }

    fn portion(&mut self, messages: usize) {
        self.portion = messages.max(1);
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>> {
        while !batch.messages.is_empty() {
            self.written += ready!(self.ends.sends.poll_write(cx, &mut batch.messages))?;
        }
        Poll::Ready(Ok(()))
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.ends.sends.end(TransportError::Closed);
        Poll::Ready(())
    }
}
