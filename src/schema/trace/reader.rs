//! What a type is given when it asks for something.
//!
//! Pure.

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use super::access::{Chosen, Elements, Entries, Fields};
use super::{DEPTH_MOST, STEPS_MOST, Tracer, Untraceable};
use crate::schema::shape::{Body, Leaf, NamedShapes, Shape};

impl Tracer {
    /// Reads a part of the present type.
    pub(super) fn part<'de, T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<(T::Value, Shape), Untraceable> {
        self.steps += 1;
        self.depth += 1;
        if self.steps > STEPS_MOST || self.depth > DEPTH_MOST {
            return Err(Untraceable::Other("it has no end, or too many parts".into()));
        }
        self.place.1 += 1;
        let place = self.place;
        self.out = Shape::Leaf(Leaf::Unit);
        let value = seed.deserialize(&mut *self)?;
        self.place = place;
        self.depth -= 1;
        Ok((value, self.out.clone()))
    }

    /// Reads the fields of a struct.
    pub(super) fn fields<'de, V: Visitor<'de>>(
        &mut self,
        owner: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<(V::Value, NamedShapes), Untraceable> {
        if !self.is_readable {
            let mut elements = Elements::new(self, names.len());
            let value = visitor.visit_seq(&mut elements)?;
            return Ok((value, names.iter().copied().zip(elements.shapes).collect()));
        }
        let fields = self.memory.fields(owner, names).into_iter();
        let mut access =
            Fields { tracer: self, owner, names: fields, current: "", shapes: Vec::new() };
        let value = visitor.visit_map(&mut access)?;
        let mut shapes = access.shapes;
        shapes.sort_by_key(|(name, _)| names.iter().position(|other| other == name));
        Ok((value, shapes))
    }

    /// Reads a type that has a name.
    fn named<'de, V: Visitor<'de>>(
        &mut self,
        name: &'static str,
        visitor: V,
        read: impl FnOnce(&mut Self, V) -> Result<(V::Value, Body), Untraceable>,
    ) -> Result<V::Value, Untraceable> {
        let rust = std::any::type_name::<V::Value>();
        let entry = self.memory.enter(rust, name);
        let (is_cut, place) = (self.is_cut, self.place);
        self.is_cut = !entry.is_new;
        self.place = (rust, 0);
        let (value, body) = read(self, visitor)?;
        self.is_cut = is_cut;
        self.place = place;
        if entry.is_new {
            self.memory.leave(entry.index, Some(body));
        }
        self.out = Shape::Type(entry.index);
        Ok(value)
    }

    fn leaf<T>(
        &mut self,
        leaf: Leaf,
        read: impl FnOnce() -> Result<T, Untraceable>,
    ) -> Result<T, Untraceable> {
        self.out = Shape::Leaf(leaf);
        read()
    }
}

