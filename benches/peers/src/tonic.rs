//! tonic: gRPC, protobuf over one HTTP/2 connection.
//!
//! Its flow control stays as it is: with larger windows large bodies cost more, not less.

mod talk;

use std::cell::RefCell;
use std::net::SocketAddr;

use callboard_benches::echo::Echo;
use callboard_benches::worker::{Caller, Shape};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use self::generated::echo_client::EchoClient;
use self::generated::echo_server::{self, EchoServer};
use crate::rival::{IN_FLIGHT, LOOPBACK, MAX_MESSAGE, Rival};

/// tonic as the worker knows it.
pub(crate) struct Tonic;

impl Rival for Tonic {
    const NAME: &'static str = "tonic";

    type Client = Client;

    async fn serve() -> SocketAddr {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let service = EchoServer::new(Echoer)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let server = Server::builder()
            .max_concurrent_streams(u32::try_from(IN_FLIGHT).ok())
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        tokio::spawn(server);
        address
    }

    async fn connect(address: SocketAddr) -> Client {
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .expect("an address makes a URI")
            .tcp_nodelay(true)
            .buffer_size(IN_FLIGHT)
            .connect()
            .await
            .expect("the server listens");
        let client = EchoClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Client::new(client)
    }
}

/// A connection, and what one of its users streams.
pub(crate) struct Client {
    stub: EchoClient<Channel>,
    stream: RefCell<Option<Stream>>,
}

impl Client {
    fn new(stub: EchoClient<Channel>) -> Self {
        Self { stub, stream: RefCell::default() }
    }
}

impl Clone for Client {
    /// The same connection with a stream of its own.
    fn clone(&self) -> Self {
        Self::new(self.stub.clone())
    }
}

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        let stream = self.stream.take();
        if let Some(stream) = stream {
            stream.end().await;
        }
        let message = Message { id: echo.id, text: echo.text };
        let reply = self.stub.clone().echo(message).await.expect("the server answers").into_inner();
        Echo { id: reply.id, text: reply.text }
    }

    // gRPC has no message without an answer but in a stream of the client. Calls are not ordered
    // with it, so the call after it ends it and waits for the number that has arrived.
    async fn tell(&self, echo: Echo) -> bool {
        let stream = self.stream.take();
        let mut stream = stream.unwrap_or_else(|| Stream::open(self.stub.clone()));
        stream.send(Message { id: echo.id, text: echo.text }).await;
        self.stream.replace(Some(stream));
        true
    }

    const HAS_STREAMS: bool = true;

    async fn talk(&self, shape: Shape, body: usize) {
        talk::talk(self.stub.clone(), shape, body).await;
    }
}

/// Messages on their way, and the answer to them all.
struct Stream {
    messages: mpsc::Sender<Message>,
    answer: JoinHandle<Message>,
    sent: u64,
}

impl Stream {
    fn open(mut stub: EchoClient<Channel>) -> Self {
        let (messages, queue) = mpsc::channel(STREAM_QUEUE);
        let queue = stream::unfold(queue, async |mut queue| Some((queue.recv().await?, queue)));
        let answer = tokio::spawn(async move {
            stub.gather(queue).await.expect("the server answers").into_inner()
        });
        Self { messages, answer, sent: 0 }
    }

    async fn send(&mut self, message: Message) {
        self.messages.send(message).await.expect("the server reads the stream");
        self.sent += 1;
    }

    async fn end(self) {
        drop(self.messages);
        let answer = self.answer.await.expect("waiting for an answer does not panic");
        assert_eq!(answer.id, self.sent, "messages were lost");
    }
}

/// The echo as a protobuf message.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Message {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    text: String,
}

struct Echoer;

#[tonic::async_trait]
impl echo_server::Echo for Echoer {
    async fn echo(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn gather(
        &self,
        request: Request<Streaming<Message>>,
    ) -> Result<Response<Message>, Status> {
        let mut messages = request.into_inner();
        let mut count = 0;
        while messages.message().await?.is_some() {
            count += 1;
        }
        Ok(Response::new(Message { id: count, text: String::new() }))
    }

    type DownStream = BoxStream<'static, Result<Message, Status>>;

    async fn down(&self, request: Request<Message>) -> Result<Response<Self::DownStream>, Status> {
        let messages = talk::messages(request.into_inner().text);
        Ok(Response::new(stream::iter(messages.map(Ok)).boxed()))
    }

    type UpStream = BoxStream<'static, Result<Message, Status>>;

    async fn up(
        &self,
        request: Request<Streaming<Message>>,
    ) -> Result<Response<Self::UpStream>, Status> {
        Ok(Response::new(talk::last_of_each_batch(request.into_inner()).boxed()))
    }

    type BothStream = Streaming<Message>;

    async fn both(
        &self,
        request: Request<Streaming<Message>>,
    ) -> Result<Response<Self::BothStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

#[allow(clippy::pedantic, missing_docs, unreachable_pub)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/peers.Echo.rs"));
}

const STREAM_QUEUE: usize = 256;
