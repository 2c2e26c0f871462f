//! A list in order, whose copies share what they have in common.
//!
//! It is kept in chunks. Copying it copies nothing; changing one element of a copy rewrites one
//! chunk and the list of chunks, and comparing two copies looks into those chunks only that they
//! do not share.
//!
//! Pure.

use std::cmp::Ordering;
use std::sync::Arc;

/// What has a key by which it is ordered.
pub(crate) trait Keyed {
    /// The key, which no other element of a list has.
    fn key(&self) -> &str;
}

/// A list in order, whose copies share what they have in common.
#[derive(Debug, Clone)]
pub(crate) struct Sorted<T> {
    chunks: Arc<Vec<Chunk<T>>>,
}

#[derive(Debug, Clone)]
struct Chunk<T> {
    /// Elements in all chunks before it.
    begin: usize,
    /// Never empty, never more than [`MOST`].
    items: Arc<Vec<T>>,
}

/// How one list differs from another in one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference<'a, T> {
    /// It was only in the first.
    Gone(&'a T),
    /// It is only in the second.
    Came(&'a T),
    /// It was one thing and is another.
    Changed(&'a T, &'a T),
}

impl<'a, T> Difference<'a, T> {
    /// The element as it is in the second.
    pub(crate) fn present(&self) -> Option<&'a T> {
        match *self {
            Self::Gone(_) => None,
            Self::Came(item) | Self::Changed(_, item) => Some(item),
        }
    }
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { chunks: Arc::default() }
    }
}

impl<T: Keyed + Clone> Sorted<T> {
    /// A list of elements that come in order, each key once.
    pub(crate) fn from_ordered(items: impl IntoIterator<Item = T>) -> Self {
        let (mut items, mut chunks) = (items.into_iter().peekable(), Vec::new());
        let mut begin = 0;
        while items.peek().is_some() {
            let chunk: Vec<_> = items.by_ref().take(MOST / 2).collect();
            let length = chunk.len();
            chunks.push(Chunk { begin, items: Arc::new(chunk) });
            begin += length;
        }
        Self { chunks: Arc::new(chunks) }
    }

