//! Generates what the tests use.

fn main() -> Result<(), callboard_build::BuildError> {
    callboard_build::compile(
        &["proto/gm.proto", "proto/names.proto", "proto/notes.proto"],
        &["proto"],
    )
}
