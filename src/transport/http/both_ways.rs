//! The same bytes to the door, and to one that leaves everything to the HTTP library: whatever they
//! are, a client that stays hears the same, and an engine that answers at once is asked the same.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use callboard_actors::message::{GoAway, Message};
use callboard_actors::transport::{Batch, Socket};
use callboard_actors::{Metadata, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::yield_now;

use super::{HttpOptions, HttpSocket};
use crate::transport::socket::Stream;

/// Sends pieces both ways and compares.
///
/// # Panics
/// When anything is not the same.
pub(crate) fn compare(pieces: &[&[u8]]) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime that opens no files can be made");
    for drains in [false, true] {
        let [direct, library] = [false, true]
            .map(|is_by_library| runtime.block_on(hear(pieces, is_by_library, drains)));
        let sent = || String::from_utf8_lossy(&pieces.concat()).into_owned();
        assert_eq!(direct.asked, library.asked, "asked by {}", sent());
        let [direct, library] =
            [direct, library].map(|heard| String::from_utf8_lossy(&heard.answers).into_owned());
        assert_eq!(direct, library, "heard by {}", sent());
    }
}

/// What became of some bytes.
struct Heard {
    answers: Vec<u8>,
    /// What the engine was told.
    asked: Vec<String>,
}

async fn hear(pieces: &[&[u8]], is_by_library: bool, drains: bool) -> Heard {
    let (mut client, accepted) = tokio::io::duplex(64 * 1024);
    let options = HttpOptions { head_bytes: HttpOptions::HEAD_BYTES_LEAST, ..Default::default() };
    let mut socket = HttpSocket::new(accepted, b"", MAX_FRAME, Arc::new(options));
    if is_by_library {
        socket.call_library();
    }
    let mut answers = Vec::new();
    let (mut near, mut far) = tokio::io::split(&mut client);
    let sending = async {
        for piece in pieces {
            // A door may have heard enough before the end.
            let _closed = far.write_all(piece).await;
            yield_now().await;
        }
    };
    let hearing = near.read_to_end(&mut answers);
    let (asked, (), _) = tokio::join!(play(socket, drains), sending, hearing);
    Heard { answers: without_dates(&answers), asked }
}

/// An engine that answers each request at once, until the connection is over.
async fn play(mut socket: HttpSocket<DuplexStream>, mut drains: bool) -> Vec<String> {
    let mut asked = Vec::new();
    loop {
        let (mut messages, mut batch) = (Vec::new(), Batch::default());
        let read = poll_fn(|cx| socket.poll_read(cx, &mut messages)).await;
        for message in messages {
            asked.push(format!("{message:?}"));
            // In the middle of a request, which is then the last one.
            if std::mem::take(&mut drains) {
                batch.messages.push(Message::GoAway { reason: GoAway::Draining });
            }
            batch.messages.extend(answer(message));
        }
        if read.is_err() || poll_fn(|cx| socket.poll_write(cx, &mut batch)).await.is_err() {
            return asked;
        }
    }
}

/// What is asked again, or an error if that is what was asked for.
fn answer(message: Message) -> Option<Message> {
    let Message::Request { id, body, .. } = message else { return None };
    Some(if body.windows(ERROR.len()).any(|window| window == ERROR) {
        let status = Box::new(Status::new("engine", 409, "as you wish"));
        Message::Status { id, status, refusal: None }
    } else {
        let metadata = Metadata::new().with("X-Heard", "1").with("Connection", "close");
        Message::Reply { id, metadata, body }
    })
}

/// Dates are those of the moment.
fn without_dates(answers: &[u8]) -> Vec<u8> {
    let mut answers = answers.to_vec();
    let places = answers.windows(DATE.len()).enumerate();
    let places: Vec<_> = places.filter(|(_, it)| *it == DATE).map(|(at, _)| at).collect();
    for at in places {
        answers.iter_mut().skip(at + DATE.len()).take(DATE_LENGTH).for_each(|byte| *byte = b'?');
    }
    answers
}

impl Stream for DuplexStream {
    type Detached = Self;

    fn attach(detached: Self) -> io::Result<Self> {
        Ok(detached)
    }

    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const MAX_FRAME: u32 = 32 * 1024;

const ERROR: &[u8] = b"error";

const DATE: &[u8] = b"\r\ndate: ";
const DATE_LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
