//! The body of a request, as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use tokio::time::{Sleep, sleep};

use super::dialect::Trouble;

/// Puts a body together, within its limits.
pub(super) struct Arriving {
    incoming: Incoming,
    most: usize,
    time: Duration,
    /// What came first, which as a rule is all.
    first: Bytes,
    /// All, once there is more.
    whole: BytesMut,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    /// Takes up to `most` bytes, within `time`.
    pub(super) fn new(incoming: Incoming, most: usize, time: Duration) -> Self {
        Self { incoming, most, time, first: Bytes::new(), whole: BytesMut::new(), timer: None }
    }

    /// Resolves to the whole body, or to what is wrong with it; to be polled until then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Trouble>> {
        while !self.incoming.is_end_stream() {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers have nothing to say.
                    if let Ok(data) = frame.into_data() {
                        self.take(data)?;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(Trouble::Broken(error.to_string())));
                }
                Poll::Ready(None) => break,
                // Nearly all bodies come with their head, and need no timer.
                Poll::Pending => {
                    let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.time)));
                    let slow = || Err(Trouble::Slow(self.time));
                    return timer.as_mut().poll(cx).map(|()| slow());
                }
            }
        }
        let whole = std::mem::take(&mut self.whole);
        Poll::Ready(Ok(if whole.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            whole.freeze()
        }))
    }

    fn take(&mut self, data: Bytes) -> Result<(), Trouble> {
        let arrived = self.first.len() + self.whole.len();
        if data.len() > self.most.saturating_sub(arrived) {
            return Err(Trouble::Body(self.most));
        }
        if arrived == 0 {
            self.first = data;
        } else {
            self.whole.extend_from_slice(&std::mem::take(&mut self.first));
            self.whole.extend_from_slice(&data);
        }
        Ok(())
    }
}
