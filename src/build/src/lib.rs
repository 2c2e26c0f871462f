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

mod json;
mod names;
mod service;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use self::json::JsonForm;
use self::service::Stubs;

/// Generates for these files; imports are looked for in `includes`.
///
/// The output goes to Cargo's `OUT_DIR`, from where `callboard::include_proto!` takes it. The build
/// script runs again when one of the files changes. [`Builder`] has options.
///
/// # Errors
/// See [`BuildError`].
pub fn compile(
    files: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
) -> Result<(), BuildError> {
    Builder::new().compile(files, includes)
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
    Builder::new().compile_to(files, includes, out)
}

/// Generates with options.
///
/// ```no_run
/// // build.rs
/// use callboard_build::{Builder, JsonForm};
///
/// fn main() -> Result<(), callboard_build::BuildError> {
///     Builder::new().json(JsonForm::GoMicro2016).compile(&["proto/greeter.proto"], &["proto"])
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is generated before `compile`"]
pub struct Builder {
    json: JsonForm,
}

impl Builder {
    /// Begins with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How messages are written in JSON; default [`JsonForm::Proto3`].
    pub fn json(mut self, form: JsonForm) -> Self {
        self.json = form;
        self
    }

    /// Generates into Cargo's `OUT_DIR`; see [`compile`].
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn compile(
        &self,
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), BuildError> {
        let out = std::env::var_os("OUT_DIR").ok_or(BuildError::NoOutput)?;
        self.compile_to(files, includes, Path::new(&out))
    }

    /// Generates into this folder.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn compile_to(
        &self,
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
        out: &Path,
    ) -> Result<(), BuildError> {
        let descriptors = protox::compile(files, includes).map_err(|error| {
            // Its debug form names the file and the line.
            BuildError::Proto(format!("{error:?}"))
        })?;
        let mut json = json::generator(self.json);
        for file in &descriptors.file {
            if file.package().is_empty() {
                return Err(BuildError::NoPackage(file.name().to_owned()));
            }
            let nesting = file.message_type.iter().filter(|message| {
                let parts = (&message.nested_type, &message.enum_type, &message.oneof_decl);
                !(parts.0.is_empty() && parts.1.is_empty() && parts.2.is_empty())
            });
            let services = file.service.iter().map(|service| service.name());
            json::check(self.json, file)?;
            names::check_modules(services, nesting.map(|message| message.name()))?;
            rerun_on(file.name(), includes);
            json.register_file_descriptor(file.clone());
        }
        // Those of `google.protobuf` exist already.
        let own = descriptors.file.iter().filter(|file| file.package() != WELL_KNOWN);
        let prefixes: Vec<String> = own.map(|file| prefix(file.package())).collect();
        let stubs = Stubs::default();
        prost_build::Config::new()
            .out_dir(out)
            .prost_path("::callboard::codec::generated::prost")
            .compile_well_known_types()
            .extern_path(prefix(WELL_KNOWN), WELL_KNOWN_TYPES)
            .service_generator(Box::new(stubs.clone()))
            .compile_fds(descriptors)
            .map_err(BuildError::Messages)?;
        if let Some(error) = stubs.failure() {
            return Err(error);
        }
        json.ignore_unknown_fields().extern_path(prefix(WELL_KNOWN), WELL_KNOWN_TYPES);
        let written = json.generate(&prefixes, |_| Ok(Vec::new()));
        for (package, text) in written.map_err(BuildError::Messages)? {
            let text = json::finished(self.json, &String::from_utf8_lossy(&text));
            append(&out.join(format!("{package}.rs")), &text)?;
        }
        Ok(())
    }
}

/// The path of everything in a package.
fn prefix(package: &str) -> String {
    format!(".{package}")
}

