//! Picking a node for a call.
//!
//! A pick draws a few nodes at random, or as its strategy says, and is done when it has found
//! ready ones that the filters want. Only where that fails it looks at all of them.

use std::sync::Arc;

use rand::Rng;

use super::candidate::Candidate;
use super::field::Field;
use super::filter::Filter;
use super::health::Standing;
use super::moment::Moment;
use super::places::Places;
use super::ring::{hash, mix};
use super::snapshot::Snapshot;
use super::strategy::Strategy;
use crate::now::Now;

/// What a call wants of its node.
#[derive(Debug, Clone, Copy)]
pub struct Pick<'a> {
    /// How one of several fitting nodes is chosen.
    pub strategy: &'a Strategy,
    /// Equal keys go to the same node; used by [`Strategy::ConsistentHash`] and own strategies.
    pub key: Option<&'a str>,
    /// The endpoint to be called; nodes that tell what they answer, and this is not in it, are
    /// left out.
    pub endpoint: Option<&'a str>,
    /// What the node must be like: all of them count.
    pub filters: &'a [Filter],
    /// Nodes tried before; used again only when no other node is ready.
    pub exclude: &'a [Arc<Candidate>],
}

impl Default for Pick<'_> {
    fn default() -> Self {
        let (strategy, filters, exclude): (_, &[Filter], _) = (&Strategy::PeakEwma, &[], &[]);
        Self { strategy, key: None, endpoint: None, filters, exclude }
    }
}

/// Why no node was picked.
///
/// ```
/// use callboard_actors::selector::PickError;
///
/// let error = PickError::NoNodes { service: "greeter".into() };
/// assert_eq!(error.to_string(), "service greeter has no nodes");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickError {
    /// The service is not run by any node now.
    #[error("service {service} has no nodes")]
    NoNodes {
        /// The service's name.
        service: String,
    },
    /// There are nodes, but the filters want none of them.
    #[error("none of the {nodes} nodes of service {service} matches {wanted}")]
    NoneMatches {
        /// The service's name.
        service: String,
        /// How many nodes there are.
        nodes: usize,
        /// The filters, e.g. `version=2.0, zone=eu-1`.
        wanted: String,
    },
    /// There are nodes, and none of them answers the endpoint.
    #[error("none of the {nodes} nodes of service {service} has endpoint {endpoint}")]
    UnknownEndpoint {
        /// The service's name.
        service: String,
        /// How many nodes there are.
        nodes: usize,
        /// The endpoint to be called.
        endpoint: String,
    },
    /// Every node that would do is about to leave; trying again soon makes sense.
    #[error("all {nodes} nodes of service {service} that would do are draining")]
    AllDraining {
        /// The service's name.
        service: String,
        /// How many nodes would do.
        nodes: usize,
    },
}

impl PickError {
    /// Whether picking again a little later may succeed without anybody changing the request.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::NoneMatches { .. } | Self::UnknownEndpoint { .. })
    }
}

impl Snapshot {
    /// Picks a node; wait-free, without allocation.
    ///
    /// Ready nodes that all filters want and that are not excluded come first. When there is
    /// none, the next of these that exists is used: ready nodes that preferences do not want, the
    /// nearest to what they want first; excluded ones; and at last ejected ones, of these the one whose failure is longest ago, so
    /// that ejection never takes the last node away. Draining nodes are never used.
    ///
    /// An ejected node whose time has passed is picked once, as a probe, when it is drawn.
    ///
    /// The clock is read only where a node is ejected, draining or new, so that a pick among
    /// healthy ones does without.
    ///
    /// # Errors
    /// [`PickError`] says whether there is no node, none that will do, or none that stays.
    pub fn pick(
        &self,
        request: &Pick<'_>,
        rng: &mut impl Rng,
        now: impl Into<Now>,
    ) -> Result<&Arc<Candidate>, PickError> {
        // Many services, or versions, run on one node, and then there is nothing to weigh.
        if let Some(only) = self.only(request) {
            return Ok(only);
        }
        let field = Field::new(self, request, now.into());
        if field.count == 0 {
            return Err(self.none_matches(request));
        }
        let drawn = match (request.strategy, request.key) {
            (Strategy::Random, _) => field.draw_random(rng),
            (Strategy::RoundRobin, _) => field.draw_next(rng),
            (Strategy::LeastInFlight, _) => field.draw_least_in_flight(rng),
            (Strategy::ConsistentHash, Some(key)) => field.draw_by_hash(self.ring(), hash(key)),
            (Strategy::Custom(own), key) => field.draw_own(own.as_ref(), key, rng),
            (Strategy::PeakEwma | Strategy::ConsistentHash, _) => field.draw_cheapest(rng),
        };
        match drawn {
            Some(candidate) => Ok(candidate),
            None => self.search(&field, rng),
        }
    }

