//! The ring of consistent hashing.
//!
//! Where a key lies depends on the key and on the ids of the nodes alone, so that all callers
//! agree, on every machine: the functions here are part of the protocol between them.
//!
//! Pure.

mod demand;

pub(super) use self::demand::RingDemand;

/// Points of all nodes around a circle of 2^32 places.
///
/// A key belongs to the owner of the first point at or after its place. Each node has
/// [`POINTS`](Self::POINTS) of them. A directory of equally wide sectors finds that point in
/// constant time.
#[derive(Debug)]
pub(super) struct Ring {
    points: Box<[Point]>,
    sectors: Box<[u32]>,
}

impl Ring {
    /// Points per node: the busiest of many nodes owns about a third more than its share.
    pub(super) const POINTS: u32 = 128;

    /// Builds a ring; `owners` are the indexes of nodes and their seeds.
    pub(super) fn new(owners: impl IntoIterator<Item = (u32, u64)>) -> Self {
        Self::of(sorted_points(owners).into_boxed_slice())
    }

    /// The ring after nodes left, moved to another index, or came.
    ///
    /// `moves` maps an old index to the new one and keeps their order. Costs one pass, where
    /// building anew would sort all points.
    pub(super) fn successor(
        &self,
        moves: &[Option<u32>],
        added: impl IntoIterator<Item = (u32, u64)>,
    ) -> Self {
        let added = sorted_points(added);
        let kept = self.points.iter().filter_map(|point| {
            let owner = (*moves.get(point.owner as usize)?)?;
            Some(Point { owner, ..*point })
        });
        let mut points = Vec::with_capacity(self.points.len() + added.len());
        let mut added = added.into_iter().peekable();
        for point in kept {
            while let Some(earlier) = added.next_if(|new| *new < point) {
                points.push(earlier);
            }
            points.push(point);
        }
        points.extend(added);
        Self::of(points.into_boxed_slice())
    }

    /// The owners of all points, beginning with that of `hash`; owners repeat.
    pub(super) fn owners(&self, hash: u64) -> impl Iterator<Item = u32> {
        let first = self.first_at(place(hash));
        self.points[first..].iter().chain(&self.points[..first]).map(|point| point.owner)
    }

    fn of(points: Box<[Point]>) -> Self {
        let count = (points.len() / POINTS_PER_SECTOR).next_power_of_two();
        let mut sectors = Vec::with_capacity(count);
        let mut index = 0;
        for sector in 0..count as u64 {
            let begin = sector * (PLACES / count as u64);
            while points.get(index).is_some_and(|point| u64::from(point.place) < begin) {
                index += 1;
            }
            sectors.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        Self { points, sectors: sectors.into_boxed_slice() }
    }

    /// The index of the first point at or after `place`, 0 past the last one.
    fn first_at(&self, place: u32) -> usize {
        let sector = (u64::from(place) * self.sectors.len() as u64) >> 32;
        let begin = usize::try_from(sector).map_or(0, |sector| self.sectors[sector] as usize);
        let behind = self.points[begin..].iter().position(|point| point.place >= place);
        behind.map_or(0, |offset| begin + offset)
    }
}

/// Ordered by place; nodes on the same place by index, which all callers order alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    place: u32,
    owner: u32,
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

fn sorted_points(owners: impl IntoIterator<Item = (u32, u64)>) -> Vec<Point> {
    let of_owner = |(owner, seed): (u32, u64)| {
        (1..=u64::from(Ring::POINTS)).map(move |number| Point {
            place: place(mix(seed.wrapping_add(number.wrapping_mul(GOLDEN)))),
            owner,
        })
    };
    let mut points: Vec<_> = owners.into_iter().flat_map(of_owner).collect();
    points.sort_unstable();
    points
}

fn place(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// Places on the circle.
const PLACES: u64 = 1 << 32;

/// A sector then has four to eight points, one cache line or two.
const POINTS_PER_SECTOR: usize = 4;

/// The increment of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_one_of_ten_nodes_moves_only_its_keys() {
        let before = ring(0..10);
        let after = Ring::new((0..10).filter(|node| *node != 3).map(|node| (node, seed(node))));
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
        // Every third node leaves; the rest close ranks; ten come at the end.
        let left: Vec<u32> = (0..50).filter(|node| node % 3 != 0).collect();
        let mut indexes = 0_u32..;
        let moves: Vec<_> =
            (0..50).map(|node| left.contains(&node).then(|| indexes.next().unwrap())).collect();
        let added: Vec<_> = indexes.take(10).map(|index| (index, seed(100 + index))).collect();
        let kept = (0..).zip(left.iter().map(|node| seed(*node)));
        let anew = Ring::new(kept.chain(added.clone()));
        let successor = before.successor(&moves, added);
        assert_eq!(successor.points, anew.points);
        assert_eq!(successor.sectors, anew.sectors);
    }

    #[test]
    fn the_directory_finds_what_a_search_finds() {
        for nodes in [0, 1, 2, 33] {
            let ring = ring(0..nodes);
            for key in keys() {
                let place = place(mix(key));
                let searched = ring.points.partition_point(|point| point.place < place);
                let wrapped = if searched == ring.points.len() { 0 } else { searched };
                assert_eq!(ring.first_at(place), wrapped);
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
        Ring::new(nodes.map(|node| (node, seed(node))))
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
