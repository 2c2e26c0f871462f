//! Streams of the floor: frames with the same id, as many as there are.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Multiplexed, READ, Slot, put_frame, reserve, take_frame};
use crate::echo::Echo;

/// One stream of a connection, from the client's side.
#[derive(Debug)]
pub struct Flow {
    connection: Multiplexed,
    index: usize,
    /// What has arrived, all that there was at once.
    arrived: VecDeque<Echo>,
}

/// What the client has not taken yet of a stream.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    arrived: VecDeque<Echo>,
    reader: Option<Waker>,
}

impl Waiting {
    pub(super) fn push(&mut self, echo: Echo) {
        self.arrived.push_back(echo);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Flow {
    /// Opens a stream on which what is sent comes back.
    pub fn open(connection: &Multiplexed) -> Self {
        let index = connection.lock().open(Slot::Flowing(Waiting::default()));
        Self { connection: connection.clone(), index, arrived: VecDeque::new() }
    }

    /// Has the server send messages with this text, numbered from 0, for ever.
    pub fn pour(&self, text: String) {
        self.connection.lock().put(DOWN | self.index as u64, &Echo { id: 0, text });
    }

    /// Sends a message, whatever comes back.
    pub fn send(&self, echo: &Echo) {
        self.connection.lock().put(self.index as u64, echo);
    }

    /// The next message of the server's.
    pub async fn next(&mut self) -> Echo {
        poll_fn(|cx| {
            if let Some(echo) = self.arrived.pop_front() {
                return Poll::Ready(echo);
            }
            let mut state = self.connection.lock();
            if let Slot::Flowing(waiting) = &mut state.slots[self.index] {
                std::mem::swap(&mut waiting.arrived, &mut self.arrived);
                waiting.reader = self.arrived.is_empty().then(|| cx.waker().clone());
            }
            self.arrived.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// A stream from the server.
#[derive(Debug)]
pub(super) struct Down {
    frame: u64,
    next: Echo,
}

impl Down {
    /// The stream that a frame opens; `None` when it opens none.
    pub(super) fn of(frame: u64, echo: &Echo) -> Option<Self> {
        let index = frame & !DOWN;
        (frame & DOWN != 0).then(|| Self { frame: index, next: echo.clone() })
    }
}

/// Sends messages of all streams in turns, as many per write as fit a read, until the client ends.
pub(super) async fn pour(
    mut stream: TcpStream,
    mut arrived: BytesMut,
    mut streams: Vec<Down>,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    loop {
        while out.len() < READ {
            for down in &mut streams {
                put_frame(&mut out, down.frame, &down.next);
                down.next.id += 1;
            }
        }
        stream.write_all(&out).await?;
        out.clear();
        // More of them may be opened meanwhile.
        reserve(&mut arrived);
        match stream.try_read_buf(&mut arrived) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                while let Some((frame, echo)) = take_frame(&mut arrived) {
                    streams.extend(Down::of(frame, &echo));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Marks the frame that opens a stream from the server.
const DOWN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::timeout;

    use super::*;

    async fn connection() -> Multiplexed {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn_local(super::super::serve(listener));
        Multiplexed::connect(address).await.unwrap()
    }

    async fn run(test: impl AsyncFn(Multiplexed)) {
        let test = async { test(connection().await).await };
        timeout(PATIENCE, LocalSet::new().run_until(test)).await.unwrap();
    }

    #[tokio::test]
    async fn streams_from_the_server_share_a_connection_and_keep_their_order() {
        run(async |connection: Multiplexed| {
            let mut flows = [Flow::open(&connection), Flow::open(&connection)];
            for flow in &flows {
                flow.pour("text".into());
            }
            for id in 0..5_000 {
                for flow in &mut flows {
                    flow.next().await.check_body(id, 4);
                }
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_sent_comes_back_on_its_stream_and_calls_go_on_beside_it() {
        run(async |connection: Multiplexed| {
            let mut flow = Flow::open(&connection);
            (0..300).for_each(|id| flow.send(&Echo::new(id)));
            connection.call(&Echo::new(7)).await.check(7);
            for id in 0..300 {
                flow.next().await.check(id);
            }
        })
        .await;
    }

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
}
