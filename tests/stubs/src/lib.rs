//! What is generated from `gm.proto`, the service that Go Micro's recordings were made with.

/// The package `gm`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod gm {
    callboard::include_proto!("gm");
}

/// The package `notes`, whose messages have types of `gm` and of protobuf itself.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod notes {
    callboard::include_proto!("notes");
}
