use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Wake;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::time::advance;

use super::*;
use crate::message::RequestId;
use crate::metadata::Metadata;
use crate::stream::{Allowance, StreamFrame};
use crate::transport::outbox::QUEUE_LIMIT;
use crate::transport::{Encoder, Hello};

#[tokio::test(start_paused = true)]
async fn what_a_full_queue_held_back_is_read_once_the_queue_is_written() {
    let mut stage = Stage::new(2);
    stage.poll();
    assert_eq!(stage.role.received, 1, "one portion");
    let woken = stage.woken();
    // Answers come between two polls, and are more than may wait.
    let (metadata, body) = (Metadata::new(), Bytes::from(vec![0; QUEUE_LIMIT]));
    let reply = Outgoing::Reply { id: RequestId(1), metadata: &metadata, body: &body };
    stage.pump.outbox.send(reply).unwrap();
    stage.poll();
    assert_eq!(stage.role.received, 1, "nothing is read while so much waits");
    assert_eq!(stage.pump.outbox.queued(), 0);
    assert!(stage.woken() > woken + 1, "nothing but itself would wake it");
    stage.poll();
    assert_eq!(stage.role.received, 2);
}

#[tokio::test(start_paused = true)]
async fn streams_wait_for_room_and_who_waited_longest_is_let_through_first() {
    let mut stage = Stage::new(0);
    stage.poll();
    let outbox = Arc::clone(&stage.pump.outbox);
    let fill = || {
        let (metadata, body) = (Metadata::new(), Bytes::from(vec![0; 1024 * 1024]));
        let reply = Outgoing::Reply { id: RequestId(1), metadata: &metadata, body: &body };
        outbox.send(reply).unwrap();
    };
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let waits = |name: &'static str, place: &AtomicU64| {
        let waker = Waker::from(Arc::new(Named(name, Arc::clone(&order))));
        outbox.poll_item_room(place, &Context::from_waker(&waker)).is_pending()
    };
    let (first, second) = (AtomicU64::new(0), AtomicU64::new(0));
    assert!(!waits("first", &first), "nothing waits to be written");
    fill();
    assert!(waits("first", &first) && waits("second", &second));
    stage.poll();
    assert_eq!(*order.lock(), ["first", "second"]);
    // The first one is let through and uses up the room; the second one was earlier than its next.
    assert!(!waits("first", &first));
    fill();
    assert!(waits("first", &first) && waits("second", &second));
    order.lock().clear();
    stage.poll();
    assert_eq!(*order.lock(), ["second", "first"]);
    order.lock().clear();
    fill();
    assert!(waits("first", &first));
    outbox.fail(0, TransportError::Closed);
    assert_eq!(*order.lock(), ["first"], "the end of the connection is told");
    assert!(!waits("first", &first));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_room_is_told_of_its_end() {
    let mut stage = Stage::new(0);
    stage.poll();
    let (outbox, id) = (Arc::clone(&stage.pump.outbox), RequestId(1));
    let side = outbox.take_stream(id);
    outbox.note_stream(id, StreamFrame::Credit { items: 1, bytes: 1 });
    let (metadata, body) = (Metadata::new(), Bytes::from(vec![0; 1024 * 1024]));
    outbox.send(Outgoing::Reply { id, metadata: &metadata, body: &body }).unwrap();
    let woken = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&woken));
    let (mut allowance, cx) = (Allowance::default(), Context::from_waker(&waker));
    assert!(side.poll_ready(&mut allowance, &cx).is_pending(), "a megabyte waits");
    side.finish();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(side.poll_ready(&mut allowance, &cx), Poll::Ready(false));
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_is_for_rests_once_it_has_been_quiet() {
    let mut stage = Stage::new(1);
    stage.poll();
    advance(QUIET / 2).await;
    stage.poll();
    assert_eq!((stage.role.received, stage.role.rested), (1, 0));
    advance(QUIET / 2).await;
    (0..2).for_each(|_| stage.poll());
    assert_eq!(stage.role.rested, 1);
}

#[tokio::test(start_paused = true)]
async fn each_portion_is_taken_at_its_own_time() {
    let mut stage = Stage::new(3);
    stage.role.portion = 2;
    stage.role.work = Duration::from_millis(100);
    let begun = Instant::now();
    stage.poll();
    let taken: Vec<_> = stage.role.at.iter().map(|at| (*at - begun).as_millis()).collect();
    assert_eq!(taken, [0, 100, 200]);
}

/// Writes down that it was woken.
struct Named(&'static str, Arc<parking_lot::Mutex<Vec<&'static str>>>);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.lock().push(self.0);
    }
}

/// A pump between a socket that takes whatever is written and a role that counts.
struct Stage {
    pump: Pump,
    role: Counter,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Stage {
    fn new(arrived: usize) -> Self {
        let hello = Arc::new(Hello::new("", "peer", 1));
        let socket = Box::new(Pliant { arrived, hello, written: 0 });
        let outbox = Arc::new(Outbox::new(""));
        outbox.open(Box::new(Plain(BytesMut::new(), 0)), 0);
        let pump = Pump::new(socket, outbox, KeepaliveOptions::default());
        Self { pump, role: Counter::default(), wakes: Arc::default() }
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let polled = self.pump.poll(&mut self.role, &mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }

    fn woken(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

struct Counter {
    received: usize,
    /// When each portion was taken.
    at: Vec<Instant>,
    portion: usize,
    /// What a portion takes.
    work: Duration,
    rested: usize,
}

impl Default for Counter {
    fn default() -> Self {
        Self { received: 0, at: Vec::new(), portion: 1, work: Duration::ZERO, rested: 0 }
    }
}

impl Role for Counter {
    fn receive(&mut self, messages: &mut Vec<Message>, now: Instant) -> Result<(), TransportError> {
        self.received += messages.drain(..).count();
        self.at.push(now);
        // The clock is moved before this gives way.
        let _ = advance(self.work).now_or_never();
        Ok(())
    }

    fn portion(&self) -> usize {
        self.portion
    }

    fn queue_limit(&self) -> usize {
        QUEUE_LIMIT
    }

    fn is_expecting(&self) -> bool {
        false
    }

    fn is_idle(&mut self, _: Instant) -> bool {
        false
    }

    fn idle_due(&self) -> Option<Instant> {
        None
    }

    fn rest(&mut self) {
        self.rested += 1;
    }
}

/// Everything has arrived before the first poll, so nothing that arrives wakes anybody.
struct Pliant {
    arrived: usize,
    hello: Arc<Hello>,
    written: u64,
}

impl Socket for Pliant {
    fn peer(&self) -> &Arc<Hello> {
        &self.hello
    }

    fn encoder(&mut self) -> Box<dyn Encoder> {
        Box::new(Plain(BytesMut::new(), 0))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        if self.arrived == 0 {
            return Poll::Pending;
        }
        self.arrived -= 1;
        messages.push(Message::Pong { nonce: 0 });
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>> {
        self.written += batch.bytes.len() as u64;
        batch.bytes.clear();
        Poll::Ready(Ok(()))
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Bodies, one after the other, and how many bytes were taken before.
struct Plain(BytesMut, u64);

impl Encoder for Plain {
    fn encode(&mut self, message: Outgoing<'_>) -> Result<u64, TransportError> {
        if let Outgoing::Reply { body, .. } = message {
            body.encode(&mut self.0).map_err(TransportError::Encode)?;
        }
        Ok(self.1 + self.0.len() as u64)
    }

    fn queued(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, batch: &mut Batch) {
        self.1 += self.0.len() as u64;
        std::mem::swap(&mut self.0, &mut batch.bytes);
    }
}
