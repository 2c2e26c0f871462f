//! The Endpoint derive of callboard.
