//! One HTTP request, from its head to its answer.
//!
//! Written out by hand, so that a request allocates no future of its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};

use super::ask::{Asked, Desk, Opening, Waiting};
use super::body::Arriving;
use super::dialect::{Dialect, Trouble};
use super::headers::{metadata, time_left};
use super::service::{Answer, Door};
use super::unread;

/// Resolves to the answer to a request.
///
/// # Cancellation
/// The request is cancelled.
pub(super) struct Serving {
    desk: Arc<Desk>,
    stage: Stage,
}

/// How far a request has come.
enum Stage {
    /// Its head has been understood.
    Reading(Reading),
    /// The engine has it.
    Asked { dialect: Dialect, waiting: Waiting },
    /// It is answered whatever its body is.
    Refusing(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// The connection is that of a stream from here on; this is dropped.
    HandedOver,
}

struct Reading {
    dialect: Dialect,
    headers: HeaderMap,
    body: Arriving,
}

impl Serving {
    pub(super) fn new(door: &Door, request: Request<Incoming>) -> Self {
        let desk = Arc::clone(&door.desk);
        let (head, body) = request.into_parts();
        let stage = match Dialect::of(&head, desk.host()) {
            Ok(dialect) => Stage::Reading(Reading {
                dialect,
                headers: head.headers,
                body: Arriving::new(body, door.max_body, door.options.body_time),
            }),
            Err(answer) => Stage::Refusing(Box::pin(async move {
                unread::answered(*answer, &head.headers, body).await
            })),
        };
        Self { desk, stage }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        loop {
            match &mut self.stage {
                Stage::Reading(reading) => {
                    let body = ready!(reading.body.poll(cx));
                    let stage = std::mem::replace(&mut self.stage, Stage::HandedOver);
                    let Stage::Reading(reading) = stage else { return Poll::Pending };
                    match reading.ask(&self.desk, body) {
                        Ok(stage) => self.stage = stage,
                        Err(answer) => return Poll::Ready(*answer),
                    }
                }
                Stage::Asked { dialect, waiting } => {
                    let message = ready!(waiting.poll());
                    return Poll::Ready(dialect.answer(message, self.desk.host()));
                }
                Stage::Refusing(answer) => return answer.as_mut().poll(cx),
                Stage::HandedOver => return Poll::Pending,
            }
        }
    }
}

impl Future for Serving {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut answer = ready!(this.poll_answer(cx));
        if this.desk.end() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(answer))
    }
}

impl Reading {
    /// Hands the request to the engine; or the answer, where it does not get that far.
    fn ask(self, desk: &Arc<Desk>, body: Result<Bytes, Trouble>) -> Result<Stage, Box<Answer>> {
        let Self { mut dialect, headers, .. } = self;
        let body = body.map_err(|trouble| Box::new(dialect.refuse(&trouble)))?;
        let (called, body) = dialect.open(&body)?;
        let metadata = match &mut dialect {
            Dialect::Inbox(inbox) => inbox.take_metadata(),
            Dialect::GoMicro(_) => metadata(&headers, true),
            Dialect::Plain(_) => metadata(&headers, false),
        };
        if !metadata.is_within_limits() {
            return Err(Box::new(dialect.refuse(&Trouble::Metadata)));
        }
        let stream = desk.is_stream(&called.endpoint);
        let asked = Asked { called, time_left: time_left(&headers), metadata, body };
        match (stream, dialect) {
            (None, dialect) => match Desk::ask(desk, asked) {
                Some(waiting) => Ok(Stage::Asked { dialect, waiting }),
                None => Err(Box::new(dialect.refuse(&Trouble::Routes))),
            },
            (Some(takes_items), Dialect::GoMicro(talk)) => {
                desk.converse(Opening { talk, asked, headers, takes_items });
                Ok(Stage::HandedOver)
            }
            (Some(_), dialect) => Err(Box::new(dialect.refuse(&Trouble::Stream))),
        }
    }
}
