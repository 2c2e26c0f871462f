//! One event on its way to all its subscribers.
//!
//! Whoever can be reached at once is asked without a future, a timer or a waker of its own, and all
//! their answers are counted in one place. Only what needs more than one attempt, or has to wait
//! before its first one, has a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;

use super::deliver::{DraftFrame, Publishing, target};
use super::route::{Group, Route, Stop, Way};
use crate::broker::tally::{FailedCall, Tally};
use crate::broker::topics::To;
use crate::broker::{BrokerError, EventSink, Published};
use crate::client::{Caller, DirectNode, Round};

/// An event that has been handed to all that could be reached at once.
pub(super) struct UnderWay<'a> {
    publishing: Publishing<'a>,
    route: &'a Route,
    /// Counts the subscribers of this process, and the nodes that were asked at once.
    tally: Arc<Tally>,
    /// Numbers first the nodes without a group, then the groups.
    round: Round<'a>,
    /// Of each group the member whose turn it was.
    turns: Vec<usize>,
    alarm: Option<Alarm<'a>>,
    /// What needs more than one attempt, or has to wait before its first one.
    further: Option<FuturesUnordered<BoxFuture<'a, Outcome>>>,
    /// What has been counted by the deadline, or before.
    counted: Option<Published>,
    sum: Published,
    failed: Option<BrokerError>,
}

type Outcome = Result<Published, BrokerError>;

/// Wakes the publisher at the deadline.
struct Alarm<'a> {
    caller: &'a Caller,
    shard: usize,
    key: usize,
}

impl<'a> UnderWay<'a> {
    /// Hands the event to the subscribers of this process and to the nodes of all others.
    pub(super) fn begin(publishing: Publishing<'a>, route: &'a Route) -> Self {
        let tally = Tally::new();
        let nodes = route.ungrouped.len() + route.groups.len();
        let caller = &publishing.home.caller;
        let event = publishing.draft.event();
        let timing = (&event.metadata, publishing.timeout);
        let round = Round::new(caller, target(event), timing, (Arc::clone(&tally) as _, nodes));
        let mut under_way = Self {
            publishing,
            route,
            tally,
            round,
            turns: Vec::new(),
            alarm: None,
            further: None,
            counted: None,
            sum: Published::default(),
            failed: None,
        };
        let here = under_way.deliver_here();
        under_way.ask_nodes();
        under_way.ask_groups(&here);
        under_way.tally.complete();
        under_way
    }

    /// Delivers to subscribers of this process: those without a group, and each group of which a
    /// member here has room or no member is elsewhere. Who they were.
    fn deliver_here(&self) -> Vec<Option<Arc<str>>> {
        let Publishing { shared, topic, draft, .. } = self.publishing;
        let delivered = shared.desk.topics().look(topic, |topic| {
            let subscribers = topic.subscribers();
            let mut audiences = subscribers.audiences();
            audiences.retain(|group| {
                group
                    .as_deref()
                    .is_none_or(|name| topic.has_room(name) || !self.route.has_group(name))
            });
            for group in &audiences {
                let to = group.as_deref().map_or(To::Ungrouped, To::Group);
                subscribers.publish(draft.event(), to, &self.tally, EventSink::deliver);
            }
            audiences
        });
        delivered.unwrap_or_default()
    }

    fn ask_nodes(&mut self) {
        let (route, publishing) = (self.route, self.publishing);
        let stops = &route.ungrouped;
        self.tally.expect(count(stops.len()));
        let frame = publishing.draft.frame(publishing.topic, None);
        let mut left = 0;
        for stop in stops {
            if !self.ask(stop, frame) {
                left += 1;
                self.wait_for(publishing.ungrouped(stop).boxed());
            }
        }
        self.tally.withdraw(left);
    }

    fn ask_groups(&mut self, here: &[Option<Arc<str>>]) {
        let (route, publishing) = (self.route, self.publishing);
        for group in &route.groups {
            if here.iter().flatten().any(|name| *name == group.name) {
                self.turns.push(0);
                self.round.skip();
                continue;
            }
            let turn = group.turn();
            self.turns.push(turn);
            self.tally.expect(1);
            let frame = publishing.draft.frame(publishing.topic, Some(&group.name));
            if !group.members(turn).next().is_some_and(|stop| self.ask(stop, frame)) {
                self.tally.withdraw(1);
                self.wait_for(publishing.group(group, turn).boxed());
            }
        }
    }