/// Numbers are 1, because there are types that must not be 0.
macro_rules! leaves {
    ($($method:ident, $visit:ident, $leaf:ident, $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
            self.leaf(Leaf::$leaf, || visitor.$visit($value))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Tracer {
    type Error = Untraceable;

    leaves! {
        deserialize_bool, visit_bool, Bool, false;
        deserialize_i8, visit_i8, I8, 1;
        deserialize_i16, visit_i16, I16, 1;
        deserialize_i32, visit_i32, I32, 1;
        deserialize_i64, visit_i64, I64, 1;
        deserialize_i128, visit_i128, I128, 1;
        deserialize_u8, visit_u8, U8, 1;
        deserialize_u16, visit_u16, U16, 1;
        deserialize_u32, visit_u32, U32, 1;
        deserialize_u64, visit_u64, U64, 1;
        deserialize_u128, visit_u128, U128, 1;
        deserialize_f32, visit_f32, F32, 1.0;
        deserialize_f64, visit_f64, F64, 1.0;
        deserialize_char, visit_char, Char, 'a';
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        if !self.is_readable {
            return Err(Untraceable::Other("it reads what describes itself".into()));
        }
        let guess = self.memory.guess(self.place, 2 + TEXTS.len());
        self.leaf(Leaf::Any, || match guess {
            0 => visitor.visit_u64(1),
            1 => visitor.visit_unit(),
            text => visitor.visit_str(TEXTS[text - 2]),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        let guess = self.memory.guess(self.place, TEXTS.len());
        self.leaf(Leaf::Text, || visitor.visit_str(TEXTS[guess]))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        let guess = self.memory.guess(self.place, BYTES.len());
        self.leaf(Leaf::Bytes, || visitor.visit_bytes(&[0; 64][..BYTES[guess]]))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        self.leaf(Leaf::Unit, || visitor.visit_unit())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        self.leaf(Leaf::Any, || visitor.visit_unit())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        if self.is_cut {
            return self.leaf(Leaf::Unit, || visitor.visit_none());
        }
        let value = visitor.visit_some(&mut *self)?;
        self.out = Shape::Option(Box::new(self.out.clone()));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        let count = usize::from(!self.is_cut);
        let mut elements = Elements::new(self, count);
        let value = visitor.visit_seq(&mut elements)?;
        let element = elements.shapes.pop().unwrap_or(Shape::Leaf(Leaf::Any));
        self.out = Shape::List(Box::new(element));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        let mut elements = Elements::new(self, count);
        let value = visitor.visit_seq(&mut elements)?;
        let shapes = elements.shapes;
        self.out = Shape::Tuple(shapes);
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Untraceable> {
        let left = usize::from(!self.is_cut);
        let mut entries = Entries { tracer: &mut *self, left, key: None, value: None };
        let value = visitor.visit_map(&mut entries)?;
        let (key, element) = (entries.key, entries.value);
        let of = |shape: Option<Shape>| Box::new(shape.unwrap_or(Shape::Leaf(Leaf::Any)));
        self.out = Shape::Map(of(key), of(element));
        Ok(value)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        self.named(name, visitor, |_, visitor| Ok((visitor.visit_unit()?, Body::Unit)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        self.named(name, visitor, |tracer, visitor| {
            let value = visitor.visit_newtype_struct(&mut *tracer)?;
            Ok((value, Body::Newtype(tracer.out.clone())))
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        self.named(name, visitor, |tracer, visitor| {
            let mut elements = Elements::new(tracer, count);
            let value = visitor.visit_seq(&mut elements)?;
            Ok((value, Body::Tuple(elements.shapes)))
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        self.named(name, visitor, |tracer, visitor| {
            let owner = tracer.place.0;
            let (value, shapes) = tracer.fields(owner, fields, visitor)?;
            Ok((value, Body::Struct(shapes, fields)))
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        let rust = std::any::type_name::<V::Value>();
        let entry = self.memory.enter(rust, name);
        let (is_cut, place) = (self.is_cut, self.place);
        let (choice, is_noted) = self.memory.choose(entry, variants, is_cut)?;
        self.is_cut = !is_noted;
        // Each variant has places of its own.
        self.place = (rust, choice * VARIANT_PLACES);
        let mut variant = None;
        let chosen = Chosen { tracer: &mut *self, name: variants[choice], variant: &mut variant };
        let value = visitor.visit_enum(chosen)?;
        self.is_cut = is_cut;
        self.place = place;
        if let (true, Some(variant)) = (is_noted, variant) {
            self.memory.read_variant(entry.index, choice, variant);
        }
        if entry.is_new {
            self.memory.leave(entry.index, None);
        }
        self.out = Shape::Type(entry.index);
        Ok(value)
    }

    fn is_human_readable(&self) -> bool {
        self.is_readable
    }
}

/// Texts that types may demand; each is tried where the ones before were not taken.
const TEXTS: &[&str] = &[
    "a",
    "",
    "1",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "00:00:00",
    "1970-01-01T00:00:00",
    "00000000-0000-4000-8000-000000000000",
    "http://localhost/",
    "127.0.0.1",
    "::1",
    "127.0.0.1:1",
    "[::1]:1",
    "1.0.0",
];

/// Lengths of bytes that types may demand.
const BYTES: &[usize] = &[0, 16, 32, 64, 4, 8, 1, 20];

/// More than a variant has parts.
const VARIANT_PLACES: usize = 1 << 16;
