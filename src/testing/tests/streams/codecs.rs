//! Streams in every codec.

use bytes::BytesMut;

use super::*;
use crate::codec::{Codec, ProtobufMessage, StreamProtobufCodec};
use crate::{CallError, Executed, StreamEndpoint};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: u64,
    y: u64,
}

/// A point as somebody writes it who goes by names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reversed {
    y: u64,
    x: u64,
}

#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(stream, name = "Mirror.Swap", item = Point, reply = Point, crate = crate)]
struct Swap {
    first: u64,
    second: u64,
}

#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(stream, name = "Mirror.Swap", item = Reversed, reply = Reversed, crate = crate)]
struct ReversedSwap {
    second: u64,
    first: u64,
}

#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(stream, name = "Mirror.Swap", item = Option<Reversed>, reply = Point, crate = crate)]
struct OptionalSwap {
    first: u64,
    second: u64,
}

/// Sends one byte each way: what serde would make of it is another thing.
#[derive(Debug, Serialize, Deserialize)]
struct Bytewise;

impl StreamEndpoint for Bytewise {
    type Item = u8;
    type Reply = u8;

    const NAME: &'static str = "Mirror.Bytewise";

    fn protobuf() -> Option<StreamProtobufCodec<Self>> {
        let byte = |body: &[u8]| match body {
            [byte, 0] => Ok(*byte),
            _ => Err("not a byte and a zero".to_owned()),
        };
        let byte = ProtobufMessage {
            encode: |byte: &u8, buffer: &mut BytesMut| buffer.extend_from_slice(&[*byte, 0]),
            decode: byte,
        };
        let decode = byte.decode;
        Some(StreamProtobufCodec {
            opening: ProtobufMessage { encode: |_, _| {}, decode: |_| Ok(Self) },
            item: byte,
            reply: ProtobufMessage {
                encode: |byte, buffer| buffer.extend_from_slice(&[*byte, 0]),
                decode,
            },
        })
    }
}

/// Gives back what it gets, turned round.
#[derive(Clone)]
struct Mirror;

impl Actor for Mirror {
    type Context = Context<Self>;
}

impl Handler<Streaming<Swap>> for Mirror {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Swap>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            stream.send(Point { x: stream.first, y: stream.second }).await?;
            loop {
                match stream.recv().await {
                    Ok(Some(Point { x, y })) => stream.send(Point { x: y, y: x }).await?,
                    Ok(None) => return Ok(()),
                    Err(status) if status.code == 400 => {
                        stream.send(Point { x: 400, y: 400 }).await?;
                    }
                    Err(status) => return Err(status),
                }
            }
        })
    }
}

impl Handler<Streaming<Bytewise>> for Mirror {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Bytewise>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(byte) = stream.recv().await? {
                stream.send(255 - byte).await?;
            }
            Ok(())
        })
    }
}

async fn mirror(world: &World) -> (ServiceSystem, ServiceSystem) {
    let node =
        world.system("mirror").handler(|| Mirror, |h| h.stream::<Swap>().stream::<Bytewise>());
    (node.start().await.unwrap(), world.system("client").start().await.unwrap())
}

/// Those with names and those without; features add to them.
fn codecs() -> Vec<(Codec, bool)> {
    let named = ["application/json", "application/msgpack", "application/bson"];
    let bare = ["application/x-bincode", "application/x-postcard"];
    let named = named.iter().filter_map(|name| Some((Codec::named(name)?, *name != named[1])));
    let bare = bare.iter().filter_map(|name| Some((Codec::named(name)?, false)));
    named.chain(bare).collect()
}

