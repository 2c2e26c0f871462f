//! The cancellations that arrived since the actor last looked.
//!
//! Pure.

use std::collections::HashSet;

use super::JobKey;

/// Names requests whose callers went away: single ones, or all of an origin.
#[derive(Debug, Default)]
pub(crate) struct Cancels {
    requests: HashSet<JobKey>,
    origins: HashSet<u64>,
}

impl Cancels {
    /// Adds one; ignores it when too many are waiting for an actor that does not look.
    pub(super) fn add(&mut self, origin: u64, id: Option<u64>) {
        if self.requests.len() + self.origins.len() >= MOST {
            return;
        }
        match id {
            Some(id) => self.requests.insert(JobKey { origin, id }),
            None => self.origins.insert(origin),
        };
    }

    /// Whether this request is meant.
    pub(crate) fn name(&self, key: JobKey) -> bool {
        self.origins.contains(&key.origin) || self.requests.contains(&key)
    }
}

/// Cancellations remembered at a time; a request whose cancellation is lost still has a deadline.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_without_a_number_means_everything_of_its_origin() {
        let mut cancels = Cancels::default();
        assert!(!cancels.name(JobKey { origin: 1, id: 3 }));
        cancels.add(1, None);
        cancels.add(2, Some(7));
        assert!(cancels.name(JobKey { origin: 1, id: 3 }));
        assert!(cancels.name(JobKey { origin: 2, id: 7 }));
        assert!(!cancels.name(JobKey { origin: 2, id: 3 }));
    }

    #[test]
    fn a_flood_is_not_remembered() {
        let mut cancels = Cancels::default();
        (0..70_000).for_each(|id| cancels.add(1, Some(id)));
        assert!(cancels.name(JobKey { origin: 1, id: 65_535 }));
        assert!(!cancels.name(JobKey { origin: 1, id: 65_536 }));
    }
}
