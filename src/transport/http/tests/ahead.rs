//! Clients that ask for more before they have read what they asked for.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{GoAway, Message, RequestId};
use callboard_actors::transport::{Batch, Socket, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::{HttpOptions, HttpSocket};

const ASK: &[u8] =
    b"POST /Greeter/Hello HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// A connection that takes a kilobyte, of which an answer has several.
fn connection() -> (DuplexStream, HttpSocket<DuplexStream>) {
    let (client, accepted) = duplex(1024);
    (client, HttpSocket::new(accepted, b"", 1024 * 1024, Arc::new(HttpOptions::default())))
}

/// The next request.
async fn next(socket: &mut HttpSocket<DuplexStream>) -> Result<RequestId, TransportError> {
    loop {
        let mut messages = Vec::new();
        poll_fn(|cx| socket.poll_read(cx, &mut messages)).await?;
        if let Some(Message::Request { id, .. }) = messages.pop() {
            return Ok(id);
        }
    }
}

async fn say(socket: &mut HttpSocket<DuplexStream>, message: Message) {
    let mut batch = Batch::default();
    batch.messages.push(message);
    poll_fn(|cx| socket.poll_write(cx, &mut batch)).await.expect("the connection is open");
}

fn reply(id: RequestId) -> Message {
    Message::Reply { id, metadata: Metadata::new(), body: Bytes::from(vec![b'1'; 4 * 1024]) }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_ahead_is_answered_by_a_node_that_drains() {
    let (mut client, mut socket) = connection();
    client.write_all(&[ASK, ASK].concat()).await.unwrap();
    let first = next(&mut socket).await.unwrap();
    say(&mut socket, reply(first)).await;
    // In the middle of the first answer, which did not say that it is the last.
    say(&mut socket, Message::GoAway { reason: GoAway::Draining }).await;
    let serving = async {
        let second = next(&mut socket).await.expect("it has been sent");
        say(&mut socket, reply(second)).await;
        next(&mut socket).await.expect_err("it is over")
    };
    let mut answers = Vec::new();
    let (end, read) = tokio::join!(serving, client.read_to_end(&mut answers));
    assert!(matches!(end, TransportError::Closed), "{end}");
    read.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let answers: Vec<_> = answers.split("HTTP/1.1 200 OK").skip(1).collect();
    let closes: Vec<_> = answers.iter().map(|it| it.contains("connection: close")).collect();
    assert_eq!(closes, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_and_asked_ahead_is_not_taken_for_a_slow_writer() {
    let (mut client, mut socket) = connection();
    client.write_all(ASK).await.unwrap();
    let first = next(&mut socket).await.unwrap();
    client.write_all(ASK).await.unwrap();
    // It looks whether the client is still there, and finds more.
    let looked = poll_fn(|cx| Poll::Ready(socket.poll_read(cx, &mut Vec::new()))).await;
    assert!(looked.is_pending());
    say(&mut socket, reply(first)).await;
    let waited = timeout(Duration::from_secs(60), next(&mut socket)).await;
    assert!(waited.is_err(), "{waited:?}");
    let mut answer = vec![0; 4 * 1024];
    let (second, read) = tokio::join!(next(&mut socket), client.read_exact(&mut answer));
    read.unwrap();
    second.unwrap();
}
