//! What stands for the registry `consul` in a program that is built without it.

use std::sync::Arc;

use callboard_actors::registry::{Registry, RegistryError};

/// Says how to get it.
pub(crate) fn open(_: Option<&str>) -> Result<Arc<dyn Registry>, RegistryError> {
    let operation = "anything in this program: build callboard with the feature `consul`";
    Err(RegistryError::Unsupported { registry: "consul", operation })
}
