//! One call and its answer, on a connection of the pool.

use std::pin::pin;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;

use super::Answer;
use super::channel::Cause;
use super::pool::{Pool, Wire};

/// How an exchange went.
pub(crate) enum Exchanged {
    Answered(Answer),
    /// There is no answer, and whether the node may have seen any of the request.
    Lost {
        was_sent: bool,
        cause: Cause,
    },
}

/// Sends a request and reads its answer of at most `max_body` bytes.
///
/// # Cancellation
/// Closes the connection, so that a late answer is never taken for another call's.
pub(crate) async fn exchange(
    pool: Pool,
    mut request: Request<Full<Bytes>>,
    max_body: usize,
) -> Exchanged {
    // An idle connection that turns out to be closed costs nothing but another try; each try uses
    // one up, and a fresh one is the last.
    loop {
        let (mut wire, is_fresh) = match pool.take() {
            Some(wire) => (wire, false),
            None => match pool.open().await {
                Ok(wire) => (wire, true),
                Err(cause) => {
                    return Exchanged::Lost {
                        was_sent: false,
                        cause: cause.when_connecting_to(pool.peer()),
                    };
                }
            },
        };
        match send(&mut wire, request, max_body).await {
            Sent::Answered { answer, may_stay } => {
                if may_stay {
                    pool.give_back(wire);
                }
                return Exchanged::Answered(answer);
            }
            Sent::Lost(cause) => return Exchanged::Lost { was_sent: true, cause },
            Sent::Not(_, cause) if is_fresh => {
                return Exchanged::Lost { was_sent: false, cause: cause.at(pool.peer()) };
            }
            Sent::Not(unsent, _) => request = unsent,
        }
    }
}

enum Sent {
    Answered {
        answer: Answer,
        may_stay: bool,
    },
    Lost(Cause),
    /// None of it; it comes back.
    Not(Request<Full<Bytes>>, Cause),
}

async fn send(wire: &mut Wire, request: Request<Full<Bytes>>, max_body: usize) -> Sent {
    let Wire { sender, driver, .. } = wire;
    let reply = pin!(ask(sender, request, max_body));
    match select(reply, driver).await {
        Either::Left((sent, _)) => sent,
        // What the driver had read before it ended is with the reply.
        Either::Right((_, reply)) => match reply.await {
            Sent::Answered { answer, .. } => Sent::Answered { answer, may_stay: false },
            other => other,
        },
    }
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    max_body: usize,
) -> Sent {
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            let unsent = error.take_message();
            let cause = Cause::of(error.error());
            return match unsent {
                Some(request) => Sent::Not(request, cause),
                None => Sent::Lost(cause),
            };
        }
    };
    let (parts, body) = response.into_parts();
    match Limited::new(body, max_body).collect().await {
        Ok(body) => {
            let answer =
                Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() };
            Sent::Answered { answer, may_stay: true }
        }
        Err(error) => Sent::Lost(Cause::of(&*error).at("the answer was not read")),
    }
}
