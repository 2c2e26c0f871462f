//! The HTTP door on paused time: what clients may take their time for, and streams.

mod ahead;
mod both_ways;
mod limits;
mod streams;

use std::any::Any;
use std::future::poll_fn;
use std::sync::Arc;

use callboard_actors::inbox::InboxStatus;
use callboard_actors::message::Message;
use callboard_actors::registry::{EndpointInfo, EndpointKind};
use callboard_actors::server::{AcceptorOptions, HandlerPort, Lane, RouteTable, Server};
use callboard_actors::transport::{Batch, Hello, Socket, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::{HttpOptions, HttpSocket};

/// The endpoints of the service that was recorded; how they are handled is up to each test.
struct Greeter {
    endpoints: Vec<EndpointInfo>,
}

impl Greeter {
    fn server() -> Arc<Server> {
        let endpoint =
            |name: &str, kind| EndpointInfo { name: name.into(), kind, ..EndpointInfo::default() };
        let greeter = Self {
            endpoints: vec![
                endpoint("Greeter.Hello", EndpointKind::Unary),
                endpoint("Greeter.Count", EndpointKind::Stream),
                endpoint("Greeter.Chat", EndpointKind::Stream),
            ],
        };
        let routes = RouteTable::new(vec![Arc::new(greeter)]).unwrap();
        Server::new(Hello::new("gm.greeter", "one", 1), routes, AcceptorOptions::default())
    }
}

impl HandlerPort for Greeter {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.endpoints
    }

    fn takes_items(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].name == "Greeter.Chat"
    }

    fn codec(&self, _: &str) -> Option<u16> {
        None
    }

    fn lane(&self) -> Box<dyn Lane> {
        unreachable!("these tests play the engine")
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        Vec::new()
    }

    fn local(&self, _: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// A client, and how the connection ended for the node.
struct Client {
    stream: DuplexStream,
    ended: JoinHandle<TransportError>,
}

impl Client {
    /// Connects to a node on which `handle` says what the engine answers to a message.
    fn connect(handle: impl FnMut(Message, &mut Vec<Message>) + Send + 'static) -> Self {
        Self::connect_with(HttpOptions::default(), handle)
    }

    /// The same to a node with other limits.
    fn connect_with(
        options: HttpOptions,
        handle: impl FnMut(Message, &mut Vec<Message>) + Send + 'static,
    ) -> Self {
        let (stream, accepted) = tokio::io::duplex(64 * 1024);
        let mut socket = HttpSocket::new(accepted, b"", 1024 * 1024, Arc::new(options));
        socket.serves(&Greeter::server());
        Self { stream, ended: tokio::spawn(serve(socket, handle)) }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that comes until the node closes the connection.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// What comes up to and with `end`.
    async fn until(&mut self, end: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(self.stream.read_u8().await.expect("more comes"));
        }
        bytes
    }

    async fn ended(self) -> TransportError {
        self.ended.await.unwrap()
    }
}

async fn serve(
    mut socket: HttpSocket<DuplexStream>,
    mut handle: impl FnMut(Message, &mut Vec<Message>),
) -> TransportError {
    loop {
        let (mut messages, mut batch) = (Vec::new(), Batch::default());
        if let Err(error) = poll_fn(|cx| socket.poll_read(cx, &mut messages)).await {
            return error;
        }
        for message in messages {
            handle(message, &mut batch.messages);
        }
        if let Err(error) = poll_fn(|cx| socket.poll_write(cx, &mut batch)).await {
            return error;
        }
    }
}
