//! Which codec a call goes in, by what the record of its node says.

use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::actors::registry::{NodeInfo, Registry, Service};
use callboard::codec::erased_serde::{Deserializer, Error, Serialize as Erased};
use callboard::codec::{Codec, Format};
use callboard::prelude::*;
use callboard::{CallError, Executed, SystemBuilder};

use crate::parrot::{Parrot, Talk};
use crate::stage::{Count, Echo, House, LONG, Who, echo, start, stop, within};

/// JSON under other names; counts what is encoded in it.
struct Tin {
    name: &'static str,
    encoded: AtomicUsize,
}

impl Tin {
    const fn new(name: &'static str) -> Self {
        Self { name, encoded: AtomicUsize::new(0) }
    }

    /// Since it was asked last.
    fn encoded(&self) -> usize {
        self.encoded.swap(0, Ordering::SeqCst)
    }
}

impl Format for Tin {
    fn content_type(&self) -> &'static str {
        self.name
    }

    fn describes_itself(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn Erased, buffer: &mut Vec<u8>) -> Result<(), String> {
        self.encoded.fetch_add(1, Ordering::SeqCst);
        serde_json::to_writer(buffer, value).map_err(|error| error.to_string())
    }

    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_slice(body);
        read(&mut <dyn Deserializer<'_>>::erase(&mut json)).map_err(|error| error.to_string())
    }
}

/// A client that likes this codec best.
fn client(house: &House, tin: &'static Tin) -> SystemBuilder {
    house.system("client").client_codec(Codec::custom(tin)).codec(Codec::custom(tin))
}

/// Announces the node of a server under another name, as one that tells of these codecs.
async fn announce(house: &House, name: &str, server: &ServiceSystem, codecs: Option<&str>) {
    let mut node = NodeInfo::new(name, &*server.node().address);
    node.metadata.extend(codecs.map(|it| (NodeInfo::CODECS.to_owned(), it.to_owned())));
    let record = Service::new(name, "1").node(node);
    house.registry.register(record, LONG).await.expect("it is in memory");
}

