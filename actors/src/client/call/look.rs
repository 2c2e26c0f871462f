//! What an attempt looks like before it is made: its form, and what is run around it.

use std::sync::Arc;

use super::{Call, Obstacle, Picked};
use crate::client::attempt_middleware::{AttemptInfo, Entered};
use crate::client::error::{CallError, Executed};
use crate::client::options::invalid;
use crate::message::{Body, BodyForm};
use crate::selector::Candidate;
use crate::transport::outbox::{NotSent, Outbox, OutgoingCall};

impl Call<'_> {
    pub(super) fn learn_forms(&mut self, body: &dyn Body) {
        let mut form = BodyForm::PREFERRED;
        for content_type in &mut self.further {
            form = form.next();
            *content_type = body.alternative(form);
        }
    }

    /// The form in which this node takes the request.
    pub(super) fn form(
        &self,
        body: &dyn Body,
        candidate: Option<&Arc<Candidate>>,
    ) -> Result<BodyForm, Obstacle> {
        let Some(candidate) = candidate else { return Ok(BodyForm::PREFERRED) };
        let route = (self.target.endpoint, self.target.content_type);
        let form = OutgoingCall::form_for(candidate, route, body);
        form.ok_or_else(|| Obstacle::Unsuited(self.not_spoken(candidate), Arc::clone(candidate)))
    }

    /// What is told of a node that speaks none of the codecs in which the call may go.
    fn not_spoken(&self, candidate: &Candidate) -> CallError {
        let plain = |content_type: &'static str| content_type.split(';').next().unwrap_or_default();
        let own = [Some(self.target.content_type)].into_iter().chain(self.further).flatten();
        let own = own.map(plain).collect::<Vec<_>>().join(", ");
        let node = candidate.node();
        let spoken = node.codecs().collect::<Vec<_>>().join(", ");
        let detail = format!(
            "the request was not sent: {} speaks {spoken}, and the call is in {own}; call in one \
             that it speaks, or add the codec to it",
            node.address
        );
        CallError::Codec { detail, executed: Executed::No }
    }

    /// Begins an attempt for those who look at it.
    pub(super) fn enter(
        &mut self,
        outbox: &Outbox,
        candidate: Option<&Arc<Candidate>>,
    ) -> Result<Option<Entered>, CallError> {
        let Some(chain) = self.chain else { return Ok(None) };
        self.looked_at += 1;
        let info = AttemptInfo {
            service: self.service.name.clone(),
            endpoint: self.target.endpoint,
            address: outbox.address().to_owned(),
            number: self.looked_at,
            deadline: self.deadline,
            metadata: self.options.metadata.clone(),
            candidate: candidate.cloned(),
        };
        chain.enter(info).map(Some)
    }

    /// Ends an attempt for those who look at it.
    pub(super) fn leave(&mut self, result: Result<(), &CallError>) {
        if let Some(entered) = self.entered.take() {
            entered.leave(result);
        }
    }

    /// What must be waited for when a connection did not take the request.
    ///
    /// # Errors
    /// No connection would take it.
    pub(super) fn not_sent(
        &mut self,
        not_sent: &NotSent,
        entered: Option<Entered>,
        (link, candidate): Picked,
    ) -> Result<Obstacle, CallError> {
        if let NotSent::Invalid(error) = not_sent {
            let error = invalid(error);
            if let Some(entered) = entered {
                entered.leave(Err(&error));
            }
            return Err(error);
        }
        if let Some(entered) = entered {
            // It filled up, or broke, since it was picked: another attempt follows.
            entered.leave(Err(&CallError::NoneAvailable {
                service: self.service.name.clone(),
                reason: format!("the connection to {} has no room", link.address()),
            }));
        }
        Ok(match not_sent {
            NotSent::Full => Obstacle::Full(Arc::clone(link.outbox())),
            // The link has not noticed yet; by the time it is asked it will have.
            NotSent::Closed | NotSent::Invalid(_) => Obstacle::Unconnected(link, candidate),
        })
    }
}