/// Has the build script run again when a file changes that was read, an import too.
fn rerun_on(name: &str, includes: &[impl AsRef<Path>]) {
    let places = includes.iter().map(|include| include.as_ref().join(name));
    if let Some(path) = places.into_iter().find(|path| path.exists()) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

/// Adds the JSON form of messages to their types, which have been written before.
fn append(path: &Path, text: &str) -> Result<(), BuildError> {
    let failed = |source| BuildError::Write { path: path.to_owned(), source };
    let mut file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// The package of types that are part of protobuf, and where they are in Rust.
const WELL_KNOWN: &str = "google.protobuf";
const WELL_KNOWN_TYPES: &str = "::callboard::codec::generated::pbjson_types";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_line() {
        let folder = std::env::temp_dir().join(format!("callboard-build-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let compiled = |text: &str| {
            std::fs::write(folder.join("a.proto"), text).unwrap();
            compile_to(&["a.proto"], &[&folder], &folder).unwrap_err().to_string()
        };
        let error = compiled("syntax = \"proto3\";\npackage a;\nmessage { }\n");
        assert!(error.contains("a.proto") && error.contains(":3:"), "{error}");
        let error = compiled("syntax = \"proto3\";\nmessage A {}\n");
        assert!(error.contains("a.proto has no package"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_has_no_form_in_json_of_2016_is_named() {
        let folder = std::env::temp_dir().join(format!("callboard-forms-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let compiled = |form, text: &str| {
            let imports = ["any", "duration", "struct", "timestamp", "wrappers"]
                .map(|name| format!("import \"google/protobuf/{name}.proto\";"));
            let text = format!("syntax = \"proto3\";\npackage a;\n{}\n{text}", imports.concat());
            std::fs::write(folder.join("a.proto"), text).unwrap();
            let builder = Builder::new().json(form);
            builder.compile_to(&["a.proto"], &[&folder], &folder).map_err(|it| it.to_string())
        };
        for (text, what) in [
            ("message A { oneof either { int32 b = 1; int32 c = 2; } }", "a.A.either is a oneof"),
            (
                "message A { google.protobuf.Timestamp at = 1; }",
                "a.A.at is of the type google.protobuf.Timestamp",
            ),
            (
                "message A { message B { repeated google.protobuf.Any c = 1; } }",
                "a.A.B.c is of the type google.protobuf.Any",
            ),
            (
                "message A { map<string, google.protobuf.Value> of = 1; }",
                "a.A.OfEntry.value is of the type google.protobuf.Value",
            ),
        ] {
            let error = compiled(JsonForm::GoMicro2016, text).unwrap_err();
            assert!(error.starts_with(&format!("{what}, which has no form")), "{error}");
            assert_eq!(compiled(JsonForm::Proto3, text), Ok(()));
        }
        let optional = "message A { optional int32 b = 1; map<string, A> c = 2; }";
        assert_eq!(compiled(JsonForm::GoMicro2016, optional), Ok(()));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_that_would_be_one_are_both_named() {
        let folder = std::env::temp_dir().join(format!("callboard-clash-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let compiled = |text: &str| {
            let text = format!("syntax = \"proto3\";\npackage a;\nmessage A {{}}\n{text}");
            std::fs::write(folder.join("a.proto"), text).unwrap();
            compile_to(&["a.proto"], &[&folder], &folder).map_err(|error| error.to_string())
        };
        let rpc = |name: &str| format!("rpc {name}(A) returns (A);");
        let service = |one, other| format!("service G {{ {} {} }}", rpc(one), rpc(other));
        for (text, error) in [
            (
                service("GetAll", "Get_All"),
                "the method G.GetAll and the method G.Get_All would both be `GetAll` in Rust: \
                 rename one of them",
            ),
            (
                service("GetURL", "GetUrl"),
                "the method G.GetURL and the method G.GetUrl would both be `get_url` in Rust: \
                 rename one of them",
            ),
            (
                service("G", "GMethod"),
                "the method G.G and the method G.GMethod would both be `GMethod` in Rust: \
                 rename one of them",
            ),
            (
                "message GService { message Inner {} }\nservice G {}".to_owned(),
                "the message GService and the service G would both be `g_service` in Rust: \
                 rename one of them",
            ),
        ] {
            assert_eq!(compiled(&text), Err(error.to_owned()));
        }
        // A message without a module of its own is in nobody's way.
        assert_eq!(compiled("message GService {}\nservice G {}"), Ok(()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
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
    /// A file does not say which package it is.
    #[error("{0} has no package: add `package …;`, after which its module is named")]
    NoPackage(String),
    /// Two names of a file are one in Rust.
    #[error("{first} and {second} would both be `{name}` in Rust: rename one of them")]
    Clash {
        /// E.g. `the method Greeter.GetAll`.
        first: String,
        /// E.g. `the method Greeter.Get_all`.
        second: String,
        /// E.g. `get_all`.
        name: String,
    },
    /// Something has no form in the JSON that was asked for; see [`JsonForm::GoMicro2016`].
    #[error(
        "{name} is {what}, which has no form in the JSON of Go Micro of 2016: generate its file \
         with `JsonForm::Proto3`, and talk to nodes of 2016 about it in protobuf"
    )]
    NoJsonForm {
        /// E.g. `greeter.HelloRequest.at`.
        name: String,
        /// E.g. `a oneof`.
        what: String,
    },
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
