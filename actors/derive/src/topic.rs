//! Writes the implementation of `Topic`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitStr, Path, Result};

use crate::options::{library, once, text};

/// The implementation for `input`, or what is wrong with it.
pub(crate) fn topic(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(parameter) = input.generics.params.first() {
        let text = "an event has one type for all who subscribe; it cannot be generic";
        return Err(Error::new_spanned(parameter, text));
    }
    let (mut name, mut path) = (None, None);
    let attributes = input.attrs.iter().filter(|each| each.path().is_ident("topic"));
    for attribute in attributes {
        attribute.parse_nested_meta(|option| match option.path.get_ident() {
            Some(known) if known == "name" => once(&mut name, &option.path, text(&option, FORM)?),
            Some(known) if known == "crate" => once(&mut path, &option.path, library(&option)?),
            _ => {
                let text = "unknown option; known are `name` and `crate`";
                Err(Error::new_spanned(&option.path, text))
            }
        })?;
    }
    let event = &input.ident;
    let name = name.ok_or_else(|| Error::new_spanned(event, MISSING))?;
    check(&name)?;
    let library: Path = path.unwrap_or_else(|| syn::parse_quote!(::callboard));
    Ok(quote! {
        #[automatically_derived]
        impl #library::Topic for #event {
            const NAME: &'static str = #name;
            // Remembered here, as it is asked for with each event.
            fn schema() -> &'static #library::schema::TopicSchema {
                static SCHEMA: ::std::sync::OnceLock<#library::schema::TopicSchema> =
                    ::std::sync::OnceLock::new();
                SCHEMA.get_or_init(#library::schema::TopicSchema::of::<Self>)
            }
        }
    })
}

fn check(name: &LitStr) -> Result<()> {
    let text = name.value();
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    if (1..=LENGTH_MOST).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(());
    }
    let objection = "a topic has 1 to 255 bytes and no white space, e.g. `user.created`";
    Err(Error::new(name.span(), objection))
}

const FORM: &str = "`name` is a string: write `name = \"user.created\"`";

const MISSING: &str = "an event has a topic; add e.g. `#[topic(name = \"user.created\")]`";

/// As `callboard_actors::broker::Interest::NAME_MOST`.
const LENGTH_MOST: usize = 255;

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn expanded(input: &DeriveInput) -> String {
        topic(input).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn an_event_gets_its_name() {
        let text = expanded(&parse_quote! {
            #[topic(name = "user.created", crate = board)]
            struct UserCreated { name: String }
        });
        let expected = quote! {
            #[automatically_derived]
            impl board::Topic for UserCreated {
                const NAME: &'static str = "user.created";
                fn schema() -> &'static board::schema::TopicSchema {
                    static SCHEMA: ::std::sync::OnceLock<board::schema::TopicSchema> =
                        ::std::sync::OnceLock::new();
                    SCHEMA.get_or_init(board::schema::TopicSchema::of::<Self>)
                }
            }
        };
        assert_eq!(text, expected.to_string());
    }

    #[test]
    fn what_cannot_be_a_topic_is_refused() {
        let missing = expanded(&parse_quote!(
            struct UserCreated;
        ));
        assert!(missing.contains("#[topic(name = "), "{missing}");
        let spaced = expanded(&parse_quote! {
            #[topic(name = "user created")]
            struct UserCreated;
        });
        assert!(spaced.contains("no white space"), "{spaced}");
        let generic = expanded(&parse_quote! {
            #[topic(name = "user.created")]
            struct UserCreated<T>(T);
        });
        assert!(generic.contains("cannot be generic"), "{generic}");
        let unknown = expanded(&parse_quote! {
            #[topic(nmae = "user.created")]
            struct UserCreated;
        });
        assert!(unknown.contains("known are"), "{unknown}");
    }
}
