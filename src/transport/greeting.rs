//! The exchange of prefaces on a fresh stream.

use std::io;
use std::sync::Arc;

use callboard_actors::message::{GoAway, Outgoing};
use callboard_actors::transport::{Batch, Encoder, Hello, Socket, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http::{HttpOptions, HttpSocket};
use super::socket::{Stream, StreamSocket, broken};
use crate::wire::{FrameEncoder, Preface, WireError};

/// Greets as the side that connected.
pub(super) async fn connect<S: Stream>(
    mut stream: S,
    hello: &Hello,
) -> Result<Box<dyn Socket>, TransportError> {
    send(&mut stream, hello).await?;
    let magic = begin(&mut stream).await?;
    let peer = go_on(&mut stream, magic).await?;
    peer.version()?;
    Ok(Box::new(StreamSocket::new(stream, hello.max_frame, peer.hello)))
}

/// Greets as the side that accepted: silent until the peer has shown which protocol it speaks.
pub(super) async fn accept<S: Stream>(
    mut stream: S,
    hello: &Hello,
    http: Arc<HttpOptions>,
) -> Result<Box<dyn Socket>, TransportError> {
    let magic = begin(&mut stream).await?;
    // The name of an HTTP method; what comes after it is for the HTTP door to judge.
    if magic != Preface::MAGIC && magic.iter().take_while(|it| it.is_ascii_uppercase()).count() > 2
    {
        return Ok(Box::new(HttpSocket::new(stream, &magic, hello.max_frame, http)));
    }
    let peer = go_on(&mut stream, magic).await?;
    send(&mut stream, hello).await?;
    if let Err(error) = peer.version() {
        refuse(&mut stream, &error).await?;
        return Err(error.into());
    }
    Ok(Box::new(StreamSocket::new(stream, hello.max_frame, peer.hello)))
}

async fn send<S: Stream>(stream: &mut S, hello: &Hello) -> Result<(), TransportError> {
    let preface = Preface::new(hello.clone()).encode()?;
    stream.write_all(&preface).await.map_err(|error| broken(&error))
}

/// Reads what tells the protocols apart. A peer of another one may send less than a preface and
/// wait.
async fn begin<S: Stream>(stream: &mut S) -> Result<[u8; Preface::MAGIC.len()], TransportError> {
    let mut magic = [0; Preface::MAGIC.len()];
    stream.read_exact(&mut magic).await.map_err(|error| ended(&error))?;
    Ok(magic)
}

/// Reads the rest of a preface, and no more: what follows are frames.
async fn go_on<S: Stream>(
    stream: &mut S,
    magic: [u8; Preface::MAGIC.len()],
) -> Result<Preface, TransportError> {
    if magic != Preface::MAGIC {
        return Err(WireError::Magic(magic).into());
    }
    let mut fixed = [0; Preface::FIXED];
    let (begin, rest) = fixed.split_at_mut(magic.len());
    begin.copy_from_slice(&magic);
    stream.read_exact(rest).await.map_err(|error| ended(&error))?;
    let mut fields = vec![0; Preface::fields_size(&fixed)?];
    stream.read_exact(&mut fields).await.map_err(|error| ended(&error))?;
    Ok(Preface::decode(&fixed, &fields)?)
}

/// Says why the connection ends.
async fn refuse<S: Stream>(stream: &mut S, error: &WireError) -> Result<(), TransportError> {
    let mut encoder = FrameEncoder::new(u32::MAX);
    encoder.encode(Outgoing::GoAway { reason: &GoAway::Error(error.to_string()) })?;
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    stream.write_all(&batch.bytes).await.map_err(|error| broken(&error))?;
    stream.shutdown().await.map_err(|error| broken(&error))
}

fn ended(error: &io::Error) -> TransportError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return TransportError::Broken("the stream ended inside the greeting".into());
    }
    broken(error)
}