    /// Asks a node at once, if there is a connection to it and it takes the usual form.
    fn ask(&mut self, stop: &Stop, frame: DraftFrame<'_>) -> bool {
        let node = match &stop.way {
            Way::Native(node) if !stop.needs_other_form(self.publishing.draft.event()) => node,
            _ => {
                self.round.skip();
                return false;
            }
        };
        // What is wrong with it the long way finds out, and counts, too.
        self.round.ask(node, &frame).unwrap_or(false)
    }

    fn wait_for(&mut self, outcome: BoxFuture<'a, Outcome>) {
        self.further.get_or_insert_default().push(outcome);
    }

    /// Whom the call of this number went to.
    fn asked(&self, number: usize) -> Option<(&'a DirectNode, Option<(&'a Group, usize)>)> {
        let route = self.route;
        let (stop, group) = match number.checked_sub(route.ungrouped.len()) {
            None => (route.ungrouped.get(number)?, None),
            Some(index) => {
                let (group, turn) = (route.groups.get(index)?, *self.turns.get(index)?);
                (group.members(turn).next()?, Some((group, turn)))
            }
        };
        let Way::Native(node) = &stop.way else { return None };
        Some((node, group))
    }

    /// Goes on where one attempt was not enough.
    fn go_on(&mut self, FailedCall { number, failure }: FailedCall) {
        let Some((node, group)) = self.asked(number as usize) else { return };
        let publishing = self.publishing;
        let name = group.map(|(group, _)| &*group.name);
        let frame = publishing.draft.frame(publishing.topic, name);
        let failed = self.round.attempt(node, (number, failure));
        self.wait_for(publishing.go_on(node, frame, failed, group).boxed());
    }

    /// Looks at what the tally has come to; at the deadline what is missing counts as failed.
    fn look(&mut self, cx: &mut Context<'_>) {
        if self.counted.is_some() {
            return;
        }
        self.tally.register(cx.waker());
        let has_ended = self.tally.has_ended();
        for failed in self.tally.take_failed() {
            self.go_on(failed);
        }
        if has_ended || self.is_late(cx.waker()) {
            self.counted = Some(self.tally.so_far());
        }
    }

    /// Whether the deadline has passed; else the waker is woken when it does.
    fn is_late(&mut self, waker: &Waker) -> bool {
        let deadline = self.publishing.deadline;
        if let Some(alarm) = &self.alarm {
            alarm.caller.expiry(alarm.shard).update(alarm.key, waker);
            return deadline.has_passed();
        }
        let caller = &self.publishing.home.caller;
        let shard = caller.shard_index();
        let key = caller.expiry(shard).insert(deadline.instant(), waker.clone());
        self.alarm = Some(Alarm { caller, shard, key });
        false
    }

    /// Takes in what has come to an end apart from the tally; whether all has.
    fn look_further(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(further) = &mut self.further else { return true };
        while let Poll::Ready(next) = further.poll_next_unpin(cx) {
            match next {
                None => return true,
                Some(Ok(published)) => self.sum.add(published),
                // It is the same for all: the event is too large, or the system stops.
                Some(Err(error)) => self.failed = Some(error),
            }
        }
        false
    }
}

impl Future for UnderWay<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.look(cx);
        let is_all = self.look_further(cx);
        let (true, Some(counted)) = (is_all, self.counted) else { return Poll::Pending };
        let mut sum = self.sum;
        sum.add(counted);
        Poll::Ready(match self.failed.take() {
            Some(error) if sum == Published::default() => Err(error),
            _ => Ok(sum),
        })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.tally.has_ended() {
            return;
        }
        // Nobody waits for the answers any more.
        for number in 0..self.route.ungrouped.len() + self.route.groups.len() {
            if let Some((node, _)) = self.asked(number) {
                self.round.give_up(node, number);
            }
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.caller.expiry(self.shard).remove(self.key);
    }
}

fn count(stops: usize) -> u32 {
    u32::try_from(stops).unwrap_or(u32::MAX)
}
