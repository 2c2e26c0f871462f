//! What the nodes of one version have in common.
//!
//! Pure.

use std::collections::BTreeMap;

use crate::registry::{EndpointInfo, Service};

/// What the nodes of one version have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) endpoints: Vec<EndpointInfo>,
    /// Those of its endpoints, ordered.
    fingerprints: Box<[u64]>,
}

impl Release {
    pub(super) fn of(service: &Service) -> Self {
        let (version, metadata) = (service.version.clone(), service.metadata.clone());
        let mut endpoints = service.endpoints.clone();
        endpoints.sort_by(|one, other| one.name.cmp(&other.name));
        let mut fingerprints: Box<[u64]> =
            endpoints.iter().filter_map(EndpointInfo::fingerprint).collect();
        fingerprints.sort_unstable();
        Self { version, metadata, endpoints, fingerprints }
    }

    /// The record of one endpoint.
    pub(super) fn endpoint(&self, name: &str) -> Option<&EndpointInfo> {
        let found = self.endpoints.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        Some(&self.endpoints[found])
    }

    /// Whether it tells of an endpoint's types, and they are others than those of this fingerprint.
    pub(super) fn has_other_types(&self, endpoint: &str, fingerprint: u64) -> bool {
        // A fingerprint includes the endpoint's name, so that nearly always this is the whole look.
        self.fingerprints.binary_search(&fingerprint).is_err()
            && self.endpoint(endpoint).is_some_and(|known| known.fingerprint().is_some())
    }

    /// Whether its nodes answer an endpoint, or do not tell what they answer.
    pub(super) fn answers(&self, endpoint: &str) -> bool {
        self.endpoints.is_empty() || self.endpoint(endpoint).is_some()
    }
}
