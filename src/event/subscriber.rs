//! Actors that were subscribed while their system runs.

use callboard_actors::node;

/// Actors that hear events, added while their system runs; dropping it ends them, without waiting for
/// that.
///
/// Made by [`ServiceSystem::subscribe`](crate::ServiceSystem::subscribe), where the example is.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes"]
pub struct Subscriber(node::Subscriber);

impl Subscriber {
    pub(crate) fn new(subscriber: node::Subscriber) -> Self {
        Self(subscriber)
    }

    /// Ends it: publishers are told first, then what they have sent is handled, for at most the drain
    /// timeout (10 s by default), and the actors are stopped.
    ///
    /// Once this resolves nothing of it is announced, and no event reaches it. One that was on its
    /// way then is refused, which its publisher is told, and falls to another member of its group.
    ///
    /// # Cancellation
    /// It ends all the same.
    pub async fn close(self) {
        self.0.close().await;
    }
}
