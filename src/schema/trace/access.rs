//! Hands a type the parts of what it reads.
//!
//! Pure.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{Tracer, Untraceable};
use crate::schema::shape::{Shape, Variant};

/// Elements, in their order.
pub(super) struct Elements<'a> {
    tracer: &'a mut Tracer,
    left: usize,
    pub(super) shapes: Vec<Shape>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(tracer: &'a mut Tracer, count: usize) -> Self {
        Self { tracer, left: count, shapes: Vec::new() }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Untraceable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Untraceable> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (value, shape) = self.tracer.part(seed)?;
        self.shapes.push(shape);
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Fields by their names.
pub(super) struct Fields<'a> {
    pub(super) tracer: &'a mut Tracer,
    pub(super) owner: &'static str,
    pub(super) names: std::vec::IntoIter<&'static str>,
    pub(super) current: &'static str,
    pub(super) shapes: Vec<(&'static str, Shape)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Untraceable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Untraceable> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.current = name;
        self.tracer.memory.last_field = Some((self.owner, name));
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Untraceable> {
        let (value, shape) = self.tracer.part(seed)?;
        self.shapes.push((self.current, shape));
        Ok(value)
    }
}

/// The entries of a map: one, or none.
pub(super) struct Entries<'a> {
    pub(super) tracer: &'a mut Tracer,
    pub(super) left: usize,
    pub(super) key: Option<Shape>,
    pub(super) value: Option<Shape>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Untraceable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Untraceable> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (key, shape) = self.tracer.part(seed)?;
        self.key = Some(shape);
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Untraceable> {
        let (value, shape) = self.tracer.part(seed)?;
        self.value = Some(shape);
        Ok(value)
    }
}

/// One variant of an enum.
pub(super) struct Chosen<'a> {
    pub(super) tracer: &'a mut Tracer,
    pub(super) name: &'static str,
    pub(super) variant: &'a mut Option<Variant>,
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Untraceable;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Untraceable> {
        let value = seed.deserialize(StrDeserializer::<Untraceable>::new(self.name))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Untraceable;

    fn unit_variant(self) -> Result<(), Untraceable> {
        *self.variant = Some(Variant::Unit);
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Untraceable> {
        let (value, shape) = self.tracer.part(seed)?;
        *self.variant = Some(Variant::Newtype(shape));
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        let mut elements = Elements::new(self.tracer, count);
        let value = visitor.visit_seq(&mut elements)?;
        *self.variant = Some(Variant::Tuple(elements.shapes));
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Untraceable> {
        // Its fields are told apart from those of other variants by the variant's name.
        let (value, fields) = self.tracer.fields(self.name, names, visitor)?;
        *self.variant = Some(Variant::Struct(fields, names));
        Ok(value)
    }
}
