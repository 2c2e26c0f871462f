//! A node that answers with what real Go Micro nodes answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::raw::capture;

/// Answers the n-th request with the n-th capture, on however many connections, and further ones
/// not at all.
pub(crate) struct Peer {
    port: u16,
    stage: Arc<Stage>,
    task: AbortHandle,
    ended: watch::Receiver<bool>,
}

struct Stage {
    answers: Mutex<Vec<Vec<u8>>>,
    state: Mutex<State>,
    changed: Notify,
    /// Held by those who do not want answers yet.
    gate: Arc<Semaphore>,
    /// Changes when all connections are to close.
    closing: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    requests: Vec<Received>,
    connections: usize,
    closed: Vec<usize>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Peer {
    pub(crate) async fn replay<const COUNT: usize>(captures: [&str; COUNT]) -> Self {
        Self::answering(captures.map(|name| capture(&format!("{name}.rsp.bin"))).into()).await
    }

    /// The same with these answers.
    pub(crate) async fn answering(answers: Vec<Vec<u8>>) -> Self {
        let stage = Arc::new(Stage {
            answers: Mutex::new(answers),
            state: Mutex::default(),
            changed: Notify::new(),
            gate: Arc::new(Semaphore::new(1)),
            closing: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (over, ended) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Arc::clone(&stage), over)).abort_handle();
        Self { port, stage, task, ended }
    }

    pub(crate) fn address(&self, scheme: &str, service: &str) -> String {
        format!("{scheme}:127.0.0.1:{}/{service}", self.port)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.stage.state.lock().connections
    }

    /// Has requests wait for their answers until it is dropped.
    pub(crate) fn hold(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.stage.gate).try_acquire_owned().expect("nobody holds it yet")
    }

    /// The request of this index, once it has come.
    pub(crate) async fn received(&self, index: usize) -> Received {
        self.once(|state| state.requests.get(index).cloned()).await
    }

    /// Once the connection of this index has been closed by the client.
    pub(crate) async fn closed(&self, index: usize) {
        self.once(|state| state.closed.contains(&index).then_some(())).await;
    }

    /// Closes all connections.
    pub(crate) async fn close_all(&self) {
        let open = self.connections();
        self.stage.closing.send_modify(|count| *count += 1);
        self.once(|state| (state.closed.len() == open).then_some(())).await;
    }

    /// Closes everything, the listener too.
    pub(crate) async fn stop(&self) {
        self.close_all().await;
        self.task.abort();
        let mut ended = self.ended.clone();
        // The sender goes with the listener.
        while ended.changed().await.is_ok() {}
    }

    async fn once<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.stage.changed.notified();
                if let Some(found) = look(&self.stage.state.lock()) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(super::LIMIT, found).await.expect("it happens in time")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.changed.notify_waiters();
        result
    }
}

impl Received {
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let mut received = Self { head, body: Vec::new() };
        let length =
            received.header("content-length").map_or(0, |text| text.parse().expect("a number"));
        let body = bytes.get(end..end + length)?;
        received.body = body.to_vec();
        Some((received, end + length))
    }

    /// A header's value; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Compares with a recorded request: same start, body, and headers but for who speaks.
    pub(crate) fn is_like(&self, recorded: &[u8]) {
        let (recorded, length) = Self::parse(recorded).expect("a capture is a request");
        assert_eq!(length, recorded.head.len() + recorded.body.len());
        assert_eq!(self.head.lines().next(), recorded.head.lines().next());
        assert_eq!(self.headers(), recorded.headers());
        let body = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(body(&self.body), body(&recorded.body));
    }

    /// Names as they are written, so that their case counts.
    fn headers(&self) -> BTreeMap<&str, &str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(name, _)| !["Host", "User-Agent"].contains(name)).collect()
    }
}

async fn accept(listener: TcpListener, stage: Arc<Stage>, _over: watch::Sender<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let index = stage.change(|state| {
            state.connections += 1;
            state.connections - 1
        });
        let (stage, mut closing) = (Arc::clone(&stage), stage.closing.subscribe());
        connections.spawn(async move {
            tokio::select! {
                () = serve(stream, &stage) => {}
                _ = closing.changed() => {}
            }
            stage.change(|state| state.closed.push(index));
        });
    }
}

/// Answers until the client closes.
async fn serve(mut stream: TcpStream, stage: &Stage) {
    let mut buffer = Vec::new();
    loop {
        while let Some((request, length)) = Received::parse(&buffer) {
            buffer.drain(..length);
            stage.change(|state| state.requests.push(request));
            let open = async {
                let _turn = stage.gate.acquire().await;
            };
            let mut rest = [0; 1];
            tokio::select! {
                // What a stream sends next is no answer to anything.
                biased;
                () = open => {}
                // It waits for its answer; anything but silence means that it has gone.
                _ = stream.read(&mut rest) => return,
            }
            if stage.answers.lock().is_empty() {
                continue;
            }
            let answer = stage.answers.lock().remove(0);
            if answer.is_empty() || stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
