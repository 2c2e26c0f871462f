//! callboard.
pub use callboard_actors as actors;
