//! A caller over HTTP/1.1 that does no more than it must.

use std::cell::RefCell;
use std::net::SocketAddr;

use callboard_benches::echo::Echo;
use callboard_benches::worker::Caller;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One caller; each clone has a connection of its own.
pub(crate) struct Client {
    address: SocketAddr,
    connection: RefCell<Option<Connection>>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: RefCell::default() }
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self::new(self.address)
    }
}

impl Caller for Client {
    async fn call(&self, echo: Echo) -> Echo {
        let taken = self.connection.take();
        let mut connection = match taken {
            Some(connection) => connection,
            None => Connection::open(self.address).await,
        };
        let reply = connection.call(&echo).await;
        self.connection.replace(Some(connection));
        reply
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connected socket takes options");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    async fn call(&mut self, echo: &Echo) -> Echo {
        let body = serde_json::to_vec(echo).expect("an echo can be encoded");
        self.buffer.clear();
        self.buffer.extend_from_slice(HEAD);
        self.buffer.extend_from_slice(body.len().to_string().as_bytes());
        self.buffer.extend_from_slice(b"\r\n\r\n");
        self.buffer.extend_from_slice(&body);
        self.stream.write_all(&self.buffer).await.expect("the server reads");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            if let Some(body) = body_of(&self.buffer) {
                return serde_json::from_slice(body).expect("the server encodes echoes");
            }
        }
    }
}

/// The body of an answer that is complete.
fn body_of(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>())
    });
    let length = length.expect("the body has a length").expect("a length is a number");
    answer.get(end..end + length)
}

const HEAD: &[u8] = b"POST /Echo/Echo HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/json\r\nContent-Length: ";
