//! tarpc: bincode in length-delimited frames, many requests on one connection.

use std::net::SocketAddr;

use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use futures_util::StreamExt;
use tarpc::server::Channel;
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::{Framed, LengthDelimitedCodec};
use tarpc::{client, context, serde_transport, server};
use tokio::net::{TcpListener, TcpStream};

use crate::rival::{IN_FLIGHT, LOOPBACK, MAX_MESSAGE, Rival, Threads};

/// tarpc as the worker knows it.
pub(crate) struct Tarpc;

/// The same on the runtime that its examples have, tokio's of many threads.
pub(crate) struct TarpcThreads;

impl Rival for Tarpc {
    const NAME: &'static str = "tarpc";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let transport = serde_transport::new(frames(stream), Bincode::default());
                let config = server::Config { pending_response_buffer: IN_FLIGHT };
                let replies = config.channel(transport).execute(Server.serve());
                // Its manual spawns each reply. None waits here, and it is a third faster so; the
                // buffer holds all that a client may have in flight, so none waits for room either.
                tokio::spawn(replies.for_each(|reply| reply));
            }
        });
        address
    }

    async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let mut config = client::Config::default();
        config.max_in_flight_requests = IN_FLIGHT;
        config.pending_request_buffer = IN_FLIGHT;
        let transport = serde_transport::new(frames(stream), Bincode::default());
        Client(EchoesClient::new(config, transport).spawn())
    }
}

impl Rival for TarpcThreads {
    const NAME: &'static str = "tarpc-threads";

    const THREADS: Threads = Threads::Many;

    type Client = Client;

    async fn serve() -> SocketAddr {
        Tarpc::serve().await
    }

    async fn connect(address: SocketAddr) -> Client {
        Tarpc::connect(address).await
    }
}

/// A connection; it has no message without an answer.
#[derive(Clone)]
pub(crate) struct Client(EchoesClient);

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        self.0.echo(context::current(), echo).await.expect("the server answers")
    }
}

#[tarpc::service]
trait Echoes {
    async fn echo(echo: Echo) -> Echo;
}

#[derive(Clone)]
struct Server;

impl Echoes for Server {
    async fn echo(self, _: context::Context, echo: Echo) -> Echo {
        echo
    }
}

fn frames(stream: TcpStream) -> Framed<TcpStream, LengthDelimitedCodec> {
    stream.set_nodelay(true).expect("a connected socket takes options");
    LengthDelimitedCodec::builder().max_frame_length(MAX_MESSAGE).new_framed(stream)
}
