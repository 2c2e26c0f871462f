//! How long a client may take.

use std::pin::Pin;
use std::task::Context;

use callboard_actors::transport::TransportError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::ask::Phase;
use super::options::HttpOptions;

/// Watches over a connection between two requests, and over the head of the next.
#[derive(Default)]
pub(super) struct Clock {
    timer: Option<Pin<Box<Sleep>>>,
    /// What is watched, and until when.
    watched: Option<((Phase, u64), Instant)>,
}

impl Clock {
    /// Whether the client is the one to do something.
    pub(super) fn is_running(&self) -> bool {
        self.watched.is_some()
    }

    /// Why the connection is over, if it is; else has the task woken when it may be.
    ///
    /// `began` tells since when the present phase lasts, if it is a new one.
    pub(super) fn check(
        &mut self,
        phase: (Phase, u64),
        options: &HttpOptions,
        began: impl FnOnce() -> Instant,
        cx: &mut Context<'_>,
    ) -> Option<TransportError> {
        let limit = match phase.0 {
            Phase::Idle => options.idle_time,
            Phase::Head => options.head_time,
            Phase::Asked => {
                self.watched = None;
                return None;
            }
        };
        let due = match self.watched {
            Some((watched, due)) if watched == phase => due,
            _ => began() + limit,
        };
        self.watched = Some((phase, due));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // One that fires early costs a poll; to move it for each request would cost more.
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        let mut is_over = timer.as_mut().poll(cx).is_ready();
        if is_over && Instant::now() < due {
            timer.as_mut().reset(due);
            is_over = timer.as_mut().poll(cx).is_ready();
        }
        is_over.then(|| match phase.0 {
            Phase::Head => {
                TransportError::Broken(format!("no whole head of a request within {limit:?}"))
            }
            _ => TransportError::Closed,
        })
    }
}
