//! Delivering to the nodes of subscribers elsewhere, with all the attempts that takes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;

use super::route::{Group, Stop, Way};
use super::{Letter, Shared};
use crate::broker::{BrokerError, BrokerHome, EncodedEvent, EventDesk, EventFrame, Published};
use crate::client::{
    CallError, CallOptions, CallTarget, DirectNode, Executed, FailedAttempt, RemoteService,
};
use crate::deadline::Deadline;
use crate::message::{Body, BodyForm};

/// One event under way.
#[derive(Clone, Copy)]
pub(super) struct Publishing<'a> {
    pub(super) shared: &'a Shared,
    pub(super) home: &'a BrokerHome,
    pub(super) topic: &'a Arc<str>,
    /// In whose name nodes are called.
    pub(super) service: &'a RemoteService,
    pub(super) draft: &'a Draft<'a>,
    pub(super) options: &'a CallOptions,
    pub(super) deadline: Deadline,
    /// What was left until then when it was published.
    pub(super) timeout: Duration,
}

/// An event, and its other form once somebody has needed it.
pub(super) struct Draft<'a> {
    event: &'a EncodedEvent,
    other: OnceLock<Result<EncodedEvent, String>>,
}

/// What is sent to one node: an event in one form, and in the other one should it refuse that.
#[derive(Clone, Copy)]
pub(super) struct DraftFrame<'a> {
    topic: &'a str,
    group: Option<&'a str>,
    event: &'a EncodedEvent,
    draft: &'a Draft<'a>,
}

/// Why there is no knowing who subscribes.
pub(super) fn failure(error: CallError) -> BrokerError {
    match error {
        CallError::Registry { source, .. } => BrokerError::Registry(source),
        CallError::Stopped => BrokerError::Stopped,
        error => BrokerError::Call(error),
    }
}

impl Publishing<'_> {
    /// Has a node deliver the event to its subscribers without a group.
    pub(super) async fn ungrouped(self, stop: &Stop) -> Result<Published, BrokerError> {
        match self.bring(stop, None).await {
            Ok(published) => Ok(published),
            Err(error) => verdict(error),
        }
    }

    /// Has a node of a group deliver the event; the next one where one did not take it.
    pub(super) async fn group(self, group: &Group, turn: usize) -> Result<Published, BrokerError> {
        let nobody = Ok(Published { refused: 1, ..Published::default() });
        self.one_of(group, group.members(turn), nobody).await
    }

    /// Has one of these nodes of a group deliver the event; `last` is what became of it before.
    async fn one_of(
        self,
        group: &Group,
        members: impl Iterator<Item = &Stop>,
        mut last: Result<Published, BrokerError>,
    ) -> Result<Published, BrokerError> {
        for stop in members {
            match self.bring(stop, Some(&group.name)).await {
                Ok(published) => return Ok(published),
                Err(error) if error.executed() == Executed::No => last = verdict(error),
                Err(error) => return verdict(error),
            }
            if self.deadline.has_passed() {
                break;
            }
        }
        last
    }

    /// Goes on after the first attempt failed, at a node or at the group's member whose turn it was.
    pub(super) async fn go_on(
        self,
        node: &DirectNode,
        frame: DraftFrame<'_>,
        failed: FailedAttempt,
        group: Option<(&Group, usize)>,
    ) -> Result<Published, BrokerError> {
        let (target, options) = (target(self.draft.event), (self.options, self.deadline));
        let called =
            self.home.caller.go_on_node(node, self.service, target, frame, options, failed);
        match (called.await, group) {
            (Ok(called), _) => Ok(counts(&called.reply.body)),
            (Err(error), Some((group, turn))) if error.executed() == Executed::No => {
                self.one_of(group, group.members(turn).skip(1), verdict(error)).await
            }
            (Err(error), _) => verdict(error),
        }
    }

    async fn bring(self, stop: &Stop, group: Option<&str>) -> Result<Published, CallError> {
        let event = if stop.needs_other_form(self.draft.event) {
            self.draft.in_other_form().map_err(|detail| CallError::Codec {
                detail: detail.clone(),
                executed: Executed::No,
            })?
        } else {
            self.draft.event
        };
        let Way::Native(node) = &stop.way else {
            let Some(courier) = &self.shared.courier else {
                return Err(CallError::Draining { node: stop.node.address.clone() });
            };
            let letter = Letter {
                topic: Arc::clone(self.topic),
                node: Arc::clone(&stop.node),
                event: event.clone(),
                deadline: self.deadline,
            };
            return courier.deliver(letter).await;
        };
        let frame = DraftFrame { topic: self.topic, group, event, draft: self.draft };
        let options = (self.options, self.deadline);
        let called =
            self.home.caller.call_node(node, self.service, target(event), frame, options).await?;
        Ok(counts(&called.reply.body))
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(event: &'a EncodedEvent) -> Self {
        Self { event, other: OnceLock::new() }
    }

    pub(super) fn event(&self) -> &'a EncodedEvent {
        self.event
    }

    /// What is sent to a node of which nothing else is known.
    pub(super) fn frame(&'a self, topic: &'a str, group: Option<&'a str>) -> DraftFrame<'a> {
        DraftFrame { topic, group, event: self.event, draft: self }
    }

    fn in_other_form(&self) -> Result<&EncodedEvent, &String> {
        self.other.get_or_init(|| self.event.in_other_form()).as_ref()
    }
}

impl Body for DraftFrame<'_> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.write(self.event, buffer)
    }

    // No `types`: the subscription's record has been read, and now the node's own word counts.

    fn alternative(&self, form: BodyForm) -> Option<&'static str> {
        let other = self.event.other.filter(|_| form == BodyForm::PREFERRED.next())?;
        Some(other.content_type())
    }

    fn encode_as(&self, _: BodyForm, buffer: &mut BytesMut) -> Result<(), String> {
        self.write(self.draft.in_other_form().map_err(Clone::clone)?, buffer)
    }
}

impl DraftFrame<'_> {
    fn write(&self, event: &EncodedEvent, buffer: &mut BytesMut) -> Result<(), String> {
        EventFrame { topic: self.topic, group: self.group, body: &event.body }.encode(buffer)
    }
}

pub(super) fn target(event: &EncodedEvent) -> CallTarget {
    let content_type = event.content_type;
    CallTarget { endpoint: EventDesk::ENDPOINT, content_type, is_idempotent: false }
}

/// What a node has answered. What cannot be read comes from a newer one; it has got the event.
pub(super) fn counts(answer: &[u8]) -> Published {
    Published::read(answer).unwrap_or(Published { failed: 1, ..Published::default() })
}

/// What the failure to bring an event to a subscriber means.
pub(super) fn verdict(error: CallError) -> Result<Published, BrokerError> {
    let nothing = Published::default();
    match (&error, error.executed()) {
        (CallError::TooLarge { .. } | CallError::Stopped, _) => Err(failure(error)),
        (_, Executed::No) => Ok(Published { refused: 1, ..nothing }),
        _ => Ok(Published { failed: 1, ..nothing }),
    }
}
