//! A list in order, whose copies share what they have in common.
//!
//! It is a tree of small parts. Copying it copies nothing; changing one element of a copy rewrites
//! the parts on the way to it, which are few however long the list is, and comparing two copies
//! looks into those parts only that they do not share.
//!
//! Pure.

mod part;
mod walk;

use std::iter;
use std::sync::Arc;

use self::part::{FILL, Node, Part, Put, in_a_row};

/// What has a key by which it is ordered.
pub(crate) trait Keyed {
    /// The key, which no other element of a list has.
    fn key(&self) -> &str;
}

/// A list in order, whose copies share what they have in common.
#[derive(Debug, Clone)]
pub(crate) struct Sorted<T> {
    whole: Part<T>,
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
        Self { whole: Part { end: 0, node: Node::Elements(Arc::new([])) } }
    }
}

impl<T: Keyed + Clone> Sorted<T> {
    /// A list of elements that come in order, each key once.
    pub(crate) fn from_ordered(items: impl IntoIterator<Item = T>) -> Self {
        let mut items = items.into_iter();
        let mut end = 0;
        let mut nodes: Vec<_> = iter::from_fn(|| {
            let few: Arc<[T]> = items.by_ref().take(FILL).collect();
            end += few.len();
            (!few.is_empty()).then_some(Node::Elements(few))
        })
        .collect();
        while nodes.len() > 1 {
            let rows = nodes.chunks(FILL).map(|row| Node::Parts(in_a_row(row.iter().cloned())));
            nodes = rows.collect();
        }
        nodes.pop().map_or_else(Self::default, |node| Self { whole: Part { end, node } })
    }

    /// How many elements it has.
    pub(crate) fn len(&self) -> usize {
        self.whole.end
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.end == 0
    }

    /// Whether the other is a copy in which nothing was changed.
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        self.whole.node.is_copy_of(&other.whole.node)
    }

    /// All elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.iter_from(0)
    }

    /// The elements from an index on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &T> {
        let mut next = index;
        let few = iter::from_fn(move || {
            let few = self.whole.node.from(next);
            next += few.len();
            (!few.is_empty()).then_some(few)
        });
        few.flatten()
    }

    /// The element of an index.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.whole.node.from(index).first()
    }

    /// The element of a key.
    pub(crate) fn find(&self, key: &str) -> Option<&T> {
        self.whole.node.find(key)
    }

    /// Puts an element where its key belongs; returns the one that had the key.
    pub(crate) fn put(&mut self, item: T) -> Option<T> {
        match self.whole.node.put(item) {
            Put::Replaced(item) => return Some(item),
            Put::Added => {}
            Put::Cut(rest) => {
                let row = in_a_row([self.whole.node.clone(), rest]);
                self.whole.node = Node::Parts(row);
            }
        }
        self.whole.end += 1;
        None
    }

    /// Takes the element of a key out.
    pub(crate) fn take(&mut self, key: &str) -> Option<T> {
        // What is not there must not have anything rewritten.
        self.find(key)?;
        let taken = self.whole.node.take(key)?;
        self.whole.end -= 1;
        while let Node::Parts(parts) = &self.whole.node
            && let [only] = &**parts
        {
            self.whole.node = only.node.clone();
        }
        if self.is_empty() {
            *self = Self::default();
        }
        Some(taken)
    }

    /// How it differs from one before it, in order; `is_same` says whether two elements of one key
    /// are equal. What both share is passed over.
    pub(crate) fn differences_from<'a>(
        &'a self,
        before: &'a Self,
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Vec<Difference<'a, T>> {
        walk::differences((&before.whole, &self.whole), is_same)
    }
}

#[cfg(test)]
impl<T> Sorted<T> {
    /// How many elements and parts had to be copied since one before it.
    pub(crate) fn copied_since(&self, before: &Self) -> usize {
        let known = before.whole.node.all();
        let is_new = |node: &&Node<T>| !known.iter().any(|known| node.is_copy_of(known));
        self.whole.node.all().into_iter().filter(is_new).map(Node::width).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::part::MOST;
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
        assert!(list.whole.node.depth() > 2 && list.get(999).is_some());
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
            assert_is_sound(&list);
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
        assert!(looks.get() <= 3 * MOST, "{} looks", looks.get());
    }

    #[test]
    fn lists_that_share_nothing_are_compared_one_by_one() {
        let (before, after) = (numbered(300), numbered(300));
        assert_eq!(after.differences_from(&before, |one, other| one == other), []);
        assert_eq!(after.differences_from(&Sorted::default(), |_, _| true).len(), 300);
        assert_eq!(Sorted::default().differences_from(&after, |_, _| true).len(), 300);
    }

    #[test]
    fn differences_are_found_whatever_was_cut_and_joined() {
        let (mut list, mut number) = (numbered(600), 7_u64);
        for round in 0..200 {
            let before = list.clone();
            let mut expected = BTreeMap::new();
            for _ in 0..round % 40 {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = format!("{:05}", (number >> 40) % 1_200);
                let is_put = (number >> 33).is_multiple_of(2) == (round < 100);
                let now = is_put.then(|| Entry(key.clone(), number));
                match &now {
                    Some(entry) => drop(list.put(entry.clone())),
                    None => drop(list.take(&key)),
                }
                expected.insert(key, now);
            }
            let told = list.differences_from(&before, |one, other| one == other);
            let told = told.into_iter().map(|difference| {
                let (Difference::Gone(it) | Difference::Came(it) | Difference::Changed(_, it)) =
                    difference;
                (it.0.clone(), difference.present().cloned())
            });
            expected.retain(|key, now| before.find(key) != now.as_ref());
            assert!(told.eq(expected), "round {round}");
        }
    }

    #[test]
    fn a_change_copies_little_however_long_the_list_is() {
        for (count, most) in [(1_000, 48), (10_000, 64), (100_000, 80)] {
            let before = numbered(count);
            let mut after = before.clone();
            after.put(Entry("00500".into(), 0));
            after.put(Entry("00500a".into(), 0));
            after.take("00500b");
            after.take("00501");
            let copied = after.copied_since(&before);
            assert!(copied <= most, "{copied} of {count}");
        }
    }

    fn assert_is_sound(list: &Sorted<Entry>) {
        let all = list.whole.node.all();
        let is_empty = |node: &&Node<Entry>| node.width() == 0;
        assert!(all.iter().all(|node| node.width() <= MOST));
        assert_eq!(all.iter().filter(|node| is_empty(node)).count(), usize::from(list.is_empty()));
        for node in all {
            let Node::Parts(parts) = node else { continue };
            assert!(parts.iter().all(|part| part.node.depth() + 1 == node.depth()));
        }
    }

    fn numbered(count: u64) -> Sorted<Entry> {
        Sorted::from_ordered((0..count).map(|number| Entry(format!("{number:05}"), number)))
    }
}
