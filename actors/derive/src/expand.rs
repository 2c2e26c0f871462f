//! Writes the implementation of `Endpoint`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Generics, Result, WherePredicate, parse_quote};

use crate::options::Options;

/// The implementation for `input`, or what is wrong with it.
pub(crate) fn endpoint(input: &DeriveInput) -> Result<TokenStream> {
    if let Data::Union(union) = &input.data {
        let text = "an endpoint's message is a struct or an enum; serde cannot carry a union";
        return Err(Error::new_spanned(union.union_token, text));
    }
    if let Some(lifetime) = input.generics.lifetimes().next() {
        let text = "an endpoint's message owns its data, because it outlives the bytes it came in; \
                    use e.g. `String` instead of `&str`";
        return Err(Error::new_spanned(lifetime, text));
    }
    let options = Options::of(input)?;
    let Options { name, reply, item, idempotent, library } = &options;
    let message = &input.ident;
    let generics = bounded(input, &options);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    if let Some(item) = item {
        return Ok(quote! {
            #[automatically_derived]
            impl #parameters #library::StreamEndpoint for #message #arguments #conditions {
                type Item = #item;
                type Reply = #reply;
                const NAME: &'static str = #name;
            }
        });
    }
    let schema = schema(input, library);
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #library::Endpoint for #message #arguments #conditions {
            type Reply = #reply;
            const NAME: &'static str = #name;
            const IDEMPOTENT: bool = #idempotent;
            #schema
        }
    })
}

/// Where the schema is remembered, as it is asked for at each call.
///
/// With parameters there is a schema for each set of them, and a static could hold only one: then
/// the trait's own table has to do.
fn schema(input: &DeriveInput, library: &syn::Path) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    quote! {
        fn schema() -> &'static #library::schema::EndpointSchema {
            static SCHEMA: ::std::sync::OnceLock<#library::schema::EndpointSchema> =
                ::std::sync::OnceLock::new();
            SCHEMA.get_or_init(#library::schema::EndpointSchema::of::<Self>)
        }
    }
}

/// The generics of `input` and, where there are type parameters, what the trait demands.
///
/// The bounds are on the message and the reply as wholes, not on each parameter: serde derives
/// theirs, and only serde knows which parameters matter to it. A message without parameters gets
/// none, because rustc then points at the type that falls short.
fn bounded(input: &DeriveInput, options: &Options) -> Generics {
    let mut generics = input.generics.clone();
    if generics.type_params().next().is_none() {
        return generics;
    }
    let Options { reply, item, library, .. } = options;
    let message = &input.ident;
    let owned: Vec<WherePredicate> =
        generics.type_params().map(|each| &each.ident).map(|t| parse_quote!(#t: 'static)).collect();
    let (_, arguments, _) = input.generics.split_for_impl();
    let demanded = quote! {
        #library::serde::Serialize + #library::serde::de::DeserializeOwned + ::core::marker::Send
    };
    let conditions = generics.make_where_clause();
    conditions.predicates.extend(owned);
    conditions.predicates.push(parse_quote!(#message #arguments: #demanded));
    conditions.predicates.push(parse_quote!(#reply: #demanded));
    if let Some(item) = item {
        conditions.predicates.push(parse_quote!(#item: #demanded));
    }
    generics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: &DeriveInput) -> String {
        endpoint(input).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_plain_message_gets_no_conditions() {
        let text = expanded(&parse_quote! {
            #[endpoint(name = "Greeter.Hello", reply = HelloReply)]
            struct Hello { name: String }
        });
        let expected = quote! {
            #[automatically_derived]
            impl ::callboard::Endpoint for Hello {
                type Reply = HelloReply;
                const NAME: &'static str = "Greeter.Hello";
                const IDEMPOTENT: bool = false;
                fn schema() -> &'static ::callboard::schema::EndpointSchema {
                    static SCHEMA: ::std::sync::OnceLock<::callboard::schema::EndpointSchema> =
                        ::std::sync::OnceLock::new();
                    SCHEMA.get_or_init(::callboard::schema::EndpointSchema::of::<Self>)
                }
            }
        };
        assert_eq!(text, expected.to_string());
    }

    #[test]
    fn a_stream_has_items_too() {
        let text = expanded(&parse_quote! {
            #[endpoint(stream, name = "Chat.Talk", item = Said<T>, reply = Heard)]
            struct Talk<T> { room: T }
        });
        let demanded = quote!(
            ::callboard::serde::Serialize
                + ::callboard::serde::de::DeserializeOwned
                + ::core::marker::Send
        );
        let expected = quote! {
            #[automatically_derived]
            impl<T> ::callboard::StreamEndpoint for Talk<T>
            where T: 'static, Talk<T>: #demanded, Heard: #demanded, Said<T>: #demanded
            {
                type Item = Said<T>;
                type Reply = Heard;
                const NAME: &'static str = "Chat.Talk";
            }
        };
        assert_eq!(text, expected.to_string());
    }

    #[test]
    fn a_generic_message_is_bounded_as_a_whole() {
        let text = expanded(&parse_quote! {
            #[endpoint(name = "Store.Put", reply = Option<T>, crate = board)]
            struct Put<T: Clone, const N: usize> where T: Ord { values: [T; N] }
        });
        let demanded = quote!(
            board::serde::Serialize + board::serde::de::DeserializeOwned + ::core::marker::Send
        );
        let conditions = quote! {
            impl<T: Clone, const N: usize> board::Endpoint for Put<T, N>
            where T: Ord, T: 'static, Put<T, N>: #demanded, Option<T>: #demanded
        };
        assert!(text.contains(&conditions.to_string()), "{text}");
        assert!(!text.contains("SCHEMA"), "{text}");
    }

    #[test]
    fn a_message_that_borrows_is_refused() {
        let text = expanded(&parse_quote! {
            #[endpoint(name = "Greeter.Hello", reply = ())]
            struct Hello<'a> { name: &'a str }
        });
        assert!(text.starts_with("an endpoint's message owns its data"), "{text}");
    }

    #[test]
    fn a_union_is_refused() {
        let text = expanded(&parse_quote! {
            #[endpoint(name = "Greeter.Hello", reply = ())]
            union Hello { left: u8, right: u16 }
        });
        assert!(text.contains("serde cannot carry a union"), "{text}");
    }
}
