use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::deadline::Deadline;
use crate::message::Replies;
use crate::metadata::Metadata;
use crate::registry::{NodeInfo, Service};
use crate::selector::ServiceNodes;

const SECOND: Patience = Patience::Within(Duration::from_secs(1));

fn insert(calls: &mut InFlight, patience: Patience, end: u64) -> RequestId {
    let id = calls.reserve();
    calls.insert(&patience, end, None, None);
    id
}

/// Looks at a call as its caller does: the body of its reply, if it has one.
fn look(calls: &mut InFlight, id: RequestId) -> Poll<Result<Bytes, Cause>> {
    let mut reply = ReplyBuffer::new();
    let looked = calls.look(id, Waker::noop(), &mut reply);
    looked.map(|ended| ended.map(|()| reply.take_body()).map_err(|failure| failure.cause))
}

fn cause(looked: Poll<Result<Bytes, Cause>>) -> Cause {
    match looked {
        Poll::Ready(Err(cause)) => cause,
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
    assert!(matches!(look(&mut calls, second), Poll::Pending));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_used_twice_though_its_memory_was_given_back() {
    let mut calls = InFlight::default();
    let kept = insert(&mut calls, SECOND, 1);
    calls.rest();
    assert!(matches!(look(&mut calls, kept), Poll::Pending), "one is under way");
    assert!(calls.forget(kept, Instant::now));
    calls.rest();
    assert!(calls.slots.is_empty());
    let next = insert(&mut calls, SECOND, 2);
    assert_ne!(kept, next);
    assert!(calls.fail(kept, Cause::TimedOut).is_none(), "a late answer finds nobody");
    assert!(matches!(look(&mut calls, next), Poll::Pending));
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
    calls.insert(&SECOND, 1, Some(Counted::Later(&candidate)), None);
    assert_eq!(candidate.in_flight(), 0);
    calls.stamp(Instant::now());
    assert_eq!(candidate.in_flight(), 1);
    // Given up before it is counted, it leaves nothing behind.
    let other = calls.reserve();
    calls.insert(&SECOND, 2, Some(Counted::Later(&candidate)), None);
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
    calls.insert(&SECOND, 1, Some(Counted::Now(&candidate)), None);
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
    assert!(was_sent(look(&mut calls, sent)));
    assert!(!was_sent(look(&mut calls, unsent)));
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
    assert!(matches!(cause(look(&mut calls, short)), Cause::TimedOut));
    assert!(matches!(look(&mut calls, long), Poll::Pending));
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
    assert!(matches!(look(&mut calls, again), Poll::Pending));
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
            calls.insert_stream(&SECOND, 1, Some(candidate));
        } else {
            calls.insert(&SECOND, 1, Some(Counted::Now(candidate)), None);
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
    fn replied(&self, body: &[u8]) -> Option<Waker> {
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
        calls.insert_gathered(&Patience::Unlimited, u64::from(number), gathered);
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

/// What small replies to these calls arrive in, and the replies: each says its place.
fn small(ids: &[RequestId]) -> (Bytes, Replies) {
    let memory = BytesMut::from(&b"0123456789"[..]).freeze();
    let places = (0..).zip(ids).map(|(at, id)| (*id, at..at + 1));
    (memory.clone(), Replies::new(memory, places.collect()))
}

#[tokio::test(start_paused = true)]
async fn small_replies_are_kept_where_they_arrived_until_each_has_been_taken() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let mut wakers = Vec::new();
    let [one, other, given_up] = [1, 2, 3].map(|end| insert(&mut calls, SECOND, end));
    let waits = insert(&mut calls, SECOND, 4);
    assert!(look(&mut calls, one).is_pending(), "now it has a waker");
    let late = insert(&mut calls, SECOND, 5);
    assert!(calls.forget(late, Instant::now));
    let notes = Arc::new(Notes::default());
    let gathered = calls.reserve();
    let gathering = Gathered { gathering: Arc::clone(&notes) as _, number: 0 };
    calls.insert_gathered(&Patience::Unlimited, 6, gathering);
    let (memory, replies) = small(&[one, late, other, one, given_up, gathered]);
    calls.replies(replies, now, &mut wakers);
    assert_eq!((calls.len(), wakers.len()), (1, 2), "a waker, and that of the gathering");
    assert_eq!(*notes.0.lock(), ["5"]);
    assert!(!calls.forget(given_up, Instant::now), "it has been answered");
    calls.fail_all(9, &Arc::new(TransportError::Closed), now, &mut wakers);
    assert!(matches!(look(&mut calls, one), Poll::Ready(Ok(body)) if body == "0"), "the first one");
    assert!(!memory.is_unique(), "one is still to be taken");
    assert!(matches!(look(&mut calls, other), Poll::Ready(Ok(body)) if body == "2"));
    assert!(memory.is_unique(), "nobody needs it any more");
    for gone in [one, other, given_up, gathered] {
        assert!(matches!(cause(look(&mut calls, gone)), Cause::TimedOut), "{gone:?}");
    }
    assert!(matches!(cause(look(&mut calls, waits)), Cause::Broken { .. }));
    calls.rest();
    assert!(calls.is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn what_small_replies_are_copied_to_is_given_back() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let mut wakers = Vec::new();
    for _ in 0..3 {
        let ids = [(); 2].map(|()| insert(&mut calls, SECOND, 1));
        calls.replies(small(&ids).1, now, &mut wakers);
        // Two at once, as when reading one makes a call.
        let mut buffers = [ReplyBuffer::new(), ReplyBuffer::new()];
        for (id, buffer) in ids.into_iter().zip(&mut buffers) {
            assert!(buffer.body().is_empty());
            assert!(matches!(calls.look(id, Waker::noop(), buffer), Poll::Ready(Ok(()))));
        }
        assert_eq!([buffers[0].body(), buffers[1].body()], [b"0", b"1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_replaces_what_its_buffer_had() {
    let (mut calls, now) = (InFlight::default(), Instant::now());
    let (mut wakers, mut buffer) = (Vec::new(), ReplyBuffer::new());
    let ids = [1, 2, 3, 4].map(|end| insert(&mut calls, SECOND, end));
    calls.replies(small(&ids[..2]).1, now, &mut wakers);
    calls.reply(ids[2], Metadata::new().with("a", "b"), "whole".into(), now);
    let (memory, _) = small(&[]);
    calls.replies(Replies::new(memory.clone(), vec![(ids[3], 3..3)]), now, &mut wakers);
    assert!(memory.is_unique(), "an empty body keeps no memory alive");
    for (id, body) in [(ids[0], "0"), (ids[2], "whole"), (ids[1], "1"), (ids[3], "")] {
        assert!(matches!(calls.look(id, Waker::noop(), &mut buffer), Poll::Ready(Ok(()))));
        assert_eq!(buffer.body(), body.as_bytes());
        assert_eq!(buffer.take_metadata().is_empty(), id != ids[2]);
    }
}

#[test]
fn a_thread_that_ends_can_still_make_calls() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            assert!(ReplyBuffer::new().body().is_empty());
        }
    }
    thread_local!(static LATE: Late = const { Late });
    // Dropped behind the buffer's memory, which is used later.
    let thread = std::thread::spawn(|| {
        LATE.with(|_| ());
        drop(ReplyBuffer::new());
    });
    assert!(thread.join().is_ok());
}
