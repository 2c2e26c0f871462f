//! Peers that are not what they should be, and sockets that move.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use callboard::transport::{TcpTransport, UnixTransport};
use callboard::wire::Preface;
use callboard_actors::message::Message;
use callboard_actors::testing::transport::Peer;
use callboard_actors::transport::{Hello, Listener, Socket, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::socket_path;

#[tokio::test]
async fn another_protocol_is_not_answered() {
    let (mut raw, greeting) = greeted_by(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    assert!(matches!(greeting, Err(TransportError::Protocol(_))), "{greeting:?}");
    assert_eq!(rest_of(&mut raw).await, b"");
}

#[tokio::test]
async fn a_peer_without_a_common_version_is_told_why() {
    let mut preface = Preface::new(Hello::new("future", "future-1", 1));
    (preface.min_version, preface.max_version) = (7, 9);
    let (mut raw, greeting) = greeted_by(&preface.encode().unwrap()).await;
    let text = greeting.unwrap_err().to_string();
    assert!(text.contains("7 to 9"), "{text}");
    let answer = rest_of(&mut raw).await;
    let why = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with(&Preface::MAGIC));
    assert!(why.contains("speaks versions 7 to 9, this node 1 to 1"), "{why}");
}

#[tokio::test]
async fn a_newer_peer_is_spoken_to_in_the_common_version() {
    let mut preface = Preface::new(Hello::new("future", "future-1", 1));
    (preface.max_version, preface.capabilities) = (9, u64::MAX);
    let mut bytes = preface.encode().unwrap();
    bytes.extend_from_slice(&[4, 0, 0, 0, 0x55, 0xFF, 1, 2]);
    bytes.extend_from_slice(&[3, 0, 0, 0, 5, 0, 7]);
    let (_raw, greeting) = greeted_by(&bytes).await;
    let mut peer = Peer::new(greeting.unwrap());
    assert_eq!(peer.hello().service, "future");
    assert_eq!(peer.receive(1).await, [Message::Ping { nonce: 7 }]);
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_the_connection() {
    let mut bytes = Preface::new(Hello::new("", "", 0)).encode().unwrap();
    bytes.extend_from_slice(&(Hello::DEFAULT_MAX_FRAME + 1).to_le_bytes());
    let (_raw, greeting) = greeted_by(&bytes).await;
    let (messages, end) = Peer::new(greeting.unwrap()).receive_all().await;
    assert!(messages.is_empty());
    assert!(matches!(end, TransportError::Protocol(_)), "{end:?}");
}

#[tokio::test]
async fn a_reset_is_a_broken_connection() {
    let bytes = Preface::new(Hello::new("", "", 0)).encode().unwrap();
    let (raw, greeting) = greeted_by(&bytes).await;
    let mut peer = Peer::new(greeting.unwrap());
    // Closing with the preface unread resets a TCP connection.
    drop(raw);
    let (_, end) = peer.receive_all().await;
    assert!(matches!(end, TransportError::Broken(_)), "{end:?}");
}

#[tokio::test]
async fn a_connection_is_served_by_another_arbiter_than_the_accepting_one() {
    let mut listener = listen().await;
    let address = listener.address();
    let accepting = poll_fn(|cx| listener.poll_accept(cx));
    let connecting = TcpTransport.connect(&address, Arc::new(Hello::new("", "client", 1)));
    let serving = async {
        let incoming = accepting.await.unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let hello = Arc::new(Hello::new("s", "server", 1));
                let mut peer = Peer::new(incoming.greet(hello).await.unwrap());
                let ping = peer.receive(1).await;
                peer.send(&ping[0]).await;
                peer.close().await;
            });
        })
    };
    let (near, thread) = timeout(LIMIT, async { tokio::join!(connecting, serving) }).await.unwrap();
    let mut near = Peer::new(near.unwrap());
    near.send(&Message::Ping { nonce: 5 }).await;
    let (messages, end) = near.receive_all().await;
    assert_eq!(messages, [Message::Ping { nonce: 5 }]);
    assert!(matches!(end, TransportError::Closed), "{end:?}");
    drop(near);
    thread.join().unwrap();
}

#[tokio::test]
async fn the_socket_file_of_a_dead_server_is_replaced() {
    let path = socket_path("stale");
    let address = format!("unix:{}", path.display());
    // The standard library's listener leaves its file behind, as a killed server does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = UnixTransport.listen(&address).await.unwrap();
    let in_use = UnixTransport.listen(&address).await.map(|_| ()).unwrap_err();
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    drop(listener);
    assert!(!path.exists(), "a listener removes its file");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_removed() {
    let path = socket_path("file");
    std::fs::write(&path, "precious").unwrap();
    let refused = UnixTransport.listen(&format!("unix:{}", path.display())).await.map(|_| ());
    assert!(matches!(refused, Err(TransportError::Listen { .. })), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
}

/// Sends `bytes` to a listener and returns the stream and what the greeting came to.
async fn greeted_by(bytes: &[u8]) -> (TcpStream, Result<Box<dyn Socket>, TransportError>) {
    let mut listener = listen().await;
    let mut raw = TcpStream::connect(listener.address()).await.expect("connected");
    raw.write_all(bytes).await.expect("sent");
    let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("accepted");
    let greeting = incoming.greet(Arc::new(Hello::new("server", "server-1", 1)));
    (raw, timeout(LIMIT, greeting).await.expect("in time"))
}

async fn listen() -> Box<dyn Listener> {
    TcpTransport.listen("127.0.0.1:0").await.expect("a free port")
}

/// What the other side still sends; a reset ends it like a close.
async fn rest_of(raw: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = timeout(LIMIT, raw.read_to_end(&mut answer)).await.expect("in time");
    answer
}

const LIMIT: Duration = Duration::from_secs(10);
