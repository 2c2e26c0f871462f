//! A number that is equal where types are.
//!
//! FNV-1a with 64 bits, over what a compact codec depends on: kinds and widths, the order of fields
//! and variants; and over their names, since a field whose place another one took would be read
//! without an error. The names of types do not count: no codec writes them, and both sides may have
//! types of their own. The hash is no protection against who wants two types to be mistaken for each
//! other.
//!
//! Pure.

use super::shape::{Body, Leaf, NamedShapes, Outline, Shape, Variant};

/// 64 bits of FNV-1a.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in a text and where it ends.
    pub(super) fn text(self, text: &str) -> Self {
        // No text in UTF-8 has this byte.
        self.bytes(text.as_bytes()).bytes(&[0xFF])
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let step =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }
}

/// The fingerprint of a type.
pub(super) fn fingerprint(outline: &Outline) -> u64 {
    let mut hasher = Hasher { outline, path: Vec::new(), known: vec![None; outline.types.len()] };
    hasher.shape(&outline.shape).hash
}

/// Walks through a type.
struct Hasher<'a> {
    outline: &'a Outline,
    /// The types that it is inside of.
    path: Vec<usize>,
    /// Those of types that do not refer to what is around them.
    known: Vec<Option<u64>>,
}

/// A part's hash, and how far up the path it refers.
#[derive(Clone, Copy)]
struct Hashed {
    hash: u64,
    up_to: usize,
}

impl Hasher<'_> {
    fn shape(&mut self, shape: &Shape) -> Hashed {
        match shape {
            Shape::Leaf(leaf) => {
                Hashed { hash: tag("leaf").number(number(*leaf)).finish(), up_to: usize::MAX }
            }
            Shape::Option(inner) => self.all("option", [&**inner]),
            Shape::List(inner) => self.all("list", [&**inner]),
            Shape::Map(key, value) => self.all("map", [&**key, &**value]),
            Shape::Tuple(parts) => self.all("tuple", parts),
            Shape::Type(index) => self.named(*index),
        }
    }

    fn all<'s>(&mut self, kind: &str, parts: impl IntoIterator<Item = &'s Shape>) -> Hashed {
        let (mut hash, mut up_to) = (tag(kind), usize::MAX);
        for part in parts {
            let part = self.shape(part);
            hash = hash.number(part.hash);
            up_to = up_to.min(part.up_to);
        }
        Hashed { hash: hash.finish(), up_to }
    }

    fn named(&mut self, index: usize) -> Hashed {
        if let Some(hash) = self.known[index] {
            return Hashed { hash, up_to: usize::MAX };
        }
        if let Some(place) = self.path.iter().position(|open| *open == index) {
            let distance = (self.path.len() - place) as u64;
            return Hashed { hash: tag("again").number(distance).finish(), up_to: place };
        }
        let outline = self.outline;
        self.path.push(index);
        let hashed = match &outline.types[index].body {
            Body::Unknown | Body::Unit => self.all("unit", []),
            // Codecs write what is inside.
            Body::Newtype(inner) => self.shape(inner),
            Body::Tuple(parts) => self.all("tuple", parts),
            Body::Struct(fields, names) => self.fields(fields, names),
            Body::Enum(variants) => self.variants(variants),
        };
        self.path.pop();
        if hashed.up_to >= self.path.len() {
            self.known[index] = Some(hashed.hash);
            return Hashed { hash: hashed.hash, up_to: usize::MAX };
        }
        hashed
    }

    fn fields(&mut self, fields: &NamedShapes, names: &[&str]) -> Hashed {
        let Hashed { hash, up_to } = self.all("fields", fields.iter().map(|(_, shape)| shape));
        // All by which they are read: with other ones there would be more names than fields.
        let hash = names.iter().fold(tag("struct").number(hash), |hash, name| hash.text(name));
        Hashed { hash: hash.finish(), up_to }
    }

    fn variants(&mut self, variants: &[(&'static str, Option<Variant>)]) -> Hashed {
        let (mut hash, mut up_to) = (tag("enum"), usize::MAX);
        for (name, variant) in variants {
            let hashed = match variant {
                None | Some(Variant::Unit) => self.all("unit", []),
                Some(Variant::Newtype(inner)) => self.all("newtype", [inner]),
                Some(Variant::Tuple(parts)) => self.all("tuple", parts),
                Some(Variant::Struct(fields, names)) => self.fields(fields, names),
            };
            hash = hash.text(name).number(hashed.hash);
            up_to = up_to.min(hashed.up_to);
        }
        Hashed { hash: hash.finish(), up_to }
    }
}

fn tag(kind: &str) -> Fnv {
    Fnv::new().text(kind)
}

/// Fixed for ever: nodes of different versions compare what comes of it.
fn number(leaf: Leaf) -> u64 {
    match leaf {
        Leaf::Bool => 1,
        Leaf::I8 => 2,
        Leaf::I16 => 3,
        Leaf::I32 => 4,
        Leaf::I64 => 5,
        Leaf::I128 => 6,
        Leaf::U8 => 7,
        Leaf::U16 => 8,
        Leaf::U32 => 9,
        Leaf::U64 => 10,
        Leaf::U128 => 11,
        Leaf::F32 => 12,
        Leaf::F64 => 13,
        Leaf::Char => 14,
        Leaf::Text => 15,
        Leaf::Bytes => 16,
        Leaf::Unit => 17,
        Leaf::Any => 18,
    }
}
