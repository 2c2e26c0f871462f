//! NATS: publish and subscribe through a real `nats-server`, in bincode.
//!
//! NATS itself acknowledges nothing, so that it is measured twice: as it is, where the last event of
//! a batch asks each subscriber whether it has come, and by that those before it; and with an answer
//! from each subscriber to each event, as a program has it that wants to know.

use std::cell::RefCell;
use std::net::SocketAddr;

use async_nats::{Client as Connection, Message, Subscriber};
use callboard_benches::echo::Echo;
use callboard_benches::worker::{
    Call, Caller, Sample, Shape, System, Unsupported, Workload, announce, block_on, drive,
    end_of_input,
};
use futures_util::StreamExt;
use hyper::body::Bytes;

use super::{SUBJECT, connect, decode, encode, serve_broker};

/// NATS with answers to one of so many events.
#[derive(Debug)]
pub(crate) struct Topic<const EVENTS: u32> {
    /// As tables show it.
    pub(crate) name: &'static str,
}

impl<const EVENTS: u32> System for Topic<EVENTS> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn serve(&self, workload: &Workload) {
        block_on(async {
            let address = serve_broker().await;
            for _ in 0..workload.subscribers {
                subscribe(address).await;
            }
            announce(address);
            end_of_input().await;
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        let Workload { shape, subscribers, .. } = call.workload;
        if shape != Shape::Publish {
            return Err(Unsupported("it publishes, nothing else".into()));
        }
        block_on(async {
            let address = call.address.parse().expect("the server has printed its address");
            let connection = connect(address).await;
            let publisher =
                Client::<EVENTS> { connection, subscribers, answers: RefCell::default() };
            drive(vec![publisher], &call.workload, call.server).await
        })
    }
}

/// A subscriber with a connection of its own; it answers where an answer is asked for.
async fn subscribe(broker: SocketAddr) {
    let connection = connect(broker).await;
    let mut events = connection.subscribe(SUBJECT).await.expect("the broker takes subscriptions");
    connection.flush().await.expect("the broker lives");
    tokio::spawn(async move {
        while let Some(Message { payload, reply, .. }) = events.next().await {
            let echo = decode(&payload);
            assert!(!echo.text.is_empty(), "it has a text");
            if let Some(reply) = reply {
                let id = Bytes::copy_from_slice(&echo.id.to_le_bytes());
                connection.publish(reply, id).await.expect("the broker lives");
            }
        }
    });
}

/// A publisher, and where answers to it come in.
struct Client<const EVENTS: u32> {
    connection: Connection,
    subscribers: usize,
    answers: RefCell<Option<Answers>>,
}

struct Answers {
    inbox: String,
    messages: Subscriber,
}

impl<const EVENTS: u32> Clone for Client<EVENTS> {
    /// The same connection with an inbox of its own.
    fn clone(&self) -> Self {
        let (connection, subscribers) = (self.connection.clone(), self.subscribers);
        Self { connection, subscribers, answers: RefCell::default() }
    }
}

impl<const EVENTS: u32> Caller for Client<EVENTS> {
    async fn call(&self, echo: Echo) -> Echo {
        self.publish(echo.clone(), true).await;
        echo
    }

    const EVENTS_PER_LAP: u32 = EVENTS;

    async fn publish(&self, event: Echo, is_last: bool) {
        let (id, payload) = (event.id, encode(&event));
        if !is_last {
            return self.connection.publish(SUBJECT, payload).await.expect("the broker lives");
        }
        let taken = self.answers.take();
        let mut answers = match taken {
            Some(answers) => answers,
            None => self.open().await,
        };
        let published =
            self.connection.publish_with_reply(SUBJECT, answers.inbox.clone(), payload).await;
        published.expect("the broker lives");
        for _ in 0..self.subscribers {
            let answer = answers.messages.next().await.expect("each subscriber answers");
            assert_eq!(answer.payload[..], id.to_le_bytes(), "an answer to another event");
        }
        self.answers.replace(Some(answers));
    }
}

impl<const EVENTS: u32> Client<EVENTS> {
    async fn open(&self) -> Answers {
        let inbox = self.connection.new_inbox();
        let messages = self.connection.subscribe(inbox.clone()).await;
        Answers { inbox, messages: messages.expect("the broker takes subscriptions") }
    }
}
