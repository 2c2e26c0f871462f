//! The ring of consistent hashing.
//!
//! Where a key lies depends on the key and on the ids of the nodes alone, so that all callers
//! agree, on every machine: the functions here are part of the protocol between them.
//!
//! Pure.

mod demand;

use std::cmp::Ordering;
use std::sync::Arc;

pub(super) use self::demand::RingDemand;

/// Points of all nodes around a circle of 2^32 places.
///
/// A key belongs to the owner of the first point at or after its place. Each node has
/// [`POINTS`](Self::POINTS) of them. The circle is cut into equally wide arcs, each with its own
/// points in order. These are spread evenly, so that how far into its arc a place lies tells to
/// some points where to look. A ring that follows from another one shares its arcs but for those
/// in which a node came or left.
#[derive(Debug)]
pub(super) struct Ring {
    /// As many as a power of two.
    arcs: Box<[Arc<Vec<Point>>]>,
    count: usize,
}

/// Which of two owners comes first, should points of theirs lie on one place: all callers must
/// order them alike.
pub(super) type Order<'a> = &'a dyn Fn(u32, u32) -> Ordering;

impl Ring {
    /// Points per node: the busiest of many nodes owns about a third more than its share.
    pub(super) const POINTS: u32 = 128;

    /// Builds a ring; `owners` are numbers of nodes and their seeds.
    pub(super) fn new(owners: impl IntoIterator<Item = (u32, u64)>, order: Order<'_>) -> Self {
        let points: Vec<_> = owners.into_iter().flat_map(points_of).collect();
        let number = (points.len() / POINTS_PER_ARC).next_power_of_two();
        let room = points.len() / number + points.len() / number / 8;
        let mut arcs: Vec<Vec<Point>> = (0..number).map(|_| Vec::with_capacity(room)).collect();
        for point in &points {
            arcs[arc_of(point.place, number)].push(*point);
        }
        for arc in &mut arcs {
            arc.sort_unstable_by(|one, other| compare(*one, *other, order));
        }
        Self { arcs: arcs.into_iter().map(Arc::new).collect(), count: points.len() }
    }

    /// The ring after nodes left or came, or have another number, which is both.
    ///
    /// Costs a part of what building anew costs while these are few.
    pub(super) fn successor(
        &self,
        left: &[(u32, u64)],
        came: &[(u32, u64)],
        order: Order<'_>,
    ) -> Self {
        let number = self.arcs.len();
        let mut arcs = self.arcs.clone();
        for point in left.iter().copied().flat_map(points_of) {
            let arc = Arc::make_mut(&mut arcs[arc_of(point.place, number)]);
            let first = arc.partition_point(|known| known.place < point.place);
            if let Some(behind) = arc[first..].iter().position(|known| *known == point) {
                arc.remove(first + behind);
            }
        }
        for point in came.iter().copied().flat_map(points_of) {
            let arc = Arc::make_mut(&mut arcs[arc_of(point.place, number)]);
            let at = arc.partition_point(|known| compare(*known, point, order).is_lt());
            arc.insert(at, point);
        }
        let points = Self::POINTS as usize;
        let count = (self.count + came.len() * points).saturating_sub(left.len() * points);
        Self { arcs, count }
    }

    /// Whether its arcs are as long as those of a ring that is built anew, more or less.
    pub(super) fn is_well_cut(&self) -> bool {
        let number = (self.count / POINTS_PER_ARC).next_power_of_two();
        (number / 2..=number * 2).contains(&self.arcs.len())
    }

    /// The owners of all points, beginning with that of `hash`; owners repeat.
    pub(super) fn owners(&self, hash: u64) -> impl Iterator<Item = u32> {
        let place = place(hash);
        let at = arc_of(place, self.arcs.len());
        let (before, behind) = self.arcs.split_at(at);
        // An arc always exists; the first part of its points comes last.
        let (own, behind) = behind
            .split_first()
            .map_or((&[][..], behind), |(own, behind)| (own.as_slice(), behind));
        let (late, early) = own.split_at(self.first_in(own, place));
        let rest = behind.iter().chain(before).flat_map(|arc| arc.iter());
        early.iter().chain(rest).chain(late).map(|point| point.owner)
    }

    /// The index of the first point of an arc at or after a place in it.
    fn first_in(&self, arc: &[Point], place: u32) -> usize {
        let shift = self.arcs.len().trailing_zeros();
        // How far into its arc it lies, as a part of 2^32.
        let part = (u64::from(place) << shift) & (PLACES - 1);
        let expected = usize::try_from((part * arc.len() as u64) >> 32).unwrap_or_default();
        let (before, behind) = arc.split_at(expected.min(arc.len()));
        match before.iter().rev().take_while(|point| point.place >= place).count() {
            0 => before.len() + behind.iter().take_while(|point| point.place < place).count(),
            back => before.len() - back,
        }
    }
}

#[cfg(test)]
impl Ring {
    /// How many arcs it shares with one before it.
    pub(super) fn arcs_of(&self, before: &Self) -> usize {
        self.arcs
            .iter()
            .filter(|arc| before.arcs.iter().any(|known| Arc::ptr_eq(arc, known)))
            .count()
    }
}

/// A point on the circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    place: u32,
    owner: u32,
}

fn compare(one: Point, other: Point, order: Order<'_>) -> Ordering {
    one.place.cmp(&other.place).then_with(|| order(one.owner, other.owner))
}

/// The points of a node: its number and its seed.
fn points_of((owner, seed): (u32, u64)) -> impl Iterator<Item = Point> {
    (1..=u64::from(Ring::POINTS)).map(move |number| Point {
        place: place(mix(seed.wrapping_add(number.wrapping_mul(GOLDEN)))),
        owner,
    })
}

