//! Which node the calls on one connection count for.
//!
//! Load and health of a node are shared by all threads that call it. So that a call costs them one
//! change and not several, what the answers of one batch say is put together first.
//!
//! Pure.

use std::sync::Arc;

use tokio::time::Instant;

use crate::selector::{Candidate, Outcome};

/// The nodes that the calls on one connection were made to: one, unless its record changed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
}

/// The node that a call counts for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted<'a> {
    /// At once: who picks next looks at it.
    Now(&'a Arc<Candidate>),
    /// With all others of the connection's turn: nobody picks, as there is no other node.
    Later(&'a Arc<Candidate>),
}

impl<'a> Counted<'a> {
    pub(crate) fn candidate(self) -> &'a Arc<Candidate> {
        let (Self::Now(candidate) | Self::Later(candidate)) = self;
        candidate
    }
}

/// Where a call is kept; of no meaning once the call has been closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccountId(u32);

impl AccountId {
    /// Of a call whose caller named the node: it counts for none.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

#[derive(Debug)]
struct Account {
    candidate: Arc<Candidate>,
    open: u32,
    /// Opened, and not told to the node.
    untold: u32,
    /// Closed since the last settlement.
    closed: u32,
    /// When the call began that was the first of those answered since the last settlement.
    first_begun: Option<Instant>,
}

impl Account {
    /// Whether nothing is open, and what was closed has been settled.
    fn is_free(&self) -> bool {
        self.open == 0 && self.closed == 0
    }

    /// Tells the node what has been opened.
    fn tell(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            self.candidate.begin(untold);
        }
    }
}

impl Ledger {
    /// A call begins.
    #[allow(clippy::inline_always, reason = "a third of it is being called, with a lock held")]
    #[inline(always)]
    pub(super) fn open(&mut self, counted: Option<Counted<'_>>) -> AccountId {
        let Some(counted) = counted else { return AccountId::NONE };
        let candidate = counted.candidate();
        let known = self.accounts.iter().position(|it| Arc::ptr_eq(&it.candidate, candidate));
        let index = known.unwrap_or_else(|| self.place_for(candidate));
        let account = &mut self.accounts[index];
        account.open += 1;
        match counted {
            Counted::Now(candidate) => candidate.begin(1),
            Counted::Later(_) => account.untold += 1,
        }
        u32::try_from(index).map_or(AccountId::NONE, AccountId)
    }

    /// A call has ended; when it `begun` is given when it was answered with a value.
    #[inline]
    pub(super) fn close(&mut self, id: AccountId, begun: Option<Instant>) {
        let Some(account) = self.accounts.get_mut(id.0 as usize) else { return };
        account.open -= 1;
        account.closed += 1;
        if let Some(begun) = begun
            && account.first_begun.is_none_or(|first| begun < first)
        {
            account.first_begun = Some(begun);
        }
    }

    /// The node of a call that has not been closed.
    pub(super) fn candidate(&self, id: AccountId) -> Option<&Arc<Candidate>> {
        self.accounts.get(id.0 as usize).map(|account| &account.candidate)
    }

    /// Tells the nodes what has been opened and was not to be told at once.
    pub(super) fn tell(&mut self) {
        self.accounts.iter_mut().for_each(Account::tell);
    }

    /// Tells the nodes what has been closed since the last time, `now` being when the answers came.
    pub(super) fn settle(&mut self, now: Instant) {
        for account in &mut self.accounts {
            account.tell();
            let closed = std::mem::take(&mut account.closed);
            if closed > 0 {
                account.candidate.finish(closed);
            }
            // Peak-EWMA jumps to a slower answer at once, so the slowest says what all would.
            if let Some(begun) = account.first_begun.take() {
                let latency = now.saturating_duration_since(begun);
                account.candidate.mark(Outcome::Success { latency }, now);
            }
        }
    }

    /// Forgets the nodes of the last places, as far as nothing is open there: while it is kept here
    /// a node keeps itself alive, by way of its connections.
    pub(super) fn forget(&mut self) {
        while self.accounts.last().is_some_and(Account::is_free) {
            self.accounts.pop();
        }
    }

