//! Generates what the tests use.

use std::path::Path;

use callboard_build::{BuildError, Builder, JsonForm};

fn main() -> Result<(), BuildError> {
    let files = ["proto/gm.proto", "proto/names.proto", "proto/notes.proto"];
    callboard_build::compile(&files, &["proto"])?;
    // Once more, with the other form of JSON.
    let out = std::env::var_os("OUT_DIR").ok_or(BuildError::NoOutput)?;
    let early = Path::new(&out).join("early");
    std::fs::create_dir_all(&early)
        .map_err(|source| BuildError::Write { path: early.clone(), source })?;
    let builder = Builder::new().json(JsonForm::GoMicro2016);
    builder.compile_to(&["proto/gm.proto", "proto/numbers.proto"], &["proto"], &early)
}
