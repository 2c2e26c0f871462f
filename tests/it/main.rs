//! The public API, from a user's side.

mod derive;
