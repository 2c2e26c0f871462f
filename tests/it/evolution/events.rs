//! Events between two builds of a program, of which one is a field ahead.

use std::fmt::Debug;

use callboard::codec::Codec;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard::registry::{NodeInfo, Registry, StaticRegistry};
use callboard::{Published, SystemBuilder};

use super::{CODECS, Way};
use crate::stage::{Diary, House, LONG, start, stop, within};

/// An event as it was.
#[derive(Debug, Clone, Serialize, Deserialize, Topic)]
#[topic(name = "shop.sold")]
struct Sold {
    name: String,
    count: u32,
}

/// The same with a field more, in front, where a codec without names would take it for the first.
#[derive(Debug, Clone, Serialize, Deserialize, Topic)]
#[topic(name = "shop.sold")]
struct SoldTo {
    #[serde(default = "super::unknown")]
    buyer: String,
    name: String,
    count: u32,
}

/// Notes what it hears.
struct Clerk(Diary);

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Event<Sold>> for Clerk {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Sold>, _: &mut Context<Self>) -> Self::Result {
        self.0.note(format!("{:?}", *event));
        Ok(())
    }
}

impl Handler<Event<SoldTo>> for Clerk {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<SoldTo>, _: &mut Context<Self>) -> Self::Result {
        self.0.note(format!("{:?}", *event));
        Ok(())
    }
}

fn clerk(
    house: &House,
    describe: impl FnOnce(HandlerBuilder<Clerk>) -> HandlerBuilder<Clerk>,
) -> SystemBuilder {
    let diary = house.diary.clone();
    house.system("shop").handler(move || Clerk(diary.clone()), describe)
}

fn sold() -> Sold {
    Sold { name: "tea".into(), count: 2 }
}

fn sold_to() -> SoldTo {
    SoldTo { buyer: "Ann".into(), name: "tea".into(), count: 2 }
}

const SOLD: &str = r#"Sold { name: "tea", count: 2 }"#;
const SOLD_TO_ANN: &str = r#"SoldTo { buyer: "Ann", name: "tea", count: 2 }"#;
const SOLD_TO_SOMEBODY: &str = r#"SoldTo { buyer: "unknown", name: "tea", count: 2 }"#;

fn published(acknowledged: u32, refused: u32) -> Published {
    Published { acknowledged, failed: 0, refused }
}

/// Publishes in every way there is: from elsewhere by the subscriber's record, from elsewhere
/// without one, and from within the process; in all codecs, with and without a fallback.
async fn in_every_way<T: Topic + Debug + Clone + Sync>(
    describe: fn(HandlerBuilder<Clerk>) -> HandlerBuilder<Clerk>,
    event: T,
    heard: &str,
    has_same_type: bool,
) {
    for fallback in [Some(Codec::Json), Codec::named("application/msgpack"), None] {
        let house = House::default();
        let shop = start(clerk(&house, describe).client_fallback(fallback)).await;
        let client = start(house.system("client").client_fallback(fallback)).await;
        // In a written list nothing is said of types, nor of groups.
        let list = format!("topic:shop.sold={0};topic:shop.sold@clerks={0}", shop.node().address);
        let list = StaticRegistry::parse(&list).expect("it is a list");
        let reader = house.system("reader").client_fallback(fallback).registry(list);
        let reader = start(reader).await;
        for (publisher, others) in [(&client, 0), (&reader, 1), (&shop, 0)] {
            // The second time it is known what was learnt the first time.
            for codec in [None, None].into_iter().chain(CODECS.map(Codec::named)) {
                let publishing = publisher.publish(&event);
                let (way, publishing) = match codec {
                    None if fallback.is_some() => (Way::Chosen, publishing),
                    None => (Way::Compact, publishing),
                    Some(codec) if codec.describes_itself() => {
                        (Way::Named, publishing.codec(codec))
                    }
                    Some(codec) => (Way::Compact, publishing.codec(codec)),
                };
                let is_understood = has_same_type || way != Way::Compact;
                let before = house.diary.count(heard);
                let told = within(LONG, publishing).await.expect("it is published");
                let what = format!("{event:?} in {codec:?}, {way:?} of {fallback:?}");
                // Nobody is where the list has one entry too many: in no group, or in one.
                let expected =
                    if is_understood { published(1, others) } else { published(0, 1 + others) };
                assert_eq!(told, expected, "{what}");
                let heard = house.diary.count(heard) - before;
                assert_eq!(heard, usize::from(is_understood), "{what}");
            }
        }
        assert_eq!(house.diary.lines().len(), house.diary.count(heard), "nothing was misread");
        stop(&[&reader, &client, &shop]).await;
    }
}

