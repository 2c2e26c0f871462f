//! NATS: request and reply through a real `nats-server`, in bincode.
//!
//! The broker runs beside the server's process, on the same core, and ends with it.

mod topic;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_nats::{Client as Connection, ConnectOptions, Message};
use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use futures_util::StreamExt;
use hyper::body::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::sleep;

pub(crate) use self::topic::Topic;
use crate::rival::{IN_FLIGHT, MAX_MESSAGE, Rival, free_port};

/// NATS as the worker knows it.
pub(crate) struct Nats;

impl Rival for Nats {
    const NAME: &'static str = "nats";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let address = serve_broker().await;
        let connection = connect(address).await;
        let requests = connection.queue_subscribe(SUBJECT, SUBJECT.into()).await;
        let mut requests = requests.expect("the broker takes subscriptions");
        connection.flush().await.expect("the broker lives");
        tokio::spawn(async move {
            while let Some(Message { payload, reply, .. }) = requests.next().await {
                let echo = decode(&payload);
                if let Some(reply) = reply {
                    connection.publish(reply, encode(&echo)).await.expect("the broker lives");
                }
            }
        });
        address
    }

    async fn connect(address: SocketAddr) -> Client {
        Client(connect(address).await)
    }
}

/// Connects to a broker, as soon as it listens.
async fn connect(address: SocketAddr) -> Connection {
    for _ in 0..TRIES {
        let options = ConnectOptions::new().client_capacity(IN_FLIGHT);
        match options.connect(address.to_string()).await {
            Ok(connection) => return connection,
            Err(_) => sleep(PAUSE).await,
        }
    }
    panic!("the broker does not listen");
}

/// A connection to the broker.
#[derive(Clone)]
pub(crate) struct Client(Connection);

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        let reply = self.0.request(SUBJECT, encode(&echo)).await.expect("the server answers");
        decode(&reply.payload)
    }

    async fn tell(&self, echo: Echo) -> bool {
        self.0.publish(SUBJECT, encode(&echo)).await.expect("the broker lives");
        true
    }
}

fn encode(echo: &Echo) -> Bytes {
    let bytes = bincode::serde::encode_to_vec(echo, bincode::config::standard());
    bytes.expect("an echo can be encoded").into()
}

fn decode(bytes: &[u8]) -> Echo {
    let decoded = bincode::serde::decode_from_slice(bytes, bincode::config::standard());
    decoded.expect("the peer encodes echoes").0
}

/// Runs a broker until the runtime ends.
async fn serve_broker() -> SocketAddr {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut broker = start_broker(address).await;
    // A child is killed when its handle is dropped, which is when the runtime ends.
    tokio::spawn(async move { broker.wait().await });
    address
}

/// Its limit of message size has no flag, so the settings go through its standard input.
async fn start_broker(address: SocketAddr) -> Child {
    let mut broker = Command::new(find_broker())
        .args(["--config", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("nats-server is installed");
    let settings = format!("listen: \"{address}\"\nmax_payload: {MAX_MESSAGE}\n");
    let mut input = broker.stdin.take().expect("the input is piped");
    input.write_all(settings.as_bytes()).await.expect("the broker reads its settings");
    broker
}

/// Debian installs it where the search path of users does not lead.
fn find_broker() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    let mut programs = env::split_paths(&path).chain(more).map(|folder| folder.join(BROKER));
    programs.find(|program| program.exists()).unwrap_or_else(|| BROKER.into())
}

const BROKER: &str = "nats-server";

const SUBJECT: &str = "echo";

const TRIES: u32 = 500;

const PAUSE: Duration = Duration::from_millis(10);