#[test]
fn openings_and_items_travel_in_the_codec_of_the_stream() {
    World::run(|world| async move {
        let (_node, client) = mirror(&world).await;
        let service = client.service("mirror");
        assert!(codecs().len() >= 2);
        for (codec, has_names) in codecs() {
            let mut call = service.stream(Swap { first: 1, second: 2 }).codec(codec).await.unwrap();
            assert_eq!(call.recv().await.unwrap(), Some(Point { x: 1, y: 2 }), "{codec}");
            call.send(Point { x: 3, y: 4 }).await.unwrap();
            assert_eq!(call.recv().await.unwrap(), Some(Point { x: 4, y: 3 }), "{codec}");
            call.close().await;
            assert_eq!(call.recv().await.unwrap(), None);
            if !has_names {
                continue;
            }
            // Read by position, this would come back otherwise.
            let reversed = service.stream(ReversedSwap { first: 1, second: 2 }).codec(codec);
            let mut call = reversed.await.unwrap();
            assert_eq!(call.recv().await.unwrap(), Some(Reversed { x: 1, y: 2 }), "{codec}");
            call.send(Reversed { x: 3, y: 4 }).await.unwrap();
            assert_eq!(call.recv().await.unwrap(), Some(Reversed { x: 4, y: 3 }), "{codec}");
        }
    });
}

#[test]
fn a_stream_has_the_codec_of_its_system_unless_it_says_otherwise() {
    World::run(|world| async move {
        let (_node, _) = mirror(&world).await;
        let client = world.system("other").client_codec(Codec::Json).start().await.unwrap();
        let service = client.service("mirror");
        let mut by_name = service.stream(ReversedSwap { first: 1, second: 2 }).await.unwrap();
        assert_eq!(by_name.recv().await.unwrap(), Some(Reversed { x: 1, y: 2 }));
        let by_place = service.stream(ReversedSwap { first: 1, second: 2 }).codec(Codec::Bincode);
        let error = by_place.await.unwrap_err();
        assert!(matches!(error, CallError::Codec { executed: Executed::No, .. }), "{error}");
        assert!(error.to_string().contains("types are not those of the caller"), "{error}");
    });
}

#[test]
fn an_item_that_is_not_understood_is_told_and_the_stream_goes_on() {
    World::run(|world| async move {
        let (_node, client) = mirror(&world).await;
        let stream = client.service("mirror").stream(OptionalSwap { first: 0, second: 0 });
        let mut call = stream.codec(Codec::Json).await.unwrap();
        call.recv().await.unwrap();
        call.send(None).await.unwrap();
        assert_eq!(call.recv().await.unwrap(), Some(Point { x: 400, y: 400 }));
        call.send(Some(Reversed { x: 1, y: 2 })).await.unwrap();
        assert_eq!(call.recv().await.unwrap(), Some(Point { x: 2, y: 1 }));
    });
}

#[test]
fn protobuf_is_for_streams_that_say_how() {
    World::run(|world| async move {
        let (_node, client) = mirror(&world).await;
        let service = client.service("mirror");
        let mut call = service.stream(Bytewise).codec(Codec::Protobuf).await.unwrap();
        call.send(1).await.unwrap();
        assert_eq!(call.recv().await.unwrap(), Some(254));
        let silent = service.stream(Swap { first: 1, second: 2 }).codec(Codec::Protobuf).await;
        let error = silent.unwrap_err();
        assert!(matches!(error, CallError::Codec { executed: Executed::No, .. }), "{error}");
    });
}

#[test]
fn a_codec_that_the_node_does_not_know_refuses_the_stream() {
    use crate::codec::erased_serde::{Deserializer, Error, Serialize};

    /// Is never got to.
    struct Runes;

    impl crate::codec::Format for Runes {
        fn content_type(&self) -> &'static str {
            "application/x-runes"
        }

        fn encode(&self, _: &dyn Serialize, _: &mut Vec<u8>) -> Result<(), String> {
            Ok(())
        }

        fn decode(
            &self,
            _: &[u8],
            _: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
        ) -> Result<(), String> {
            Err("nobody reads runes".into())
        }
    }

    World::run(|world| async move {
        let (node, client) = mirror(&world).await;
        let stream = || {
            let stream = client.service("mirror").stream(Swap { first: 1, second: 2 });
            stream.codec(Codec::custom(&Runes))
        };
        // Its record tells; whoever calls it by its address has to ask.
        for (stream, told) in [
            (stream(), "and the call is in application/x-runes"),
            (stream().node(&*node.node().address), "does not know this content type"),
        ] {
            let error = stream.await.unwrap_err();
            assert!(matches!(error, CallError::Codec { executed: Executed::No, .. }), "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    });
}
