//! The calls about which there is nothing to decide.
//!
//! Many services run on one node, and then most calls of an endpoint find the same as the call
//! before: that node, which answers it, in the form that is preferred.

use std::cell::RefCell;
use std::ptr;

/// What is called, how it is encoded, and with which types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) endpoint: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) types: Option<u64>,
}

impl Route {
    /// Whether it is this very one; names are constants, and are not read.
    #[inline]
    fn is(&self, other: &Self) -> bool {
        ptr::eq(self.endpoint, other.endpoint)
            && ptr::eq(self.content_type, other.content_type)
            && self.types == other.types
    }
}

/// The routes on which the only node of a snapshot is called in the preferred form, as far as one
/// thread has found out.
#[derive(Debug, Default)]
pub(crate) struct PlainRoutes(RefCell<Vec<Route>>);

impl PlainRoutes {
    /// Whether this is one of them.
    #[inline]
    pub(crate) fn has(&self, route: &Route) -> bool {
        self.0.try_borrow().is_ok_and(|known| known.iter().any(|it| it.is(route)))
    }

    /// Takes note of one; beyond the limit of what it cares to know it forgets all others.
    pub(crate) fn note(&self, route: Route) {
        if let Ok(mut known) = self.0.try_borrow_mut() {
            if known.len() >= ROUTES_MOST {
                known.clear();
            }
            known.push(route);
        }
    }
}

/// Routes of a snapshot that a thread knows at most.
const ROUTES_MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Route =
        Route { endpoint: "Greeter.Hello", content_type: "application/json", types: Some(1) };

    #[test]
    fn a_route_is_known_by_all_that_it_has() {
        let routes = PlainRoutes::default();
        assert!(!routes.has(&HELLO));
        routes.note(HELLO);
        assert!(routes.has(&HELLO));
        for other in [
            Route { endpoint: "Greeter.Bye", ..HELLO },
            Route { content_type: "application/cbor", ..HELLO },
            Route { types: Some(2), ..HELLO },
            Route { types: None, ..HELLO },
        ] {
            assert!(!routes.has(&other), "{other:?}");
        }
    }

    #[test]
    fn only_so_many_are_known() {
        let routes = PlainRoutes::default();
        for types in 0..1_000 {
            let route = Route { types: Some(types), ..HELLO };
            routes.note(route);
            assert!(routes.has(&route) && routes.0.borrow().len() <= ROUTES_MOST);
        }
    }
}
