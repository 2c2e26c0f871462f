//! How messages are written in JSON.

use prost_types::{DescriptorProto, FileDescriptorProto};

use crate::{BuildError, WELL_KNOWN};

/// How messages are written in JSON. Reading takes both, whichever is set.
///
/// ```
/// assert_eq!(callboard_build::JsonForm::default(), callboard_build::JsonForm::Proto3);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonForm {
    /// By proto3's mapping: `lowerCamelCase`, 64-bit numbers as strings, enums by name.
    #[default]
    Proto3,
    /// As Go Micro of 2016 reads it: names as in the file, 64-bit numbers and enums as numbers.
    ///
    /// What follows proto3's mapping reads it too, as its parsers have to; but JavaScript rounds
    /// such numbers beyond 2⁵³. A `oneof` and the types of `google.protobuf` have no such form: Go
    /// of 2016 cannot read what it writes of the one, and has structs for the others. So a file that
    /// uses them is refused, see [`BuildError::NoJsonForm`](crate::BuildError::NoJsonForm).
    GoMicro2016,
}

/// Makes sure that every field of a file can be written in this form.
///
/// # Errors
/// [`BuildError::NoJsonForm`] names the first one that cannot.
pub(crate) fn check(form: JsonForm, file: &FileDescriptorProto) -> Result<(), BuildError> {
    if form == JsonForm::Proto3 || file.package() == WELL_KNOWN {
        return Ok(());
    }
    file.message_type.iter().try_for_each(|message| check_message(file.package(), message))
}

fn check_message(path: &str, message: &DescriptorProto) -> Result<(), BuildError> {
    let path = format!("{path}.{}", message.name());
    let refused =
        |name: &str, what| Err(BuildError::NoJsonForm { name: format!("{path}.{name}"), what });
    for field in &message.field {
        // That of an optional field is none of the file's.
        if let (Some(index), false) = (field.oneof_index, field.proto3_optional()) {
            let oneof = usize::try_from(index).ok().and_then(|it| message.oneof_decl.get(it));
            let oneof = oneof.map(|oneof| oneof.name()).unwrap_or_default();
            return refused(oneof, "a oneof".to_owned());
        }
        let kind = field.type_name().trim_start_matches('.');
        if kind.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.starts_with('.')) {
            return refused(field.name(), format!("of the type {kind}"));
        }
    }
    // The entries of a map are messages in there.
    message.nested_type.iter().try_for_each(|nested| check_message(&path, nested))
}

pub(crate) fn generator(form: JsonForm) -> pbjson_build::Builder {
    let mut generator = pbjson_build::Builder::new();
    if form == JsonForm::GoMicro2016 {
        generator.preserve_proto_field_names().use_integers_for_enums();
    }
    generator
}

/// What was generated, as it is written.
pub(crate) fn finished(form: JsonForm, text: &str) -> String {
    // A user's crate depends on callboard, and need not depend on what callboard depends on.
    let text = text.replace("::pbjson::", "::callboard::codec::generated::pbjson::");
    match form {
        JsonForm::Proto3 => text,
        JsonForm::GoMicro2016 => text.lines().map(with_numbers).collect(),
    }
}

/// The generator has no option for 64-bit numbers; these are the three ways in which it turns them
/// into text.
fn with_numbers(line: &str) -> String {
    let line =
        line.replace(".iter().map(ToString::to_string).collect::<Vec<_>>())?;", ")?;").replace(
            ".map(|(k, v)| (k, v.to_string())).collect();",
            ".map(|(k, v)| (k, *v)).collect();",
        );
    let number = line.split_once("ToString::to_string(").and_then(|(before, rest)| {
        let value = rest.strip_suffix(").as_str())?;")?;
        Some(format!("{before}{value})?;\n"))
    });
    number.unwrap_or_else(|| line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_left_as_they_are_and_nothing_else_changes() {
        for (line, expected) in [
            (
                "    struct_ser.serialize_field(\"big\", ToString::to_string(&self.big).as_str())?;",
                "    struct_ser.serialize_field(\"big\", &self.big)?;",
            ),
            (
                "struct_ser.serialize_field(\"n\", &self.n.iter().map(ToString::to_string).collect::<Vec<_>>())?;",
                "struct_ser.serialize_field(\"n\", &self.n)?;",
            ),
            (
                "    .map(|(k, v)| (k, v.to_string())).collect();",
                "    .map(|(k, v)| (k, *v)).collect();",
            ),
            (
                "struct_ser.serialize_field(\"b\", pbjson::private::base64::encode(&self.b).as_str())?;",
                "struct_ser.serialize_field(\"b\", pbjson::private::base64::encode(&self.b).as_str())?;",
            ),
        ] {
            assert_eq!(with_numbers(line), format!("{expected}\n"));
        }
    }
}
