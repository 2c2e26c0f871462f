//! The messages of one caller.

use std::rc::Rc;

use crate::echo::{Echo, text};

/// Makes the messages of one caller, and checks their replies.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    text: Rc<str>,
    /// The text of the last reply, if it is large.
    last: Option<String>,
}

impl Messages {
    pub(super) fn new(body: usize) -> Self {
        Self { text: text(body).into(), last: None }
    }

    /// A large text is not written anew for each message: it is the last reply's. A copy of a
    /// megabyte per call would be measured with every system, and is none's work.
    pub(super) fn next(&mut self, id: u64) -> Echo {
        let text = self.last.take().unwrap_or_else(|| self.text.as_ref().to_owned());
        Echo { id, text }
    }

    /// Makes sure that a reply belongs to the message of this number.
    pub(super) fn check(&mut self, id: u64, reply: Echo) {
        reply.check_body(id, self.text.len());
        if reply.text.len() > LARGE {
            self.last = Some(reply.text);
        }
    }
}

/// Bytes from which a text is used again.
const LARGE: usize = 4096;
