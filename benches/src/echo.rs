//! The workload: an echo of a number and of text, a hundred bytes unless said otherwise.

use callboard::prelude::*;

/// What is sent, and comes back as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Echo.Echo", reply = Echo)]
pub struct Echo {
    /// Tells calls apart.
    pub id: u64,
    /// The load.
    pub text: String,
}

impl Echo {
    /// Creates a message with a hundred bytes of text.
    pub fn new(id: u64) -> Self {
        Self { id, text: TEXT.to_owned() }
    }

    /// Makes sure that a reply belongs to the request of this number.
    ///
    /// # Panics
    /// When it does not: then nothing that is measured means anything.
    pub fn check(&self, id: u64) {
        self.check_body(id, TEXT.len());
    }

    /// Makes sure that a reply belongs to the request of this number and length of text.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_body(&self, id: u64, body: usize) {
        let (found, length) = (self.id, self.text.len());
        assert!(
            found == id && length == body,
            "the reply to {id} with {body} bytes is {found} with {length} bytes"
        );
    }
}

/// So many bytes of text.
pub fn text(bytes: usize) -> String {
    TEXT.chars().cycle().take(bytes).collect()
}

/// Answers with what it is asked.
#[derive(Debug, Default)]
pub struct Echoer;

impl Actor for Echoer {
    type Context = Context<Self>;
}

impl Handler<Request<Echo>> for Echoer {
    type Result = Reply<Echo>;

    fn handle(&mut self, request: Request<Echo>, _: &mut Context<Self>) -> Reply<Echo> {
        Ok(request.into_inner())
    }
}

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\
                    0123456789abcdefghijklmnopqrstuvwxyz,;";
