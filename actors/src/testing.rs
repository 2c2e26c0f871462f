//! What tests of back-ends and services need.
//!
//! One conformance suite per port: the contract of the port as code, for every adapter, ours and
//! others'.

pub mod broker;
pub mod registry;
pub mod transport;

/// Runs an actor that is not restarted, for tests of that actor.
#[cfg(test)]
pub(crate) fn start_once<A>(actor: A) -> actix::Addr<A>
where
    A: actix::Actor<Context = crate::Context<A>> + Send,
{
    let mut once = Some(actor);
    let child = crate::supervisor::Child::new("test", move || once.take().expect("made once"));
    let mut builder = crate::supervisor::Supervisor::builder("test");
    let address = builder.child(child.restart(crate::supervisor::Restart::Temporary));
    builder.start();
    address
}
