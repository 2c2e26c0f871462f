//! Settings as they show: in the help, in what a node listens on, and in its record.

use std::net::TcpListener;

use callboard::config::{Config, ListenAddress, Parsed};
use callboard::registry::{Registry, Service};
use callboard::{ServiceSystem, SystemBuilder};

use crate::ports::free_address;
use crate::stage::{Echo, House, LONG, Show, start, stop, within};

/// What `--help` prints. After a change of the settings, `GOLDEN=overwrite` writes it anew.
#[test]
fn help_lists_every_setting_with_its_default() {
    let mut base = Config::default();
    (base.server_name, base.server_version) = ("greeter".into(), "1.0.0".into());
    let arguments = ["--help".to_owned()];
    let parsed = Config::resolve(base, std::iter::empty(), arguments.into_iter());
    let Ok(Parsed::Help(text)) = parsed else { panic!("{parsed:?}") };
    if std::env::var("GOLDEN").is_ok_and(|wish| wish == "overwrite") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/settings/help.txt");
        std::fs::write(path, &text).expect("the file can be written");
        return;
    }
    assert_eq!(text, include_str!("settings/help.txt"));
}

#[actix::test]
async fn of_a_range_of_ports_the_first_that_is_free_is_listened_on() {
    let house = House::default();
    let (taken, first) = taken();
    let range = format!("127.0.0.1:{first}-{}", first + 20);
    let at = |name| house.stage(name).address(range.parse().expect("it is an address"));
    let (one, two) = (start(at("one")).await, start(at("two")).await);
    let (low, high) = (port(&one), port(&two));
    assert!(first < low && low < high && high <= first + 20, "{first} < {low} < {high}");
    // What is free again is the first again.
    stop(&[&one]).await;
    let three = start(at("three")).await;
    assert!(port(&three) < high, "{first} < {low} < {high}");
    drop(taken);
    stop(&[&two, &three]).await;
}

#[actix::test]
async fn a_range_without_a_free_port_ends_the_start() {
    let house = House::default();
    let (_taken, port) = taken();
    let address: ListenAddress = format!("127.0.0.1:{port}-{port}").parse().expect("a range");
    let error = within(LONG, house.stage("one").address(address).start()).await.unwrap_err();
    let text = error.report();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("in use"), "{text}");
    assert_eq!(house.registry.registrations(), 0);
}

#[actix::test]
async fn what_is_advertised_is_in_the_record_in_place_of_what_is_listened_on() {
    let house = House::default();
    let host = start(advertising(&house, "node.example")).await;
    let whole = start(advertising(&house, "10.1.2.3:80")).await;
    let records = record(&house).await.nodes;
    let address = |system: &ServiceSystem| {
        let node = records.iter().find(|node| node.id == system.node().id);
        node.expect("it is registered").address.clone()
    };
    assert_eq!(address(&whole), "10.1.2.3:80");
    let (name, port) = (address(&host), port(&host));
    assert_eq!(name, format!("node.example:{port}"));
    // It serves where it listens.
    let client = house.client().await;
    let call = client.service("stage").send(Echo("here".into()));
    let answer = within(LONG, call.node(format!("127.0.0.1:{port}"))).await.unwrap();
    assert_eq!(answer, "here");
    stop(&[&client, &host, &whole]).await;
}

#[actix::test]
async fn who_a_node_is_and_what_its_endpoints_are_labelled_with_is_in_the_record() {
    let house = House::default();
    let builder = house.system("stage").handler(house.actor("one"), |h| {
        let h = h.request::<Echo>().metadata("tier", "gold").metadata("owner", "blue");
        h.request::<Show>()
    });
    let builder = builder.version("1.2.3").metadata("zone", "a").configure(|config| {
        config.server_id = Some("stage-7".into());
        config.server_metadata.insert("rack".into(), "7".into());
    });
    let server = start(builder).await;
    let service = record(&house).await;
    let pairs = |metadata: &std::collections::BTreeMap<String, String>| {
        metadata.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!((service.name.as_str(), service.version.as_str()), ("stage", "1.2.3"));
    assert_eq!(service.nodes.len(), 1);
    assert_eq!(service.nodes[0].id, "stage-7");
    let labels = pairs(&service.nodes[0].metadata);
    // The codecs that it speaks are told without being asked for.
    assert!(labels[0].starts_with("callboard-codecs=application/x-bincode,"), "{labels:?}");
    assert_eq!(labels[1..], ["rack=7", "zone=a"]);
    let labels = |name| {
        let found = service.endpoints.iter().find(|endpoint| endpoint.name == name);
        let mut labels = found.expect("it is in the record").metadata.clone();
        // What the runtime itself adds.
        labels.remove("fingerprint");
        pairs(&labels)
    };
    assert_eq!(labels("Stage.Echo"), ["owner=blue", "tier=gold"]);
    assert!(!labels("Stage.Show").iter().any(|label| label.starts_with("tier")));
    stop(&[&server]).await;
}

fn advertising(house: &House, address: &str) -> SystemBuilder {
    let address = address.parse().expect("it is an address");
    house.stage("one").configure(|config| config.server_advertise = Some(address))
}

async fn record(house: &House) -> Service {
    let services = house.registry.get("stage".into()).await.expect("the registry answers");
    let [service] = &services[..] else { panic!("{services:?}") };
    service.clone()
}

/// The port that a node listens on, as its address says, or what it advertises.
fn port(system: &ServiceSystem) -> u16 {
    let (_, port) = system.node().address.rsplit_once(':').expect("it has a port");
    port.parse().expect("it is a number")
}

/// A port that somebody else has.
fn taken() -> (TcpListener, u16) {
    let address = free_address();
    (TcpListener::bind(address).expect("it is free"), address.port())
}
