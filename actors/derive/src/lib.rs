//! The derives of callboard.
//!
//! Users reach them as `callboard::Endpoint` and `callboard::Topic`, which are both traits and
//! derives.

mod expand;
mod name;
mod options;
mod spelling;
mod topic;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a message something that a service answers.
///
/// ```ignore
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(name = "Greeter.Hello", reply = HelloReply, idempotent)]
/// struct Hello {
///     name: String,
/// }
/// ```
///
/// | option | |
/// |---|---|
/// | `name = "Service.Method"` | required: two parts of ASCII letters, digits and `_`, one dot between them |
/// | `reply = HelloReply` | required: what the handler returns on success; `()` for nothing; a string that holds a type works too |
/// | `idempotent` | a call may be repeated although it may have been executed; `idempotent = false` is the default |
/// | `stream` | it opens a stream, of which it implements `StreamEndpoint` instead of `Endpoint` |
/// | `item = Ping` | required for a stream: what the client sends; `()` for nothing |
/// | `crate = path` | where callboard, or at least its traits, `schema` and `serde`, is found; `::callboard` by default |
///
/// The message and its reply implement `Serialize` and `Deserialize`, are `Send` and own their
/// data. A generic message is an endpoint wherever it and its reply satisfy that; all its
/// instances share one name, so a service answers at most one of them.
#[proc_macro_derive(Endpoint, attributes(endpoint))]
pub fn endpoint(input: TokenStream) -> TokenStream {
    expand::endpoint(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a message something that is published under a topic.
///
/// ```ignore
/// #[derive(Debug, Serialize, Deserialize, Topic)]
/// #[topic(name = "user.created")]
/// struct UserCreated {
///     name: String,
/// }
/// ```
///
/// | option | |
/// |---|---|
/// | `name = "user.created"` | required: 1 to 255 bytes without white space |
/// | `crate = path` | where callboard is found; `::callboard` by default |
#[proc_macro_derive(Topic, attributes(topic))]
pub fn topic(input: TokenStream) -> TokenStream {
    topic::topic(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
