//! `application/bson`: BSON, whose outermost value is always a document.

use std::borrow::Cow;

use erased_serde::{Deserializer, Error, Serialize};

use super::depth::{DEPTH_MOST, too_deep};
use super::document::{
    ARRAY, DOCUMENT, SHORTEST, SIGNED, UNSIGNED, length_at, skip_name, value_length,
};
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
        let walked = walk(body)?;
        let body = as_signed(body, &walked)?;
        let document: bson::Bson = bson::Bson::Document(
            bson::Document::from_reader(&*body).map_err(|error| error.to_string())?,
        );
        let deserializer = bson::Deserializer::new(document);
        read(&mut <dyn Deserializer<'_>>::erase(deserializer)).map_err(|error| error.to_string())
    }
}

/// What a walk through a document found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walked {
    /// Where the types of unsigned integers stand, and where their values do.
    unsigned: Vec<(usize, usize)>,
}

/// Walks through a document and all within it; refuses what is nested too deep or does not end where
/// it says.
fn walk(body: &[u8]) -> Result<Walked, String> {
    let broken = || BROKEN.to_owned();
    let mut walked = Walked::default();
    // Where each of the documents ends that the walk is inside of.
    let mut ends = Vec::new();
    let mut at = 0;
    enter(body, &mut at, body.len(), &mut ends).ok_or_else(broken)?;
    if ends != [body.len()] {
        return Err(broken());
    }
    while let Some(&end) = ends.last() {
        let (place, kind) = (at, *body.get(at).ok_or_else(broken)?);
        at += 1;
        if kind == 0 {
            if at != end {
                return Err(broken());
            }
            ends.pop();
            continue;
        }
        skip_name(body, &mut at, end).ok_or_else(broken)?;
        if matches!(kind, DOCUMENT | ARRAY) {
            enter(body, &mut at, end, &mut ends).ok_or_else(broken)?;
            if ends.len() > DEPTH_MOST {
                return Err(too_deep());
            }
        } else {
            if kind == UNSIGNED {
                walked.unsigned.push((place, at));
            }
            let length = value_length(kind, body, at, end).ok_or_else(broken)?;
            at = at.checked_add(length).filter(|at| *at < end).ok_or_else(broken)?;
            // Code with a scope holds a document; nothing that serde writes needs it.
            if kind == 0x0F {
                return Err("code with a scope is not accepted".to_owned());
            }
        }
    }
    Ok(walked)
}

fn enter(body: &[u8], at: &mut usize, limit: usize, ends: &mut Vec<usize>) -> Option<()> {
    let end = at.checked_add(length_at(body, *at)?)?;
    if end > limit || end < *at + SHORTEST {
        return None;
    }
    ends.push(end);
    *at += 4;
    Some(())
}

/// The document with its unsigned integers as signed ones, which have the same bytes.
fn as_signed<'a>(body: &'a [u8], walked: &Walked) -> Result<Cow<'a, [u8]>, String> {
    if walked.unsigned.is_empty() {
        return Ok(body.into());
    }
    let mut bytes = body.to_vec();
    for (kind, value) in &walked.unsigned {
        // The highest byte is the last one.
        if bytes[value + 7] > 0x7F {
            return Err("an unsigned integer above 2^63 - 1 is not accepted".to_owned());
        }
        bytes[*kind] = SIGNED;
    }
    Ok(bytes.into())
}

/// What is said of what is no document.
const BROKEN: &str = "not a document";

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[test]
    fn deep_documents_are_refused_before_they_are_read() {
        let mut body = vec![5, 0, 0, 0, 0];
        for _ in 0..1_000 {
            let length = i32::try_from(body.len() + 8).unwrap();
            let inner = std::mem::replace(&mut body, length.to_le_bytes().to_vec());
            body.extend_from_slice(&[0x03, b'a', 0]);
            body.extend_from_slice(&inner);
            body.push(0);
        }
        let error = BSON.decode::<std::collections::HashMap<String, u8>>(&body);
        assert_eq!(error.unwrap_err().reason, too_deep());
    }

    #[test]
    fn the_limit_of_depth_is_exact() {
        let nested = |depth: usize| {
            let mut body = vec![5, 0, 0, 0, 0];
            for _ in 1..depth {
                let length = i32::try_from(body.len() + 8).unwrap();
                let mut outer = length.to_le_bytes().to_vec();
                outer.extend_from_slice(&[DOCUMENT, b'a', 0]);
                outer.extend_from_slice(&body);
                outer.push(0);
                body = outer;
            }
            body
        };
        assert_eq!(walk(&nested(DEPTH_MOST)), Ok(Walked::default()));
        assert_eq!(walk(&nested(DEPTH_MOST + 1)), Err(too_deep()));
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
            assert!(walk(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn what_vitess_writes_is_read() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Said {
            #[serde(rename = "Name")]
            name: String,
            #[serde(rename = "Age")]
            age: u64,
        }
        // Texts are binary there, and unsigned integers have a type of their own.
        let said = |age: u64| {
            let mut body = b"\x24\0\0\0\x05Name\0\x04\0\0\0\0John\x3FAge\0".to_vec();
            body.extend_from_slice(&age.to_le_bytes());
            body.push(0);
            body[0] = u8::try_from(body.len()).unwrap();
            body
        };
        assert_eq!(BSON.decode(&said(7)), Ok(Said { name: "John".into(), age: 7 }));
        let error = BSON.decode::<Said>(&said(1 << 63)).unwrap_err();
        assert!(error.reason.contains("unsigned integer"), "{error}");
    }
}
