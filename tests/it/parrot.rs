//! A handler that says again what it hears, item by item.

use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Parrot.Talk", item = u64, reply = u64)]
pub(crate) struct Talk;

pub(crate) struct Parrot;

impl Actor for Parrot {
    type Context = Context<Self>;
}

impl Handler<Streaming<Talk>> for Parrot {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Talk>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(number) = stream.recv().await? {
                stream.send(number).await?;
            }
            Ok(())
        })
    }
}
