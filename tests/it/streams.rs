//! Streams over TCP, from a user's side.

use callboard::prelude::*;
use callboard::stream::StreamWindow;
use callboard::{CallError, Executed};

use crate::stage::{Diary, House, LONG, start, stop, within};

/// Repeats what it hears, after this many items of its own.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Talker.Talk", item = Vec<u8>, reply = Vec<u8>)]
struct Talk {
    first: u32,
    size: usize,
}

/// Repeats texts.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Talker.Repeat", item = String, reply = String)]
struct Repeat;

/// Waits for ever.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Talker.Hold", item = (), reply = ())]
struct Hold;

struct Talker(Diary);

impl Actor for Talker {
    type Context = Context<Self>;
}

struct Leaves(Diary);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.note("left");
    }
}

impl Handler<Streaming<Talk>> for Talker {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Talk>, _: &mut Context<Self>) -> Self::Result {
        let diary = self.0.clone();
        Box::pin(async move {
            for _ in 0..stream.first {
                stream.send(vec![7; stream.size]).await?;
            }
            diary.note("listens");
            while let Some(item) = stream.recv().await? {
                stream.send(item).await?;
            }
            match stream.metadata().value("fail") {
                Some(detail) => Err(Status::new("talker", 409, detail)),
                None => Ok(()),
            }
        })
    }
}

impl Handler<Streaming<Repeat>> for Talker {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Repeat>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(text) = stream.recv().await? {
                stream.send(text).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Streaming<Hold>> for Talker {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, stream: Streaming<Hold>, _: &mut Context<Self>) -> Self::Result {
        let leaves = Leaves(self.0.clone());
        leaves.0.note(format!("holds for {}", stream.peer_service()));
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(leaves);
            Ok(())
        })
    }
}

async fn talkers(house: &House) -> (callboard::ServiceSystem, callboard::ServiceSystem) {
    let diary = house.diary.clone();
    let server = house.system("talker").handler(
        move || Talker(diary.clone()),
        |h| {
            h.stream_within::<Talk>(StreamWindow { items: 8, bytes: 64 * 1024 })
                .stream::<Repeat>()
                .stream::<Hold>()
        },
    );
    (start(server).await, house.client().await)
}

#[actix::test]
async fn both_sides_talk_at_the_same_time() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let call = client.service("talker").stream(Talk { first: 100, size: 1000 });
    let (mut sender, mut receiver) = within(LONG, call).await.unwrap().split();
    let sending = actix::spawn(async move {
        for number in 0..1000_u32 {
            sender.send(number.to_le_bytes().to_vec()).await?;
        }
        Ok::<_, CallError>(())
    });
    within(LONG, async {
        for _ in 0..100 {
            assert_eq!(receiver.recv().await.unwrap(), Some(vec![7; 1000]));
        }
        for number in 0..1000_u32 {
            assert_eq!(receiver.recv().await.unwrap(), Some(number.to_le_bytes().to_vec()));
        }
        assert_eq!(receiver.recv().await.unwrap(), None);
        sending.await.unwrap().unwrap();
    })
    .await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn hundreds_of_streams_share_a_connection() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let talker = client.service("talker");
    let talks = (0..500_u32).map(|number| {
        let talker = talker.clone();
        actix::spawn(async move {
            let mut call = talker.stream(Talk { first: 1, size: 3 }).await?;
            call.send(number.to_le_bytes().to_vec()).await?;
            call.close().await;
            let mut items = Vec::new();
            while let Some(item) = call.recv().await? {
                items.push(item);
            }
            Ok::<_, CallError>(items)
        })
    });
    for (number, talk) in (0_u32..).zip(talks.collect::<Vec<_>>()) {
        let items = within(LONG, talk).await.unwrap().unwrap();
        assert_eq!(items, [vec![7; 3], number.to_le_bytes().to_vec()]);
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn many_full_streams_both_ways_do_not_keep_each_other_from_reading() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    // Together they may send five times ahead what makes a node stop reading.
    let talks: Vec<_> = (0..40)
        .map(|_| {
            let talker = client.service("talker");
            actix::spawn(async move {
                let (mut sender, mut receiver) = talker.stream(Repeat).await?.split();
                let sending = actix::spawn(async move {
                    let text = "x".repeat(64 * 1024);
                    for _ in 0..40 {
                        sender.send(text.clone()).await?;
                    }
                    Ok::<_, CallError>(())
                });
                let mut count = 0;
                while receiver.recv().await?.is_some() {
                    count += 1;
                }
                sending.await.expect("sending does not panic")?;
                Ok::<_, CallError>(count)
            })
        })
        .collect();
    for talk in talks {
        assert_eq!(within(LONG * 2, talk).await.unwrap().unwrap(), 40);
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_status_ends_a_stream_behind_its_items() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let call = client.service("talker").stream(Talk { first: 2, size: 1 }).metadata("fail", "no");
    let mut call = within(LONG, call).await.unwrap();
    call.close().await;
    assert_eq!(call.recv().await.unwrap(), Some(vec![7]));
    assert_eq!(call.recv().await.unwrap(), Some(vec![7]));
    let error = within(LONG, call.recv()).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Status(s) if (s.code, &*s.detail) == (409, "no")),
        "{error}"
    );
    assert_eq!(call.recv().await.unwrap(), None);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn an_item_larger_than_a_frame_is_refused_and_the_stream_goes_on() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let call = client.service("talker").stream(Talk { first: 0, size: 0 });
    let mut call = within(LONG, call).await.unwrap();
    let error = within(LONG, call.send(vec![0; 5 * 1024 * 1024])).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error}");
    within(LONG, call.send(vec![0; 1024 * 1024])).await.unwrap();
    assert_eq!(within(LONG, call.recv()).await.unwrap().map(|item| item.len()), Some(1024 * 1024));
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn dropping_a_stream_drops_its_handler() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let call = within(LONG, client.service("talker").stream(Hold)).await.unwrap();
    assert_eq!(house.diary.count("left"), 0);
    drop(call);
    house.diary.has("left").await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_node_talks_to_itself_without_a_connection_unless_it_wants_one() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    for (is_local, connections) in [(true, 0), (false, 1)] {
        let stream = server.service("talker").stream(Talk { first: 0, size: 0 }).local(is_local);
        let mut call = within(LONG, stream).await.unwrap();
        within(LONG, call.send(vec![5])).await.unwrap();
        assert_eq!(within(LONG, call.recv()).await.unwrap(), Some(vec![5]));
        assert_eq!(server.connections(), connections);
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_client_that_stops_ends_its_streams() {
    let house = House::default();
    let (server, client) = talkers(&house).await;
    let mut call = within(LONG, client.service("talker").stream(Hold)).await.unwrap();
    let waiting = actix::spawn(async move { call.recv().await });
    within(LONG, client.stop()).await;
    let error = within(LONG, waiting).await.unwrap().unwrap_err();
    assert_eq!(error.executed(), Executed::Maybe, "{error}");
    house.diary.has("left").await;
    stop(&[&server]).await;
}