#[actix::test]
async fn a_node_tells_which_codecs_it_speaks_its_own_first() {
    static TIN: Tin = Tin::new("application/x-tin-told");
    let house = House::default();
    let server = start(house.stage("one").codec(Codec::custom(&TIN))).await;
    let record = house.registry.get("stage".into()).await.unwrap().remove(0);
    let codecs: Vec<_> = record.nodes[0].codecs().collect();
    assert_eq!(codecs[..3], [TIN.name, "application/x-bincode", "application/json"]);
    assert!(codecs.contains(&"application/protobuf"), "{codecs:?}");
    assert_eq!(codecs.contains(&"application/msgpack"), cfg!(feature = "msgpack"));
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_goes_in_its_own_codec_where_the_node_speaks_it() {
    static TIN: Tin = Tin::new("application/x-tin-spoken");
    let house = House::default();
    let server = start(house.stage("one").codec(Codec::custom(&TIN))).await;
    let client = start(client(&house, &TIN)).await;
    within(LONG, client.service("stage").send(echo())).await.unwrap();
    assert_eq!(TIN.encoded(), 2, "the request and its reply");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_call_goes_in_another_codec_at_once_where_the_node_does_not_speak_its_own() {
    static TIN: Tin = Tin::new("application/x-tin-unspoken");
    static ZINC: Tin = Tin::new("application/x-zinc-unspoken");
    let house = House::default();
    let server = start(house.stage("one")).await;
    let json = start(client(&house, &TIN)).await;
    // One whose second choice the node does not speak either.
    let zinc = start(client(&house, &TIN).client_fallback(Codec::custom(&ZINC))).await;
    for client in [&json, &zinc] {
        let stage = client.service("stage");
        within(LONG, stage.send(echo())).await.unwrap();
        stage.do_send(Echo("one way".into()));
        house.diary.has("echo one way").await;
        assert_eq!((TIN.encoded(), ZINC.encoded()), (0, 0), "it was never tried");
    }
    stop(&[&json, &zinc, &server]).await;
}

#[actix::test]
async fn a_record_that_does_not_tell_is_found_out_and_remembered() {
    static TIN: Tin = Tin::new("application/x-tin-older");
    static ZINC: Tin = Tin::new("application/x-zinc-older");
    let house = House::default();
    let server = start(house.stage("one")).await;
    announce(&house, "older", &server, None).await;
    let client = start(client(&house, &TIN).client_fallback(Codec::custom(&ZINC))).await;
    let older = client.service("older");
    within(LONG, older.send(echo())).await.unwrap();
    assert_eq!((TIN.encoded(), ZINC.encoded()), (1, 1), "one after the other is refused");
    within(LONG, older.send(echo())).await.unwrap();
    assert_eq!((TIN.encoded(), ZINC.encoded()), (0, 0), "it is known by now");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_compact_codec_gives_way_too_where_it_is_not_spoken() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    announce(&house, "plain", &server, Some("application/json")).await;
    announce(&house, "strange", &server, Some("application/x-strange")).await;
    let client = house.client().await;
    within(LONG, client.service("plain").send(echo())).await.unwrap();
    let error = within(LONG, client.service("strange").send(echo())).await.unwrap_err();
    let told = "speaks application/x-strange, and the call is in application/x-bincode, \
                application/json";
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(house.diary.count("echo hello"), 1);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_codec_that_the_call_names_is_never_replaced_and_finds_the_nodes_that_speak_it() {
    static TIN: Tin = Tin::new("application/x-tin-named");
    let house = House::default();
    let (one, client) = (start(house.stage("one")).await, house.client().await);
    let stage = client.service("stage");
    let named = || stage.send(Who).codec(Codec::custom(&TIN));
    for error in [
        within(LONG, named()).await.unwrap_err(),
        within(LONG, stage.send(Count).codec(Codec::custom(&TIN))).await.unwrap_err(),
    ] {
        assert!(matches!(&error, CallError::Codec { executed: Executed::No, .. }), "{error:?}");
        let told = format!("the request was not sent: {} speaks application", one.node().address);
        assert!(error.to_string().contains(&told), "{error}");
        assert!(error.to_string().contains("the call is in application/x-tin-named;"), "{error}");
    }
    assert_eq!(TIN.encoded(), 0);
    let two = start(house.stage("two").codec(Codec::custom(&TIN))).await;
    // The client hears of the second node in a moment.
    crate::stage::eventually(async || named().await.is_ok()).await;
    for _ in 0..20 {
        assert_eq!(within(LONG, named()).await.unwrap(), "two");
    }
    stop(&[&client, &one, &two]).await;
}

#[actix::test]
async fn without_a_fallback_the_call_fails_before_anything_is_sent() {
    static TIN: Tin = Tin::new("application/x-tin-alone");
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = start(client(&house, &TIN).client_fallback(None)).await;
    let error = within(LONG, client.service("stage").send(echo())).await.unwrap_err();
    assert!(matches!(&error, CallError::Codec { executed: Executed::No, .. }), "{error:?}");
    assert_eq!((TIN.encoded(), house.diary.count("echo hello")), (0, 0));
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_stream_is_opened_only_where_its_codec_is_spoken() {
    static TIN: Tin = Tin::new("application/x-tin-stream");
    let house = House::default();
    let parrot = || house.system("parrot").handler(|| Parrot, |h| h.stream::<Talk>());
    let (one, client) = (start(parrot()).await, house.client().await);
    let talk = || client.service("parrot").stream(Talk).codec(Codec::custom(&TIN));
    let error = within(LONG, talk()).await.unwrap_err();
    assert!(matches!(&error, CallError::Codec { executed: Executed::No, .. }), "{error:?}");
    assert_eq!(TIN.encoded(), 0);
    let two = start(parrot().codec(Codec::custom(&TIN))).await;
    crate::stage::eventually(async || talk().await.is_ok()).await;
    for _ in 0..10 {
        assert_eq!(within(LONG, talk()).await.unwrap().node(), two.node().address);
    }
    stop(&[&client, &one, &two]).await;
}
