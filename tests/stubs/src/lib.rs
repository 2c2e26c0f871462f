//! What is generated from `gm.proto`, the service that Go Micro's recordings were made with.

/// The package `gm`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod gm {
    callboard::include_proto!("gm");
}

/// The package `names`, whose methods are called like other things.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod names {
    callboard::include_proto!("names");
}

/// The package `notes`, whose messages have types of `gm` and of protobuf itself.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod notes {
    callboard::include_proto!("notes");
}
