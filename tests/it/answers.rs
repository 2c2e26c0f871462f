//! A handler may answer in every way that actix knows.

use std::time::Duration;

use callboard::CallError;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use tokio::task::yield_now;

use crate::stage::{Count, Fail, LONG, call, on_both_ways, within};

#[actix::test]
async fn a_handler_answers_with_every_kind_of_result() {
    on_both_ways(
        |house| house.system("stage").handler(Mime::default, kinds),
        async |play| {
            let stage = &play.stage;
            assert_eq!(stage.send(AsFuture(1)).await.unwrap(), 1);
            assert_eq!(stage.send(AsActFuture(2)).await.unwrap(), 3);
            assert_eq!(stage.send(AsAtomic(3)).await.unwrap(), 6);
            assert_eq!(stage.send(AsMessageResult(4)).await.unwrap(), 10);
        },
    )
    .await;
}

#[actix::test]
async fn statuses_of_every_kind_of_handler_arrive_unchanged() {
    on_both_ways(
        |house| house.system("stage").handler(Mime::default, kinds),
        async |play| {
            let stage = &play.stage;
            let results = [
                stage.send(AsFuture(0)).await,
                stage.send(AsActFuture(0)).await,
                stage.send(AsAtomic(0)).await,
                stage.send(AsMessageResult(0)).await,
            ];
            for result in results {
                let Err(CallError::Status(status)) = result else { panic!("{result:?}") };
                assert_eq!(status, zero().unwrap_err());
            }
        },
    )
    .await;
}

#[actix::test]
async fn atomic_responses_do_not_overlap_and_actor_futures_do() {
    on_both_ways(
        |house| house.system("stage").handler(Mime::default, kinds),
        async |play| {
            let atomic: Vec<_> = (0..16).map(|_| call(play.stage.send(AsAtomic(1)))).collect();
            for each in atomic {
                within(LONG, each).await.unwrap().unwrap();
            }
            assert_eq!(play.stage.send(Overlap).await.unwrap(), 1);
            let free: Vec<_> = (0..16).map(|_| call(play.stage.send(AsActFuture(1)))).collect();
            for each in free {
                within(LONG, each).await.unwrap().unwrap();
            }
            assert!(play.stage.send(Overlap).await.unwrap() > 1);
        },
    )
    .await;
}

#[actix::test]
async fn one_actor_keeps_one_state_whoever_calls() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let mut counts = Vec::new();
            for each in (0..50).map(|_| call(play.stage.send(Count))).collect::<Vec<_>>() {
                counts.push(within(LONG, each).await.unwrap().unwrap());
            }
            counts.sort_unstable();
            assert_eq!(counts, (1..=50).collect::<Vec<_>>());
        },
    )
    .await;
}

#[actix::test]
async fn a_status_says_who_speaks_and_what_happened() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let error = play.stage.send(Fail).await.unwrap_err();
            assert_eq!(error.to_string(), "stage: as it was asked to (409 Conflict)");
            assert_eq!(error.executed(), callboard::Executed::Yes);
            assert!(!error.is_retryable());
            // A handler's own refusal is not repeated by itself.
            assert_eq!(play.house.diary.count("fail"), 1);
        },
    )
    .await;
}

macro_rules! numbers {
    ($($name:ident = $endpoint:literal),*) => {$(
        #[derive(Debug, Serialize, Deserialize, Endpoint)]
        #[endpoint(name = $endpoint, reply = u64)]
        struct $name(u64);
    )*};
}

numbers!(
    AsFuture = "Mime.Future",
    AsActFuture = "Mime.ActFuture",
    AsAtomic = "Mime.Atomic",
    AsMessageResult = "Mime.MessageResult"
);

/// The most requests that were handled at the same time.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Mime.Overlap", reply = u64)]
struct Overlap;

fn zero() -> Result<u64, Status> {
    Err(Status::bad_request("mime", "nothing to add"))
}

/// Adds up what it is told, in ways that take a while.
#[derive(Default)]
struct Mime {
    total: u64,
    present: u64,
    overlap: u64,
}

fn kinds(handler: HandlerBuilder<Mime>) -> HandlerBuilder<Mime> {
    let handler = handler.request::<AsFuture>().request::<AsActFuture>().request::<AsAtomic>();
    handler.request::<AsMessageResult>().request::<Overlap>()
}

impl Mime {
    fn begin(&mut self) {
        self.present += 1;
        self.overlap = self.overlap.max(self.present);
    }

    fn add(&mut self, amount: u64) -> Result<u64, Status> {
        self.present -= 1;
        self.total += amount;
        if amount == 0 { zero() } else { Ok(self.total) }
    }
}

impl Actor for Mime {
    type Context = Context<Self>;
}

impl Handler<Request<AsFuture>> for Mime {
    type Result = ResponseFuture<Reply<AsFuture>>;

    fn handle(&mut self, request: Request<AsFuture>, _: &mut Context<Self>) -> Self::Result {
        self.begin();
        let result = self.add(request.0);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            result
        })
    }
}

impl Handler<Request<AsActFuture>> for Mime {
    type Result = ResponseActFuture<Self, Reply<AsActFuture>>;

    fn handle(&mut self, request: Request<AsActFuture>, _: &mut Context<Self>) -> Self::Result {
        self.begin();
        let pause = tokio::time::sleep(Duration::from_millis(20)).into_actor(self);
        Box::pin(pause.map(move |(), this, _| this.add(request.0)))
    }
}

impl Handler<Request<AsAtomic>> for Mime {
    type Result = AtomicResponse<Self, Reply<AsAtomic>>;

    fn handle(&mut self, request: Request<AsAtomic>, _: &mut Context<Self>) -> Self::Result {
        self.begin();
        let pause = async {
            yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let added = pause.into_actor(self).map(move |(), this, _| this.add(request.0));
        AtomicResponse::new(Box::pin(added))
    }
}

impl Handler<Request<AsMessageResult>> for Mime {
    type Result = MessageResult<Request<AsMessageResult>>;

    fn handle(&mut self, request: Request<AsMessageResult>, _: &mut Context<Self>) -> Self::Result {
        self.begin();
        MessageResult(self.add(request.0))
    }
}

impl Handler<Request<Overlap>> for Mime {
    type Result = Reply<Overlap>;

    fn handle(&mut self, _: Request<Overlap>, _: &mut Context<Self>) -> Reply<Overlap> {
        Ok(self.overlap)
    }
}
