//! Finds out what a type looks like by having it read what it asks for.
//!
//! A type's `Deserialize` says step by step what it wants: a struct with these fields, a number, a
//! list. The tracer takes note and gives a value that will do. An enum takes one variant at a time,
//! so that several passes are needed; and a text may have to be a date, so that a pass that fails is
//! repeated with another guess.
//!
//! Pure.

mod access;
mod error;
mod memory;
mod reader;

use serde::de::DeserializeOwned;

pub(super) use self::error::Untraceable;
use self::memory::{Memory, Place};
use super::shape::{Leaf, Outline, Shape};

/// What is being read, and what is known of it.
struct Tracer {
    memory: Memory,
    /// As JSON would be read, not as a compact codec.
    is_readable: bool,
    /// What the value read last looks like.
    out: Shape,
    /// What is optional is left out: it is known, or being looked at already.
    is_cut: bool,
    /// The type with a name that is being read, and how many of its parts have been.
    place: Place,
    steps: usize,
    depth: usize,
}

/// What `T` looks like to codecs for people, if `is_readable`, else to compact ones.
///
/// # Errors
/// It cannot be found out: the type reads what describes itself, demands values that are not
/// guessed, or has no end.
pub(super) fn outline<T: DeserializeOwned>(is_readable: bool) -> Result<Outline, Untraceable> {
    let mut memory = Memory::default();
    let mut known = 0;
    for _ in 0..PASSES_MOST {
        memory.begin_pass();
        let mut tracer = Tracer {
            memory,
            is_readable,
            out: Shape::Leaf(Leaf::Unit),
            is_cut: false,
            place: ("", 0),
            steps: 0,
            depth: 0,
        };
        let result = T::deserialize(&mut tracer).map(drop);
        let Tracer { memory: learnt, out, .. } = tracer;
        memory = learnt;
        let (read, all) = memory.variants();
        match result {
            Ok(()) if read == all => {
                return Ok(Outline { shape: out, types: memory.into_types() });
            }
            Ok(()) if read == known => break,
            Ok(()) => known = read,
            Err(error) => memory.learn(error)?,
        }
    }
    Err(Untraceable::Other("not all of its variants were found".into()))
}

/// Passes over one type: one for each variant and each guess.
const PASSES_MOST: usize = 1024;

/// Values read in one pass.
const STEPS_MOST: usize = 20_000;

/// How deep types may be nested: more than people write, far less than fills a stack.
const DEPTH_MOST: usize = 64;
