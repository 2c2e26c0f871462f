//! When a request is over, found out as late as can be.

use std::sync::OnceLock;
use std::time::Duration;

use callboard_actors::Deadline;
use tokio::time::Instant;

/// When the caller stops waiting, once somebody needs to know.
///
/// A call within a process has nearly always ended before its deadline could matter, and reading
/// the clock for it costs a good part of what else such a call does. So its time begins when the
/// caller has to wait, when the handler puts it aside, or when somebody asks for the deadline,
/// whichever is first.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    /// It is known, or there is none.
    At(Option<Deadline>),
    /// So long after the time has begun.
    Within(Duration, OnceLock<Deadline>),
}

impl Due {
    /// So long after the time has begun.
    pub(crate) fn within(timeout: Duration) -> Self {
        Self::Within(timeout, OnceLock::new())
    }

    /// The time begins at `now`, unless it has begun before.
    pub(crate) fn begin(&self, now: Instant) {
        if let Self::Within(timeout, known) = self {
            known.get_or_init(|| Deadline::after(now, *timeout));
        }
    }

    /// The deadline, if the time has begun.
    pub(crate) fn begun(&self) -> Option<Deadline> {
        match self {
            Self::At(deadline) => *deadline,
            Self::Within(_, known) => known.get().copied(),
        }
    }

    /// The deadline; the time has begun by now.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::At(deadline) => *deadline,
            Self::Within(timeout, known) => Some(*known.get_or_init(|| Deadline::within(*timeout))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn time_begins_once() {
        let (due, now) = (Due::within(SECOND), Instant::now());
        assert_eq!(due.begun(), None);
        due.begin(now + SECOND);
        due.begin(now);
        let deadline = Some(Deadline::at(now + SECOND * 2));
        assert_eq!((due.begun(), due.deadline()), (deadline, deadline));
    }

    #[tokio::test(start_paused = true)]
    async fn time_begins_when_somebody_asks() {
        let (due, now) = (Due::within(SECOND), Instant::now());
        assert_eq!(due.deadline(), Some(Deadline::at(now + SECOND)));
        tokio::time::advance(SECOND).await;
        assert_eq!(due.deadline(), Some(Deadline::at(now + SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_stays() {
        let due = Due::At(None);
        due.begin(Instant::now());
        assert_eq!((due.begun(), due.deadline()), (None, None));
    }
}
