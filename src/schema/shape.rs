//! What a type looks like to serde.
//!
//! Pure.

/// A type, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Leaf(Leaf),
    Option(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Tuple(Vec<Shape>),
    /// One of the types that have a name, by its index.
    Type(usize),
}

/// A type without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Unit,
    /// Whatever the body says.
    Any,
}

/// Fields in their order.
pub(super) type NamedShapes = Vec<(&'static str, Shape)>;

/// A type that has a name.
#[derive(Debug)]
pub(super) struct Definition {
    /// To serde.
    pub(super) name: &'static str,
    pub(super) body: Body,
}

/// What a type that has a name consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// It is being looked at.
    Unknown,
    Unit,
    Newtype(Shape),
    Tuple(Vec<Shape>),
    /// Fields, and all names by which they are read.
    Struct(NamedShapes, &'static [&'static str]),
    Enum(Vec<(&'static str, Option<Variant>)>),
}

/// What a variant of an enum consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variant {
    Unit,
    Newtype(Shape),
    Tuple(Vec<Shape>),
    Struct(NamedShapes, &'static [&'static str]),
}

/// A type, with all that have a name within it.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) shape: Shape,
    pub(super) types: Vec<Definition>,
}

impl Leaf {
    /// What Go calls it; empty where it has no such type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::I128 => "int128",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::U128 => "uint128",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::Char | Self::Text => "string",
            Self::Bytes => "[]uint8",
            Self::Unit | Self::Any => "",
        }
    }
}

impl Definition {
    /// Of an enum, the variants that are known, and all.
    pub(super) fn variants(&self) -> (usize, usize) {
        match &self.body {
            Body::Enum(variants) => {
                (variants.iter().filter(|it| it.1.is_some()).count(), variants.len())
            }
            _ => (0, 0),
        }
    }
}

impl Body {
    /// Its parts.
    pub(super) fn shapes(&self) -> Vec<&Shape> {
        match self {
            Self::Unknown | Self::Unit => Vec::new(),
            Self::Newtype(shape) => vec![shape],
            Self::Tuple(shapes) => shapes.iter().collect(),
            Self::Struct(fields, _) => fields.iter().map(|(_, shape)| shape).collect(),
            Self::Enum(variants) => {
                variants.iter().filter_map(|it| it.1.as_ref()).flat_map(Variant::shapes).collect()
            }
        }
    }
}

impl Variant {
    /// Its parts.
    pub(super) fn shapes(&self) -> Vec<&Shape> {
        match self {
            Self::Unit => Vec::new(),
            Self::Newtype(shape) => vec![shape],
            Self::Tuple(shapes) => shapes.iter().collect(),
            Self::Struct(fields, _) => fields.iter().map(|(_, shape)| shape).collect(),
        }
    }
}
