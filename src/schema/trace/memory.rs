//! What one pass over a type teaches the next.
//!
//! Pure.

use std::collections::{HashMap, HashSet};

use super::error::Untraceable;
use crate::schema::shape::{Body, Definition, Shape, Variant};

/// Where a value is read: in which type, as how manieth part.
pub(super) type Place = (&'static str, usize);

/// What is known of the types within a type.
#[derive(Debug, Default)]
pub(super) struct Memory {
    types: Vec<Definition>,
    states: Vec<State>,
    /// By the Rust type's name, which tells apart what has one name to serde.
    indexes: HashMap<(&'static str, &'static str), usize>,
    /// How many guesses were wrong at a place.
    guesses: HashMap<Place, usize>,
    /// The place of the guess made last, and how many further ones there are.
    last_guess: Option<(Place, usize)>,
    /// The struct and the name of the field that was offered last.
    pub(super) last_field: Option<(&'static str, &'static str)>,
    /// Further names of fields.
    aliases: HashSet<(&'static str, &'static str)>,
    /// Proper names of fields that have others.
    proper: HashSet<(&'static str, &'static str)>,
}

#[derive(Debug, Default, Clone)]
struct State {
    is_open: bool,
    /// It has been read in this pass.
    is_done: bool,
    /// The variants that have been begun.
    begun: HashSet<usize>,
    /// The variant that was read first: it leads to an end.
    terminal: Option<usize>,
}

/// A type with a name that is about to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) index: usize,
    /// It has not been read in this pass, and is to be noted.
    pub(super) is_new: bool,
}

impl Memory {
    pub(super) fn begin_pass(&mut self) {
        for (state, definition) in self.states.iter_mut().zip(&self.types) {
            state.is_open = false;
            state.is_done = false;
            if let Body::Enum(variants) = &definition.body {
                state.begun.retain(|variant| variants[*variant].1.is_some());
            }
        }
        self.last_guess = None;
        self.last_field = None;
    }

    /// Enters a type; `rust` is its name in Rust.
    pub(super) fn enter(&mut self, rust: &'static str, name: &'static str) -> Entry {
        let index = *self.indexes.entry((rust, name)).or_insert_with(|| {
            self.types.push(Definition { name, body: Body::Unknown });
            self.states.push(State::default());
            self.types.len() - 1
        });
        let state = &mut self.states[index];
        let is_new = !state.is_open && !state.is_done;
        state.is_open |= is_new;
        Entry { index, is_new }
    }

    /// Leaves a type that was new.
    pub(super) fn leave(&mut self, index: usize, body: Option<Body>) {
        if let Some(body) = body {
            self.types[index].body = body;
        }
        self.states[index].is_open = false;
        self.states[index].is_done = true;
    }

    /// The variant of an enum to be read next, and whether it is to be noted.
    pub(super) fn choose(
        &mut self,
        entry: Entry,
        names: &'static [&'static str],
        is_cut: bool,
    ) -> Result<(usize, bool), Untraceable> {
        if self.types[entry.index].body == Body::Unknown {
            let variants = names.iter().map(|name| (*name, None)).collect();
            self.types[entry.index].body = Body::Enum(variants);
        }
        let state = &mut self.states[entry.index];
        if let Some(next) = (0..names.len()).find(|variant| !state.begun.contains(variant)) {
            state.begun.insert(next);
            return Ok((next, true));
        }
        let terminal = state.terminal;
        if entry.is_new
            && !is_cut
            && let Body::Enum(variants) = &self.types[entry.index].body
            && let Some(way) = variants.iter().position(|it| self.leads_on(it.1.as_ref()))
        {
            return Ok((way, true));
        }
        let terminal = terminal.ok_or_else(|| Untraceable::Other("it has no end".into()))?;
        Ok((terminal, false))
    }

    /// Takes note of a variant that has been read.
    pub(super) fn read_variant(&mut self, index: usize, choice: usize, variant: Variant) {
        self.states[index].terminal.get_or_insert(choice);
        if let Body::Enum(variants) = &mut self.types[index].body {
            variants[choice].1 = Some(variant);
        }
    }

    /// The variants that have been read, and all that there are as far as is known.
    pub(super) fn variants(&self) -> (usize, usize) {
        let counts = self.types.iter().map(Definition::variants);
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }

    /// Whether there is an enum behind a variant of which not all is known.
    fn leads_on(&self, variant: Option<&Variant>) -> bool {
        let mut seen = HashSet::new();
        let mut open: Vec<&Shape> = variant.map(Variant::shapes).unwrap_or_default();
        while let Some(shape) = open.pop() {
            match shape {
                Shape::Option(inner) | Shape::List(inner) => open.push(inner),
                Shape::Map(key, value) => open.extend([&**key, &**value]),
                Shape::Tuple(parts) => open.extend(parts),
                Shape::Type(index) if seen.insert(*index) => {
                    let (read, all) = self.types[*index].variants();
                    if read < all {
                        return true;
                    }
                    open.extend(self.types[*index].body.shapes());
                }
                Shape::Leaf(_) | Shape::Type(_) => {}
            }
        }
        false
    }

    /// Which of `count` guesses to make at a place.
    pub(super) fn guess(&mut self, place: Place, count: usize) -> usize {
        let guess = self.guesses.get(&place).copied().unwrap_or(0).min(count - 1);
        self.last_guess = Some((place, count - 1 - guess));
        guess
    }

    /// The names of a struct's fields, those that have others too first.
    pub(super) fn fields(
        &self,
        owner: &'static str,
        names: &'static [&'static str],
    ) -> Vec<&'static str> {
        let mut fields = names.to_vec();
        fields.retain(|name| !self.aliases.contains(&(owner, *name)));
        fields.sort_by_key(|name| !self.proper.contains(&(owner, *name)));
        fields
    }

    /// Gets ready for another pass after one that failed.
    pub(super) fn learn(&mut self, error: Untraceable) -> Result<(), Untraceable> {
        match (error, self.last_field, self.last_guess) {
            (Untraceable::Duplicate(proper), Some((owner, name)), _) if proper == name => {
                // Another name of it came before; next time it comes first.
                if !self.proper.insert((owner, proper)) {
                    return Err(Untraceable::Duplicate(proper));
                }
            }
            (Untraceable::Duplicate(_), Some(alias), _) => {
                self.aliases.insert(alias);
            }
            (Untraceable::Other(_), _, Some((place, further))) if further > 0 => {
                *self.guesses.entry(place).or_default() += 1;
            }
            (error, ..) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn into_types(self) -> Vec<Definition> {
        self.types
    }
}
