//! kameo: an actor on another peer of a libp2p swarm, encrypted as its manual has it.
//!
//! A process has one swarm; further connections are dialled by it, and requests go round them.

use std::net::SocketAddr;
use std::time::Duration;

use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use futures_util::StreamExt;
use kameo::message::{Context, Message};
use kameo::prelude::{Actor, RemoteActor, RemoteActorRef, Reply, Spawn, remote_message};
use kameo::remote::{self, messaging};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::rival::{IN_FLIGHT, LOOPBACK, MAX_MESSAGE, Rival};

/// kameo as the worker knows it.
pub(crate) struct Kameo;

impl Rival for Kameo {
    const NAME: &'static str = "kameo";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let mut swarm = swarm();
        swarm.listen_on(multiaddr(LOOPBACK)).expect("loopback can be listened on");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break socket_address(&address).expect("a TCP address has a port");
            }
        };
        tokio::spawn(run(swarm));
        Echoer::spawn(Echoer).register(ECHOER).await.expect("the name is free");
        address
    }

    async fn connect(address: SocketAddr) -> Client {
        open(address, 1).await
    }

    async fn connect_all(address: SocketAddr, connections: usize) -> Vec<Client> {
        vec![open(address, connections).await; connections]
    }
}

/// Makes the swarm, and dials the server this many times.
async fn open(address: SocketAddr, connections: usize) -> Client {
    let mut swarm = swarm();
    let address = multiaddr(address);
    for _ in 0..connections {
        let dial = DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build();
        swarm.dial(dial).expect("an address can be dialled");
    }
    for _ in 0..connections {
        let peer = loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => break peer_id,
                SwarmEvent::OutgoingConnectionError { error, .. } => {
                    panic!("no connection: {error}")
                }
                _ => {}
            }
        };
        swarm.add_peer_address(peer, address.clone());
    }
    tokio::spawn(run(swarm));
    Client(lookup().await)
}

/// The server's actor.
#[derive(Clone)]
pub(crate) struct Client(RemoteActorRef<Echoer>);

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        self.0.ask(&Payload(echo)).await.expect("the server answers").0
    }

    // Each message has a stream of its own, so a call proves nothing about those before it: only
    // an acknowledgement does.
    async fn tell(&self, echo: Echo) -> bool {
        self.0.tell(&Payload(echo)).send_ack().await.expect("the server acknowledges");
        true
    }
}

#[derive(Debug, Reply, Serialize, Deserialize)]
pub(crate) struct Payload(Echo);

#[derive(Actor, RemoteActor)]
pub(crate) struct Echoer;

#[remote_message]
impl Message<Payload> for Echoer {
    type Reply = Payload;

    async fn handle(&mut self, payload: Payload, _: &mut Context<Self, Payload>) -> Payload {
        payload
    }
}

fn swarm() -> Swarm<remote::Behaviour> {
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(IN_FLIGHT);
        config
    };
    let messages = messaging::Config::default()
        .with_request_timeout(TIMEOUT)
        .with_max_concurrent_streams(IN_FLIGHT)
        .with_request_size_maximum(MAX_MESSAGE as u64)
        .with_response_size_maximum(MAX_MESSAGE as u64);
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, multiplexer)
        .expect("a new identity can encrypt")
        .with_behaviour(|key| remote::Behaviour::new(key.public().to_peer_id(), messages))
        .expect("the behaviour is made of values")
        .with_swarm_config(|config| {
            config
                .with_max_negotiating_inbound_streams(IN_FLIGHT)
                .with_idle_connection_timeout(TIMEOUT)
        })
        .build();
    swarm.behaviour().init_global();
    swarm
}

async fn run(mut swarm: Swarm<remote::Behaviour>) {
    loop {
        swarm.select_next_some().await;
    }
}

async fn lookup() -> RemoteActorRef<Echoer> {
    for _ in 0..TRIES {
        if let Ok(Some(actor)) = RemoteActorRef::lookup(ECHOER).await {
            return actor;
        }
        sleep(PAUSE).await;
    }
    panic!("the server's actor is not found");
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port)) => Some(SocketAddr::from((ip, port))),
        _ => None,
    }
}

const ECHOER: &str = "echoer";

const TIMEOUT: Duration = Duration::from_secs(60);

const TRIES: u32 = 500;

const PAUSE: Duration = Duration::from_millis(10);
