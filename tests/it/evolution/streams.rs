//! Streams between two builds of a program, of which one is a field ahead in all of their parts.

use callboard::codec::Codec;
use callboard::prelude::*;
use callboard::{CallError, StreamCall, SystemBuilder};

use super::{CODECS, Way};
use crate::stage::{House, LONG, start, stop, within};

/// The three kinds of streams as one of the builds has them.
macro_rules! build {
    ($build:ident, { $($(#[$option:meta])* $field:ident: $kind:ty),* }) => {
        mod $build {
            #![allow(clippy::needless_update, reason = "one of the builds has no further fields")]

            use super::*;

            #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
            pub(super) struct Line { $($(#[$option])* $field: $kind,)* text: String, count: u32 }

            /// Lines both ways: each comes back.
            #[derive(Debug, Clone, Default, Serialize, Deserialize, Endpoint)]
            #[endpoint(stream, name = "Talk.Both", item = Line, reply = Line)]
            struct Both { $($(#[$option])* $field: $kind,)* text: String }

            /// Lines from the handler.
            #[derive(Debug, Clone, Default, Serialize, Deserialize, Endpoint)]
            #[endpoint(stream, name = "Talk.Down", item = (), reply = Line)]
            struct Down { $($(#[$option])* $field: $kind,)* text: String }

            /// Lines from the client, and one at the end that counts them.
            #[derive(Debug, Clone, Default, Serialize, Deserialize, Endpoint)]
            #[endpoint(stream, name = "Talk.Up", item = Line, reply = Line)]
            struct Up { $($(#[$option])* $field: $kind,)* text: String }

            fn line(text: &str, count: u32) -> Line {
                Line { text: text.into(), count, ..Line::default() }
            }

            #[derive(Default)]
            struct Talk;

            impl Actor for Talk {
                type Context = Context<Self>;
            }

            type Ending = ResponseFuture<Result<(), Status>>;

            impl Handler<Streaming<Both>> for Talk {
                type Result = Ending;

                fn handle(&mut self, mut it: Streaming<Both>, _: &mut Context<Self>) -> Ending {
                    Box::pin(async move {
                        while let Some(item) = it.recv().await? {
                            let text = format!("{} {}", it.text, item.text);
                            it.send(line(&text, item.count)).await?;
                        }
                        Ok(())
                    })
                }
            }

            impl Handler<Streaming<Down>> for Talk {
                type Result = Ending;

                fn handle(&mut self, mut it: Streaming<Down>, _: &mut Context<Self>) -> Ending {
                    Box::pin(async move {
                        for count in 0..3 {
                            let text = it.text.clone();
                            it.send(line(&text, count)).await?;
                        }
                        Ok(())
                    })
                }
            }

            impl Handler<Streaming<Up>> for Talk {
                type Result = Ending;

                fn handle(&mut self, mut it: Streaming<Up>, _: &mut Context<Self>) -> Ending {
                    Box::pin(async move {
                        let (mut text, mut sum) = (it.text.clone(), 0);
                        while let Some(item) = it.recv().await? {
                            text.push_str(&item.text);
                            sum += item.count;
                        }
                        it.send(line(&text, sum)).await
                    })
                }
            }

            pub(super) fn talk(house: &House) -> SystemBuilder {
                house.system("talk").handler(Talk::default, |h| {
                    h.stream::<Both>().stream::<Down>().stream::<Up>()
                })
            }

            /// Holds a stream: sends these lines, and receives all there are.
            async fn hold<T: StreamEndpoint<Reply = Line>>(
                talk: &ServiceRef,
                (codec, address): (Option<Codec>, Option<&str>),
                opening: T,
                send: impl AsyncFnOnce(&mut StreamCall<T>) -> Result<(), CallError>,
            ) -> Told {
                let mut stream = talk.stream(opening);
                if let Some(codec) = codec {
                    stream = stream.codec(codec);
                }
                if let Some(address) = address {
                    stream = stream.node(address);
                }
                let mut call = stream.await?;
                send(&mut call).await?;
                call.close().await;
                let mut told = Vec::new();
                while let Some(line) = call.recv().await? {
                    told.push((line.text, line.count));
                }
                Ok(told)
            }

            /// One stream of each kind.
            pub(super) async fn each(
                talk: &ServiceRef,
                how: (Option<Codec>, Option<&str>),
            ) -> [Told; 3] {
                let text = || "tea".to_owned();
                let both = hold(talk, how, Both { text: text(), ..Both::default() }, async |call| {
                    call.send(line("and", 7)).await?;
                    call.send(line("for two", 2)).await
                });
                let both = both.await;
                let down = Down { text: text(), ..Down::default() };
                let down = hold(talk, how, down, async |_| Ok(())).await;
                let up = hold(talk, how, Up { text: text(), ..Up::default() }, async |call| {
                    call.send(line(" and", 7)).await?;
                    call.send(line(" milk", 2)).await
                });
                [both, down, up.await]
            }
        }
    };
}

/// What a stream told its client.
type Told = Result<Vec<(String, u32)>, CallError>;

build!(plain, {});

build!(ahead, { #[serde(default = "unknown")] gift: String });

fn unknown() -> String {
    "unknown".into()
}

/// What each kind of stream tells.
fn expected() -> [Vec<(String, u32)>; 3] {
    let lines = |lines: &[(&str, u32)]| {
        lines.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect()
    };
    [
        lines(&[("tea and", 7), ("tea for two", 2)]),
        lines(&[("tea", 0), ("tea", 1), ("tea", 2)]),
        lines(&[("tea and milk", 9)]),
    ]
}

/// Opens streams by name and by address, in all codecs, with and without a fallback.
async fn in_every_way(
    house: &House,
    server: SystemBuilder,
    each: impl AsyncFn(&ServiceRef, (Option<Codec>, Option<&str>)) -> [Told; 3],
    has_same_types: bool,
) {
    let server = start(server).await;
    let address = server.node().address.clone();
    for fallback in [Some(Codec::Json), Codec::named("application/msgpack"), None] {
        let client = start(house.system("client").client_fallback(fallback)).await;
        let talk = client.service("talk");
        // By name the record tells, by address what was learnt on the connection.
        for address in [None, Some(address.as_str()), Some(&address)] {
            for codec in [None].into_iter().chain(CODECS.map(Codec::named)) {
                let way = match codec {
                    _ if has_same_types => Way::Named,
                    None if fallback.is_some() => Way::Chosen,
                    Some(codec) if codec.describes_itself() => Way::Named,
                    _ => Way::Compact,
                };
                let told = within(LONG, each(&talk, (codec, address))).await;
                for (told, expected) in told.into_iter().zip(expected()) {
                    way.check(told, &expected);
                }
            }
        }
        stop(&[&client]).await;
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn a_stream_to_a_server_that_is_a_field_ahead_is_understood() {
    let house = House::default();
    in_every_way(&house, ahead::talk(&house), plain::each, false).await;
}

#[actix::test]
async fn a_stream_to_a_server_that_is_a_field_behind_is_understood() {
    let house = House::default();
    in_every_way(&house, plain::talk(&house), ahead::each, false).await;
}

#[actix::test]
async fn a_stream_between_equal_builds_goes_in_any_codec() {
    let house = House::default();
    in_every_way(&house, ahead::talk(&house), ahead::each, true).await;
}