/// The arc in which a place lies, of so many.
fn arc_of(place: u32, number: usize) -> usize {
    usize::try_from((u64::from(place) * number as u64) >> 32).unwrap_or_default()
}

/// The hash of a key or of a node's id: FNV-1a, then mixed.
pub(super) fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Spreads every bit over all others, as in `SplitMix64`.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn place(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// Places on the circle.
const PLACES: u64 = 1 << 32;

/// An arc then has half to all of that: with ten thousand nodes, rewriting those in which a node
/// has points costs about as much as copying the list of all.
const POINTS_PER_ARC: usize = 512;

/// The increment of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_one_of_ten_nodes_moves_only_its_keys() {
        let before = ring(0..10);
        let others = (0..10).filter(|node| *node != 3).map(|node| (node, seed(node)));
        let after = Ring::new(others, &by_number);
        let mut moved = 0;
        for key in keys() {
            let (old, new) = (owner(&before, key), owner(&after, key));
            assert!(old == new || old == 3, "key of {old} moved to {new}");
            moved += u32::from(old != new);
        }
        assert!((500..2000).contains(&moved), "{moved} of 10000 keys moved");
    }

    #[test]
    fn keys_are_spread_over_all_nodes() {
        let ring = ring(0..20);
        let mut counts = [0_u32; 20];
        keys().for_each(|key| counts[owner(&ring, key) as usize] += 1);
        assert!(counts.iter().all(|count| (300..800).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_successor_equals_a_ring_built_anew() {
        let before = ring(0..50);
        // Every third node leaves, ten come, and one is known by another number.
        let of = |node: u32| (node, seed(node));
        let mut left: Vec<_> = (0..50).filter(|node| node % 3 == 0).map(of).collect();
        left.push(of(49));
        let mut came: Vec<_> = (100..110).map(of).collect();
        came.push((0, seed(49)));
        let kept = (0..49).filter(|node| node % 3 != 0).map(of);
        let anew = Ring::new(kept.chain(came.clone()), &by_number);
        let successor = before.successor(&left, &came, &by_number);
        assert!(successor.points().eq(anew.points()));
        assert_eq!(successor.count, anew.count);
    }

    #[test]
    fn a_successor_shares_the_arcs_in_which_nothing_changed() {
        let before = ring(0..2_000);
        let after = before.successor(&[], &[(2_000, seed(2_000))], &by_number);
        let pairs = before.arcs.iter().zip(&after.arcs);
        let rewritten = pairs.filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert!(before.arcs.len() > 250 && rewritten <= Ring::POINTS as usize, "{rewritten}");
    }

    #[test]
    fn nodes_on_one_place_are_ordered_alike_however_a_ring_came_about() {
        // Equal seeds: all points of both lie on the same places.
        let backwards: Order<'_> = &|one, other| other.cmp(&one);
        for order in [&by_number as Order<'_>, backwards] {
            let anew = Ring::new([(1, 7), (2, 7)], order);
            for (first, second) in [(1, 2), (2, 1)] {
                let one = Ring::new([(first, 7)], order);
                assert!(one.successor(&[], &[(second, 7)], order).points().eq(anew.points()));
            }
            let without = anew.successor(&[(1, 7)], &[], order);
            assert!(without.points().all(|point| point.owner == 2));
        }
    }

    #[test]
    fn a_ring_that_grew_is_to_be_cut_anew() {
        let before = ring(0..40);
        assert!(before.is_well_cut());
        let came: Vec<_> = (40..400).map(|node| (node, seed(node))).collect();
        assert!(!before.successor(&[], &came, &by_number).is_well_cut());
    }

    #[test]
    fn an_expectation_finds_what_a_search_finds() {
        for nodes in [0, 1, 2, 33, 200] {
            let ring = ring(0..nodes);
            for key in keys().step_by(40).map(mix).chain([0, u64::MAX]) {
                let arc = &ring.arcs[arc_of(place(key), ring.arcs.len())];
                let searched = arc.partition_point(|point| point.place < place(key));
                assert_eq!(ring.first_in(arc, place(key)), searched);
                let first = ring.points().find(|point| point.place >= place(key));
                let first = first.or_else(|| ring.points().next()).map(|point| point.owner);
                assert_eq!(ring.owners(key).next(), first);
            }
        }
    }

    #[test]
    fn a_walk_visits_every_point_once() {
        let ring = ring(0..7);
        let mut counts = [0; 7];
        ring.owners(mix(42)).for_each(|owner| counts[owner as usize] += 1);
        assert_eq!(counts, [Ring::POINTS; 7]);
    }

    #[test]
    fn hashes_are_what_other_callers_compute() {
        assert_eq!(hash("user-42"), 0x7a15_96f0_e94b_5793);
    }

    fn ring(nodes: std::ops::Range<u32>) -> Ring {
        Ring::new(nodes.map(|node| (node, seed(node))), &by_number)
    }

    fn by_number(one: u32, other: u32) -> Ordering {
        one.cmp(&other)
    }

    impl Ring {
        fn points(&self) -> impl Iterator<Item = Point> {
            self.arcs.iter().flat_map(|arc| arc.iter().copied())
        }
    }

    fn seed(node: u32) -> u64 {
        hash(&format!("node-{node}"))
    }

    fn keys() -> std::ops::Range<u64> {
        0..10_000
    }

    fn owner(ring: &Ring, key: u64) -> u32 {
        ring.owners(mix(key)).next().unwrap()
    }
}
