//! Streams of tonic, from both sides.
//!
//! What is sent without waiting for anything is an iterator, not a queue: no system is spared more.

use callboard_benches::echo::{Echo, text};
use callboard_benches::meter::Laps;
use callboard_benches::talk::BATCH;
use callboard_benches::worker::Shape;
use futures_util::stream::{self, Stream};
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::Message;
use super::generated::echo_client::EchoClient;

/// Streams in this way until the measurement is over.
pub(super) async fn talk(mut stub: EchoClient<Channel>, shape: Shape, body: usize) {
    let text = text(body);
    let replies = match shape {
        Shape::Up => return up(stub, body).await,
        Shape::Down => stub.down(Message { id: 0, text }).await,
        _ => stub.both(stream::iter(messages(text))).await,
    };
    let mut replies = replies.expect("the server takes it").into_inner();
    let (mut laps, mut ids) = (Laps::default(), 0..);
    while laps.next_call().is_some() {
        for id in ids.by_ref().take(BATCH as usize) {
            next(&mut replies).await.check_body(id, body);
        }
    }
}

async fn up(mut stub: EchoClient<Channel>, body: usize) {
    let (messages, queue) = mpsc::channel(BATCH as usize);
    let queue = stream::unfold(queue, async |mut queue| Some((queue.recv().await?, queue)));
    let replies = stub.up(queue).await.expect("the server takes it");
    let (mut replies, text) = (replies.into_inner(), text(body));
    let mut laps = Laps::default();
    while let Some(id) = laps.next_call() {
        for _ in 0..BATCH {
            let message = Message { id, text: text.clone() };
            messages.send(message).await.expect("the server reads the stream");
        }
        next(&mut replies).await.check_body(id, body);
    }
}

async fn next(replies: &mut Streaming<Message>) -> Echo {
    let reply = replies.message().await.expect("the server goes on");
    let Message { id, text } = reply.expect("the server goes on");
    Echo { id, text }
}

/// Messages with this text, numbered from 0, for ever.
pub(super) fn messages(text: String) -> impl Iterator<Item = Message> {
    (0..).map(move |id| Message { id, text: text.clone() })
}

/// Of what arrives, the last of each [`BATCH`].
pub(super) fn last_of_each_batch(
    messages: Streaming<Message>,
) -> impl Stream<Item = Result<Message, Status>> {
    stream::try_unfold(messages, async |mut messages| {
        for _ in 1..BATCH {
            if messages.message().await?.is_none() {
                return Ok(None);
            }
        }
        let last = messages.message().await?;
        Ok(last.map(|last| (last, messages)))
    })
}
