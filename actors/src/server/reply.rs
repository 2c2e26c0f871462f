//! The way back from a request to its caller.

use std::sync::Arc;

use crate::message::{Body, Outgoing, Refusal, RequestId};
use crate::metadata::Metadata;
use crate::server::{refusal_code, refusal_text};
use crate::status::Status;
use crate::transport::outbox::Outbox;
use crate::transport::{Hello, TransportError};

/// The other side of a connection, as all of its requests know it.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) peer: Arc<Hello>,
}

/// The right and the duty to answer one request, exactly once.
///
/// What is dropped without an answer is answered with status 500.
#[derive(Debug)]
pub struct ReplySlot {
    asker: Option<Arc<Asker>>,
    id: RequestId,
    /// A one-way request counts as unanswered until it has been handled, but nothing is sent.
    one_way: bool,
}

impl ReplySlot {
    pub(crate) fn new(asker: Arc<Asker>, id: RequestId, one_way: bool) -> Self {
        Self { asker: Some(asker), id, one_way }
    }

    /// Who asks; nobody any more once it has been answered.
    pub fn peer(&self) -> Option<&Arc<Hello>> {
        self.asker.as_ref().map(|asker| &asker.peer)
    }

    /// The connection's number and the request's.
    pub fn key(&self) -> (u64, RequestId) {
        (self.asker.as_ref().map_or(0, |asker| asker.outbox.number()), self.id)
    }

    /// Answers with a value, encoded straight into the connection's send queue.
    ///
    /// A value that cannot be encoded, or is too large for the peer, becomes a status.
    pub fn reply(&mut self, metadata: &Metadata, body: &dyn Body) {
        let message = Outgoing::Reply { id: self.id, metadata, body };
        if let Err(error) = self.answer(message) {
            let code = if matches!(error, TransportError::TooLarge { .. }) { 413 } else { 500 };
            self.status(&Status::new(STATUS_ID, code, format!("the reply was not sent: {error}")));
        }
    }

    /// Answers with the handler's status.
    pub fn status(&mut self, status: &Status) {
        self.answer_status(status, None);
    }

    /// Answers that the request was not executed; `detail` explains, beyond the standard text.
    pub fn refuse(&mut self, refusal: Refusal, detail: Option<&str>) {
        let mut text = refusal_text(refusal).to_owned();
        if let Some(detail) = detail {
            text = format!("{text}: {detail}");
        }
        self.answer_status(&Status::new(STATUS_ID, refusal_code(refusal), text), Some(refusal));
    }

    fn answer_status(&mut self, status: &Status, refusal: Option<Refusal>) {
        let id = self.id;
        if let Err(error) = self.answer(Outgoing::Status { id, status, refusal }) {
            // Only a status larger than a frame gets here; the caller must hear something.
            let short = Status::new(STATUS_ID, status.code, format!("status not sent: {error}"));
            if self.answer(Outgoing::Status { id, status: &short, refusal }).is_err() {
                tracing::warn!(%error, "a status was not sent");
            }
        }
        if let Some(asker) = self.asker.take() {
            asker.outbox.answered();
        }
    }

    /// Sends the answer; unless that fails the slot is done with.
    #[inline]
    fn answer(&mut self, message: Outgoing<'_>) -> Result<(), TransportError> {
        if let Some(asker) = &self.asker {
            if self.one_way {
                asker.outbox.answered();
            } else {
                asker.outbox.answer_request(message)?;
            }
            self.asker = None;
        }
        Ok(())
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        if self.asker.is_some() {
            self.status(&Status::internal(STATUS_ID, "the handler ended without an answer"));
        }
    }
}

/// Who speaks in a status that no handler wrote.
pub(crate) const STATUS_ID: &str = "callboard";
