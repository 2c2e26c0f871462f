use std::time::Duration;

use actix::prelude::Actor;
use bytes::{Bytes, BytesMut};
use tokio::time::{pause, sleep};

use super::*;
use crate::broker::Delivery;
use crate::contain::Panic;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::inbox::{Inbox, InboxOptions, Job, JobKey, Progress};
use crate::message::{Body, Message};
use crate::server::Asker;
use crate::supervisor::{Child, Supervisor};
use crate::transport::outbox::Outbox;
use crate::transport::{Batch, Hello, OwnedMessages};

const TYPES: &[&str] = &["text/plain"];

#[actix::test]
async fn a_subscriber_on_the_same_arbiter_has_answered_when_a_lane_is_flushed() {
    pause();
    let (child, inbox) = Child::new("a", || Subscriber).with_inbox(InboxOptions::default());
    let mut supervisor = Supervisor::builder("top");
    supervisor.child(child);
    let _running = supervisor.start();
    sleep(Duration::from_millis(1)).await;

    let desk = EventDesk::new("direct", Arc::new(TYPES));
    let interest = Interest::new("user.created");
    let _place = desk.place(&interest, Arc::new(Sink(inbox))).unwrap();
    let outbox = Arc::new(Outbox::new(""));
    outbox.open(Box::new(OwnedMessages::new(1024)), 0);
    let (mut lane, form) = (desk.lane(), desk.codec("text/plain").unwrap());
    lane.push(0, form, event(&outbox, 1));
    lane.hand_over(Instant::now());
    assert_eq!(outbox.queued(), 0, "the batch is not complete");
    lane.push(0, form, event(&outbox, 2));
    assert_eq!(outbox.queued(), 0);
    lane.flush(Instant::now());
    let mut batch = Batch::default();
    assert!(outbox.take(&mut batch, Instant::now()));
    let is_reply = |message: &Message| matches!(message, Message::Reply { .. });
    assert_eq!((batch.messages.len(), batch.messages.iter().all(is_reply)), (2, true));
}

fn event(outbox: &Arc<Outbox>, id: u64) -> Arrival {
    outbox.accepted(1);
    let body = Bytes::from_static(b"John");
    let mut frame = BytesMut::new();
    EventFrame { topic: "user.created", group: None, body: &body }.encode(&mut frame).unwrap();
    let peer = Arc::new(Hello::new("", "peer", 1));
    let asker = Arc::new(Asker { outbox: Arc::clone(outbox), peer });
    Arrival {
        reply: ReplySlot::new(asker, RequestId(id), false),
        deadline: None,
        metadata: Metadata::new(),
        body: frame.freeze(),
        stream: None,
    }
}

/// Acknowledges what it hears.
struct Subscriber;

impl Actor for Subscriber {
    type Context = Context<Self>;
}

struct Sink(Inbox<Subscriber>);

impl EventSink for Sink {
    fn deliver(&self, delivery: Delivery) {
        self.0.push_one(Box::new(Heard(Some(delivery.acknowledger))), Instant::now());
    }

    fn deliver_of_batch(&self, delivery: Delivery, due: &mut DueTurns) {
        self.0.push_due(Box::new(Heard(Some(delivery.acknowledger))), Instant::now(), due);
    }
}

struct Heard(Option<Acknowledger>);

impl Job<Subscriber> for Heard {
    fn key(&self) -> JobKey {
        JobKey { origin: 1, id: 1 }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn endpoint(&self) -> usize {
        0
    }

    fn run(&mut self, _: &mut Subscriber, _: &mut Context<Subscriber>) -> Progress<Subscriber> {
        self.0.take().expect("it is run once").acknowledge();
        Progress::Done
    }

    fn panicked(&mut self, panic: &Panic) {
        unreachable!("{panic}");
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.0.take().expect("it is refused once").refuse(refusal);
    }
}
