//! Generates the gRPC client and server from Rust types, so that nobody needs `protoc`.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let service = Service::builder()
        .package("peers")
        .name("Echo")
        .method(method("echo", "Echo").build())
        .method(method("gather", "Gather").client_streaming().build())
        .method(method("down", "Down").server_streaming().build())
        .method(method("up", "Up").client_streaming().server_streaming().build())
        .method(method("both", "Both").client_streaming().server_streaming().build())
        .build();
    Builder::new().compile(&[service]);
}

fn method(name: &str, route: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type("crate::tonic::Message")
        .output_type("crate::tonic::Message")
        .codec_path("tonic_prost::ProstCodec")
}
