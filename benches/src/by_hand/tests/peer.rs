//! The other side of a connection, byte by byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::Metadata;
use super::super::wire::{self, DEFINES, Head, REQUEST};
use crate::echo::Echo;

pub(super) struct Peer {
    pub(super) stream: TcpStream,
    arrived: Vec<u8>,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, arrived: Vec::new() }
    }

    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; none when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<(Head, Vec<u8>)> {
        loop {
            if let Some((head, rest, length)) = wire::first(&self.arrived).unwrap() {
                let rest = rest.to_vec();
                self.arrived.drain(..length);
                return Some((head, rest));
            }
            if self.stream.read_buf(&mut self.arrived).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// A request on route 0, for which `route` is defined.
pub(super) fn request(id: u64, left: u32, route: Option<(&str, &str)>) -> Vec<u8> {
    let flags = if route.is_some() { DEFINES } else { 0 };
    let mut out = Vec::new();
    wire::put(&mut out, Head { kind: REQUEST, flags, number: 0, id }, |out| {
        out.extend_from_slice(&left.to_le_bytes());
        if let Some(route) = route {
            wire::encode(out, &route)?;
        }
        wire::put_message(out, &Echo::new(id), &Metadata::default())
    })
    .unwrap();
    out
}