    /// The only node there is, in the version that is asked for if one is, if all is well with it
    /// and nothing else is asked of it but an endpoint.
    #[inline]
    fn only(&self, request: &Pick<'_>) -> Option<&Arc<Candidate>> {
        let nodes = match request.filters {
            [] => Places::All(&self.seats),
            [Filter::Version(version)] => Places::Version(&self.section(version)?.candidates),
            _ => return None,
        };
        let is_custom = matches!(request.strategy, Strategy::Custom(_));
        if !request.exclude.is_empty() || is_custom {
            return None;
        }
        let answers = |_: &_| request.endpoint.is_none_or(|endpoint| self.all_answer(endpoint));
        nodes.sole().filter(answers)
    }

    /// Takes back the turn of a pick that came to nothing, so that the next one picks the same node.
    ///
    /// Otherwise a caller who picks twice, because there is no connection to the first node yet,
    /// would with two nodes in turn always be given the other one.
    pub fn unpick(&self, request: &Pick<'_>) {
        if matches!(request.strategy, Strategy::RoundRobin) {
            Field::new(self, request, Now::unread()).undraw();
        }
    }

    /// Looks at all nodes, from a random one on.
    fn search<'a>(
        &'a self,
        field: &Field<'a, '_>,
        rng: &mut impl Rng,
    ) -> Result<&'a Arc<Candidate>, PickError> {
        let score = Score::of(field.request);
        let first = match score {
            Score::Rendezvous(_) => 0,
            _ => field.random_index(rng),
        };
        // One id may stand in two versions, with the same rank: then the order decides, which is the
        // same for all callers, while seats are not.
        let is_ordered = matches!((&score, field.places), (Score::Rendezvous(_), Places::All(_)));
        let ordered = is_ordered.then(|| self.candidates()).into_iter().flatten();
        let seated = (!is_ordered).then(|| field.places.round_from(first)).into_iter().flatten();
        let mut found = Found::default();
        for candidate in ordered.chain(seated) {
            if !field.matches(candidate) {
                continue;
            }
            found.matching += 1;
            let excluded = field.is_excluded(candidate);
            let distance = field.distance(candidate);
            let fresh = !excluded && distance == 0;
            let health = &candidate.vitals().health;
            match field.standing(health) {
                Standing::Draining => {}
                Standing::Due if fresh && health.claim_probe(field.now(), &self.shared.options) => {
                    return Ok(candidate);
                }
                Standing::Due | Standing::Ejected => {
                    found.offer_ejected(candidate, (excluded, health.ejected_at()));
                }
                Standing::Ready => {
                    let class = if fresh { 0 } else { 1 + usize::from(excluded) };
                    found.offer(class, candidate, (distance, score.rank(field, candidate, rng)));
                }
            }
            if found.fresh >= score.enough() {
                break;
            }
        }
        found.best().ok_or_else(|| match found.matching {
            0 => self.none_matches(field.request),
            nodes => PickError::AllDraining { service: self.shared.service.clone(), nodes },
        })
    }

    fn none_matches(&self, request: &Pick<'_>) -> PickError {
        let (service, nodes) = (self.shared.service.clone(), self.len());
        if nodes == 0 {
            return PickError::NoNodes { service };
        }
        if let Some(endpoint) = request.endpoint
            && request.filters.iter().all(Filter::is_preference)
            && !self.candidates().any(|candidate| candidate.answers(endpoint))
        {
            return PickError::UnknownEndpoint { service, nodes, endpoint: endpoint.to_owned() };
        }
        let filters = request.filters.iter().filter(|filter| !filter.is_preference());
        let endpoint = request.endpoint.map(|endpoint| format!("endpoint={endpoint}"));
        let wanted: Vec<_> = filters.map(ToString::to_string).chain(endpoint).collect();
        PickError::NoneMatches { service, nodes, wanted: wanted.join(", ") }
    }
}