    /// A place that is free, or a new one.
    fn place_for(&mut self, candidate: &Arc<Candidate>) -> usize {
        let candidate = Arc::clone(candidate);
        let account = Account { candidate, open: 0, untold: 0, closed: 0, first_begun: None };
        let free = self.accounts.iter().position(Account::is_free);
        let index = free.unwrap_or(self.accounts.len());
        if let Some(place) = self.accounts.get_mut(index) {
            *place = account;
        } else {
            self.accounts.push(account);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::{NodeInfo, Service};
    use crate::selector::ServiceNodes;

    fn candidates() -> [Arc<Candidate>; 2] {
        let service = Service::new("greeter", "1");
        let service = service.node(NodeInfo::new("a", "x")).node(NodeInfo::new("b", "y"));
        let nodes = ServiceNodes::fixed("greeter", vec![service]);
        let snapshot = nodes.load();
        [0, 1].map(|index| Arc::clone(snapshot.candidate(index).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_settlement_tells_each_node_its_own() {
        let (mut ledger, [one, other]) = (Ledger::default(), candidates());
        let ids = [&one, &one, &other].map(|candidate| ledger.open(Some(Counted::Now(candidate))));
        assert_eq!((one.in_flight(), other.in_flight()), (2, 1));
        let now = Instant::now();
        let before = |millis| Some(now - Duration::from_millis(millis));
        ledger.close(ids[0], before(1));
        ledger.close(ids[1], before(9));
        ledger.close(ids[2], None);
        ledger.settle(now);
        assert_eq!((one.in_flight(), other.in_flight()), (0, 0));
        let latency = one.latency(now).unwrap();
        assert!(latency.abs_diff(Duration::from_millis(9)) < Duration::from_micros(1));
        assert_eq!(other.latency(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_later_is_told_once() {
        let (mut ledger, [one, other]) = (Ledger::default(), candidates());
        let [first, second] = [&one, &one].map(|it| ledger.open(Some(Counted::Later(it))));
        ledger.open(Some(Counted::Later(&other)));
        assert_eq!((one.in_flight(), other.in_flight()), (0, 0));
        ledger.tell();
        assert_eq!((one.in_flight(), other.in_flight()), (2, 1));
        ledger.tell();
        assert_eq!((one.in_flight(), other.in_flight()), (2, 1));
        // One that is over before anybody was told of it has been there all the same.
        let third = ledger.open(Some(Counted::Later(&one)));
        for id in [first, second, third] {
            ledger.close(id, None);
        }
        ledger.settle(Instant::now());
        ledger.tell();
        assert_eq!((one.in_flight(), other.in_flight()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_forgotten_when_nothing_is_open_there() {
        let (mut ledger, [one, other]) = (Ledger::default(), candidates());
        let [first, second] =
            [&one, &other].map(|candidate| ledger.open(Some(Counted::Now(candidate))));
        let kept = |ledger: &mut Ledger| {
            ledger.forget();
            [first, second].map(|id| ledger.candidate(id).is_some())
        };
        ledger.close(second, None);
        assert_eq!(kept(&mut ledger), [true, true], "that it was closed has not been told");
        ledger.settle(Instant::now());
        assert_eq!(kept(&mut ledger), [true, false]);
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (2, 1));
        ledger.close(first, None);
        ledger.settle(Instant::now());
        assert_eq!(kept(&mut ledger), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_used_again_when_nothing_is_open_there() {
        let (mut ledger, [one, other]) = (Ledger::default(), candidates());
        let first = ledger.open(Some(Counted::Now(&one)));
        assert_ne!(first, ledger.open(Some(Counted::Now(&other))));
        ledger.close(first, None);
        ledger.settle(Instant::now());
        let [third, _] = candidates();
        assert_eq!(ledger.open(Some(Counted::Now(&third))), first);
        assert_eq!(ledger.open(None), AccountId::NONE);
        ledger.close(AccountId::NONE, None);
    }
}
