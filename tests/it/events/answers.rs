//! What a publisher is told, and what middleware sees.

use callboard::BrokerError;
use callboard::codec::Codec;
use callboard::middleware::{CallInfo, Middleware, Next, Outcome, Side};
use callboard::prelude::*;
use futures_util::future::join_all;

use super::{Slow, UserCreated, john, listener, named, published};
use crate::stage::{Diary, House, LONG, start, stop, within};

#[actix::test]
async fn an_error_and_a_panic_are_counted_and_harm_nobody() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let two = listener(&house, "two", |h| h.event::<UserCreated>().event::<Slow>()).await;
    let client = house.client().await;
    for name in ["fail", "panic"] {
        assert_eq!(within(LONG, client.publish(&named(name))).await.unwrap(), published(0, 2, 0));
    }
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(2, 0, 0));
    stop(&[&client, &one, &two]).await;
}

#[actix::test]
async fn what_a_panic_interrupts_is_not_lost_for_the_events_behind_it() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    let names: Vec<_> = (0..300)
        .map(|number| if number % 10 == 0 { named("panic") } else { named(&number.to_string()) })
        .collect();
    let told = join_all(names.iter().map(|event| client.publish(event).into_future())).await;
    let (mut fine, mut failed) = (0, 0);
    for each in told {
        let each = each.unwrap();
        fine += each.acknowledged;
        failed += each.failed;
        assert_eq!(each.refused, 0);
    }
    assert_eq!((fine, failed), (270, 30));
    assert_eq!(house.diary.lines().len(), 300, "each was heard once");
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn every_codec_carries_events() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    // Features add to them.
    let others = ["application/msgpack", "application/bson", "application/x-postcard"];
    let others = others.iter().filter_map(|name| Codec::named(name));
    let codecs: Vec<_> = [Codec::Bincode, Codec::Json].into_iter().chain(others).collect();
    for codec in codecs.iter().copied() {
        let told = within(LONG, client.publish(&john()).codec(codec)).await.unwrap();
        assert_eq!(told, published(1, 0, 0), "{codec}");
    }
    let event = john();
    let unknown = client.publish(&event).codec(Codec::Protobuf);
    let error = within(LONG, unknown).await.unwrap_err();
    assert!(matches!(error, BrokerError::Invalid { .. }), "{error}");
    assert_eq!(house.diary.count("one user.created John none"), codecs.len());
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn an_event_of_another_shape_fails_and_harms_nobody() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    let event = Slow(1);
    let wrong = client.publish(&event).topic("user.created").codec(Codec::Json);
    assert_eq!(within(LONG, wrong).await.unwrap(), published(0, 1, 0));
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    stop(&[&client, &one]).await;
}

struct Trace(Diary);

impl Middleware for Trace {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            if call.side == Side::Client {
                call.metadata.insert("trace", "from middleware");
            }
            if call.metadata.value("stop").is_some() {
                return Err(Status::forbidden("trace", "stopped").into());
            }
            let line = format!("{:?} {} {}", call.side, call.service, call.endpoint);
            let result = next.run(call).await;
            self.0.note(format!("{line}: {}", result.is_ok()));
            result
        })
    }
}

#[actix::test]
async fn middleware_wraps_publishing_and_handling() {
    let house = House::default();
    let trace = Trace(house.diary.clone());
    let one = listener(&house, "one", |h| h.event::<UserCreated>().middleware(trace)).await;
    let client = house.system("client").client_middleware(Trace(house.diary.clone()));
    let client = start(client).await;
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    assert_eq!(within(LONG, client.publish(&named("fail"))).await.unwrap(), published(0, 1, 0));
    let event = john();
    let stopped = within(LONG, client.publish(&event).metadata("stop", "1")).await;
    assert!(matches!(stopped, Err(BrokerError::Call(_))), "{stopped:?}");
    let at = |side, fine| format!("{side} topic:user.created user.created: {fine}");
    assert_eq!(
        house.diary.lines(),
        [
            "one user.created John from middleware".to_owned(),
            at("Server", true),
            at("Client", true),
            "one user.created fail from middleware".to_owned(),
            at("Server", false),
            at("Client", true),
        ]
    );
    stop(&[&client, &one]).await;
}
