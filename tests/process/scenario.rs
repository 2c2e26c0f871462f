//! What happens to processes, and what their callers see of it.

pub(crate) mod events;
pub(crate) mod hostile;
pub(crate) mod killed;
pub(crate) mod outage;
pub(crate) mod overload;
pub(crate) mod rolling;
pub(crate) mod silent;
pub(crate) mod streams;
