//! Where a node takes events in that other nodes send.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::time::Instant;

use super::forms::{Form, Forms};
use super::frame::EventFrame;
use super::tally::Tally;
use super::topics::{Place, To, Topics};
use super::{Acknowledger, BrokerError, EncodedEvent, EventSink, Interest};
use crate::inbox::{DueTurns, InboxStatus};
use crate::message::{Refusal, RequestId};
use crate::metadata::Metadata;
use crate::registry::EndpointInfo;
use crate::server::{Arrival, HandlerPort, Lane, ReplySlot};

/// The handler of a node that takes events in, as internal endpoints.
///
/// The body of a request is an [`EventFrame`]; in that for the [inbox](Self::INBOX) the id of a
/// subscription stands in place of its group. It is answered once all subscribers that it is for
/// have answered; it is refused where none of them got it, so that a member of the group on another
/// node may get it, or in its other form they do: what a content type says of the publisher's types
/// comes to them with the event. Neither a deadline nor a publisher that goes away keeps an event
/// from them.
#[derive(Clone)]
pub struct EventDesk {
    topics: Topics,
    content_types: Arc<dyn ContentTypes>,
    forms: Arc<Forms>,
    endpoints: Arc<[EndpointInfo]>,
    /// Subscriptions by the ids under which the registry knows them.
    ids: Arc<RwLock<HashMap<String, Interest>>>,
}

/// The content types that a node understands.
pub trait ContentTypes: Send + Sync + 'static {
    /// The number of a content type, however it is spelled.
    fn find(&self, content_type: &str) -> Option<u16>;

    /// The content type of a number that [`find`](Self::find) returned.
    fn name(&self, number: u16) -> &'static str;

    /// The fingerprint of the types that a reader of such a body must have; none, unless it says
    /// otherwise.
    fn types(&self, content_type: &str) -> Option<u64> {
        let _ = content_type;
        None
    }
}

/// Exactly these.
impl ContentTypes for &'static [&'static str] {
    fn find(&self, content_type: &str) -> Option<u16> {
        let index = self.iter().position(|known| *known == content_type)?;
        u16::try_from(index).ok()
    }

    fn name(&self, number: u16) -> &'static str {
        self.get(usize::from(number)).copied().unwrap_or_default()
    }
}

impl EventDesk {
    /// The name of the endpoint that takes events.
    pub const ENDPOINT: &'static str = "Broker.Deliver";

    /// The name of the endpoint that takes events of those who know the id of a subscription.
    pub const INBOX: &'static str = "Broker.Inbox";

    /// Creates a desk of the broker `broker` that nobody subscribes at.
    pub fn new(broker: &'static str, content_types: Arc<dyn ContentTypes>) -> Self {
        let info = |name: &str| EndpointInfo { name: name.to_owned(), ..EndpointInfo::default() };
        let endpoints = Arc::new([info(Self::ENDPOINT), info(Self::INBOX)]);
        let (forms, ids) = (Arc::default(), Arc::default());
        Self { topics: Topics::new(broker), content_types, forms, endpoints, ids }
    }

    /// Has `sink` get what comes for this interest, until what is returned is dropped.
    pub(super) fn place(
        &self,
        interest: &Interest,
        sink: Arc<dyn EventSink>,
    ) -> Result<Place, BrokerError> {
        self.topics.add(interest, sink)
    }

    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Takes note of the ids under which an interest of this node is announced.
    pub(super) fn know(&self, ids: &[String], interest: &Interest) {
        self.ids.write().extend(ids.iter().map(|id| (id.clone(), interest.clone())));
    }

    /// Forgets ids.
    pub(super) fn forget(&self, ids: &[String]) {
        self.ids.write().retain(|id, _| !ids.contains(id));
    }

    fn take(&self, endpoint: usize, form: u16, arrival: Arrival, due: &mut DueTurns) {
        let Arrival { mut reply, metadata, body, .. } = arrival;
        let Some(Form { codec, types }) = self.forms.get(form) else {
            return reply.refuse(Refusal::UnknownContentType, None);
        };
        let (topic, group, at) = match EventFrame::read(&body) {
            Ok(read) => read,
            Err(error) => return reply.refuse(Refusal::Undecodable, Some(&error.to_string())),
        };
        let known = (endpoint == INBOX).then(|| self.ids.read().get(group?).cloned());
        let group = match &known {
            None => group,
            Some(Some(interest)) if *interest.topic == *topic => interest.group.as_deref(),
            Some(_) => return unwanted(reply),
        };
        let to = group.map_or(To::Ungrouped, To::Group);
        let content_type = self.content_types.name(codec);
        let body = body.slice(at..);
        let event = EncodedEvent { metadata, content_type, types, body, other: None };
        let mut reply = Some(reply);
        self.topics.look(topic, |topic| {
            let subscribers = topic.subscribers();
            let reach = subscribers.reach(to);
            let Some(mut reply) = reply.take_if(|_| reach > 0) else { return };
            if reach == 1 {
                // The common case needs no count of its own.
                subscribers.deliver(to, event, Acknowledger::remote(reply), due);
            } else {
                let tally = Tally::then(move |published| reply.reply(&Metadata::new(), &published));
                subscribers.publish(&event, to, &tally, |sink, delivery| {
                    sink.deliver_of_batch(delivery, due);
                });
                tally.complete();
            }
        });
        if let Some(reply) = reply {
            unwanted(reply);
        }
    }
}

/// They have left; other members of their group may not have.
fn unwanted(mut reply: ReplySlot) {
    reply.refuse(Refusal::Draining, Some("nobody here subscribes to it any more"));
}

/// The inbox's place among the endpoints.
const INBOX: usize = 1;

impl HandlerPort for EventDesk {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.endpoints
    }

    fn advertised(&self) -> &[EndpointInfo] {
        &[]
    }

    fn codec(&self, content_type: &str) -> Option<u16> {
        self.codec_for(0, content_type).ok()
    }

    /// The number of a form, which for the subscribers' types is what decides.
    fn codec_for(&self, _: usize, content_type: &str) -> Result<u16, Refusal> {
        let codec = self.content_types.find(content_type).ok_or(Refusal::UnknownContentType)?;
        let types = self.content_types.types(content_type);
        self.forms.number(Form { codec, types }).ok_or(Refusal::OtherTypes)
    }

    fn lane(&self) -> Box<dyn Lane> {
        Box::new(DeskLane { desk: self.clone(), due: DueTurns::default() })
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        Vec::new()
    }

    fn local(&self, _: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

struct DeskLane {
    desk: EventDesk,
    /// The subscribers of this batch.
    due: DueTurns,
}

impl Lane for DeskLane {
    fn push(&mut self, endpoint: usize, form: u16, arrival: Arrival) {
        self.desk.take(endpoint, form, arrival, &mut self.due);
    }

    /// Subscribers mostly acknowledge at once. Within the connection's turn their answers leave in
    /// the same write, and neither they nor the connection are polled once more: with many
    /// connections, what they need would no longer be in the processor's cache then.
    fn flush(&mut self, _: Instant) {
        self.due.take();
    }

    /// Nothing: events are with their subscribers, who have their turn with the whole batch.
    fn hand_over(&mut self, _: Instant) {}

    /// Nothing: what has been published is for all who subscribe.
    fn cancel(&self, _: u64, _: Option<RequestId>) {}
}

impl fmt::Debug for EventDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDesk").field("topics", &self.topics).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
