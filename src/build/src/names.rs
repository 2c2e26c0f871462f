//! What the parts of a service are called in Rust.
//!
//! Pure.

use std::collections::HashMap;

use heck::ToSnakeCase;
use prost_build::{Method, Service};

use crate::BuildError;

/// The names of a service's module and of all in it; no two are alike.
pub(crate) struct Names<'a> {
    pub(crate) methods: Vec<Named<'a>>,
    /// The trait of what handles it.
    pub(crate) name: &'a str,
    pub(crate) client: String,
    pub(crate) module: String,
}

/// A method and its names.
pub(crate) struct Named<'a> {
    pub(crate) method: &'a Method,
    /// The type of its endpoint.
    pub(crate) endpoint: String,
    /// The function of the client.
    pub(crate) function: String,
}

impl<'a> Names<'a> {
    /// # Errors
    /// [`BuildError::Clash`]: two methods would have one name.
    pub(crate) fn of(service: &'a Service) -> Result<Self, BuildError> {
        let client = format!("{}Client", service.name);
        let reserved = ["Self", &service.name, &client];
        let methods: Vec<_> = service
            .methods
            .iter()
            .map(|method| {
                let mut endpoint = upper_camel(&method.proto_name);
                if reserved.contains(&endpoint.as_str()) {
                    endpoint.push_str("Method");
                }
                let mut function = method.name.clone();
                if function == CONSTRUCTOR {
                    function.push('_');
                }
                Named { method, endpoint, function }
            })
            .collect();
        let mut known = HashMap::new();
        for Named { method, endpoint, function } in &methods {
            // Types and functions do not get into each other's way.
            for name in [("type", endpoint), ("function", function)] {
                let second = format!("the method {}.{}", service.proto_name, method.proto_name);
                if let Some(first) = known.insert(name, second.clone()) {
                    return Err(BuildError::Clash { first, second, name: name.1.clone() });
                }
            }
        }
        drop(known);
        let module = module(&service.name);
        Ok(Self { methods, name: &service.name, client, module })
    }
}

/// Checks that no module of a service is also that of what a message contains; `messages` are those
/// that contain anything.
///
/// # Errors
/// [`BuildError::Clash`].
pub(crate) fn check_modules<'a>(
    services: impl Iterator<Item = &'a str>,
    messages: impl Iterator<Item = &'a str>,
) -> Result<(), BuildError> {
    let mut known = HashMap::new();
    for message in messages {
        known.insert(message.to_snake_case(), format!("the message {message}"));
    }
    for service in services {
        let (name, second) = (module(service), format!("the service {service}"));
        if let Some(first) = known.insert(name.clone(), second.clone()) {
            return Err(BuildError::Clash { first, second, name });
        }
    }
    Ok(())
}

/// The module of a service.
fn module(service: &str) -> String {
    format!("{}_service", service.to_snake_case())
}

/// As it is but for the first letters of its words.
fn upper_camel(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    let mut text: String = words.map(capitalised).collect();
    if !text.starts_with(|first: char| first.is_alphabetic()) {
        text.insert(0, '_');
    }
    text
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What makes a client.
const CONSTRUCTOR: &str = "new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_like_a_type() {
        let names = [("Hello", "Hello"), ("sayHello", "SayHello"), ("say_hello", "SayHello")];
        for (name, expected) in names.into_iter().chain([("HTTPGet", "HTTPGet"), ("_1st", "_1st")])
        {
            assert_eq!(upper_camel(name), expected);
        }
    }
}
