//! A part of a list in order: a few elements, or a few smaller parts.
//!
//! Pure.

use std::sync::Arc;

use super::Keyed;

/// A part of a list, among those with which it makes up a larger one.
#[derive(Debug, Clone)]
pub(super) struct Part<T> {
    /// Elements in it and in those before it.
    pub(super) end: usize,
    pub(super) node: Node<T>,
}

/// What a part has, shared between copies; never more than [`MOST`].
#[derive(Debug, Clone)]
pub(super) enum Node<T> {
    Elements(Arc<[T]>),
    /// None of them empty, and all equally deep.
    Parts(Arc<[Part<T>]>),
}

/// What became of a part in which an element was put.
pub(super) enum Put<T> {
    /// The element is in the place of this one.
    Replaced(T),
    Added,
    /// It was added, and there were too many: these belong behind the part.
    Cut(Node<T>),
}

impl<T> Node<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.width() == 0
    }

    /// Whether it is a copy of the other in which nothing was changed.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Elements(own), Self::Elements(others)) => Arc::ptr_eq(own, others),
            (Self::Parts(own), Self::Parts(others)) => Arc::ptr_eq(own, others),
            _ => false,
        }
    }

    /// How deep it is: 1 if it has elements.
    pub(super) fn depth(&self) -> usize {
        let (mut node, mut depth) = (self, 1);
        while let Self::Parts(parts) = node
            && let Some(first) = parts.first()
        {
            (node, depth) = (&first.node, depth + 1);
        }
        depth
    }

    /// Its first element.
    pub(super) fn first(&self) -> Option<&T> {
        let mut node = self;
        loop {
            match node {
                Self::Elements(elements) => return elements.first(),
                Self::Parts(parts) => node = &parts.first()?.node,
            }
        }
    }

    /// Elements from an index on, at least one if there is one.
    pub(super) fn from(&self, index: usize) -> &[T] {
        let (mut node, mut index) = (self, index);
        loop {
            match node {
                Self::Elements(elements) => return elements.get(index..).unwrap_or_default(),
                Self::Parts(parts) => {
                    let Some(at) = part_of(parts, index) else { return &[] };
                    index -= at.checked_sub(1).map_or(0, |before| parts[before].end);
                    node = &parts[at].node;
                }
            }
        }
    }

    /// How many elements or parts it has.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Elements(elements) => elements.len(),
            Self::Parts(parts) => parts.len(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Elements(elements) => elements.len(),
            Self::Parts(parts) => parts.last().map_or(0, |last| last.end),
        }
    }
}

impl<T: Keyed + Clone> Node<T> {
    /// The element of a key.
    pub(super) fn find(&self, key: &str) -> Option<&T> {
        let mut node = self;
        loop {
            match node {
                Self::Elements(elements) => {
                    return index_of(elements, key).ok().map(|index| &elements[index]);
                }
                Self::Parts(parts) => node = &parts.get(part_for(parts, key))?.node,
            }
        }
    }

    /// Puts an element where its key belongs.
    pub(super) fn put(&mut self, element: T) -> Put<T> {
        match self {
            Self::Elements(elements) => match index_of(elements, element.key()) {
                Ok(index) => {
                    let place = &mut Arc::make_mut(elements)[index];
                    Put::Replaced(std::mem::replace(place, element))
                }
                Err(index) => {
                    let mut all = Vec::with_capacity(elements.len() + 1);
                    all.extend_from_slice(&elements[..index]);
                    all.push(element);
                    all.extend_from_slice(&elements[index..]);
                    let rest = cut(&mut all);
                    *elements = all.into();
                    rest.map_or(Put::Added, |rest| Put::Cut(Self::Elements(rest.into())))
                }
            },
            Self::Parts(parts) => {
                let at = part_for(parts, element.key());
                let own = Arc::make_mut(parts);
                let put = own[at].node.put(element);
                if matches!(put, Put::Added) {
                    own[at..].iter_mut().for_each(|part| part.end += 1);
                }
                let Put::Cut(rest) = put else { return put };
                let mut nodes: Vec<_> = own.iter().map(|part| part.node.clone()).collect();
                nodes.insert(at + 1, rest);
                let rest = cut(&mut nodes);
                *parts = in_a_row(nodes);
                rest.map_or(Put::Added, |rest| Put::Cut(Self::Parts(in_a_row(rest))))
            }
        }
    }

