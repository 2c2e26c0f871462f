//! Keeps route definitions apart from the messages that carry them.
//!
//! Pure.

use std::collections::HashMap;

use crate::message::{Message, Route, RouteSlot};

/// The route definitions of one direction.
///
/// Faults lose and reorder messages, and the definition of a slot must survive that: it is taken
/// from the message that carries it and given to the first of its slot that arrives.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<RouteSlot, (Route, bool)>);

impl Routes {
    /// Takes the definition out of a message that leaves; the text says what is wrong with it.
    pub(super) fn depart(&mut self, message: &mut Message) -> Result<(), String> {
        let Message::Request { route, define, .. } = message else { return Ok(()) };
        match (define.take(), self.0.contains_key(route)) {
            (Some(_), true) => Err(format!("route slot {} is defined twice", route.0)),
            (None, false) => Err(format!("route slot {} is not defined", route.0)),
            (None, true) => Ok(()),
            (Some(defined), false) => {
                self.0.insert(*route, (*defined, false));
                Ok(())
            }
        }
    }

    /// Gives the definition to a message that arrives first.
    pub(super) fn arrive(&mut self, message: &mut Message) {
        if let Message::Request { route, define, .. } = message
            && let Some((known, told @ false)) = self.0.get_mut(route)
        {
            *told = true;
            *define = Some(Box::new(known.clone()));
        }
    }
}
