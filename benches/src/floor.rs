//! The floor: what bare tokio does with the same workload.
//!
//! No actors, no deadlines, no names: length-prefixed frames with an id and a bincode body,
//! multiplexed over one connection, written once per poll after all ready work, on both sides.
//! The client's tasks are local ones, as its callers' are, so that all share one queue and what
//! writes comes after all callers that are ready.

mod flow;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

pub use self::flow::Flow;
use self::flow::{Down, Waiting};
use crate::echo::Echo;

/// Answers echoes on all connections, for ever.
///
/// # Errors
/// The listener broke.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // The peer closing the connection is how each one ends.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut arrived, mut out) = (BytesMut::new(), BytesMut::new());
    let mut streams = Vec::new();
    loop {
        reserve(&mut arrived);
        if stream.read_buf(&mut arrived).await? == 0 {
            return Ok(());
        }
        while let Some((id, echo)) = take_frame(&mut arrived) {
            if id == UNANSWERED {
                black_box(echo);
            } else if let Some(down) = Down::of(id, &echo) {
                streams.push(down);
            } else {
                put_frame(&mut out, id, &echo);
            }
        }
        stream.write_all(&out).await?;
        out.clear();
        if !streams.is_empty() {
            return flow::pour(stream, arrived, streams).await;
        }
    }
}

/// One call after the other over a connection of its own.
#[derive(Debug)]
pub struct PingPong {
    stream: TcpStream,
    out: BytesMut,
    arrived: BytesMut,
}

impl PingPong {
    /// Connects to a server.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, out: BytesMut::new(), arrived: BytesMut::new() })
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call(&mut self, echo: &Echo) -> io::Result<Echo> {
        put_frame(&mut self.out, 0, echo);
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        loop {
            reserve(&mut self.arrived);
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((_, reply)) = take_frame(&mut self.arrived) {
                return Ok(reply);
            }
        }
    }
}

/// Many calls at once over one connection.
#[derive(Debug, Clone)]
pub struct Multiplexed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    out: BytesMut,
    writer: Option<Waker>,
    slots: Vec<Slot>,
    free: VecDeque<usize>,
    has_streams: bool,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Free,
    Waiting(Waker),
    Answered(Echo),
    Flowing(Waiting),
}

impl Multiplexed {
    /// Connects to a server, and spawns what reads and what writes.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let this = Self(Arc::default());
        spawn_local(this.clone().write(writer));
        spawn_local(this.clone().read(reader));
        Ok(this)
    }

    /// Makes a call.
    pub async fn call(&self, echo: &Echo) -> Echo {
        let mut slot = None;
        poll_fn(|cx| {
            let mut state = self.lock();
            let Some(index) = slot else {
                slot = Some(state.send(echo, cx.waker()));
                return Poll::Pending;
            };
            match std::mem::take(&mut state.slots[index]) {
                Slot::Answered(reply) => {
                    state.free.push_back(index);
                    Poll::Ready(reply)
                }
                waiting => {
                    state.slots[index] = waiting;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Sends without an answer.
    pub fn tell(&self, echo: &Echo) {
        self.lock().put(UNANSWERED, echo);
    }

    async fn write(self, mut writer: OwnedWriteHalf) -> io::Result<()> {
        let mut batch = BytesMut::new();
        loop {
            poll_fn(|cx| {
                let mut state = self.lock();
                if state.out.is_empty() {
                    state.writer = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                std::mem::swap(&mut state.out, &mut batch);
                Poll::Ready(())
            })
            .await;
            writer.write_all(&batch).await?;
            batch.clear();
        }
    }

    async fn read(self, mut reader: OwnedReadHalf) -> io::Result<()> {
        let mut arrived = BytesMut::new();
        poll_fn(|cx| {
            loop {
                reserve(&mut arrived);
                if ready!(pin!(reader.read_buf(&mut arrived)).poll(cx))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                let mut state = self.lock();
                while let Some((id, echo)) = take_frame(&mut arrived) {
                    state.answer(id, echo);
                }
                // A stream never waits for anybody: whoever reads it has the next turn.
                if state.has_streams {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&mut self, echo: &Echo, waker: &Waker) -> usize {
        let index = self.open(Slot::Waiting(waker.clone()));
        self.put(index as u64, echo);
        index
    }

    fn open(&mut self, slot: Slot) -> usize {
        let index = self.free.pop_front().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        });
        self.has_streams |= matches!(slot, Slot::Flowing(_));
        self.slots[index] = slot;
        index
    }

    fn put(&mut self, id: u64, echo: &Echo) {
        put_frame(&mut self.out, id, echo);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn answer(&mut self, id: u64, echo: Echo) {
        let slot = usize::try_from(id).ok().and_then(|index| self.slots.get_mut(index));
        match slot {
            Some(Slot::Flowing(waiting)) => waiting.push(echo),
            Some(slot) => {
                if let Slot::Waiting(waker) = std::mem::replace(slot, Slot::Answered(echo)) {
                    waker.wake();
                }
            }
            None => {}
        }
    }
}

/// Makes room for a read: for all of a frame that has begun, so that a large one arrives in few
/// reads and its buffer grows once.
fn reserve(arrived: &mut BytesMut) {
    let frame = arrived.first_chunk().map_or(0, |length| 4 + u32::from_le_bytes(*length) as usize);
    arrived.reserve(frame.saturating_sub(arrived.len()).max(READ));
}

fn put_frame(out: &mut BytesMut, id: u64, echo: &Echo) {
    let start = out.len();
    out.put_u32_le(0);
    out.put_u64_le(id);
    let mut writer = out.writer();
    bincode::serde::encode_into_std_write(echo, &mut writer, bincode::config::standard())
        .expect("an echo can be encoded");
    let length = u32::try_from(out.len() - start - 4).expect("an echo is short");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn take_frame(arrived: &mut BytesMut) -> Option<(u64, Echo)> {
    let length = u32::from_le_bytes(*arrived.first_chunk()?) as usize;
    if arrived.len() < 4 + length {
        return None;
    }
    let id = (&arrived[4..12]).get_u64_le();
    let body = &arrived[12..4 + length];
    let (echo, _) = bincode::serde::decode_from_slice(body, bincode::config::standard())
        .expect("the peer is of the same build");
    arrived.advance(4 + length);
    Some((id, echo))
}

/// The id of frames that nobody waits for.
const UNANSWERED: u64 = u64::MAX;

/// Least room for one read.
const READ: usize = 64 * 1024;
