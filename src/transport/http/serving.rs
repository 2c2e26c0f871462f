//! One HTTP request, from its head to its answer.
//!
//! Written out by hand, so that a request allocates no future of its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;

use super::answer::Answer;
use super::ask::{Desk, Waiting};
use super::body::Arriving;
use super::dialect::{Dialect, Trouble};
use super::head::Head;
use super::request::{Request, Wanted};
use super::service::Door;
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
    Reading { request: Box<Request>, body: Arriving },
    /// The engine has it.
    Asked { dialect: Dialect, waiting: Waiting },
    /// It is answered whatever its body is.
    Refusing(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// The connection is that of a stream from here on; this is dropped.
    HandedOver,
}

impl Serving {
    pub(super) fn new(door: &Door, request: hyper::Request<Incoming>) -> Self {
        let desk = Arc::clone(&door.desk);
        let (head, body) = request.into_parts();
        let stage = match Request::of(&Head::of(&head), desk.host()) {
            Ok(request) => Stage::Reading {
                request: Box::new(request),
                body: Arriving::new(body, door.max_body, door.options.body_time),
            },
            Err(answer) => Stage::Refusing(Box::pin(async move {
                unread::answered(*answer, &head.headers, body).await
            })),
        };
        Self { desk, stage }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        loop {
            match &mut self.stage {
                Stage::Reading { body, .. } => {
                    let body = ready!(body.poll(cx));
                    let stage = std::mem::replace(&mut self.stage, Stage::HandedOver);
                    let Stage::Reading { request, .. } = stage else { return Poll::Pending };
                    match ask(&self.desk, *request, body) {
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
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut answer = ready!(this.poll_answer(cx));
        if this.desk.end() {
            answer.close();
        }
        Poll::Ready(Ok(answer.into_response()))
    }
}

/// Hands the request to the engine; or the answer, where it does not get that far.
fn ask(
    desk: &Arc<Desk>,
    request: Request,
    body: Result<Bytes, Trouble>,
) -> Result<Stage, Box<Answer>> {
    match request.with(body, |endpoint| desk.is_stream(endpoint))? {
        Wanted::Call(dialect, asked) => match Desk::ask(desk, asked) {
            Some(waiting) => Ok(Stage::Asked { dialect, waiting }),
            None => Err(Box::new(dialect.refuse(&Trouble::Routes))),
        },
        Wanted::Stream(opening) => {
            desk.converse(opening);
            Ok(Stage::HandedOver)
        }
    }
}
