//! The protobuf form of what a node says about itself, as in Go Micro's `debug.proto`.
//!
//! ```text
//! HealthRequest {}   HealthResponse { string status = 1; }
//! StatsRequest {}    StatsResponse  { uint64 started = 1; uint64 uptime = 2; uint64 memory = 3;
//!                                     uint64 threads = 4; uint64 gc = 5; }
//! ```
//!
//! Written by hand, so that it needs no feature. Pure.

use bytes::BytesMut;

use super::{Health, HealthReply, Stats, StatsReply};
use crate::codec::ProtobufCodec;
use crate::wire::WireError;
use crate::wire::varint::{Fields, MAX_VARINT, write_varint};

pub(super) const HEALTH: ProtobufCodec<Health> = ProtobufCodec {
    encode_request: |_, _| {},
    decode_request: |bytes| read(bytes, |_, _| {}).map(|()| Health {}),
    encode_reply: |reply, buffer| {
        if !reply.status.is_empty() {
            put(1, Value::Block(reply.status.as_bytes()), buffer);
        }
    },
    decode_reply: |bytes| {
        let mut reply = HealthReply { status: String::new() };
        read(bytes, |number, value| {
            if let (1, Value::Block(text)) = (number, value) {
                reply.status = String::from_utf8_lossy(text).into_owned();
            }
        })?;
        Ok(reply)
    },
};

pub(super) const STATS: ProtobufCodec<Stats> = ProtobufCodec {
    encode_request: |_, _| {},
    decode_request: |bytes| read(bytes, |_, _| {}).map(|()| Stats {}),
    encode_reply: |reply, buffer| {
        let StatsReply { started, uptime, memory, threads, gc } = *reply;
        for (number, value) in (1..).zip([started, uptime, memory, threads, gc]) {
            if value != 0 {
                put(number, Value::Number(value), buffer);
            }
        }
    },
    decode_reply: |bytes| {
        let mut values = [0; 5];
        read(bytes, |number, value| {
            let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let place = place.and_then(|place| values.get_mut(place));
            if let (Some(place), Value::Number(value)) = (place, value) {
                *place = value;
            }
        })?;
        let [started, uptime, memory, threads, gc] = values;
        Ok(StatsReply { started, uptime, memory, threads, gc })
    },
};

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Block(&'a [u8]),
}

fn put(number: u64, value: Value<'_>, buffer: &mut BytesMut) {
    match value {
        Value::Number(value) => {
            put_varint(number << 3, buffer);
            put_varint(value, buffer);
        }
        Value::Block(block) => {
            put_varint(number << 3 | 2, buffer);
            put_varint(block.len() as u64, buffer);
            buffer.extend_from_slice(block);
        }
    }
}

fn put_varint(value: u64, buffer: &mut BytesMut) {
    let mut bytes = [0; MAX_VARINT];
    let length = write_varint(value, &mut bytes);
    buffer.extend_from_slice(&bytes[..length]);
}

/// Hands `take` each field with its number; those of other kinds are skipped.
fn read(bytes: &[u8], mut take: impl FnMut(u64, Value<'_>)) -> Result<(), String> {
    let mut fields = Fields::new(bytes);
    while !fields.is_empty() {
        field(&mut fields, &mut take).map_err(|error| error.to_string())??;
    }
    Ok(())
}

fn field(
    fields: &mut Fields<'_>,
    take: &mut impl FnMut(u64, Value<'_>),
) -> Result<Result<(), String>, WireError> {
    let tag = fields.varint()?;
    let fixed = match tag & 7 {
        0 => {
            take(tag >> 3, Value::Number(fields.varint()?));
            0
        }
        1 => 8,
        2 => {
            take(tag >> 3, Value::Block(fields.block()?));
            0
        }
        5 => 4,
        kind => return Ok(Err(format!("field {} is of kind {kind}", tag >> 3))),
    };
    for _ in 0..fixed {
        fields.byte()?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for status in ["ok", ""] {
            let (reply, mut bytes) = (HealthReply { status: status.into() }, BytesMut::new());
            (HEALTH.encode_reply)(&reply, &mut bytes);
            assert_eq!((HEALTH.decode_reply)(&bytes), Ok(reply));
        }
        for reply in [
            StatsReply { started: 1, uptime: 2, memory: 1 << 40, threads: u64::MAX, gc: 0 },
            StatsReply { started: 0, uptime: 0, memory: 0, threads: 0, gc: 5 },
        ] {
            let mut bytes = BytesMut::new();
            (STATS.encode_reply)(&reply, &mut bytes);
            assert_eq!((STATS.decode_reply)(&bytes), Ok(reply));
        }
    }

    #[test]
    fn fields_from_the_future_are_skipped_and_what_is_broken_is_refused() {
        // A number, eight bytes, a block, four bytes; and at last the second field.
        let future = [0x30, 1, 0x39, 0, 0, 0, 0, 0, 0, 0, 0, 0x42, 1, 9, 0x4D, 0, 0, 0, 0, 0x10, 7];
        assert_eq!((STATS.decode_reply)(&future).map(|reply| reply.uptime), Ok(7));
        assert!((STATS.decode_request)(&future).is_ok());
        for broken in [&[0x08][..], &[0x0A, 5, b'o'], &[0x0B], &[0x0D, 1], &[0xFF; 11]] {
            assert!((STATS.decode_reply)(broken).is_err(), "{broken:?}");
            assert!((HEALTH.decode_request)(broken).is_err(), "{broken:?}");
        }
    }
}
