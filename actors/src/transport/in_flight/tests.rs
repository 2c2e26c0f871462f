use std::time::Duration;

use super::*;
use crate::deadline::Deadline;
use crate::registry::{NodeInfo, Service};
use crate::selector::ServiceNodes;

const SECOND: Patience = Patience::Within(Duration::from_secs(1));

fn insert(calls: &mut InFlight, patience: Patience, end: u64) -> RequestId {
    let id = calls.reserve();
    calls.insert(patience, end, None, None);
    id
}

fn cause(look: Look) -> Cause {
    match look {
        Look::Answered(Answer::Failed(failure)) => failure.cause,
        _ => panic!("not a failure"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_used_twice() {
    let mut calls = InFlight::default();
    let first = insert(&mut calls, SECOND, 1);
    assert!(calls.forget(first, Instant::now));
    let second = insert(&mut calls, SECOND, 2);
    assert_ne!(first, second);
    assert!(calls.fail(first, Cause::TimedOut).is_none());
    assert!(matches!(calls.look(second, Waker::noop()), Look::Waiting));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_used_twice_though_its_memory_was_given_back() {
    let mut calls = InFlight::default();
    let kept = insert(&mut calls, SECOND, 1);
    calls.rest();
    assert!(matches!(calls.look(kept, Waker::noop()), Look::Waiting), "one is under way");
    assert!(calls.forget(kept, Instant::now));
    calls.rest();
    assert!(calls.slots.is_empty());
    let next = insert(&mut calls, SECOND, 2);
    assert_ne!(kept, next);
    assert!(calls.fail(kept, Cause::TimedOut).is_none(), "a late answer finds nobody");
    assert!(matches!(calls.look(next, Waker::noop()), Look::Waiting));
}

fn candidate() -> Arc<Candidate> {
    let service = Service::new("greeter", "1").node(NodeInfo::new("a", "x"));
    let nodes = ServiceNodes::fixed("greeter", vec![service]);
    Arc::clone(nodes.load().candidate(0).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_counted_later_is_counted_when_it_is_stamped() {
    let (mut calls, candidate) = (InFlight::default(), candidate());
    let id = calls.reserve();
    calls.insert(SECOND, 1, Some(Counted::Later(&candidate)), None);
    assert_eq!(candidate.in_flight(), 0);
    calls.stamp(Instant::now());
    assert_eq!(candidate.in_flight(), 1);
    // Given up before it is counted, it leaves nothing behind.
    let other = calls.reserve();
    calls.insert(SECOND, 2, Some(Counted::Later(&candidate)), None);
    for id in [id, other] {
        assert!(calls.forget(id, Instant::now));
    }
    calls.stamp(Instant::now());
    assert_eq!(candidate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_let_go_of_at_rest() {
    let candidate = candidate();
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let before = Arc::strong_count(&candidate);
    let id = calls.reserve();
    calls.insert(SECOND, 1, Some(Counted::Now(&candidate)), None);
    calls.rest();
    assert_eq!(Arc::strong_count(&candidate), before + 1, "a call is made to it");
    calls.reply(id, Metadata::new(), Bytes::new(), now);
    calls.settle(now);
    calls.rest();
    assert_eq!(Arc::strong_count(&candidate), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_written_was_not_sent() {
    let mut calls = InFlight::default();
    let sent = insert(&mut calls, SECOND, 10);
    let unsent = insert(&mut calls, SECOND, 20);
    let error = Arc::new(TransportError::Closed);
    calls.fail_all(19, &error, Instant::now(), &mut Vec::new());
    let was_sent = |look| match cause(look) {
        Cause::Broken { was_sent, .. } => was_sent,
        _ => panic!("not broken"),
    };
    assert!(was_sent(calls.look(sent, Waker::noop())));
    assert!(!was_sent(calls.look(unsent, Waker::noop())));
    assert_eq!(calls.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_passed_deadlines_expire() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let after = |millis| now + Duration::from_millis(millis);
    let short = insert(&mut calls, Patience::Within(Duration::from_millis(10)), 1);
    let long = insert(&mut calls, Patience::Until(Deadline::at(after(20))), 2);
    assert_eq!(calls.stamp(now), Some(after(10)));
    calls.expire(after(10), &mut Vec::new());
    assert!(matches!(cause(calls.look(short, Waker::noop())), Cause::TimedOut));
    assert!(matches!(calls.look(long, Waker::noop()), Look::Waiting));
    assert_eq!(calls.stamp(now), Some(after(20)));
}

#[tokio::test(start_paused = true)]
async fn time_runs_from_the_first_stamp_on() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let id = insert(&mut calls, SECOND, 1);
    assert_eq!(calls.stamp(now), calls.stamp(now + Duration::from_millis(500)));
    // Its slot is used again by a call that has a time of its own.
    assert!(calls.forget(id, Instant::now));
    let again = insert(&mut calls, Patience::Within(Duration::from_secs(9)), 2);
    calls.stamp(now);
    calls.expire(now + Duration::from_secs(2), &mut Vec::new());
    assert!(matches!(calls.look(again, Waker::noop()), Look::Waiting));
}

#[tokio::test(start_paused = true)]
async fn a_stream_counts_for_its_node_but_its_length_is_no_latency() {
    use crate::registry::{NodeInfo, Service};

    let service = Service::new("greeter", "1").node(NodeInfo::new("a", "x"));
    let nodes = crate::selector::ServiceNodes::fixed("greeter", vec![service]);
    let (snapshot, mut calls) = (nodes.load(), InFlight::default());
    let (candidate, begun) = (snapshot.candidate(0).unwrap(), Instant::now());
    for answered_after in [60_000, 3] {
        let id = calls.reserve();
        if answered_after > 1000 {
            calls.insert_stream(SECOND, 1, Some(candidate));
        } else {
            calls.insert(SECOND, 1, Some(Counted::Now(candidate)), None);
        }
        calls.stamp(begun);
        assert_eq!(candidate.in_flight(), 1);
        let now = begun + Duration::from_millis(answered_after);
        calls.reply(id, Metadata::new(), Bytes::new(), now);
        calls.settle(now);
        assert_eq!(candidate.in_flight(), 0);
        let is_stream = answered_after > 1000;
        assert_eq!(candidate.latency(now).is_none(), is_stream);
    }
}

/// Notes what it is told; wakes nobody.
#[derive(Default)]
struct Notes(parking_lot::Mutex<Vec<String>>);

impl Gathering for Notes {
    fn replied(&self, body: &Bytes) -> Option<Waker> {
        self.0.lock().push(String::from_utf8_lossy(body).into_owned());
        Some(Waker::noop().clone())
    }

    fn failed(&self, number: u32, failure: Box<Failure>) -> Option<Waker> {
        self.0.lock().push(format!("{number} {:?}", failure.cause));
        None
    }
}

#[tokio::test(start_paused = true)]
async fn gathered_calls_leave_no_slot_behind_however_they_end() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let notes = Arc::new(Notes::default());
    let mut wakers = Vec::new();
    let gather = |calls: &mut InFlight, number: u32| {
        let id = calls.reserve();
        let gathered = Gathered { gathering: Arc::clone(&notes) as _, number };
        calls.insert_gathered(Patience::Unlimited, u64::from(number), gathered);
        id
    };
    let replied = gather(&mut calls, 0);
    assert!(calls.reply(replied, Metadata::new(), "fine".into(), now).is_some());
    let failed = gather(&mut calls, 1);
    assert_eq!(calls.slots.len(), 1, "the slot is used again");
    assert!(calls.fail(failed, Cause::TimedOut).is_none());
    let given_up = gather(&mut calls, 2);
    assert!(calls.forget(given_up, Instant::now));
    let broken = [3, 4].map(|number| gather(&mut calls, number));
    // Nobody looks at the clock for them here.
    assert_eq!(calls.stamp(now), None);
    calls.expire(now + Duration::from_secs(3600), &mut wakers);
    assert_eq!(calls.len(), 2);
    calls.fail_all(3, &Arc::new(TransportError::Closed), now, &mut wakers);
    assert_eq!((calls.len(), calls.free.len(), wakers.len()), (0, 2, 0));
    // What comes too late finds nobody.
    for id in [replied, failed, given_up].into_iter().chain(broken) {
        assert!(calls.reply(id, Metadata::new(), "late".into(), now).is_none());
        assert!(!calls.forget(id, Instant::now));
    }
    let closed = |number: u32, was_sent: bool| {
        format!("{number} Broken {{ was_sent: {was_sent}, error: Closed }}")
    };
    let expected = ["fine".into(), "1 TimedOut".into(), closed(3, true), closed(4, false)];
    assert_eq!(*notes.0.lock(), expected);
}
