//! Types that have no fingerprint, as serde reads them by what they say of themselves: they go in a
//! codec with names without anybody's having thought of it.

use std::collections::BTreeMap;

use callboard::prelude::*;
use callboard::schema::EndpointSchema;
use callboard::{CallError, Published};

use crate::stage::{Diary, House, LONG, eventually, start, stop, within};

/// Bincode cannot read either of its forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(u32),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Shop.Weigh", reply = Amount)]
struct Weigh {
    amount: Amount,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

/// The same endpoint of somebody whose type has a fingerprint.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Shop.Weigh", reply = String)]
struct WeighText {
    amount: String,
    colour: String,
}

/// Nobody can guess what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Code(String);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.starts_with("code ").then(|| Self(text.clone())).ok_or(format!("`{text}` is no code"))
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0
    }
}

/// JSON has no such keys, and bincode does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Shop.Shelve", reply = Shelve)]
struct Shelve {
    places: BTreeMap<(u8, u8), Code>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Shop.WeighAll", item = Amount, reply = Amount)]
struct WeighAll {
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Topic)]
#[topic(name = "shop.weighed")]
struct Weighed {
    amount: Amount,
}

/// The same event of somebody whose type has a fingerprint.
#[derive(Debug, Clone, Serialize, Deserialize, Topic)]
#[topic(name = "shop.weighed")]
struct WeighedText {
    amount: String,
}

struct Shop(Diary);

impl Actor for Shop {
    type Context = Context<Self>;
}

impl Handler<Request<Weigh>> for Shop {
    type Result = Reply<Weigh>;

    fn handle(&mut self, request: Request<Weigh>, _: &mut Context<Self>) -> Reply<Weigh> {
        self.0.note(format!("{:?} {:?}", request.amount, request.rest));
        Ok(request.into_inner().amount)
    }
}

impl Handler<Request<Shelve>> for Shop {
    type Result = Reply<Shelve>;

    fn handle(&mut self, request: Request<Shelve>, _: &mut Context<Self>) -> Reply<Shelve> {
        Ok(request.into_inner())
    }
}

impl Handler<Streaming<WeighAll>> for Shop {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<WeighAll>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(amount) = stream.recv().await? {
                stream.send(amount).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Event<Weighed>> for Shop {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Weighed>, _: &mut Context<Self>) -> Self::Result {
        self.0.note(format!("heard {:?}", event.amount));
        Ok(())
    }
}

async fn shop(house: &House) -> (ServiceSystem, ServiceSystem) {
    let diary = house.diary.clone();
    let shop = house.system("shop").handler(
        move || Shop(diary.clone()),
        |h| h.request::<Weigh>().request::<Shelve>().stream::<WeighAll>().event::<Weighed>(),
    );
    (start(shop).await, house.client().await)
}

fn colour() -> BTreeMap<String, String> {
    [("colour".to_owned(), "red".to_owned())].into()
}

#[actix::test]
async fn calls_streams_and_events_need_no_word_about_it() {
    assert_eq!(EndpointSchema::of::<Weigh>().fingerprint(), None);
    assert_eq!(Weighed::schema().fingerprint(), None);
    let house = House::default();
    let (server, client) = shop(&house).await;
    let shop = client.service("shop");
    for amount in [Amount::Number(7), Amount::Text("much".into())] {
        let call = shop.send(Weigh { amount: amount.clone(), rest: colour() });
        assert_eq!(within(LONG, call).await.unwrap(), amount);
        let event = Weighed { amount: amount.clone() };
        let told = within(LONG, client.publish(&event)).await.unwrap();
        assert_eq!(told, Published { acknowledged: 1, ..Published::default() });
        let mut stream = within(LONG, shop.stream(WeighAll { rest: colour() })).await.unwrap();
        within(LONG, stream.send(amount.clone())).await.unwrap();
        assert_eq!(within(LONG, stream.recv()).await.unwrap(), Some(amount));
    }
    // Nobody sees it coming that bincode cannot read them, but whoever asks for it gets it.
    let call = shop.send(Weigh { amount: Amount::Number(7), rest: colour() });
    let error = within(LONG, call.codec(callboard::codec::Codec::Bincode)).await.unwrap_err();
    assert!(matches!(error, CallError::Codec { .. }), "{error}");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn what_only_bincode_can_write_goes_in_it_when_that_is_asked_for() {
    assert_eq!(EndpointSchema::of::<Shelve>().fingerprint(), None);
    let house = House::default();
    let (server, client) = shop(&house).await;
    let shop = client.service("shop");
    let shelve = Shelve { places: [((1, 2), Code("code 7".into()))].into() };
    let call = shop.send(shelve.clone()).codec(callboard::codec::Codec::Bincode);
    assert_eq!(within(LONG, call).await.unwrap(), shelve);
    let error = within(LONG, shop.send(shelve)).await.unwrap_err();
    assert!(matches!(error, CallError::Codec { .. }), "{error}");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_side_whose_type_has_a_fingerprint_learns_that_the_other_has_none() {
    let house = House::default();
    let (server, client) = shop(&house).await;
    // Also where the registry does not tell: the node is called by its address.
    let named = client.service("shop");
    for by_address in [false, true] {
        let call = named.send(WeighText { amount: "much".into(), colour: "red".into() });
        let call = if by_address { call.node(&server.node().address) } else { call };
        assert_eq!(within(LONG, call).await.unwrap(), "much");
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_subscriber_whose_type_has_no_fingerprint_gets_what_it_can_read() {
    let house = House::default();
    let (server, client) = shop(&house).await;
    let event = WeighedText { amount: "much".into() };
    let told = within(LONG, client.publish(&event)).await.unwrap();
    assert_eq!(told, Published { acknowledged: 1, ..Published::default() });
    eventually(async || house.diary.count("heard Text(\"much\")") == 1).await;
    stop(&[&client, &server]).await;
}
