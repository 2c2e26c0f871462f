//! The nodes among which one pick chooses, and how each strategy draws from them.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::Arc;

use rand::Rng;

use super::candidate::Candidate;
use super::filter::Filter;
use super::health::{Health, Standing};
use super::moment::Moment;
use super::options::SelectorOptions;
use super::pick::Pick;
use super::places::Places;
use super::ring::Ring;
use super::snapshot::{Cursor, Snapshot};
use super::strategy::CustomStrategy;
use crate::now::Now;

/// The nodes among which one pick chooses.
///
/// Draws return `None` when they had no luck; the pick then searches all nodes.
#[derive(Debug)]
pub(super) struct Field<'a, 'r> {
    pub(super) places: Places<'a>,
    /// How many there are.
    pub(super) count: usize,
    pub(super) request: &'r Pick<'r>,
    now: Now,
    /// The present at the earliest: when the service was last heard of.
    heard: Moment,
    snapshot: &'a Snapshot,
    cursor: &'a Cursor,
    /// No filter, endpoint or exclusion: every node will do.
    any: bool,
}

/// What a look at one node says.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Ready,
    /// Ejected until now; the caller has its one probe and must use it.
    Probe,
    Unfit,
}

impl<'a, 'r> Field<'a, 'r> {
    /// The nodes of the wanted version, or all.
    pub(super) fn new(snapshot: &'a Snapshot, request: &'r Pick<'r>, now: Now) -> Self {
        let version = request.filters.iter().find_map(|filter| match filter {
            Filter::Version(version) => Some(version),
            _ => None,
        });
        let (places, cursor) = match version.map(|version| snapshot.section(version)) {
            None => (Places::All(&snapshot.seats), &snapshot.cursor),
            Some(None) => (Places::Nowhere, &snapshot.cursor),
            Some(Some(section)) => (Places::Version(&section.candidates), &section.cursor),
        };
        let narrowed = usize::from(version.is_some());
        let any = request.filters.len() == narrowed
            && request.exclude.is_empty()
            && request.endpoint.is_none_or(|endpoint| snapshot.all_answer(endpoint));
        let heard = snapshot.shared.heard();
        Self { places, count: places.len(), request, now, heard, snapshot, cursor, any }
    }

    /// The present; read from the clock if need be.
    pub(super) fn now(&self) -> Moment {
        self.snapshot.shared.moment(self.now.instant())
    }

    /// Whether a node of this health may be picked.
    pub(super) fn standing(&self, health: &Health) -> Standing {
        if health.is_spotless() { Standing::Ready } else { health.standing(self.now()) }
    }

