//! Calls, streams and events between two builds of a program, of which one is a field ahead: in a codec with names they
//! work, in one without they are refused, and never is anything read as what it is not.

mod events;
mod shapeless;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::actors::registry::EndpointInfo;
use callboard::codec::erased_serde::{Deserializer, Error, Serialize as Erased};
use callboard::codec::{Codec, Format};
use callboard::prelude::*;
use callboard::registry::Registry;
use callboard::{CallError, Executed, Strategy, SystemBuilder};

use crate::stage::{Diary, House, LONG, start, stop, within};

/// The endpoint as one of the builds has it; its handler answers with what it was asked.
macro_rules! build {
    ($build:ident, $reply:ty, { $($(#[$option:meta])* $field:ident: $kind:ty),* }, |$order:ident| $answer:expr) => {
        mod $build {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Endpoint)]
            #[endpoint(name = "Shop.Order", reply = $reply, idempotent)]
            pub(super) struct Order { $($(#[$option])* pub(super) $field: $kind),* }

            pub(super) struct Shop(Diary);

            impl Actor for Shop {
                type Context = Context<Self>;
            }

            impl Handler<Request<Order>> for Shop {
                type Result = Reply<Order>;

                fn handle(&mut self, it: Request<Order>, _: &mut Context<Self>) -> Reply<Order> {
                    let $order = it.into_inner();
                    self.0.note(format!("{:?}", $order));
                    $answer
                }
            }

            pub(super) fn shop(house: &House) -> SystemBuilder {
                let diary = house.diary.clone();
                house.system("shop").handler(move || Shop(diary.clone()), |h| h.request::<Order>())
            }
        }
    };
}

/// A reply as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Bill {
    text: String,
    sum: u32,
}

/// The same with a field more, in front, where a codec without names would take it for the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    #[serde(default = "unknown")]
    number: String,
    text: String,
    sum: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sides {
    width: u32,
    height: u32,
}

fn unknown() -> String {
    "unknown".into()
}

build!(plain, Bill, { name: String, count: u32 }, |order| {
    Ok(Bill { text: order.name, sum: order.count })
});

build!(asks_more, Bill, { #[serde(default)] gift: String, name: String, count: u32 }, |order| {
    Ok(Bill { text: format!("{}{}", order.name, order.gift), sum: order.count })
});

build!(answers_more, Receipt, { name: String, count: u32 }, |order| {
    Ok(Receipt { number: "7".into(), text: order.name, sum: order.count })
});

build!(other_order, Bill, { count: u32, name: String }, |order| {
    Ok(Bill { text: order.name, sum: order.count })
});

// Two numbers that change places: only their names tell them apart.
build!(wide, Sides, { width: u32, height: u32 }, |order| Ok(Sides { width: order.width, height: order.height }));
build!(tall, Sides, { height: u32, width: u32 }, |order| Ok(Sides { width: order.width, height: order.height }));

// One that always fails, so that the caller's rule goes on to another node.
build!(closed, Bill, { name: String, count: u32 }, |order| {
    Err(Status::conflict("shop", order.name))
});

fn order() -> plain::Order {
    plain::Order { name: "tea".into(), count: 2 }
}

fn bill() -> Bill {
    Bill { text: "tea".into(), sum: 2 }
}

fn receipt(number: &str) -> Receipt {
    Receipt { number: number.into(), text: "tea".into(), sum: 2 }
}

/// Makes the same calls in every way there is: by name and by address, in all codecs, with and
/// without a fallback.
async fn in_every_way<T>(
    server: SystemBuilder,
    house: &House,
    order: T,
    check: impl Fn(Way, Result<T::Reply, CallError>),
) where
    T: Endpoint + Clone,
{
    let server = start(server).await;
    let address = server.node().address.clone();
    for fallback in [Some(Codec::Json), Codec::named("application/msgpack"), None] {
        let client = start(house.system("client").client_fallback(fallback)).await;
        let shop = client.service("shop");
        for direct in [false, true, true] {
            let send = || {
                let call = shop.send(order.clone());
                if direct { call.node(&address) } else { call }
            };
            let way = if fallback.is_some() { Way::Chosen } else { Way::Compact };
            check(way, within(LONG, send()).await);
            for codec in CODECS.iter().filter_map(|name| Codec::named(name)) {
                let way = if codec.describes_itself() { Way::Named } else { Way::Compact };
                check(way, within(LONG, send().codec(codec)).await);
            }
        }
        stop(&[&client]).await;
    }
    stop(&[&server]).await;
}

const CODECS: [&str; 5] = [
    "application/x-bincode",
    "application/json",
    "application/msgpack",
    "application/bson",
    "application/x-postcard",
];

/// How a codec was come by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// By the system, for the node.
    Chosen,
    /// One with names.
    Named,
    /// One without.
    Compact,
}

impl Way {
    /// Makes sure that the call worked, or was refused if it was in a codec without names.
    fn check<T: PartialEq + std::fmt::Debug>(self, result: Result<T, CallError>, expected: &T) {
        match (self, result) {
            (Self::Compact, Err(CallError::Codec { executed: Executed::No, detail })) => {
                assert!(detail.contains("types are not those of the caller"), "{detail}");
            }
            (Self::Chosen | Self::Named, Ok(reply)) => assert_eq!(&reply, expected),
            (way, result) => panic!("{way:?}: {result:?}"),
        }
    }
}

#[actix::test]
async fn a_server_that_asks_for_a_field_more_gets_its_default() {
    let house = House::default();
    let server = asks_more::shop(&house);
    in_every_way(server, &house, order(), |way, result| way.check(result, &bill())).await;
}

#[actix::test]
async fn a_server_that_asks_for_a_field_less_does_not_see_it() {
    let house = House::default();
    let order = asks_more::Order { gift: "ribbon".into(), name: "tea".into(), count: 2 };
    let server = plain::shop(&house);
    in_every_way(server, &house, order, |way, result| way.check(result, &bill())).await;
}

#[actix::test]
async fn a_server_that_answers_with_a_field_more_is_understood() {
    let house = House::default();
    let server = answers_more::shop(&house);
    in_every_way(server, &house, order(), |way, result| way.check(result, &bill())).await;
}

#[actix::test]
async fn a_server_that_answers_with_a_field_less_is_understood() {
    let house = House::default();
    let order = answers_more::Order { name: "tea".into(), count: 2 };
    let expected = receipt("unknown");
    let server = plain::shop(&house);
    in_every_way(server, &house, order, |way, result| way.check(result, &expected)).await;
}

#[actix::test]
async fn fields_that_changed_places_are_never_mistaken_for_each_other() {
    let house = House::default();
    let check = |way: Way, result: Result<Bill, CallError>| way.check(result, &bill());
    let other = other_order::Order { count: 2, name: "tea".into() };
    in_every_way(plain::shop(&house), &house, other, check).await;
    in_every_way(other_order::shop(&house), &house, order(), check).await;
    let sides = Sides { width: 4, height: 9 };
    let check = |way: Way, result: Result<Sides, CallError>| way.check(result, &sides);
    let tall = tall::Order { height: 9, width: 4 };
    in_every_way(wide::shop(&house), &house, tall, check).await;
    let wide = wide::Order { width: 4, height: 9 };
    in_every_way(tall::shop(&house), &house, wide, check).await;
}

#[actix::test]
async fn a_field_without_a_default_is_a_clear_error() {
    #[derive(Debug, Clone, Serialize, Deserialize, Endpoint)]
    #[endpoint(name = "Shop.Order", reply = Bill)]
    struct Less {
        name: String,
    }
    let house = House::default();
    let server = start(plain::shop(&house)).await;
    let client = house.client().await;
    let error = within(LONG, client.service("shop").send(Less { name: "tea".into() })).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("missing field `count`"), "{text}");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn messages_that_nobody_waits_for_arrive_as_they_were_meant() {
    let house = House::default();
    let server = start(asks_more::shop(&house)).await;
    let client = house.client().await;
    let shop = client.service("shop");
    let named = |name: &str| plain::Order { name: name.into(), count: 2 };
    let arrived = async |name: &str| {
        house.diary.has(&format!("Order {{ gift: \"\", name: {name:?}, count: 2 }}")).await;
    };
    // The first one waits for a connection, the second one goes at once. Nobody is told of a refusal,
    // so that only the record can have said what they must be like.
    for name in ["first", "second"] {
        shop.do_send(named(name));
        arrived(name).await;
    }
    // At an address there is no record, but what was learnt on the connection.
    let address = &server.node().address;
    within(LONG, shop.send(named("third")).node(address)).await.unwrap();
    shop.send(named("fourth")).node(address).detach();
    arrived("fourth").await;
    stop(&[&client, &server]).await;
}

/// JSON that counts what it reads.
struct CountingJson;

static READ: AtomicUsize = AtomicUsize::new(0);

impl Format for CountingJson {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn describes_itself(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn Erased, buffer: &mut Vec<u8>) -> Result<(), String> {
        serde_json::to_writer(buffer, value).map_err(|error| error.to_string())
    }

    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        READ.fetch_add(1, Ordering::Relaxed);
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        read(&mut <dyn Deserializer<'_>>::erase(&mut deserializer)).map_err(|it| it.to_string())
    }
}

#[actix::test]
async fn json_is_used_only_where_types_differ() {
    let house = House::default();
    let counting = Codec::custom(&CountingJson);
    let same = start(plain::shop(&house).codec(counting)).await;
    let client = house.client().await;
    let shop = client.service("shop");
    for _ in 0..3 {
        assert_eq!(within(LONG, shop.send(order())).await.unwrap(), bill());
    }
    assert_eq!(READ.load(Ordering::Relaxed), 0, "both sides have the same types");
    stop(&[&same]).await;

    let other = start(asks_more::shop(&house).codec(counting)).await;
    for _ in 0..3 {
        let reply = within(LONG, shop.send(order()).node(&other.node().address)).await;
        assert_eq!(reply.unwrap(), bill());
    }
    assert_eq!(READ.load(Ordering::Relaxed), 3);
    stop(&[&client, &other]).await;
}

#[actix::test]
async fn another_attempt_is_encoded_for_its_own_node() {
    let house = House::default();
    let closed = start(closed::shop(&house).version("1")).await;
    let other = start(asks_more::shop(&house).version("2")).await;
    let client = house.client().await;
    let shop = client.service("shop");
    let refused = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let noted = Arc::clone(&refused);
        let again = move |error: &CallError, _| {
            let is_closed = matches!(error, CallError::Status(status) if status.detail == "tea");
            noted.fetch_add(usize::from(is_closed), Ordering::Relaxed);
            is_closed
        };
        let call = shop.send(order()).strategy(Strategy::RoundRobin).retries(3).retry(again);
        let reply = within(LONG, call.backoff(|_| std::time::Duration::ZERO)).await;
        assert_eq!(reply.unwrap(), bill());
    }
    assert!(refused.load(Ordering::Relaxed) > 0, "some calls went to the other node first");
    stop(&[&client, &closed, &other]).await;
}

#[actix::test]
async fn two_builds_under_one_version_are_told_apart() {
    let house = House::default();
    let servers = [
        start(plain::shop(&house)).await,
        start(asks_more::shop(&house)).await,
        start(answers_more::shop(&house)).await,
    ];
    let client = house.client().await;
    let shop = client.service("shop");
    for _ in 0..9 {
        let call = shop.send(order()).strategy(Strategy::RoundRobin);
        assert_eq!(within(LONG, call).await.unwrap(), bill());
    }
    stop(&[&client, &servers[0], &servers[1], &servers[2]]).await;
}

#[actix::test]
async fn the_record_tells_what_messages_look_like() {
    let house = House::default();
    let server = start(answers_more::shop(&house)).await;
    let endpoint = recorded(&house).await;
    let fields: Vec<_> = endpoint.reply.values.iter().map(|it| (&*it.name, &*it.kind)).collect();
    assert_eq!(fields, [("number", "string"), ("text", "string"), ("sum", "uint32")]);
    assert_eq!(endpoint.request.name, "Order");
    assert_eq!(endpoint.fingerprint(), answers_more::Order::schema().fingerprint());
    stop(&[&server]).await;

    let brief = answers_more::shop(&house).options(|options| options.max_schemas = 0);
    let server = start(brief).await;
    let endpoint = recorded(&house).await;
    assert_eq!((endpoint.reply.name.as_str(), endpoint.reply.values.len()), ("Receipt", 0));
    assert_eq!(endpoint.fingerprint(), answers_more::Order::schema().fingerprint());
    stop(&[&server]).await;
}

/// The endpoint as the registry has it.
async fn recorded(house: &House) -> EndpointInfo {
    let found = within(LONG, house.registry.get("shop".into())).await;
    let services = found.expect("it can be asked");
    let endpoint = services[0].endpoints.iter().find(|it| it.name == "Shop.Order");
    endpoint.expect("it is advertised").clone()
}
