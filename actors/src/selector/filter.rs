//! Which nodes will do for a call.
//!
//! Pure.

use std::fmt;
use std::sync::Arc;

use super::Candidate;

/// Which nodes will do for a call.
///
/// ```
/// use callboard_actors::selector::{Filter, Locality};
///
/// let near = Filter::zone("eu-1", Locality::Prefer);
/// assert_eq!(near.to_string(), "zone=eu-1 if possible");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Filter {
    /// Nodes that run this version.
    Version(String),
    /// Nodes, or services, with this label.
    Label {
        /// The label's name; a node's own label counts before that of its service.
        name: String,
        /// The value it must have.
        value: String,
    },
    /// Nodes that answer this endpoint, or that do not tell what they answer.
    Endpoint(String),
    /// Nodes in this zone, which is the label `zone`.
    Zone {
        /// The zone's name.
        name: String,
        /// What happens when no node there is ready.
        locality: Locality,
    },
    /// Nodes that the first of these wants; when none of them is ready those of the second, and so
    /// on; at last any. See [`Filter::prefer`].
    Prefer(Vec<Filter>),
    /// What an own function says; it runs for every call and should neither wait nor allocate.
    Custom(Arc<dyn Fn(&Candidate) -> bool + Send + Sync>),
}

/// What happens when no node in a zone is ready.
///
/// ```
/// use callboard_actors::selector::{Filter, Locality};
///
/// assert!(Filter::zone("eu-1", Locality::Prefer).is_preference());
/// assert!(!Filter::zone("eu-1", Locality::Require).is_preference());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Locality {
    /// Another zone will do.
    #[default]
    Prefer,
    /// The call fails.
    Require,
}

impl Filter {
    /// Nodes that run this version.
    pub fn version(version: impl Into<String>) -> Self {
        Self::Version(version.into())
    }

    /// Nodes, or services, with this label.
    pub fn label(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Label { name: name.into(), value: value.into() }
    }

    /// Nodes that answer this endpoint.
    pub fn endpoint(name: impl Into<String>) -> Self {
        Self::Endpoint(name.into())
    }

    /// Nodes in this zone.
    pub fn zone(name: impl Into<String>, locality: Locality) -> Self {
        Self::Zone { name: name.into(), locality }
    }

    /// Nodes that the first of these wants; when none of them is ready those of the second, and so
    /// on; at last any.
    ///
    /// ```
    /// use callboard_actors::selector::Filter;
    ///
    /// let near = Filter::prefer([Filter::label("dc", "eu-1a"), Filter::label("region", "eu")]);
    /// assert_eq!(near.to_string(), "dc=eu-1a, else region=eu, if possible");
    /// ```
    pub fn prefer(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::Prefer(filters.into_iter().collect())
    }

    /// Nodes of which `wanted` says so.
    pub fn custom(wanted: impl Fn(&Candidate) -> bool + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(wanted))
    }

    /// Whether it only prefers, so that a node that does not match will do as well.
    #[must_use]
    pub fn is_preference(&self) -> bool {
        matches!(self, Self::Zone { locality: Locality::Prefer, .. } | Self::Prefer(_))
    }

    /// How far a node is from what it prefers; 0 when it could not be better, and for what is no
    /// preference.
    pub(super) fn distance(&self, candidate: &Candidate) -> usize {
        match self {
            Self::Prefer(filters) => {
                let nearest = filters.iter().position(|filter| filter.matches(candidate));
                nearest.unwrap_or(filters.len())
            }
            _ if self.is_preference() => usize::from(!self.matches(candidate)),
            _ => 0,
        }
    }

    /// Whether it wants this node, and of a preference whether it could not be better.
    pub fn matches(&self, candidate: &Candidate) -> bool {
        match self {
            Self::Version(version) => candidate.version() == version,
            Self::Label { name, value } => candidate.label(name) == Some(value),
            Self::Endpoint(name) => candidate.answers(name),
            Self::Zone { name, .. } => candidate.label(ZONE) == Some(name),
            Self::Prefer(_) => self.distance(candidate) == 0,
            Self::Custom(wanted) => wanted(candidate),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version={version}"),
            Self::Label { name, value } => write!(f, "{name}={value}"),
            Self::Endpoint(name) => write!(f, "endpoint={name}"),
            Self::Zone { name, locality: Locality::Require } => write!(f, "{ZONE}={name}"),
            Self::Zone { name, locality: Locality::Prefer } => {
                write!(f, "{ZONE}={name} if possible")
            }
            Self::Prefer(filters) => {
                let filters: Vec<_> = filters.iter().map(ToString::to_string).collect();
                write!(f, "{}, if possible", filters.join(", else "))
            }
            Self::Custom(_) => f.write_str("an own filter"),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

/// The label that names a node's zone.
const ZONE: &str = "zone";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{EndpointInfo, NodeInfo, Service};
    use crate::selector::ServiceNodes;

    #[test]
    fn filters_look_at_version_labels_endpoints_and_zone() {
        let wanted = [
            Filter::version("1.0"),
            Filter::label("disk", "ssd"),
            Filter::label("team", "blue"),
            Filter::endpoint("Greeter.Hello"),
            Filter::zone("a", Locality::Prefer),
            Filter::custom(|candidate| candidate.node().id == "greeter-1"),
        ];
        let unwanted = [
            Filter::version("2.0"),
            Filter::label("disk", "tape"),
            Filter::label("team", "red"),
            Filter::endpoint("Greeter.Bye"),
            Filter::zone("b", Locality::Require),
            Filter::custom(|candidate| candidate.node().id == "greeter-2"),
        ];
        let candidate = candidate(&["Greeter.Hello", "Greeter.Goodbye"]);
        for filter in &wanted {
            assert!(filter.matches(&candidate), "{filter}");
        }
        for filter in &unwanted {
            assert!(!filter.matches(&candidate), "{filter}");
        }
    }

    #[test]
    fn a_node_that_does_not_tell_its_endpoints_answers_all() {
        assert!(Filter::endpoint("Greeter.Hello").matches(&candidate(&[])));
    }

    fn candidate(endpoints: &[&str]) -> Arc<Candidate> {
        let node =
            NodeInfo::new("greeter-1", "127.0.0.1:1").label("zone", "a").label("disk", "ssd");
        let mut service = Service::new("greeter", "1.0").node(node);
        service.metadata.insert("team".into(), "blue".into());
        service.metadata.insert("disk".into(), "tape".into());
        service.endpoints = endpoints
            .iter()
            .map(|name| EndpointInfo { name: (*name).into(), ..EndpointInfo::default() })
            .collect();
        let nodes = ServiceNodes::fixed("greeter", vec![service]);
        nodes.load().candidate(0).map(Arc::clone).unwrap()
    }
}
