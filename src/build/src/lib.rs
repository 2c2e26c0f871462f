//! Generates typed stubs from `.proto` files, in a `build.rs`.
