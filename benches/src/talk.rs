//! The workload of streams: echoes that go one way, the other, or both.

use callboard::prelude::*;

use crate::echo::{Echo, Echoer, text};

/// Opens a stream of echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Echo.Talk", item = Echo, reply = Echo)]
pub enum Talk {
    /// The server sends messages with this many bytes of text, numbered from 0, for ever.
    Down {
        /// Bytes of text.
        body: usize,
    },
    /// The client sends, and the last message of each [`BATCH`] comes back.
    Up,
    /// What the client sends comes back.
    Both,
}

impl Handler<Streaming<Talk>> for Echoer {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, stream: Streaming<Talk>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(talk(stream))
    }
}

async fn talk(mut stream: Streaming<Talk>) -> Result<(), Status> {
    match *stream {
        Talk::Down { body } => {
            let text = text(body);
            for id in 0.. {
                stream.send(Echo { id, text: text.clone() }).await?;
            }
        }
        Talk::Up => {
            let mut count = 0;
            while let Some(echo) = stream.recv().await? {
                count += 1;
                if count % BATCH == 0 {
                    stream.send(echo).await?;
                }
            }
        }
        Talk::Both => {
            while let Some(echo) = stream.recv().await? {
                stream.send(echo).await?;
            }
        }
    }
    Ok(())
}

/// Messages that are counted together: reading a clock for each would be measured with them.
pub const BATCH: u32 = 256;
