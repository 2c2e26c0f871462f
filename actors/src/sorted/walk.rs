//! From one list in order to another, without a look at what both share.
//!
//! Pure.

use std::cmp::Ordering;

use super::part::{Node, Part};
use super::{Difference, Keyed};

/// How one list differs from another one.
pub(super) fn differences<'a, T: Keyed>(
    (before, after): (&'a Part<T>, &'a Part<T>),
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<Difference<'a, T>> {
    let (mut old, mut new) = (Walk::of(before), Walk::of(after));
    let mut differences = Vec::new();
    loop {
        old.pass_shared(&mut new);
        let order = match (old.peek(), new.peek()) {
            (None, None) => return differences,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key().cmp(new.key()),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let came = if order.is_ge() { new.next() } else { None };
        match (gone, came) {
            (Some(old), Some(new)) if is_same(old, new) => {}
            (Some(old), Some(new)) => differences.push(Difference::Changed(old, new)),
            (Some(old), None) => differences.push(Difference::Gone(old)),
            (None, Some(new)) => differences.push(Difference::Came(new)),
            (None, None) => {}
        }
    }
}

/// A place in a list.
struct Walk<'a, T> {
    /// Elements that come next.
    elements: &'a [T],
    /// Parts that come then: the last of these lists first, which are the least deep.
    parts: Vec<&'a [Part<T>]>,
    /// How deep the parts of the last list are.
    depth: usize,
}

impl<'a, T> Walk<'a, T> {
    fn of(whole: &'a Part<T>) -> Self {
        let depth = whole.node.depth();
        let mut parts = Vec::with_capacity(depth);
        parts.push(std::slice::from_ref(whole));
        Self { elements: &[], parts, depth }
    }

    fn peek(&self) -> Option<&'a T> {
        let parts = || self.parts.iter().rev().find_map(|parts| parts.first());
        self.elements.first().or_else(|| parts()?.node.first())
    }

    fn next(&mut self) -> Option<&'a T> {
        while self.elements.is_empty() {
            self.descend()?;
        }
        let (first, rest) = self.elements.split_first()?;
        self.elements = rest;
        Some(first)
    }

    /// The part that comes next, once all elements before it have been passed.
    fn part(&mut self) -> Option<&'a Part<T>> {
        while self.parts.last()?.is_empty() {
            self.parts.pop();
            self.depth += 1;
        }
        self.parts.last()?.first()
    }

    /// Passes over the part that comes next.
    fn pass(&mut self) {
        if let Some(last) = self.parts.last_mut() {
            *last = last.get(1..).unwrap_or_default();
        }
    }

    /// Goes into the part that comes next.
    fn descend(&mut self) -> Option<()> {
        let part = self.part()?;
        self.pass();
        match &part.node {
            Node::Elements(elements) => self.elements = elements,
            Node::Parts(parts) => {
                self.parts.push(parts);
                self.depth -= 1;
            }
        }
        Some(())
    }

    /// Passes over the parts that both are at the beginning of.
    fn pass_shared(&mut self, other: &mut Self) {
        while self.elements.is_empty() && other.elements.is_empty() {
            let (Some(own), Some(others)) = (self.part(), other.part()) else { return };
            if own.node.is_copy_of(&others.node) {
                self.pass();
                other.pass();
                continue;
            }
            // Parts of one depth may have parts of theirs in common, and of two depths only the
            // deeper one has what may be the other.
            let depths = (self.depth, other.depth);
            if depths.0 >= depths.1 {
                self.descend();
            }
            if depths.1 >= depths.0 {
                other.descend();
            }
        }
    }
}
