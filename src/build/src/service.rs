//! What is generated for a service.

use std::fmt::Write;

use prost_build::{Method, Service, ServiceGenerator};

/// Generates endpoints, a client and a trait.
pub(crate) struct Stubs;

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buffer: &mut String) {
        let methods: Vec<_> = service.methods.iter().collect();
        let name = &service.name;
        // Writing to a string does not fail.
        let _ = write!(
            buffer,
            "
/// The service `{proto}`: its endpoints, a client, and what handles them.
#[allow(clippy::all, clippy::pedantic, missing_docs, unused_imports)]
pub mod {module}_service {{
    use ::callboard::codec::generated::serde;
    use ::callboard::codec::{{Proto, ProtobufCodec, ProtobufMessage, StreamProtobufCodec}};
{endpoints}
    /// Calls the service by its methods.
    #[derive(Debug, Clone)]
    pub struct {name}Client {{
        service: ::callboard::ServiceRef,
    }}

    impl {name}Client {{
        /// A client of the service with this name.
        pub fn new(system: &::callboard::ServiceSystem, name: &str) -> Self {{
            Self {{ service: system.service(name) }}
        }}
{calls}    }}

    /// An actor that handles every endpoint of the service.
    pub trait {name}:
        ::callboard::prelude::Actor<Context = ::callboard::Context<Self>>
{bounds}    {{
    }}

    impl<A> {name} for A
    where
        A: ::callboard::prelude::Actor<Context = ::callboard::Context<A>>
{bounds}    {{
    }}

    /// Adds every endpoint to a handler.
    pub fn endpoints<A: {name}>(
        handler: ::callboard::handler::HandlerBuilder<A>,
    ) -> ::callboard::handler::HandlerBuilder<A>
    {{
        handler{requests}
    }}
}}
",
            proto = service.proto_name,
            module = snake_case(name),
            endpoints = each(&methods, |method| endpoint(&service.proto_name, method)),
            calls = each(&methods, call),
            bounds = each(&methods, bound),
            requests = each(&methods, |method| {
                let kind = if is_stream(method) { "stream" } else { "request" };
                format!(".{kind}::<{}>()", method.proto_name)
            }),
        );
    }
}

fn is_stream(method: &Method) -> bool {
    method.client_streaming || method.server_streaming
}

/// What an actor must be to answer the method.
fn bound(method: &Method) -> String {
    let message = if is_stream(method) { "Streaming" } else { "Request" };
    format!(
        "            + ::callboard::prelude::Handler<::callboard::{message}<{}>, Result: 'static>\n",
        method.proto_name
    )
}

fn endpoint(service: &str, method: &Method) -> String {
    let (name, request, reply) =
        (&method.proto_name, path(&method.input_type), path(&method.output_type));
    let items = if method.client_streaming { format!("Proto<{request}>") } else { "()".into() };
    let opening = if method.client_streaming { "()".into() } else { format!("Proto<{request}>") };
    let mut text = format!(
        "
    /// `{service}.{name}`.
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(crate = \"::callboard::codec::generated::serde\", transparent)]
    pub struct {name}(pub {opening});
"
    );
    let kind = if is_stream(method) {
        streaming(service, name, &items, &reply)
    } else {
        unary(service, name, &reply)
    };
    text.push_str(&kind);
    if !method.client_streaming {
        text.push_str(&access(name, &request));
    }
    text
}

fn streaming(service: &str, name: &str, items: &str, reply: &str) -> String {
    let (opening, item) = if items == "()" {
        let opening = "ProtobufMessage {
                    encode: |opening, buffer| opening.0.encode(buffer),
                    decode: |bytes| Proto::decode(bytes).map(Self),
                }";
        (opening, NOTHING)
    } else {
        ("ProtobufMessage { encode: |_, _| {}, decode: |_| Ok(Self(())) }", PROTO)
    };
    format!(
        "
    impl ::callboard::StreamEndpoint for {name} {{
        type Item = {items};
        type Reply = Proto<{reply}>;

        const NAME: &'static str = \"{service}.{name}\";

        fn protobuf() -> Option<StreamProtobufCodec<Self>> {{
            Some(StreamProtobufCodec {{
                opening: {opening},
                item: {item},
                reply: {PROTO},
            }})
        }}
    }}
"
    )
}

/// How a message is written in protobuf.
const PROTO: &str = "ProtobufMessage {
                    encode: |message, buffer| message.encode(buffer),
                    decode: Proto::decode,
                }";

/// How nothing is written in protobuf: as a message without fields.
const NOTHING: &str = "ProtobufMessage { encode: |_, _| {}, decode: |_| Ok(()) }";

fn unary(service: &str, name: &str, reply: &str) -> String {
    format!(
        "
    impl ::callboard::Endpoint for {name} {{
        type Reply = Proto<{reply}>;

        const NAME: &'static str = \"{service}.{name}\";

        fn protobuf() -> Option<ProtobufCodec<Self>> {{
            Some(ProtobufCodec {{
                encode_request: |request, buffer| request.0.encode(buffer),
                decode_request: |bytes| Proto::decode(bytes).map(Self),
                encode_reply: |reply, buffer| reply.encode(buffer),
                decode_reply: Proto::decode,
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
    impl ::core::ops::Deref for {name} {{
        type Target = {request};

        fn deref(&self) -> &Self::Target {{
            &self.0
        }}
    }}

    impl From<{request}> for {name} {{
        fn from(message: {request}) -> Self {{
            Self(Proto(message))
        }}
    }}
"
    )
}

fn call(method: &Method) -> String {
    let (name, function, request) = (&method.proto_name, &method.name, path(&method.input_type));
    let (argument, message) = if method.client_streaming {
        (String::new(), format!("{name}(())"))
    } else {
        (format!(", request: {request}"), format!("{name}::from(request)"))
    };
    let (builder, send) = if is_stream(method) {
        ("stream::StreamBuilder", "stream")
    } else {
        ("CallBuilder", "send")
    };
    format!(
        "
        /// Calls `{name}`.
        pub fn {function}(&self{argument}) -> ::callboard::{builder}<{name}> {{
            self.service.{send}({message})
        }}
"
    )
}

fn each(methods: &[&Method], text: impl Fn(&Method) -> String) -> String {
    methods.iter().map(|method| text(method)).collect()
}

/// A type's path as seen from the service's own module.
fn path(kind: &str) -> String {
    if kind == "()" || kind.starts_with("::") || kind.starts_with("crate::") {
        kind.to_owned()
    } else {
        format!("super::{kind}")
    }
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
