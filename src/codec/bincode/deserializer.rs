//! Reads bincode for serde, without filling memory with zeros first. Pure.
//!
//! bincode's own deserializer allocates zeroed memory for each `String` and each buffer of bytes,
//! and then copies into it. This one copies each once, and borrowed ones never.
//! Everything that is in the bytes (numbers, lengths, limits) is read by bincode's own `Decode`, so
//! the format is one and the same; a property test compares the two.

use std::str::Utf8Error;

use bincode::de::{BorrowDecode, BorrowDecoder, Decode, DecoderImpl};
use bincode::error::{AllowedEnumVariants, DecodeError};
use bincode::serde::DecodeError as Unsupported;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::unread::Unread;
use super::{BINCODE, Config};

/// Where reading has got to, and how much has been read.
pub(super) struct Position<'de>(DecoderImpl<Unread<'de>, Config, ()>);

impl<'de> Position<'de> {
    /// Begins to read.
    pub(super) fn new(body: &'de [u8]) -> Self {
        Self(DecoderImpl::new(Unread(body), BINCODE, ()))
    }

    /// How many bytes have not been read.
    pub(super) fn unread(&mut self) -> usize {
        self.0.borrow_reader().0.len()
    }

    #[inline]
    fn number<T: Decode<()>>(&mut self) -> Result<T, DecodeError> {
        T::decode(&mut self.0)
    }

    /// Copied before it is checked for UTF-8, which is cheaper where memory is aligned.
    #[inline]
    fn text(&mut self) -> Result<String, DecodeError> {
        let bytes: &[u8] = self.borrowed()?;
        if bytes.len() > PIECE {
            return long_text(bytes).map_err(|inner| DecodeError::Utf8 { inner });
        }
        String::from_utf8(bytes.to_vec())
            .map_err(|error| DecodeError::Utf8 { inner: error.utf8_error() })
    }

    #[inline]
    fn borrowed<T: BorrowDecode<'de, ()>>(&mut self) -> Result<T, DecodeError> {
        T::borrow_decode(&mut self.0)
    }
}

/// Checks and copies piece by piece: the whole would have left the processor's cache between the
/// two.
#[inline(never)]
fn long_text(bytes: &[u8]) -> Result<String, Utf8Error> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(PIECE)];
        let whole = match str::from_utf8(piece) {
            Ok(whole) => whole,
            // A character may lie across the border of two pieces.
            Err(error) if error.error_len().is_none() && piece.len() < rest.len() => {
                str::from_utf8(&piece[..error.valid_up_to()])?
            }
            // Once more, for its place is told from the beginning.
            Err(_) => return str::from_utf8(bytes).map(str::to_owned),
        };
        text.push_str(whole);
        rest = &rest[whole.len()..];
    }
    Ok(text)
}

/// What bincode reads by itself, and how the visitor takes it.
macro_rules! visit {
    ($($deserialize:ident $visit:ident $read:ident,)*) => {$(
        #[inline]
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.$read()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Position<'de> {
    type Error = DecodeError;

    visit! {
        deserialize_bool visit_bool number,
        deserialize_i8 visit_i8 number,
        deserialize_i16 visit_i16 number,
        deserialize_i32 visit_i32 number,
        deserialize_i64 visit_i64 number,
        deserialize_i128 visit_i128 number,
        deserialize_u8 visit_u8 number,
        deserialize_u16 visit_u16 number,
        deserialize_u32 visit_u32 number,
        deserialize_u64 visit_u64 number,
        deserialize_u128 visit_u128 number,
        deserialize_f32 visit_f32 number,
        deserialize_f64 visit_f64 number,
        deserialize_char visit_char number,
        deserialize_str visit_borrowed_str borrowed,
        deserialize_string visit_string text,
        deserialize_bytes visit_borrowed_bytes borrowed,
        deserialize_byte_buf visit_borrowed_bytes borrowed,
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.number()? {
            0_u8 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            found => Err(DecodeError::UnexpectedVariant {
                type_name: "Option<T>",
                allowed: &AllowedEnumVariants::Range { min: 0, max: 1 },
                found: found.into(),
            }),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let length = self.number()?;
        visitor.visit_seq(Elements { position: self, left: length })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Elements { position: self, left: length })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let length = self.number()?;
        visitor.visit_map(Elements { position: self, left: length })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::Serde(Unsupported::AnyNotSupported))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::Serde(Unsupported::IdentifierNotSupported))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::Serde(Unsupported::IgnoredAnyNotSupported))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence, the fields of a struct, or the entries of a map.
struct Elements<'a, 'de> {
    position: &'a mut Position<'de>,
    left: usize,
}

impl<'de> Elements<'_, 'de> {
    #[inline]
    fn next<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.position).map(Some)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        seed.deserialize(&mut *self.position)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Position<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let variant: U32Deserializer<DecodeError> = self.number::<u32>()?.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Position<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

/// Bytes of a text that are checked and copied at a time.
const PIECE: usize = 64 * 1024;