    /// Takes the element of a key out; it may be empty then.
    pub(super) fn take(&mut self, key: &str) -> Option<T> {
        match self {
            Self::Elements(elements) => {
                let index = index_of(elements, key).ok()?;
                let taken = elements[index].clone();
                let (before, behind) = (&elements[..index], &elements[index + 1..]);
                *elements = before.iter().chain(behind).cloned().collect();
                Some(taken)
            }
            Self::Parts(parts) => {
                let at = part_for(parts, key);
                let own = Arc::make_mut(parts);
                let taken = own.get_mut(at)?.node.take(key)?;
                own[at..].iter_mut().for_each(|part| part.end -= 1);
                if own[at].node.width() < LEAST {
                    let mut nodes = own.iter().map(|part| part.node.clone()).collect();
                    join(&mut nodes, at);
                    *parts = in_a_row(nodes);
                }
                Some(taken)
            }
        }
    }

    /// Appends another one, which is equally deep.
    fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::Elements(own), Self::Elements(others)) => {
                *own = own.iter().chain(others.iter()).cloned().collect();
            }
            (Self::Parts(own), Self::Parts(others)) => {
                *own = in_a_row(own.iter().chain(others.iter()).map(|part| part.node.clone()));
            }
            _ => {}
        }
    }
}

/// Parts that make up a larger one.
pub(super) fn in_a_row<T>(nodes: impl IntoIterator<Item = Node<T>>) -> Arc<[Part<T>]> {
    let mut end = 0;
    let parts = nodes.into_iter().map(|node| {
        end += node.len();
        Part { end, node }
    });
    parts.collect()
}

/// The part that has an index.
fn part_of<T>(parts: &[Part<T>], index: usize) -> Option<usize> {
    let length = parts.last()?.end;
    if index >= length {
        return None;
    }
    // Parts are about equally long, so that it is mostly this one or one beside it.
    let mut at = index * parts.len() / length;
    while at > 0 && parts[at - 1].end > index {
        at -= 1;
    }
    while parts[at].end <= index {
        at += 1;
    }
    Some(at)
}

/// The part where a key belongs.
fn part_for<T: Keyed>(parts: &[Part<T>], key: &str) -> usize {
    let begins_before =
        |part: &Part<T>| part.node.first().is_some_and(|element| element.key() <= key);
    parts.partition_point(begins_before).saturating_sub(1)
}

/// The index of a key, or else where it belongs.
fn index_of<T: Keyed>(elements: &[T], key: &str) -> Result<usize, usize> {
    elements.binary_search_by(|element| element.key().cmp(key))
}

/// Takes the second half away where there are too many.
fn cut<E>(all: &mut Vec<E>) -> Option<Vec<E>> {
    (all.len() > MOST).then(|| all.split_off(all.len() / 2))
}

/// Joins a small one and a neighbour that has room for it.
fn join<T: Keyed + Clone>(nodes: &mut Vec<Node<T>>, at: usize) {
    if nodes[at].is_empty() {
        nodes.remove(at);
        return;
    }
    let has_room = |first: &usize| {
        let both = nodes.get(*first).zip(nodes.get(*first + 1));
        both.is_some_and(|(one, other)| one.width() + other.width() <= MOST)
    };
    if let Some(first) = [Some(at), at.checked_sub(1)].into_iter().flatten().find(has_room) {
        let second = nodes.remove(first + 1);
        nodes[first].append(&second);
    }
}

/// Elements or parts at most: copying a few short ones costs less than one long one, and more of
/// them make a search longer.
pub(super) const MOST: usize = 16;

/// What has fewer is joined with a neighbour.
const LEAST: usize = MOST / 4;

/// How many a new one has.
pub(super) const FILL: usize = MOST / 4 * 3;

#[cfg(test)]
impl<T> Node<T> {
    /// It and all that it has.
    pub(super) fn all(&self) -> Vec<&Self> {
        let parts = if let Self::Parts(parts) = self { &**parts } else { &[] };
        std::iter::once(self).chain(parts.iter().flat_map(|part| part.node.all())).collect()
    }
}