    /// How many elements it has.
    pub(crate) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| last.begin + last.items.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether the other is a copy in which nothing was changed.
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    /// All elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.iter_from(0)
    }

    /// The elements from an index on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &T> {
        let first = self.chunk_of(index);
        let skipped = self.chunks.get(first).map_or(0, |chunk| index - chunk.begin);
        let chunks = self.chunks.get(first..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.items.iter()).skip(skipped)
    }

    /// The element of an index.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let chunk = self.chunks.get(self.chunk_of(index))?;
        chunk.items.get(index - chunk.begin)
    }

    /// The element of a key.
    pub(crate) fn find(&self, key: &str) -> Option<&T> {
        let items = &self.chunks.get(self.chunk_for(key))?.items;
        let index = items.binary_search_by(|item| item.key().cmp(key)).ok()?;
        items.get(index)
    }

    /// Puts an element where its key belongs; returns the one that had the key.
    pub(crate) fn put(&mut self, item: T) -> Option<T> {
        let at = self.chunk_for(item.key());
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(at) else {
            chunks.push(Chunk { begin: 0, items: Arc::new(vec![item]) });
            return None;
        };
        let items = Arc::make_mut(&mut chunk.items);
        match items.binary_search_by(|known| known.key().cmp(item.key())) {
            Ok(index) => return Some(std::mem::replace(&mut items[index], item)),
            Err(index) => items.insert(index, item),
        }
        if items.len() > MOST {
            let rest = items.split_off(MOST / 2);
            let begin = chunk.begin + MOST / 2;
            chunks.insert(at + 1, Chunk { begin, items: Arc::new(rest) });
            renumber(chunks, at + 1);
        } else {
            renumber(chunks, at);
        }
        None
    }

    /// Takes the element of a key out.
    pub(crate) fn take(&mut self, key: &str) -> Option<T> {
        let at = self.chunk_for(key);
        let items = &self.chunks.get(at)?.items;
        let index = items.binary_search_by(|item| item.key().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let items = Arc::make_mut(&mut chunks[at].items);
        let taken = items.remove(index);
        if items.is_empty() {
            chunks.remove(at);
        } else if items.len() < LEAST {
            join(chunks, at);
        }
        renumber(chunks, at.saturating_sub(1));
        Some(taken)
    }

    /// How it differs from one before it, in order; `is_same` says whether two elements of one key
    /// are equal. Chunks that both share are passed over.
    pub(crate) fn differences_from<'a>(
        &'a self,
        before: &'a Self,
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Vec<Difference<'a, T>> {
        let (mut old, mut new) = (Walk::of(before), Walk::of(self));
        let mut differences = Vec::new();
        loop {
            if old.pass_shared(&mut new) {
                continue;
            }
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

    /// The chunk that has an index, the last one for what lies beyond.
    fn chunk_of(&self, index: usize) -> usize {
        let (last, length) = (self.chunks.len().saturating_sub(1), self.len());
        if index >= length {
            return last;
        }
        // Chunks are about equally long, so that it is mostly this one or one beside it.
        let mut at = (index * self.chunks.len() / length).min(last);
        while at > 0 && self.chunks[at].begin > index {
            at -= 1;
        }
        while self.chunks.get(at + 1).is_some_and(|next| next.begin <= index) {
            at += 1;
        }
        at
    }

    /// The chunk where a key belongs.
    fn chunk_for(&self, key: &str) -> usize {
        let begins_before =
            |chunk: &Chunk<T>| chunk.items.first().is_some_and(|first| first.key() <= key);
        self.chunks.partition_point(begins_before).saturating_sub(1)
    }
}

/// Counts anew what lies before a chunk and those behind it.
fn renumber<T>(chunks: &mut [Chunk<T>], from: usize) {
    let before = from.checked_sub(1).and_then(|before| chunks.get(before));
    let mut begin = before.map_or(0, |chunk| chunk.begin + chunk.items.len());
    for chunk in chunks.iter_mut().skip(from) {
        chunk.begin = begin;
        begin += chunk.items.len();
    }
}

/// Joins a small chunk and a neighbour that has room for it.
fn join<T: Clone>(chunks: &mut Vec<Chunk<T>>, at: usize) {
    let has_room = |one: usize, other: usize| {
        let both = chunks.get(one).zip(chunks.get(other));
        both.is_some_and(|(one, other)| one.items.len() + other.items.len() <= MOST)
    };
    let first = if has_room(at, at + 1) {
        at
    } else if at > 0 && has_room(at - 1, at) {
        at - 1
    } else {
        return;
    };
    let second = chunks.remove(first + 1);
    Arc::make_mut(&mut chunks[first].items).extend(second.items.iter().cloned());
}

/// A place in a list.
struct Walk<'a, T> {
    chunks: &'a [Chunk<T>],
    index: usize,
}

impl<'a, T> Walk<'a, T> {
    fn of(list: &'a Sorted<T>) -> Self {
        Self { chunks: &list.chunks, index: 0 }
    }

    fn peek(&self) -> Option<&'a T> {
        self.chunks.first()?.items.get(self.index)
    }

    fn next(&mut self) -> Option<&'a T> {
        let (first, rest) = self.chunks.split_first()?;
        let item = first.items.get(self.index);
        self.index += 1;
        if self.index >= first.items.len() {
            (self.chunks, self.index) = (rest, 0);
        }
        item
    }

    /// Passes over a chunk that both are at the beginning of.
    fn pass_shared(&mut self, other: &mut Self) -> bool {
        let (Some((own, rest)), Some((others, others_rest))) =
            (self.chunks.split_first(), other.chunks.split_first())
        else {
            return false;
        };
        let is_shared =
            self.index == 0 && other.index == 0 && Arc::ptr_eq(&own.items, &others.items);
        if is_shared {
            (self.chunks, other.chunks) = (rest, others_rest);
        }
        is_shared
    }
}

/// Elements of a chunk at most; a new one is filled by half.
const MOST: usize = 128;

/// A chunk of fewer is joined with a neighbour.
const LEAST: usize = 24;