    /// Any node, a new one less often.
    pub(super) fn draw_random(&self, rng: &mut impl Rng) -> Option<&'a Arc<Candidate>> {
        let mut warming = None;
        for _ in 0..DRAWS {
            let candidate = self.places.get(self.random_index(rng))?;
            match self.look(candidate) {
                Look::Unfit => {}
                Look::Probe => return Some(candidate),
                Look::Ready if self.accepts(candidate, rng) => return Some(candidate),
                Look::Ready => warming = Some(candidate),
            }
        }
        warming
    }

    /// The next node in turn, a new one not in each round.
    pub(super) fn draw_next(&self, rng: &mut impl Rng) -> Option<&'a Arc<Candidate>> {
        let mut warming = None;
        for _ in 0..self.count.min(TURNS) {
            let candidate = self.places.get(self.cursor.next(self.count))?;
            match self.look(candidate) {
                Look::Unfit => {}
                Look::Probe => return Some(candidate),
                Look::Ready if self.accepts(candidate, rng) => return Some(candidate),
                Look::Ready => warming = Some(candidate),
            }
        }
        warming
    }

    /// Has the node that was drawn in turn drawn again.
    pub(super) fn undraw(&self) {
        self.cursor.back();
    }

    /// The least busy of some; of few nodes, the least busy of all.
    pub(super) fn draw_least_in_flight(&self, rng: &mut impl Rng) -> Option<&'a Arc<Candidate>> {
        if self.count > FEW {
            return self.draw_best(LEAST_OF, rng, |candidate| self.calls(candidate));
        }
        let mut least: Option<(f32, &Arc<Candidate>)> = None;
        let mut equals = 1;
        for index in 0..self.count {
            let candidate = self.places.get(index)?;
            match self.look(candidate) {
                Look::Unfit => continue,
                Look::Probe => return Some(candidate),
                Look::Ready => {}
            }
            let calls = self.calls(candidate);
            let order = least.map_or(Less, |(fewest, _)| calls.total_cmp(&fewest));
            equals = match order {
                Less => 1,
                Equal => equals + 1,
                Greater => continue,
            };
            // Idle nodes are all alike: each of them is as likely to be taken.
            if order == Less || rng.next_u32().is_multiple_of(equals) {
                least = Some((calls, candidate));
            }
        }
        least.map(|(_, candidate)| candidate)
    }

    /// The cheaper of two.
    pub(super) fn draw_cheapest(&self, rng: &mut impl Rng) -> Option<&'a Arc<Candidate>> {
        self.draw_best(2, rng, |candidate| self.cost(candidate))
    }

    /// The owner of a key, or the next one that is not overloaded.
    pub(super) fn draw_by_hash(&self, ring: &Ring, key: u64) -> Option<&'a Arc<Candidate>> {
        self.snapshot.shared.count();
        let (all, is_narrowed) = (&self.snapshot.seats, !matches!(self.places, Places::All(_)));
        let bound = self.load_bound();
        let mut least: Option<(u32, &Arc<Candidate>)> = None;
        let mut left = WALK;
        for owner in ring.owners(key) {
            left -= 1;
            if left == 0 {
                break;
            }
            let Some(candidate) = all.get(owner as usize) else { continue };
            // The ring is that of all versions.
            if is_narrowed && !self.wants(candidate) {
                continue;
            }
            if least.is_some_and(|(_, known)| Arc::ptr_eq(known, candidate)) {
                continue;
            }
            match self.look(candidate) {
                Look::Unfit => continue,
                Look::Probe => return Some(candidate),
                Look::Ready => {}
            }
            let calls = candidate.in_flight();
            if u64::from(calls) < bound {
                return Some(candidate);
            }
            if least.is_none() {
                left = left.min(DETOUR);
            }
            if least.is_none_or(|(fewest, _)| calls < fewest) {
                least = Some((calls, candidate));
            }
        }
        least.map(|(_, candidate)| candidate)
    }

    /// What an own strategy says, or else the cheaper of two.
    pub(super) fn draw_own(
        &self,
        own: &dyn CustomStrategy,
        key: Option<&str>,
        rng: &mut impl Rng,
    ) -> Option<&'a Arc<Candidate>> {
        let chosen = own.choose(&Eligible { field: self }, key, rng);
        match chosen.and_then(|index| self.in_order(index)) {
            Some(candidate) if self.look(candidate) != Look::Unfit => Some(candidate),
            _ => self.draw_cheapest(rng),
        }
    }

    /// The node of an index in the order of version and id, which all callers have in common.
    fn in_order(&self, index: usize) -> Option<&'a Arc<Candidate>> {
        match self.places {
            Places::All(_) => self.snapshot.candidate(index),
            Places::Version(_) | Places::Nowhere => self.places.get(index),
        }
    }

    /// Whether the filters that are no preferences, and the endpoint, want it.
    pub(super) fn matches(&self, candidate: &Candidate) -> bool {
        self.any || self.wants(candidate)
    }

    /// The same for a node that may be elsewhere than in the field.
    fn wants(&self, candidate: &Candidate) -> bool {
        let filters = self.request.filters;
        filters.iter().all(|filter| filter.is_preference() || filter.matches(candidate))
            && self.request.endpoint.is_none_or(|endpoint| candidate.answers(endpoint))
    }

    /// Whether the filters that are preferences want it.
    pub(super) fn is_preferred(&self, candidate: &Candidate) -> bool {
        let filters = self.request.filters;
        filters.iter().all(|filter| !filter.is_preference() || filter.matches(candidate))
    }

    /// How far it is from what the preferences want.
    pub(super) fn distance(&self, candidate: &Candidate) -> usize {
        self.request.filters.iter().map(|filter| filter.distance(candidate)).sum()
    }

    /// Whether it was tried before, be it with another record.
    pub(super) fn is_excluded(&self, candidate: &Candidate) -> bool {
        self.request.exclude.iter().any(|tried| tried.seed() == candidate.seed())
    }

    /// What a call would cost there, more while it is new.
    pub(super) fn cost(&self, candidate: &Candidate) -> f32 {
        // All latencies fade alike, so any moment will do to compare them.
        let decay = self.options().latency_decay;
        candidate.vitals().load.cost(self.heard, decay) / self.share(candidate)
    }

    /// Calls in flight with one more, counted higher while it is new.
    pub(super) fn calls(&self, candidate: &Candidate) -> f32 {
        (candidate.in_flight() as f32 + 1.0) / self.share(candidate)
    }

    /// The part of a full share that slow start grants it.
    pub(super) fn share(&self, candidate: &Candidate) -> f32 {
        let (vitals, options) = (candidate.vitals(), self.options());
        match vitals.share(self.heard, options) {
            share if share < 1.0 => vitals.share(self.now(), options),
            share => share,
        }
    }

    /// An index of the field; it must not be empty.
    pub(super) fn random_index(&self, rng: &mut impl Rng) -> usize {
        // Multiplying is fair to one in 2^32 / len, and much cheaper than dividing.
        let product = u64::from(rng.next_u32()) * self.count as u64;
        usize::try_from(product >> 32).unwrap_or_default()
    }

    /// Draws until `wanted` different ones are ready and takes the one that scores least.
    fn draw_best(
        &self,
        wanted: usize,
        rng: &mut impl Rng,
        score: impl Fn(&Candidate) -> f32,
    ) -> Option<&'a Arc<Candidate>> {
        let mut best: Option<(f32, &Arc<Candidate>)> = None;
        let mut missing = wanted.min(self.count);
        for _ in 0..DRAWS {
            let candidate = self.places.get(self.random_index(rng))?;
            if best.is_some_and(|(_, known)| Arc::ptr_eq(known, candidate)) {
                continue;
            }
            match self.look(candidate) {
                Look::Unfit => continue,
                Look::Probe => return Some(candidate),
                Look::Ready => {}
            }
            let score = score(candidate);
            if best.is_none_or(|(least, _)| score < least) {
                best = Some((score, candidate));
            }
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    fn look(&self, candidate: &Candidate) -> Look {
        let health = &candidate.vitals().health;
        match self.standing(health) {
            Standing::Ready if self.suits(candidate) => Look::Ready,
            Standing::Due
                if self.suits(candidate) && health.claim_probe(self.now(), self.options()) =>
            {
                Look::Probe
            }
            _ => Look::Unfit,
        }
    }

    fn suits(&self, candidate: &Candidate) -> bool {
        self.any
            || !self.is_excluded(candidate)
                && self.matches(candidate)
                && self.is_preferred(candidate)
    }

    /// Lets a new node have only a part of what it is drawn for.
    fn accepts(&self, candidate: &Candidate, rng: &mut impl Rng) -> bool {
        let share = self.share(candidate);
        share >= 1.0 || (rng.next_u32() as f32) < share * u32::MAX as f32
    }

    /// Calls a node may have when it is given one more by hash: 1.25 times the mean, rounded up.
    fn load_bound(&self) -> u64 {
        let (calls, nodes) = (self.snapshot.shared.total.sum() + 1, self.snapshot.len());
        (calls * 5).div_ceil(nodes as u64 * 4)
    }

    fn options(&self) -> &'a SelectorOptions {
        &self.snapshot.shared.options
    }
}

