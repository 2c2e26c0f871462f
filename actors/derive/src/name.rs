//! The form of an endpoint's name.
//!
//! Pure.

/// Says what is wrong with `name`, or nothing when its form is `Service.Method`.
///
/// `message` is the type that bears the name; it stands in for a method that is not there.
pub(crate) fn objection(name: &str, message: &str) -> Option<String> {
    let reason = reason(name)?;
    let suggestion = suggestion(name, message);
    Some(format!(
        "{reason}; the form is `Service.Method` with ASCII letters, digits and `_`, \
         e.g. `{suggestion}`"
    ))
}

fn reason(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the name of an endpoint is empty".into());
    }
    if let Some(odd) = name.chars().find(|letter| !is_allowed(*letter) && *letter != '.') {
        return Some(format!("{odd:?} is not allowed in the name of an endpoint"));
    }
    match name.split('.').map(str::is_empty).collect::<Vec<_>>()[..] {
        [false, false] => None,
        [true, _] => Some(format!("`{name}` lacks the part before the dot")),
        [_, true] => Some(format!("`{name}` lacks the part after the dot")),
        [_] => Some(format!("`{name}` has no dot")),
        _ => Some(format!("`{name}` has more than one dot")),
    }
}

/// The nearest name that is allowed.
fn suggestion(name: &str, message: &str) -> String {
    let parts: Vec<&str> =
        name.split(|letter| !is_allowed(letter)).filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [] => format!("MyService.{message}"),
        [part] if name.starts_with('.') => format!("MyService.{part}"),
        [part] => format!("{part}.{message}"),
        [.., service, method] => format!("{service}.{method}"),
    }
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_method_are_fine() {
        for name in ["Greeter.Hello", "a.b", "_.9", "My_Service2.Do_It"] {
            assert_eq!(objection(name, "Hello"), None, "{name}");
        }
    }

    #[test]
    fn an_objection_names_the_reason_and_a_name_that_is_fine() {
        let cases = [
            ("", "the name of an endpoint is empty", "MyService.Hello"),
            ("Greeter", "`Greeter` has no dot", "Greeter.Hello"),
            ("Greeter.", "`Greeter.` lacks the part after the dot", "Greeter.Hello"),
            (".Hi", "`.Hi` lacks the part before the dot", "MyService.Hi"),
            (".", "`.` lacks the part before the dot", "MyService.Hello"),
            ("go.Greeter.Hi", "`go.Greeter.Hi` has more than one dot", "Greeter.Hi"),
            ("a..b", "`a..b` has more than one dot", "a.b"),
            ("Greeter/Hi", "'/' is not allowed in the name of an endpoint", "Greeter.Hi"),
            ("Grüße.Hi", "'ü' is not allowed in the name of an endpoint", "e.Hi"),
            ("Greeter.Hi\n", "'\\n' is not allowed in the name of an endpoint", "Greeter.Hi"),
        ];
        for (name, reason, suggestion) in cases {
            let text = objection(name, "Hello").unwrap();
            assert!(text.starts_with(&format!("{reason}; ")), "{text}");
            assert!(text.ends_with(&format!("e.g. `{suggestion}`")), "{text}");
            assert_eq!(objection(suggestion, "Hello"), None);
        }
    }
}
