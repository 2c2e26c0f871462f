//! `ractor_cluster`: an actor on another node, called through the session of two node servers.
//!
//! A connection is a node server of its own: two nodes keep one session between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use ractor_cluster::{
    BytesConvertable, NodeServer, NodeServerMessage, RactorClusterMessage, client_connect,
};
use tokio::time::sleep;

use crate::rival::{MAX_MESSAGE, Rival, free_port};

/// `ractor_cluster` as the worker knows it.
pub(crate) struct Ractor;

impl Rival for Ractor {
    const NAME: &'static str = "ractor";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let port = free_port();
        Actor::spawn(None, Echoer, ()).await.expect("the actor starts");
        node(port, "server").await;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    async fn connect(address: SocketAddr) -> Client {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let node = node(0, &format!("client-{}-{number}", process::id())).await;
        client_connect(&node, address).await.expect("the server listens");
        for _ in 0..TRIES {
            if let Some(actor) = remote_actor(&node).await {
                return Client(actor.into());
            }
            sleep(PAUSE).await;
        }
        panic!("the server's actor does not appear");
    }
}

/// The server's actor, seen through the session of a node.
#[derive(Clone)]
pub(crate) struct Client(ActorRef<Message>);

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        call!(self.0, Message::Ask, Payload(echo)).expect("the server answers").0
    }

    async fn tell(&self, echo: Echo) -> bool {
        self.0.cast(Message::Tell(Payload(echo))).expect("the session is open");
        true
    }
}

#[derive(RactorClusterMessage)]
pub(crate) enum Message {
    #[rpc]
    Ask(Payload, RpcReplyPort<Payload>),
    Tell(Payload),
}

/// The echo, in bincode.
pub(crate) struct Payload(Echo);

impl BytesConvertable for Payload {
    fn into_bytes(self) -> Vec<u8> {
        bincode::serde::encode_to_vec(self.0, bincode::config::standard())
            .expect("an echo can be encoded")
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        let decoded = bincode::serde::decode_from_slice(&bytes, bincode::config::standard());
        Self(decoded.expect("the peer encodes echoes").0)
    }
}

struct Echoer;

impl Actor for Echoer {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let Message::Ask(payload, reply) = message {
            reply.send(payload)?;
        }
        Ok(())
    }
}

async fn node(port: u16, name: &str) -> ActorRef<NodeServerMessage> {
    let node = NodeServer::new(port, "peers".into(), name.into(), "localhost".into(), None, None)
        .with_listen_addr(Ipv4Addr::LOCALHOST.into())
        .with_max_inbound_frame_size(MAX_MESSAGE as u64);
    Actor::spawn(None, node, ()).await.expect("the port is free").0
}

/// A session supervises what stands for the other node's actors, once they are known.
async fn remote_actor(node: &ActorRef<NodeServerMessage>) -> Option<ActorCell> {
    let sessions = call!(node, NodeServerMessage::GetSessions).expect("the node lives");
    let mut children = sessions.into_values().flat_map(|session| session.actor.get_children());
    children.find(|child| !child.get_id().is_local())
}

const TRIES: u32 = 500;

const PAUSE: Duration = Duration::from_millis(10);
