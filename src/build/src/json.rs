//! How messages are written in JSON.

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
    /// such numbers beyond 2⁵³. Types of `google.protobuf` and `oneof`s are written as by proto3: Go
    /// Micro of 2016 cannot read those whatever they look like.
    GoMicro2016,
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
