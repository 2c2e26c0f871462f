//! Values to bytes and back: the codec, and the frames around it.

use std::hint::black_box;
use std::time::Duration;

use actix_rt::SystemRunner;
use bytes::{Bytes, BytesMut};
use callboard::actors::message::{Message, Outgoing, RequestId, Route, RouteSlot};
use callboard::actors::transport::{Batch, Encoder};
use callboard::codec::Codec;
use callboard::prelude::*;
use callboard::wire::{FrameDecoder, FrameEncoder};

use super::Plan;
use super::looping::repeat;
use super::rounds::{Way, figures, interleave};
use crate::echo::Echo;
use crate::figure::Figure;

/// Measures the codec by size of body, and the frames of requests and replies.
pub fn measure(_: &SystemRunner, plan: Plan) -> Vec<Figure> {
    let mut results = Vec::new();
    for size in [100, 64 * 1024] {
        let all = interleave(plan.rounds, codec(size));
        results.extend(figures("codec", ("bytes of text", size), &all));
    }
    let all = interleave(plan.rounds, frames());
    results.extend(figures("frame", ("in a batch", BATCH), &all));
    results
}

fn codec(size: u64) -> Vec<Way<'static>> {
    let length = usize::try_from(size).expect("a body fits in memory");
    let value = Echo { id: 7, text: "x".repeat(length) };
    let mut buffer = BytesMut::with_capacity(length + 64);
    Codec::Bincode.encode(&value, &mut buffer).expect(ENCODES);
    let body = buffer.clone().freeze();
    // The same time for both sizes, about.
    let count = 20_000_000 / (size + 900);
    vec![
        Way::new("encode", move || {
            repeat(count, |_| {
                buffer.clear();
                Codec::Bincode.encode(black_box(&value), &mut buffer).expect(ENCODES);
            })
        }),
        Way::new("decode", move || {
            repeat(count, |_| {
                black_box(Codec::Bincode.decode::<Echo>(black_box(&body)).expect("it is an echo"));
            })
        }),
    ]
}

fn frames() -> Vec<Way<'static>> {
    let (mut requests, mut replies) = (Frames::new(), Frames::new());
    let (mut arriving, mut answering) = (Frames::new(), Frames::new());
    vec![
        Way::new("encode a request", move || per_frame(|turn| requests.encode_requests(turn))),
        Way::new("encode a reply", move || per_frame(|turn| replies.encode_replies(turn))),
        Way::new("encode and decode a request", move || {
            per_frame(|turn| {
                arriving.encode_requests(turn);
                arriving.decode();
            })
        }),
        Way::new("encode and decode a reply", move || {
            per_frame(|turn| {
                answering.encode_replies(turn);
                answering.decode();
            })
        }),
    ]
}

fn per_frame(batch: impl FnMut(u64)) -> f64 {
    repeat(TURNS, batch) / BATCH as f64
}

/// One direction of a connection, without the connection.
#[derive(Debug)]
pub struct Frames {
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    batch: Batch,
    arrived: BytesMut,
    messages: Vec<Message>,
    metadata: Metadata,
    body: Bytes,
}

impl Frames {
    /// Opens a direction, and has it explain its one route.
    ///
    /// # Panics
    /// When an echo cannot be encoded.
    pub fn new() -> Self {
        let mut buffer = BytesMut::new();
        Codec::Bincode.encode(&Echo::new(7), &mut buffer).expect(ENCODES);
        let mut frames = Self {
            encoder: FrameEncoder::new(1 << 20),
            decoder: FrameDecoder::new(1 << 20),
            batch: Batch::default(),
            arrived: BytesMut::new(),
            messages: Vec::new(),
            metadata: Metadata::new(),
            body: buffer.freeze(),
        };
        let content_type = Codec::Bincode.content_type().to_owned();
        frames.request(0, Some(&Route { endpoint: Echo::NAME.to_owned(), content_type }));
        frames.encoder.take(&mut frames.batch);
        frames.decode();
        frames
    }

    /// Encodes a batch of requests.
    pub fn encode_requests(&mut self, turn: u64) {
        (0..BATCH).for_each(|index| self.request(turn * BATCH + index + 1, None));
        self.take();
    }

    /// Encodes a batch of replies.
    ///
    /// # Panics
    /// When a reply cannot be encoded.
    pub fn encode_replies(&mut self, turn: u64) {
        for index in 0..BATCH {
            let id = RequestId(turn * BATCH + index + 1);
            let reply = Outgoing::Reply { id, metadata: &self.metadata, body: &self.body };
            self.encoder.encode(reply).expect(ENCODES);
        }
        self.take();
    }

    /// Decodes what has been encoded last.
    ///
    /// # Panics
    /// When it cannot be decoded.
    pub fn decode(&mut self) {
        // As a connection does: into a buffer of its own, which bodies then share.
        self.arrived.extend_from_slice(&self.batch.bytes);
        let most = usize::try_from(BATCH).expect("a batch is small");
        self.messages.clear();
        let decoded = self.decoder.decode(&mut self.arrived, &mut self.messages, most);
        decoded.expect("what was encoded can be decoded");
        black_box(&self.messages);
    }

    fn request(&mut self, id: u64, define: Option<&Route>) {
        let request = Outgoing::Request {
            id: RequestId(id),
            one_way: false,
            stream: false,
            route: RouteSlot(0),
            define,
            time_left: Some(Duration::from_secs(5)),
            metadata: &self.metadata,
            body: &self.body,
        };
        self.encoder.encode(request).expect(ENCODES);
    }

    fn take(&mut self) {
        self.batch.bytes.clear();
        self.encoder.take(&mut self.batch);
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// Frames written and read at once.
pub const BATCH: u64 = 64;

const TURNS: u64 = 2_000;
const ENCODES: &str = "an echo can be encoded";
