//! What is generated from `gm.proto`, the service that Go Micro's recordings were made with.

/// The package `gm`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod gm {
    callboard::include_proto!("gm");
}

/// The package `gm` once more, with JSON as Go Micro of 2016 has it.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod early {
    use callboard::codec::generated::{pbjson, serde};
    include!(concat!(env!("OUT_DIR"), "/early/gm.rs"));
}

/// The package `numbers`, with that form of JSON.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod numbers {
    use callboard::codec::generated::serde;
    include!(concat!(env!("OUT_DIR"), "/early/numbers.rs"));
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
