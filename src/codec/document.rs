//! How a BSON document is laid out.
//!
//! Source: the BSON specification, version 1.1; and, for the type `3F`, an unsigned integer of 64
//! bits, the BSON of Vitess, with which Go Micro's plugin writes.
//!
//! Pure.

use super::depth::{DEPTH_MOST, too_deep};

/// What a walk through a document found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Where the types of unsigned integers stand, and where their values do.
    pub(super) unsigned: Vec<(usize, usize)>,
}

/// An element of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) kind: u8,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Walks through a document and all within it; refuses what is nested too deep or does not end where
/// it says.
pub(super) fn walk(body: &[u8]) -> Result<Walked, String> {
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

/// The elements of a document, those within them left alone; none of what is broken.
pub(super) fn elements(document: &[u8]) -> Option<Vec<Element<'_>>> {
    let (end, mut at, mut all) = (document.len(), 4, Vec::new());
    if length_at(document, 0)? != end {
        return None;
    }
    loop {
        let kind = *document.get(at)?;
        at += 1;
        if kind == 0 {
            return (at == end).then_some(all);
        }
        let begin = at;
        skip_name(document, &mut at, end)?;
        let name = &document[begin..at - 1];
        let length = match kind {
            DOCUMENT | ARRAY => length_at(document, at)?,
            kind => value_length(kind, document, at, end)?,
        };
        let value = document.get(at..at.checked_add(length)?)?;
        all.push(Element { kind, name, value });
        at += length;
    }
}

/// The length that a document says it has, if it begins with one that a document may have.
pub(super) fn length(document: &[u8]) -> Option<usize> {
    length_at(document, 0).filter(|length| *length >= SHORTEST)
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
        0x01 | 0x09 | 0x11 | SIGNED | UNSIGNED => 8,
        0x07 => 12,
        0x13 => 16,
        TEXT | 0x0D | 0x0E => length_at(body, at)?.checked_add(4)?,
        BINARY => length_at(body, at)?.checked_add(5)?,
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

/// What is said of what is no document.
const BROKEN: &str = "not a document";

/// Bytes of a document without elements.
const SHORTEST: usize = 5;

pub(super) const TEXT: u8 = 0x02;
pub(super) const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
pub(super) const BINARY: u8 = 0x05;
pub(super) const SIGNED: u8 = 0x12;
pub(super) const UNSIGNED: u8 = 0x3F;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_documents_are_refused() {
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
        assert_eq!(elements(&nested(100_000 / 8)).map(|all| all.len()), Some(1));
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
            &[12, 0, 0, 0, 0x02, b'a', 0, 9, 0, 0, 0, 0],
        ] {
            assert!(walk(body).is_err(), "{body:?}");
            assert_eq!(elements(body), None, "{body:?}");
        }
    }
}