#[cfg(test)]
impl<T> Sorted<T> {
    /// How many chunks it does not share with one before it.
    pub(crate) fn rewritten_since(&self, before: &Self) -> usize {
        let is_new = |chunk: &&Chunk<T>| {
            !before.chunks.iter().any(|known| Arc::ptr_eq(&known.items, &chunk.items))
        };
        self.chunks.iter().filter(is_new).count()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Entry(String, u64);

    impl Keyed for Entry {
        fn key(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn beyond_its_end_there_is_nothing_however_far() {
        let entries = (0..1_000).map(|number| Entry(format!("{number:04}"), number));
        let list = Sorted::from_ordered(entries.collect::<Vec<_>>());
        assert!(list.chunks.len() > 1 && list.get(999).is_some());
        assert!([1_000, usize::MAX].iter().all(|index| list.get(*index).is_none()));
    }

    #[test]
    fn it_agrees_with_a_map_whatever_happens() {
        let (mut list, mut map) = (Sorted::default(), BTreeMap::new());
        let (mut number, mut copies) = (7_u64, Vec::new());
        for step in 0..20_000_u64 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = format!("{:05}", (number >> 40) % 2_000);
            // It grows, shrinks to nothing and grows again.
            if (number >> 33) % 10 < [8, 1, 6, 0][usize::try_from(step / 5_000).unwrap()] {
                assert_eq!(
                    list.put(Entry(key.clone(), step)).map(|it| it.1),
                    map.insert(key, step)
                );
            } else {
                assert_eq!(list.take(&key).map(|it| it.1), map.remove(&key));
            }
            if step % 100 == 0 {
                assert!(list.iter().map(|it| (&it.0, &it.1)).eq(map.iter()), "step {step}");
                assert_eq!(list.len(), map.len());
                copies.push((list.clone(), map.clone()));
            }
            let index = usize::try_from(number >> 50).unwrap() % (map.len() + 1);
            assert_eq!(list.get(index).map(|it| &it.0), list.iter().nth(index).map(|it| &it.0));
            assert!(list.chunks.iter().all(|it| (1..=MOST).contains(&it.items.len())));
        }
        for (copy, map) in copies {
            assert!(copy.iter().map(|it| (&it.0, &it.1)).eq(map.iter()), "a copy changed");
        }
    }

    #[test]
    fn an_element_is_found_by_key_and_a_list_is_read_from_anywhere() {
        let list = numbered(1_000);
        assert_eq!(list.find("00500"), Some(&Entry("00500".into(), 500)));
        assert_eq!(list.find("0050"), None);
        for from in [0, 1, 63, 64, 999, 1_000, 2_000] {
            assert!(list.iter_from(from).eq(list.iter().skip(from)), "{from}");
        }
        assert_eq!(Sorted::<Entry>::default().iter_from(3).count(), 0);
    }

    #[test]
    fn differences_are_found_without_a_look_at_what_is_shared() {
        let before = numbered(10_000);
        let mut after = before.clone();
        assert!(after.is_copy_of(&before));
        after.put(Entry("05000".into(), 0));
        after.put(Entry("05000a".into(), 1));
        after.take("09999");
        let looks = Cell::new(0);
        let is_same = |one: &Entry, other: &Entry| {
            looks.set(looks.get() + 1);
            one == other
        };
        let differences = after.differences_from(&before, is_same);
        let expected = [
            Difference::Changed(before.find("05000").unwrap(), &Entry("05000".into(), 0)),
            Difference::Came(&Entry("05000a".into(), 1)),
            Difference::Gone(before.find("09999").unwrap()),
        ];
        assert_eq!(differences, expected);
        assert!(looks.get() <= 2 * MOST, "{} looks", looks.get());
    }

    #[test]
    fn lists_that_share_nothing_are_compared_one_by_one() {
        let (before, after) = (numbered(300), numbered(300));
        assert_eq!(after.differences_from(&before, |one, other| one == other), []);
        assert_eq!(after.differences_from(&Sorted::default(), |_, _| true).len(), 300);
        assert_eq!(Sorted::default().differences_from(&after, |_, _| true).len(), 300);
    }

    fn numbered(count: u64) -> Sorted<Entry> {
        Sorted::from_ordered((0..count).map(|number| Entry(format!("{number:05}"), number)))
    }
}
