//! What is generated from `gm.proto`, the service that Go Micro's recordings were made with.

/// The package `gm`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod gm {
    callboard::include_proto!("gm");
}