/// The nodes among which a [`CustomStrategy`] chooses.
#[derive(Debug)]
pub struct Eligible<'a> {
    field: &'a Field<'a, 'a>,
}

impl Eligible<'_> {
    /// How many nodes there are, those that are not eligible included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.field.count
    }

    /// Whether there is no node; a strategy is never asked then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.field.count == 0
    }

    /// The node of an index, eligible or not; `None` when the index is not below the length.
    ///
    /// They are ordered by version, then by id, for all callers alike.
    #[must_use]
    pub fn node(&self, index: usize) -> Option<&Candidate> {
        self.field.in_order(index).map(|candidate| &**candidate)
    }

    /// Whether a node may be chosen: known, healthy or due for a probe, wanted, not excluded.
    #[must_use]
    pub fn is_eligible(&self, index: usize) -> bool {
        self.node(index).is_some_and(|candidate| {
            let standing = self.field.standing(&candidate.vitals().health);
            matches!(standing, Standing::Ready | Standing::Due) && self.field.suits(candidate)
        })
    }
}

/// Draws before all nodes are searched: with a third of them fitting, one pick in 600 searches.
const DRAWS: usize = 16;

/// Turns of round robin before it gives up.
const TURNS: usize = 1024;

/// Up to that many nodes are compared one by one.
const FEW: usize = 32;

/// Of more nodes, that many are compared.
const LEAST_OF: usize = 5;

/// Points of the ring looked at before all nodes are searched; the whole ring of 32 nodes.
const WALK: u32 = 32 * Ring::POINTS;

/// Points looked at to get round overloaded nodes.
const DETOUR: u32 = 128;
