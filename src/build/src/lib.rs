//! Generates typed stubs from `.proto` files, in a `build.rs`.
//!
//! Nothing has to be installed: the files are read by a compiler written in Rust. For each message
//! there is a type with its protobuf form and its JSON form (proto3's mapping); for each service a
//! module with its endpoints, a typed client, and a trait that bundles what a handler must handle.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), callboard_build::BuildError> {
//!     callboard_build::compile(&["proto/greeter.proto"], &["proto"])
//! }
//! ```
//!
//! ```ignore
//! // src/main.rs; callboard is a dependency with the feature `protobuf`
//! pub mod greeter { callboard::include_proto!("greeter"); }
//! ```
//!
//! What is generated for `service Greeter { rpc Hello(HelloRequest) returns (HelloReply); }`:
//!
//! | | |
//! |---|---|
//! | `HelloRequest`, `HelloReply` | the messages |
//! | `greeter_service::Hello` | the endpoint `Greeter.Hello` |
//! | `greeter_service::GreeterClient` | `GreeterClient::new(&system, "greeter").hello(request).await` |
//! | `greeter_service::Greeter` | what an actor is that handles every endpoint |
//! | `greeter_service::endpoints` | for `ServiceSystem::handler(Actor::default, greeter_service::endpoints)` |
//!
//! A method that is a stream becomes a stream endpoint: `client.count(request).await` opens it. One
//! whose request is a stream is opened without a message.

mod service;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use self::service::Stubs;

/// Generates for these files; imports are looked for in `includes`.
///
/// The output goes to Cargo's `OUT_DIR`, from where `callboard::include_proto!` takes it. The build
/// script runs again when one of the files changes.
///
/// # Errors
/// See [`BuildError`].
pub fn compile(
    files: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
) -> Result<(), BuildError> {
    let out = std::env::var_os("OUT_DIR").ok_or(BuildError::NoOutput)?;
    for file in files {
        println!("cargo:rerun-if-changed={}", file.as_ref().display());
    }
    compile_to(files, includes, Path::new(&out))
}

/// As [`compile`], with another folder for the output.
///
/// # Errors
/// See [`BuildError`].
pub fn compile_to(
    files: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
    out: &Path,
) -> Result<(), BuildError> {
    let descriptors = protox::compile(files, includes).map_err(|error| {
        // Its debug form names the file and the line.
        BuildError::Proto(format!("{error:?}"))
    })?;
    let packages: Vec<String> = descriptors.file.iter().map(|it| it.package().to_owned()).collect();
    let mut json = pbjson_build::Builder::new();
    for file in &descriptors.file {
        json.register_file_descriptor(file.clone());
    }
    prost_build::Config::new()
        .out_dir(out)
        .prost_path("::callboard::codec::generated::prost")
        .service_generator(Box::new(Stubs))
        .compile_fds(descriptors)
        .map_err(BuildError::Messages)?;
    let prefixes: Vec<String> = packages.iter().map(|package| format!(".{package}")).collect();
    let written = json.ignore_unknown_fields().generate(&prefixes, |_| Ok(Vec::new()));
    for (package, text) in written.map_err(BuildError::Messages)? {
        append(&out.join(format!("{package}.rs")), &text)?;
    }
    Ok(())
}

/// Adds the JSON form of messages to their types, which have been written before.
fn append(path: &Path, text: &[u8]) -> Result<(), BuildError> {
    let failed = |source| BuildError::Write { path: path.to_owned(), source };
    // A user's crate depends on callboard, and need not depend on what callboard depends on.
    let text = String::from_utf8_lossy(text)
        .replace("::pbjson::", "::callboard::codec::generated::pbjson::");
    let mut file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Why nothing was generated.
///
/// ```
/// let error = callboard_build::compile_to(&["no.proto"], &["."], std::path::Path::new("."));
/// assert!(error.unwrap_err().to_string().contains("no.proto"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It does not run in a build script.
    #[error("OUT_DIR is not set: call this in a build script, or say where the output goes")]
    NoOutput,
    /// A file is missing or is not protobuf.
    #[error("cannot read the definitions: {0}")]
    Proto(String),
    /// The messages cannot be expressed.
    #[error("cannot generate the messages")]
    Messages(#[source] io::Error),
    /// The output cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
}