#[actix::test]
async fn a_subscriber_that_is_a_field_ahead_gets_its_default() {
    in_every_way(|h| h.event::<SoldTo>(), sold(), SOLD_TO_SOMEBODY, false).await;
    in_every_way(|h| h.event::<SoldTo>().group("clerks"), sold(), SOLD_TO_SOMEBODY, false).await;
}

#[actix::test]
async fn a_subscriber_that_is_a_field_behind_does_not_see_it() {
    in_every_way(|h| h.event::<Sold>(), sold_to(), SOLD, false).await;
    in_every_way(|h| h.event::<Sold>().group("clerks"), sold_to(), SOLD, false).await;
}

#[actix::test]
async fn subscribers_of_the_same_type_get_events_in_any_codec() {
    in_every_way(|h| h.event::<Sold>(), sold(), SOLD, true).await;
    in_every_way(|h| h.event::<SoldTo>().group("clerks"), sold_to(), SOLD_TO_ANN, true).await;
}

#[actix::test]
async fn each_subscriber_of_a_topic_gets_what_it_can_read() {
    let house = House::default();
    // Of one node both kinds, and of two others one each.
    let both = start(clerk(&house, |h| h.event::<Sold>().event::<SoldTo>())).await;
    let behind = start(clerk(&house, |h| h.event::<Sold>())).await;
    let ahead = start(clerk(&house, |h| h.event::<SoldTo>())).await;
    let client = house.client().await;
    for publisher in [&client, &both] {
        let before = [SOLD, SOLD_TO_SOMEBODY].map(|text| house.diary.count(text));
        let told = within(LONG, publisher.publish(&sold())).await.unwrap();
        assert_eq!(told, published(4, 0));
        let after = [SOLD, SOLD_TO_SOMEBODY].map(|text| house.diary.count(text));
        assert_eq!([after[0] - before[0], after[1] - before[1]], [2, 2]);
    }
    // A codec without names, and no other: those with another type refuse it, the others do not.
    let event = sold();
    let fixed = client.publish(&event).codec(Codec::Bincode);
    assert_eq!(within(LONG, fixed).await.unwrap(), published(2, 2));
    stop(&[&client, &both, &behind, &ahead]).await;
}

#[actix::test]
async fn a_member_of_another_build_takes_its_turn() {
    let house = House::default();
    let behind = start(clerk(&house, |h| h.event::<Sold>().group("clerks"))).await;
    let ahead = start(clerk(&house, |h| h.event::<SoldTo>().group("clerks"))).await;
    let client = house.client().await;
    for _ in 0..10 {
        assert_eq!(within(LONG, client.publish(&sold())).await.unwrap(), published(1, 0));
    }
    let heard = [SOLD, SOLD_TO_SOMEBODY].map(|text| house.diary.count(text));
    assert_eq!(heard, [5, 5]);
    // Where it cannot be read by the one, it is the other one's.
    for _ in 0..10 {
        let event = sold();
        let fixed = client.publish(&event).codec(Codec::Bincode);
        assert_eq!(within(LONG, fixed).await.unwrap(), published(1, 0));
    }
    assert_eq!(house.diary.count(SOLD), 15);
    stop(&[&client, &behind, &ahead]).await;
}

#[actix::test]
async fn the_record_of_a_subscription_tells_of_its_type() {
    let house = House::default();
    let both = start(clerk(&house, |h| h.event::<Sold>().event::<SoldTo>())).await;
    let found = within(LONG, house.registry.get("topic:shop.sold".into())).await.unwrap();
    let label = |node: &NodeInfo| u64::from_str_radix(&node.metadata["fingerprint"], 16).ok();
    let mut told: Vec<_> = found.iter().flat_map(|service| &service.nodes).map(label).collect();
    let mut own = vec![Sold::schema().fingerprint(), SoldTo::schema().fingerprint()];
    told.sort_unstable();
    own.sort_unstable();
    assert_eq!(told, own);
    assert!(own[0].is_some() && own[0] != own[1]);
    stop(&[&both]).await;
}
