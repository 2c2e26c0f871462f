//! Which handler answers which endpoint.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::HandlerPort;
use crate::registry::EndpointInfo;

/// An immutable table from endpoint names to handlers.
#[derive(Default, Clone)]
pub struct RouteTable {
    handlers: Vec<Arc<dyn HandlerPort>>,
    by_name: HashMap<String, (usize, usize)>,
}

/// Two handlers answer one endpoint.
///
/// ```
/// use callboard_actors::server::DuplicateEndpoint;
///
/// let error = DuplicateEndpoint("Greeter.Hello".into());
/// assert!(error.to_string().starts_with("endpoint Greeter.Hello is answered by two handlers"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {0} is answered by two handlers; each endpoint belongs to one")]
pub struct DuplicateEndpoint(pub String);

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// An endpoint occurs twice.
    pub fn new(handlers: Vec<Arc<dyn HandlerPort>>) -> Result<Self, DuplicateEndpoint> {
        let mut by_name = HashMap::new();
        for (handler, port) in handlers.iter().enumerate() {
            for (endpoint, info) in port.endpoints().iter().enumerate() {
                if by_name.insert(info.name.clone(), (handler, endpoint)).is_some() {
                    return Err(DuplicateEndpoint(info.name.clone()));
                }
            }
        }
        Ok(Self { handlers, by_name })
    }

    /// All handlers.
    pub fn handlers(&self) -> &[Arc<dyn HandlerPort>] {
        &self.handlers
    }

    /// The handler of an endpoint: its index, and the endpoint's index within it.
    pub fn find(&self, endpoint: &str) -> Option<(usize, usize)> {
        self.by_name.get(endpoint).copied()
    }

    /// Whether any endpoint is one of this service of a node, e.g. `Greeter` of `Greeter.Hello`.
    pub fn has_service(&self, service: &str) -> bool {
        self.endpoints().any(|endpoint| {
            endpoint.name.rsplit_once('.').is_some_and(|(before, _)| before == service)
        })
    }

    /// What all handlers answer together.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointInfo> {
        self.handlers.iter().flat_map(|handler| handler.endpoints())
    }

    /// What of that a node's record tells.
    pub fn advertised(&self) -> impl Iterator<Item = &EndpointInfo> {
        self.handlers.iter().flat_map(|handler| handler.advertised())
    }
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.endpoints().map(|endpoint| &endpoint.name)).finish()
    }
}
