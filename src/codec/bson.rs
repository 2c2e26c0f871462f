//! `application/bson`: BSON, whose outermost value is always a document.

use erased_serde::{Deserializer, Error, Serialize};

use super::depth::{DEPTH_MOST, too_deep};
use super::{Codec, Format};

/// The codec `application/bson`.
///
/// Only structs and maps can be bodies, as BSON knows nothing but documents.
pub const BSON: Codec = Codec::custom(&Bson);

struct Bson;

impl Format for Bson {
    fn content_type(&self) -> &'static str {
        "application/bson"
    }

    fn describes_itself(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn Serialize, buffer: &mut Vec<u8>) -> Result<(), String> {
        let bytes = bson::serialize_to_vec(&value).map_err(|error| error.to_string())?;
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        // Reading a few kilobytes that are nested deep would overflow the stack.
        check(body)?;
        let document: bson::Bson = bson::Bson::Document(
            bson::Document::from_reader(body).map_err(|error| error.to_string())?,
        );
        let deserializer = bson::Deserializer::new(document);
        read(&mut <dyn Deserializer<'_>>::erase(deserializer)).map_err(|error| error.to_string())
    }
}

/// Walks through the documents, and refuses what is nested too deep or does not end where it says.
///
/// Source: the BSON specification, version 1.1.
fn check(body: &[u8]) -> Result<(), String> {
    let broken = || "not a document".to_owned();
    // Where each of the documents ends that the walk is inside of.
    let mut ends = Vec::new();
    let mut at = 0;
    enter(body, &mut at, body.len(), &mut ends).ok_or_else(broken)?;
    if ends != [body.len()] {
        return Err(broken());
    }
    while let Some(&end) = ends.last() {
        let kind = *body.get(at).ok_or_else(broken)?;
        at += 1;
        if kind == 0 {
            if at != end {
                return Err(broken());
            }
            ends.pop();
            continue;
        }
        skip_name(body, &mut at, end).ok_or_else(broken)?;
        if matches!(kind, 0x03 | 0x04) {
            enter(body, &mut at, end, &mut ends).ok_or_else(broken)?;
            if ends.len() > DEPTH_MOST {
                return Err(too_deep());
            }
        } else {
            let length = value_length(kind, body, at, end).ok_or_else(broken)?;
            at = at.checked_add(length).filter(|at| *at < end).ok_or_else(broken)?;
            // Code with a scope holds a document; nothing that serde writes needs it.
            if kind == 0x0F {
                return Err("code with a scope is not accepted".to_owned());
            }
        }
    }
    Ok(())
}

fn enter(body: &[u8], at: &mut usize, limit: usize, ends: &mut Vec<usize>) -> Option<()> {
    let end = at.checked_add(length_at(body, *at)?)?;
    if end > limit || end < *at + 5 {
        return None;
    }
    ends.push(end);
    *at += 4;
    Some(())
}

fn skip_name(body: &[u8], at: &mut usize, end: usize) -> Option<()> {
    let length = body.get(*at..end)?.iter().position(|byte| *byte == 0)?;
    *at += length + 1;
    Some(())
}

/// Bytes of a value that holds no further documents.
fn value_length(kind: u8, body: &[u8], at: usize, end: usize) -> Option<usize> {
    Some(match kind {
        0x06 | 0x0A | 0x7F | 0xFF => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        0x02 | 0x0D | 0x0E => length_at(body, at)?.checked_add(4)?,
        0x05 => length_at(body, at)?.checked_add(5)?,
        0x0C => length_at(body, at)?.checked_add(16)?,
        0x0F => length_at(body, at)?,
        0x0B => {
            let mut after = at;
            skip_name(body, &mut after, end)?;
            skip_name(body, &mut after, end)?;
            after - at
        }
        _ => return None,
    })
}

fn length_at(body: &[u8], at: usize) -> Option<usize> {
    let bytes = body.get(at..at.checked_add(4)?)?;
    usize::try_from(i32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_documents_are_refused_before_they_are_read() {
        let nested = |depth: usize| {
            let mut body = vec![5, 0, 0, 0, 0];
            for _ in 1..depth {
                let length = i32::try_from(body.len() + 8).unwrap();
                let mut outer = length.to_le_bytes().to_vec();
                outer.extend_from_slice(&[0x03, b'a', 0]);
                outer.extend_from_slice(&body);
                outer.push(0);
                body = outer;
            }
            body
        };
        assert_eq!(check(&nested(DEPTH_MOST)), Ok(()));
        assert_eq!(check(&nested(DEPTH_MOST + 1)), Err(too_deep()));
        let error = BSON.decode::<std::collections::HashMap<String, u8>>(&nested(1_000));
        assert_eq!(error.unwrap_err().reason, too_deep());
    }

    #[test]
    fn what_does_not_end_where_it_says_is_refused() {
        for body in [
            b"".as_slice(),
            &[5, 0, 0, 0],
            &[5, 0, 0, 0, 1],
            &[6, 0, 0, 0, 0],
            &[5, 0, 0, 0, 0, 0],
            &[255, 255, 255, 127, 0],
            &[12, 0, 0, 0, 0x10, b'a', 0, 1, 0, 0, 0],
        ] {
            assert!(check(body).is_err(), "{body:?}");
        }
    }
}
