//! What a supervisor will do next: stops, delays and starts in order.
//!
//! Pure.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::RestartStrategy;
use super::roster::ChildId;

/// One thing to do; the next follows when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stop(ChildId),
    Wait(Duration),
    Start(ChildId),
}

/// Whose plan it is: with one-for-one each child has its own, else there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
    Child(ChildId),
    All,
}

/// A child that runs while another one is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sibling {
    pub(super) id: ChildId,
    pub(super) is_temporary: bool,
}

/// Steps that are carried out one after the other.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: VecDeque<Step>,
    /// Distinguishes it from the plan that it replaced, for timers that still run.
    pub(super) number: u64,
}

impl Plan {
    /// Starts these in order.
    pub(super) fn start(ids: impl IntoIterator<Item = ChildId>) -> Self {
        Self { steps: ids.into_iter().map(Step::Start).collect(), number: 0 }
    }

    /// Stops these in order.
    pub(super) fn stop(ids: impl IntoIterator<Item = ChildId>) -> Self {
        Self { steps: ids.into_iter().map(Step::Stop).collect(), number: 0 }
    }

    /// Restarts what the strategy says after `failed` has ended.
    ///
    /// `running` are the children that run or start. Those of them that are temporary are stopped
    /// with the others and not started again. What `current`, the plan that this one replaces, was
    /// still going to start is started too.
    pub(super) fn restart(
        strategy: RestartStrategy,
        failed: ChildId,
        running: &[Sibling],
        current: Option<&Self>,
        delay: Duration,
    ) -> Self {
        let is_affected = |sibling: &&Sibling| match strategy {
            RestartStrategy::OneForOne => false,
            RestartStrategy::OneForAll => true,
            RestartStrategy::RestForOne => sibling.id > failed,
        };
        let mut starts: BTreeSet<ChildId> =
            current.into_iter().flat_map(Self::pending_starts).chain([failed]).collect();
        let mut stops = starts.clone();
        for sibling in running.iter().filter(is_affected) {
            stops.insert(sibling.id);
            if sibling.is_temporary {
                starts.remove(&sibling.id);
            } else {
                starts.insert(sibling.id);
            }
        }
        stops.remove(&failed);
        let stops = stops.into_iter().rev().map(Step::Stop);
        let starts = starts.into_iter().map(Step::Start);
        Self { steps: stops.chain([Step::Wait(delay)]).chain(starts).collect(), number: 0 }
    }

    fn pending_starts(&self) -> impl Iterator<Item = ChildId> {
        self.steps.iter().filter_map(|step| match step {
            Step::Start(id) => Some(*id),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ChildId = ChildId(1);
    const B: ChildId = ChildId(2);
    const C: ChildId = ChildId(3);
    const DELAY: Duration = Duration::from_millis(10);

    fn permanent(id: ChildId) -> Sibling {
        Sibling { id, is_temporary: false }
    }

    fn steps(strategy: RestartStrategy, failed: ChildId) -> Vec<Step> {
        let running: Vec<_> =
            [A, B, C].into_iter().filter(|id| *id != failed).map(permanent).collect();
        Plan::restart(strategy, failed, &running, None, DELAY).steps.into()
    }

    #[test]
    fn one_for_one_restarts_the_failed_child() {
        let expected = [Step::Wait(DELAY), Step::Start(B)];
        assert_eq!(steps(RestartStrategy::OneForOne, B), expected);
    }

    #[test]
    fn one_for_all_stops_the_others_youngest_first() {
        let expected = [
            Step::Stop(C),
            Step::Stop(A),
            Step::Wait(DELAY),
            Step::Start(A),
            Step::Start(B),
            Step::Start(C),
        ];
        assert_eq!(steps(RestartStrategy::OneForAll, B), expected);
    }

    #[test]
    fn rest_for_one_leaves_the_older_alone() {
        let expected = [Step::Stop(C), Step::Wait(DELAY), Step::Start(B), Step::Start(C)];
        assert_eq!(steps(RestartStrategy::RestForOne, B), expected);
    }

    #[test]
    fn a_failure_during_a_restart_keeps_what_was_still_to_start() {
        let current = Plan::start([B, C]);
        let plan =
            Plan::restart(RestartStrategy::OneForOne, B, &[permanent(A)], Some(&current), DELAY);
        let expected = [Step::Stop(C), Step::Wait(DELAY), Step::Start(B), Step::Start(C)];
        assert_eq!(Vec::from(plan.steps), expected);
    }

    #[test]
    fn a_temporary_sibling_is_stopped_and_not_started_again() {
        let temporary = Sibling { id: C, is_temporary: true };
        let plan = Plan::restart(RestartStrategy::OneForAll, A, &[temporary], None, DELAY);
        let expected = [Step::Stop(C), Step::Wait(DELAY), Step::Start(A)];
        assert_eq!(Vec::from(plan.steps), expected);
    }
}
