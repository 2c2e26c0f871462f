//! How a BSON document is laid out.
//!
//! Source: the BSON specification, version 1.1; and, for the type `3F`, an unsigned integer of 64
//! bits, the BSON of Vitess, with which Go Micro's plugin writes.
//!
//! Pure.

/// An element of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) kind: u8,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
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

/// Goes behind the name of an element.
pub(super) fn skip_name(body: &[u8], at: &mut usize, end: usize) -> Option<()> {
    let length = body.get(*at..end)?.iter().position(|byte| *byte == 0)?;
    *at += length + 1;
    Some(())
}

/// Bytes of a value that holds no further documents.
pub(super) fn value_length(kind: u8, body: &[u8], at: usize, end: usize) -> Option<usize> {
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

/// A length at a place.
pub(super) fn length_at(body: &[u8], at: usize) -> Option<usize> {
    let bytes = body.get(at..at.checked_add(4)?)?;
    usize::try_from(i32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// Bytes of a document without elements.
pub(super) const SHORTEST: usize = 5;

pub(super) const TEXT: u8 = 0x02;
pub(super) const DOCUMENT: u8 = 0x03;
pub(super) const ARRAY: u8 = 0x04;
pub(super) const BINARY: u8 = 0x05;
pub(super) const SIGNED: u8 = 0x12;
pub(super) const UNSIGNED: u8 = 0x3F;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_is_left_alone() {
        let body = b"\x11\0\0\0\x03a\0\x05\0\0\0\0\x12b\0\0\0";
        assert_eq!(elements(body), None, "the number is cut");
        let body = b"\x16\0\0\0\x03a\0\x05\0\0\0\0\x10b\0\x01\0\0\0\x0a\0\0";
        let all = elements(body).unwrap();
        let names: Vec<_> = all.iter().map(|it| (it.kind, it.name, it.value.len())).collect();
        assert_eq!(names, [(DOCUMENT, &b"a"[..], 5), (0x10, b"b", 4), (0x0A, b"", 0)]);
    }

    #[test]
    fn what_does_not_end_where_it_says_has_no_elements() {
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
            assert_eq!(elements(body), None, "{body:?}");
        }
    }
}
