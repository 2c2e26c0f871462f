//! What is generated for a service.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use prost_build::{Service, ServiceGenerator};

use crate::BuildError;
use crate::names::{Named, Names};

/// Generates endpoints, a client and a trait.
#[derive(Clone, Default)]
pub(crate) struct Stubs {
    /// The first service that cannot be expressed; the trait has no way to say so.
    failed: Rc<RefCell<Option<BuildError>>>,
}

impl Stubs {
    /// Why a service was left out.
    pub(crate) fn failure(&self) -> Option<BuildError> {
        self.failed.take()
    }
}

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buffer: &mut String) {
        match Names::of(&service) {
            Ok(names) => write(&service, &names, buffer),
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error);
            }
        }
    }
}

/// Nothing is imported, and what is the service's own is written `self::…`: so whatever a method is
/// called, it hides nothing.
fn write(service: &Service, names: &Names<'_>, buffer: &mut String) {
    let Names { methods, name, client, module } = names;
    // Writing to a string does not fail.
    let _ = write!(
        buffer,
        "
/// The service `{proto}`: its endpoints, a client, and what handles them.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub mod {module} {{{endpoints}
    /// Calls the service by its methods.
    #[derive(Debug, Clone)]
    pub struct {client} {{
        service: ::callboard::ServiceRef,
    }}

    impl self::{client} {{
        /// A client of the service with this name.
        pub fn new(system: &::callboard::ServiceSystem, name: &::core::primitive::str) -> Self {{
            Self {{ service: system.service(name) }}
        }}
{calls}    }}

    /// An actor that handles every endpoint of the service.
    pub trait {name}:
        ::callboard::prelude::Actor<Context = ::callboard::Context<Self>>
{bounds}    {{
    }}

    impl<__Actor> self::{name} for __Actor
    where
        __Actor: ::callboard::prelude::Actor<Context = ::callboard::Context<__Actor>>
{bounds}    {{
    }}

    /// Adds every endpoint to a handler.
    pub fn endpoints<__Actor: self::{name}>(
        handler: ::callboard::handler::HandlerBuilder<__Actor>,
    ) -> ::callboard::handler::HandlerBuilder<__Actor>
    {{
        handler{requests}
    }}
}}
",
        proto = service.proto_name,
        endpoints = each(methods, |method| endpoint(&service.proto_name, method)),
        calls = each(methods, call),
        bounds = each(methods, bound),
        requests = each(methods, |method| {
            let kind = if is_stream(method) { "stream" } else { "request" };
            format!(".{kind}::<self::{}>()", method.endpoint)
        }),
    );
}

fn is_stream(Named { method, .. }: &Named<'_>) -> bool {
    method.client_streaming || method.server_streaming
}

/// What an actor must be to answer the method.
fn bound(method: &Named<'_>) -> String {
    let message = if is_stream(method) { "Streaming" } else { "Request" };
    format!(
        "            + ::callboard::prelude::Handler<::callboard::{message}<self::{}>, Result: 'static>\n",
        method.endpoint
    )
}

fn endpoint(service: &str, named: &Named<'_>) -> String {
    let Named { method, endpoint: name, .. } = named;
    let (request, reply) = (path(&method.input_type), path(&method.output_type));
    let wire = format!("{service}.{}", method.proto_name);
    let message = format!("{PROTO}<{request}>");
    let (items, opening) =
        if method.client_streaming { (&*message, "()") } else { ("()", &*message) };
    let mut text = format!(
        "
    /// `{wire}`.
    #[derive(
        Debug,
        Clone,
        PartialEq,
        ::callboard::codec::generated::serde::Serialize,
        ::callboard::codec::generated::serde::Deserialize,
    )]
    #[serde(crate = \"::callboard::codec::generated::serde\", transparent)]
    pub struct {name}(pub {opening});
"
    );
    let kind = if is_stream(named) {
        streaming(&wire, name, items, &reply)
    } else {
        unary(&wire, name, &reply)
    };
    text.push_str(&kind);
    if !method.client_streaming {
        text.push_str(&access(name, &request));
    }
    text
}

