//! What a node tells of itself to those who ask over HTTP.

use std::sync::Arc;

use callboard_actors::registry::EndpointKind;
use callboard_actors::server::Server;

/// The node whose connection it is; knows nothing before the connection has been told.
#[derive(Clone, Copy)]
pub(super) struct Host<'a>(pub(super) Option<&'a Arc<Server>>);

/// Whether a node wants requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// No registry tells of it: it starts, or its registration has not been renewed in time.
    NotRegistered,
    Draining,
}

impl Host<'_> {
    pub(super) fn readiness(self) -> Readiness {
        match self.0 {
            Some(server) if server.is_draining() => Readiness::Draining,
            Some(server) if server.is_announced() => Readiness::Ready,
            _ => Readiness::NotRegistered,
        }
    }

    /// For an endpoint that is a stream: whether its client sends items.
    pub(super) fn is_stream(self, endpoint: &str) -> Option<bool> {
        let routes = self.0?.routes();
        let (handler, endpoint) = routes.find(endpoint)?;
        let handler = &routes.handlers()[handler];
        let is_stream = handler.endpoints()[endpoint].kind == EndpointKind::Stream;
        is_stream.then(|| handler.takes_items(endpoint))
    }

    /// Whether it answers anything of this service.
    pub(super) fn has_service(self, service: &str) -> bool {
        self.0.is_some_and(|server| server.routes().has_service(service))
    }

    /// The endpoints that its record tells of, as the end of a sentence.
    pub(super) fn endpoints(self) -> String {
        let names = self.0.map(|server| server.routes().advertised().map(|it| &*it.name));
        list(names.into_iter().flatten())
    }
}

/// Names, but not more than a person reads.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    if names.is_empty() {
        return "there is none".to_owned();
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMES_MOST);
    names.truncate(NAMES_MOST);
    let names = names.join(", ");
    if more > 0 {
        format!("there are {names} and {more} more")
    } else {
        format!("there are {names}")
    }
}

/// Names in a list; default 20, which is about what fits a terminal.
const NAMES_MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_in_order_and_bounded() {
        assert_eq!(list([].into_iter()), "there is none");
        assert_eq!(list(["B.C", "A.B"].into_iter()), "there are A.B, B.C");
        let many: Vec<_> = (10..35).map(|number| format!("A.M{number}")).collect();
        let text = list(many.iter().map(String::as_str));
        assert!(
            text.starts_with("there are A.M10, ") && text.ends_with("A.M29 and 5 more"),
            "{text}"
        );
    }
}
