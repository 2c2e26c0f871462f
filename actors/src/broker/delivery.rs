//! An event on its way to one subscriber, and the way back.

use std::fmt;
use std::sync::Arc;

use super::tally::Tally;
use super::{EncodedEvent, Published};
use crate::message::Refusal;
use crate::metadata::Metadata;
use crate::server::ReplySlot;

/// An event for one subscriber.
#[derive(Debug)]
pub struct Delivery {
    /// The topic it was published under.
    pub topic: Arc<str>,
    /// The event.
    pub event: EncodedEvent,
    /// Takes the subscriber's answer.
    pub acknowledger: Acknowledger,
}

/// What a subscriber says of an event.
///
/// ```
/// use callboard_actors::broker::Acknowledgement;
///
/// assert_ne!(Acknowledgement::Failed, Acknowledgement::Refused);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acknowledgement {
    /// It has handled it.
    Acknowledged,
    /// It got it and could not handle it.
    Failed,
    /// It did not get it.
    Refused,
}

/// The right and the duty to answer one delivery, exactly once.
///
/// What is dropped without an answer has failed.
///
/// ```
/// use std::sync::mpsc::channel;
///
/// use callboard_actors::broker::{Acknowledgement, Acknowledger};
///
/// let (sender, answers) = channel();
/// let acknowledger = Acknowledger::new(move |answer| sender.send(answer).unwrap());
/// acknowledger.acknowledge();
/// assert_eq!(answers.recv(), Ok(Acknowledgement::Acknowledged));
/// ```
pub struct Acknowledger(Option<Way>);

/// Where the answer goes.
enum Way {
    /// To the node that sent the event here; spares the common case all allocation.
    Remote(ReplySlot),
    /// To be counted with others.
    Count(Arc<Tally>),
    /// To a broker of any kind.
    Then(Box<dyn FnOnce(Acknowledgement) + Send>),
}

impl Acknowledger {
    /// Hands the answer to `then`.
    pub fn new(then: impl FnOnce(Acknowledgement) + Send + 'static) -> Self {
        Self(Some(Way::Then(Box::new(then))))
    }

    pub(super) fn remote(slot: ReplySlot) -> Self {
        Self(Some(Way::Remote(slot)))
    }

    pub(super) fn counted(tally: &Arc<Tally>) -> Self {
        Self(Some(Way::Count(Arc::clone(tally))))
    }

    /// The subscriber has handled the event.
    pub fn acknowledge(mut self) {
        self.answer(Acknowledgement::Acknowledged, None);
    }

    /// The subscriber could not handle it.
    pub fn fail(mut self) {
        self.answer(Acknowledgement::Failed, None);
    }

    /// The subscriber did not get it, for this reason.
    pub fn refuse(mut self, refusal: Refusal) {
        self.answer(Acknowledgement::Refused, Some(refusal));
    }

    fn answer(&mut self, answer: Acknowledgement, refusal: Option<Refusal>) {
        match self.0.take() {
            None => {}
            Some(Way::Count(tally)) => tally.count(answer),
            Some(Way::Then(then)) => then(answer),
            Some(Way::Remote(mut slot)) => match refusal {
                // A member of the group on another node may take it.
                Some(refusal) => slot.refuse(refusal, None),
                None => slot.reply(&Metadata::new(), &Published::of(answer)),
            },
        }
    }
}

impl Published {
    pub(super) fn of(answer: Acknowledgement) -> Self {
        let mut published = Self::default();
        match answer {
            Acknowledgement::Acknowledged => published.acknowledged = 1,
            Acknowledgement::Failed => published.failed = 1,
            Acknowledgement::Refused => published.refused = 1,
        }
        published
    }
}

impl Drop for Acknowledger {
    fn drop(&mut self) {
        self.answer(Acknowledgement::Failed, None);
    }
}

impl fmt::Debug for Acknowledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.0 {
            None => "answered",
            Some(Way::Remote(_)) => "remote",
            Some(Way::Count(_)) => "counted",
            Some(Way::Then(_)) => "other",
        };
        f.debug_tuple("Acknowledger").field(&way).finish()
    }
}
