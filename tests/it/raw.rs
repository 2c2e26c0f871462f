//! HTTP by hand: what is sent and what comes back, byte for byte.

use std::path::Path;

use callboard::ServiceSystem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{LONG, within};

/// A connection to a node, on which anything may be sent.
pub(crate) struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(system: &ServiceSystem) -> Self {
        Self::at(&system.node().address).await
    }

    pub(crate) async fn at(address: &str) -> Self {
        let stream = within(LONG, TcpStream::connect(address)).await.expect("it listens");
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(LONG, self.stream.write_all(bytes.as_ref())).await.expect("it is open");
    }

    /// The next answer; none when the node closes the connection instead.
    pub(crate) async fn receive(&mut self) -> Option<Response> {
        within(LONG, async {
            loop {
                if let Some((response, length)) = Response::parse(&self.buffer) {
                    self.buffer.drain(..length);
                    return Some(response);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        self.send(bytes).await;
        self.receive().await.expect("it is answered")
    }

    /// A call with a JSON body.
    pub(crate) async fn post(&mut self, path: &str, headers: &str, body: &str) -> Response {
        self.ask(post(path, headers, body)).await
    }
}

/// A request; each of `headers` ends with a line break.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

impl Response {
    /// The first answer in `bytes`, and its length.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let code = head.split(' ').nth(1)?.parse().expect("a status code");
        let mut response = Self { code, head, body: Vec::new() };
        let length =
            response.header("content-length").map_or(0, |it| it.parse().expect("a number"));
        response.body = bytes.get(end..end + length)?.to_vec();
        Some((response, end + length))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Bytes recorded from real programs.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
