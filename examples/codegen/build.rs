//! Generates the messages, the endpoints and the client; no `protoc` is needed.

fn main() -> Result<(), callboard_build::BuildError> {
    callboard_build::compile(&["proto/greeter.proto"], &["proto"])
}
