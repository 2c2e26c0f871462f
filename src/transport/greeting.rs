//! The exchange of prefaces on a fresh stream.

use std::io;

use callboard_actors::message::{GoAway, Outgoing};
use callboard_actors::transport::{Batch, Encoder, Hello, Socket, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::socket::{Stream, StreamSocket, broken};
use crate::wire::{FrameEncoder, Preface, WireError};

/// Greets as the side that connected.
pub(super) async fn connect<S: Stream>(
    mut stream: S,
    hello: &Hello,
) -> Result<Box<dyn Socket>, TransportError> {
    send(&mut stream, hello).await?;
    let peer = receive(&mut stream).await?;
    peer.version()?;
    Ok(Box::new(StreamSocket::new(stream, hello.max_frame, peer.hello)))
}

/// Greets as the side that accepted: silent until the peer has shown that it speaks the protocol.
pub(super) async fn accept<S: Stream>(
    mut stream: S,
    hello: &Hello,
) -> Result<Box<dyn Socket>, TransportError> {
    let peer = receive(&mut stream).await?;
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

/// Reads exactly the preface: what follows are frames.
async fn receive<S: Stream>(stream: &mut S) -> Result<Preface, TransportError> {
    let mut fixed = [0; Preface::FIXED];
    // The magic is read alone: a peer of another protocol may send less than a preface and wait.
    let (magic, rest) = fixed.split_at_mut(Preface::MAGIC.len());
    stream.read_exact(magic).await.map_err(|error| ended(&error))?;
    if *magic != Preface::MAGIC {
        return Err(WireError::Magic([magic[0], magic[1], magic[2], magic[3]]).into());
    }
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
