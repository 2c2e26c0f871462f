//! A type in the form in which Go Micro's records describe it.
//!
//! Pure.

use callboard_actors::registry::Schema;

use super::shape::{Body, Leaf, NamedShapes, Outline, Shape, Variant};

/// Describes a message that is called `name`.
pub(super) fn describe(outline: &Outline, name: &str) -> Schema {
    let writer = Writer { outline };
    let mut schema = writer.value(name, &outline.shape, Schema::DEPTH_MOST);
    // As Go has it, a message is called by its type.
    if matches!(writer.behind(&outline.shape), Shape::Type(_)) {
        name.clone_into(&mut schema.kind);
    }
    schema
}

struct Writer<'a> {
    outline: &'a Outline,
}

impl<'a> Writer<'a> {
    /// Describes a part; `depth` levels, itself included.
    fn value(&self, name: &str, shape: &Shape, depth: usize) -> Schema {
        let shape = self.behind(shape);
        let mut schema = Schema::new(name, self.kind(shape, depth));
        if depth > 1 {
            schema.values = self.values(shape, depth - 1);
            schema.values.truncate(VALUES_MOST);
        }
        schema
    }

    fn values(&self, shape: &Shape, depth: usize) -> Vec<Schema> {
        match shape {
            Shape::List(element) => {
                let kind = self.kind(element, depth);
                vec![self.value(&kind, element, depth)]
            }
            Shape::Tuple(parts) => self.places(parts, depth),
            Shape::Type(index) => match &self.outline.types[*index].body {
                Body::Struct(fields, _) => self.fields(fields, depth),
                Body::Tuple(parts) => self.places(parts, depth),
                Body::Enum(variants) => {
                    let known = variants.iter();
                    known.map(|(name, it)| self.variant(name, it.as_ref(), depth)).collect()
                }
                Body::Unknown | Body::Unit | Body::Newtype(_) => Vec::new(),
            },
            Shape::Leaf(Leaf::Bytes) => {
                vec![Schema::from(Leaf::U8.name())]
            }
            // Go describes maps no further.
            Shape::Leaf(_) | Shape::Map(..) | Shape::Option(_) => Vec::new(),
        }
    }

    fn variant(&self, name: &str, variant: Option<&Variant>, depth: usize) -> Schema {
        let parts = match variant {
            Some(Variant::Newtype(inner)) => return self.value(name, inner, depth),
            Some(Variant::Tuple(parts)) if depth > 1 => self.places(parts, depth - 1),
            Some(Variant::Struct(fields, _)) if depth > 1 => self.fields(fields, depth - 1),
            _ => Vec::new(),
        };
        Schema { values: parts, ..Schema::new(name, "") }
    }

    fn fields(&self, fields: &NamedShapes, depth: usize) -> Vec<Schema> {
        fields.iter().map(|(name, shape)| self.value(name, shape, depth)).collect()
    }

    /// The parts of what has no names.
    fn places(&self, parts: &[Shape], depth: usize) -> Vec<Schema> {
        let numbered = parts.iter().enumerate();
        numbered.map(|(place, shape)| self.value(&place.to_string(), shape, depth)).collect()
    }

    /// What a type is called; `depth` bounds lists of lists, of which some have no end.
    fn kind(&self, shape: &Shape, depth: usize) -> String {
        match self.behind(shape) {
            Shape::List(_) if depth == 0 => String::new(),
            Shape::Leaf(leaf) => leaf.name().to_owned(),
            Shape::List(element) => format!("[]{}", self.kind(element, depth - 1)),
            Shape::Type(index) => self.outline.types[*index].name.to_owned(),
            Shape::Map(..) | Shape::Tuple(_) | Shape::Option(_) => String::new(),
        }
    }

    /// What is written in a shape's place: Go has pointers for options, and no newtypes.
    fn behind<'s>(&self, shape: &'s Shape) -> &'s Shape
    where
        'a: 's,
    {
        let mut shape = shape;
        // A newtype may be around itself, with a list in between at the most.
        for _ in 0..=self.outline.types.len() {
            shape = match shape {
                Shape::Option(inner) => inner,
                Shape::Type(index) => match &self.outline.types[*index].body {
                    Body::Newtype(inner) => inner,
                    _ => return shape,
                },
                _ => return shape,
            };
        }
        shape
    }
}

/// Values of one type that are listed.
const VALUES_MOST: usize = 64;
