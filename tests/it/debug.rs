//! What every node says about itself, and handlers that are not in its record.

use callboard::codec::{Codec, proto_rpc};
use callboard::debug::{Health, Stats};
use callboard::registry::Registry;
use callboard::{CallError, Endpoint};

use crate::raw::Raw;
use crate::stage::{Echo, House, echo, start, stop};

#[actix::test]
async fn every_node_tells_how_it_is_and_its_record_does_not_say_so() {
    let house = House::default();
    let (server, client) = (start(house.stage("one")).await, house.client().await);
    let record = house.registry.get("stage".into()).await.unwrap().remove(0);
    assert!(record.endpoints.iter().all(|endpoint| endpoint.name.starts_with("Stage.")));
    let stage = client.service("stage");
    let health = stage.send(Health {}).node(&server.node().address).await.unwrap();
    assert_eq!(health.status, "ok");
    let stats = stage.send(Stats {}).node(&server.node().address).await.unwrap();
    assert!(stats.started > 1_700_000_000 && stats.uptime < 3600, "{stats:?}");
    assert!(stats.memory > 1 << 20 && stats.threads > 0, "{stats:?}");
    let response = Raw::connect(&server).await.post("/Debug/Health", "", "").await;
    assert_eq!((response.code, &*response.text()), (200, "{\"status\":\"ok\"}"));
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn go_micros_clients_ask_for_it_too() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    for name in ["2016/33-debug-health-json", "current/33-debug-health-json"] {
        let request = crate::raw::capture(&format!("{name}.req.bin"));
        let response = Raw::connect(&server).await.ask(request).await;
        assert!(response.text().contains("{\"status\":\"ok\"}"), "{name}: {}", response.text());
    }
    for name in ["2016/35-debug-stats-json", "current/35-debug-stats-json"] {
        let request = crate::raw::capture(&format!("{name}.req.bin"));
        let text = Raw::connect(&server).await.ask(request).await.text();
        for field in ["started", "uptime", "memory", "threads", "gc"] {
            assert!(text.contains(&format!("\"{field}\":")), "{name}: {text}");
        }
    }
    let ask = async |name: &str| {
        let request = crate::raw::capture(&format!("{name}.req.bin"));
        Raw::connect(&server).await.ask(request).await.body
    };
    // As recorded: the header's block, then the value's.
    let recorded = crate::raw::capture("2016/34-debug-health-proto.rsp.bin");
    let body = ask("2016/34-debug-health-proto").await;
    assert!(recorded.ends_with(&body) && body.ends_with(b"ok"), "{body:?}");
    let body = ask("2016/36-debug-stats-proto").await;
    let client = house.client().await;
    let stage = client.service("stage");
    let call = stage.send(Stats {}).node(&server.node().address).codec(Codec::Protobuf);
    let stats = call.await.unwrap();
    assert!(stats.started > 1_700_000_000 && stats.threads > 0, "{stats:?}");
    let response = proto_rpc::decode_response(&body.into()).unwrap();
    let told = (Stats::protobuf().unwrap().decode_reply)(&response.body).unwrap();
    assert_eq!((response.error, told.started), (None, stats.started));
    assert!(told.memory > 1 << 20, "{told:?}");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn they_can_be_left_out() {
    let house = House::default();
    let server = start(house.stage("one").without_debug()).await;
    let response = Raw::connect(&server).await.post("/Debug/Health", "", "{}").await;
    assert_eq!(response.code, 404);
    stop(&[&server]).await;
}

#[actix::test]
async fn an_internal_handler_is_reached_by_those_who_name_the_node() {
    let house = House::default();
    let builder =
        house.system("stage").handler(house.actor("one"), |h| h.request::<Echo>().internal());
    let builder = builder.handler(house.actor("two"), |h| h.request::<crate::stage::Who>());
    let (server, client) = (start(builder).await, house.client().await);
    let stage = client.service("stage");
    let unknown = stage.send(echo()).await.unwrap_err();
    assert!(matches!(unknown, CallError::UnknownEndpoint { .. }), "{unknown:?}");
    assert_eq!(stage.send(echo()).node(&server.node().address).await.unwrap(), "hello");
    assert_eq!(server.service("stage").send(echo()).await.unwrap(), "hello");
    stop(&[&client, &server]).await;
}