/// The best nodes that a search has found so far, best class first.
#[derive(Default)]
struct Found<'a> {
    /// Ready and wanted; ready but not preferred; ready but excluded.
    ready: [Option<(Place, &'a Arc<Candidate>)>; 3],
    ejected: Option<((bool, Moment), &'a Arc<Candidate>)>,
    fresh: usize,
    matching: usize,
}

impl<'a> Found<'a> {
    fn offer(&mut self, class: usize, candidate: &'a Arc<Candidate>, rank: Place) {
        self.fresh += usize::from(class == 0);
        if self.ready[class].is_none_or(|(best, _)| rank < best) {
            self.ready[class] = Some((rank, candidate));
        }
    }

    fn offer_ejected(&mut self, candidate: &'a Arc<Candidate>, order: (bool, Moment)) {
        if self.ejected.is_none_or(|(best, _)| order < best) {
            self.ejected = Some((order, candidate));
        }
    }

    fn best(&self) -> Option<&'a Arc<Candidate>> {
        let ready = self.ready.iter().flatten().next().map(|(_, candidate)| *candidate);
        ready.or(self.ejected.map(|(_, candidate)| candidate))
    }
}

/// How far from what is preferred, and then how good.
type Place = (usize, Rank);

/// Less is better. The second number tells equals apart: among idle nodes many cost the same, and
/// the first of them after a random place is not a random one.
type Rank = (f32, u32);

/// By what a search compares nodes of the same class; less is better.
enum Score {
    Cost,
    InFlight,
    /// The least of many random numbers: each is as likely.
    Chance,
    /// The least of one number per node, always the same for a key: rendezvous hashing.
    Rendezvous(u64),
}

impl Score {
    fn of(request: &Pick<'_>) -> Self {
        match (request.strategy, request.key) {
            (Strategy::LeastInFlight, _) => Self::InFlight,
            (Strategy::Random | Strategy::RoundRobin, _) => Self::Chance,
            (Strategy::ConsistentHash, Some(key)) => Self::Rendezvous(hash(key)),
            (Strategy::PeakEwma | Strategy::ConsistentHash | Strategy::Custom(_), _) => Self::Cost,
        }
    }

    fn rank(&self, field: &Field<'_, '_>, node: &Candidate, rng: &mut impl Rng) -> Rank {
        match self {
            Self::Cost => (field.cost(node), rng.next_u32()),
            Self::InFlight => (field.calls(node), rng.next_u32()),
            Self::Chance => (rng.next_u32() as f32 / field.share(node), 0),
            Self::Rendezvous(key) => (mix(key ^ node.seed()) as f32, 0),
        }
    }

    /// How many ready nodes make it pointless to look at more.
    ///
    /// More than one, because the first after a random place is more often one that has many
    /// unwanted ones before it.
    fn enough(&self) -> usize {
        match self {
            Self::Cost | Self::Chance => 8,
            Self::InFlight => 32,
            Self::Rendezvous(_) => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests;