fn streaming(wire: &str, name: &str, items: &str, reply: &str) -> String {
    let (opening, item) = if items == "()" {
        let opening = format!(
            "::callboard::codec::ProtobufMessage {{
                    encode: |opening, buffer| opening.0.encode(buffer),
                    decode: |bytes| {PROTO}::decode(bytes).map(Self),
                }}"
        );
        (opening, nothing("()"))
    } else {
        (nothing("Self(())"), message())
    };
    format!(
        "
    impl ::callboard::StreamEndpoint for self::{name} {{
        type Item = {items};
        type Reply = {PROTO}<{reply}>;

        const NAME: &'static ::core::primitive::str = \"{wire}\";

        fn protobuf() -> ::core::option::Option<::callboard::codec::StreamProtobufCodec<Self>> {{
            ::core::option::Option::Some(::callboard::codec::StreamProtobufCodec {{
                opening: {opening},
                item: {item},
                reply: {message},
            }})
        }}
    }}
",
        message = message()
    )
}

/// How a message is written in protobuf.
fn message() -> String {
    format!(
        "::callboard::codec::ProtobufMessage {{
                    encode: |message, buffer| message.encode(buffer),
                    decode: {PROTO}::decode,
                }}"
    )
}

/// How nothing, which is this value, is written in protobuf: as a message without fields.
fn nothing(value: &str) -> String {
    format!(
        "::callboard::codec::ProtobufMessage {{
                    encode: |_, _| {{}},
                    decode: |_| ::core::result::Result::Ok({value}),
                }}"
    )
}

fn unary(wire: &str, name: &str, reply: &str) -> String {
    format!(
        "
    impl ::callboard::Endpoint for self::{name} {{
        type Reply = {PROTO}<{reply}>;

        const NAME: &'static ::core::primitive::str = \"{wire}\";

        fn protobuf() -> ::core::option::Option<::callboard::codec::ProtobufCodec<Self>> {{
            ::core::option::Option::Some(::callboard::codec::ProtobufCodec {{
                encode_request: |request, buffer| request.0.encode(buffer),
                decode_request: |bytes| {PROTO}::decode(bytes).map(Self),
                encode_reply: |reply, buffer| reply.encode(buffer),
                decode_reply: {PROTO}::decode,
            }})
        }}

        fn schema() -> &'static ::callboard::schema::EndpointSchema {{
            static SCHEMA: ::std::sync::OnceLock<::callboard::schema::EndpointSchema> =
                ::std::sync::OnceLock::new();
            SCHEMA.get_or_init(::callboard::schema::EndpointSchema::of::<Self>)
        }}
    }}
"
    )
}

/// The way from an endpoint to its message and back.
fn access(name: &str, request: &str) -> String {
    format!(
        "
    impl ::core::ops::Deref for self::{name} {{
        type Target = {request};

        fn deref(&self) -> &Self::Target {{
            &self.0
        }}
    }}

    impl ::core::convert::From<{request}> for self::{name} {{
        fn from(message: {request}) -> Self {{
            Self({PROTO}(message))
        }}
    }}
"
    )
}

fn call(named: &Named<'_>) -> String {
    let Named { method, endpoint: name, function } = named;
    let request = path(&method.input_type);
    let (argument, message) = if method.client_streaming {
        (String::new(), format!("self::{name}(())"))
    } else {
        (
            format!(", request: {request}"),
            format!("::core::convert::Into::<self::{name}>::into(request)"),
        )
    };
    let (builder, send) = if is_stream(named) {
        ("stream::StreamBuilder", "stream")
    } else {
        ("CallBuilder", "send")
    };
    format!(
        "
        /// Calls `{}`.
        pub fn {function}(&self{argument}) -> ::callboard::{builder}<self::{name}> {{
            self.service.{send}({message})
        }}
",
        method.proto_name
    )
}

fn each(methods: &[Named<'_>], text: impl Fn(&Named<'_>) -> String) -> String {
    methods.iter().map(text).collect()
}

/// A type's path as seen from the service's own module.
fn path(kind: &str) -> String {
    if kind == "()" || kind.starts_with("::") || kind.starts_with("crate::") {
        kind.to_owned()
    } else {
        format!("super::{kind}")
    }
}

/// What carries a message through every codec.
const PROTO: &str = "::callboard::codec::Proto";
