//! The open connections of a server.
//!
//! Pure.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::transport::outbox::Outbox;

/// The open connections of a server, by the number of their outbox.
///
/// What is left of those that ended is swept when it may be half of all, so that each connection
/// costs the same, however many there are.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    outboxes: HashMap<u64, Weak<Outbox>>,
    /// Connections that ended since the last sweep.
    ended: usize,
    /// Entries that sweeps have looked at.
    #[cfg(test)]
    looked: usize,
}

impl Sessions {
    /// Takes note of one that opened.
    pub(super) fn opened(&mut self, outbox: &Arc<Outbox>) {
        self.outboxes.insert(outbox.number(), Arc::downgrade(outbox));
    }

    /// Takes note of one that ended, opened or not; its outbox may live on for a moment.
    pub(super) fn ended(&mut self) {
        self.ended += 1;
        if self.ended * 2 < self.outboxes.len() + LEFT {
            return;
        }
        #[cfg(test)]
        {
            self.looked += self.outboxes.len();
        }
        self.outboxes.retain(|_, outbox| outbox.strong_count() > 0);
        self.ended = 0;
    }

    /// Those that are open.
    pub(super) fn open(&self) -> Vec<Arc<Outbox>> {
        self.outboxes.values().filter_map(Weak::upgrade).collect()
    }
}

/// Remains that are not worth a sweep.
const LEFT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 10_000;

    #[test]
    fn connections_that_stay_are_never_looked_at() {
        let mut sessions = Sessions::default();
        let outboxes: Vec<_> = (0..MANY).map(|_| open(&mut sessions)).collect();
        assert_eq!((sessions.open().len(), sessions.looked), (outboxes.len(), 0));
    }

    #[test]
    fn connections_that_come_and_go_among_many_cost_the_same_each() {
        let mut sessions = Sessions::default();
        let kept: Vec<_> = (0..MANY).map(|_| open(&mut sessions)).collect();
        for _ in 0..MANY * 10 {
            drop(open(&mut sessions));
            sessions.ended();
        }
        assert!(sessions.looked <= MANY * 10 * 3, "looked at {}", sessions.looked);
        assert!(sessions.outboxes.len() <= kept.len() * 2 + LEFT, "{}", sessions.outboxes.len());
    }

    #[test]
    fn little_is_left_of_connections_that_ended() {
        let mut sessions = Sessions::default();
        let mut outboxes: Vec<_> = (0..MANY).map(|_| open(&mut sessions)).collect();
        while let Some(outbox) = outboxes.pop() {
            // As in life: who gives up the place drops the outbox a moment later.
            sessions.ended();
            drop(outbox);
        }
        assert!(sessions.outboxes.len() <= LEFT, "{}", sessions.outboxes.len());
        assert!(sessions.looked <= MANY * 3, "looked at {}", sessions.looked);
        assert!(sessions.open().is_empty());
    }

    fn open(sessions: &mut Sessions) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(""));
        sessions.opened(&outbox);
        outbox
    }
}
