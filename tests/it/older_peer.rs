//! A node of a version that knows no streams.

use callboard::actors::registry::{EndpointInfo, EndpointKind, NodeInfo, Registry, Service};
use callboard::actors::transport::Hello;
use callboard::wire::Preface;
use callboard::{CallError, Executed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::parrot::{Parrot, Talk};
use crate::stage::{House, LONG, start, stop, within};

/// Greets without the capability; tells of each connection what came after the client's greeting.
async fn older_node() -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (report, received) = mpsc::unbounded_channel();
    actix::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let report = report.clone();
            actix::spawn(async move {
                let mut fixed = [0; Preface::FIXED];
                connection.read_exact(&mut fixed).await.expect("the client greets");
                let mut fields = vec![0; Preface::fields_size(&fixed).expect("it is a greeting")];
                connection.read_exact(&mut fields).await.expect("the client greets");
                let mut preface = Preface::new(Hello::new("parrot", "old", 1));
                preface.capabilities = 0;
                let preface = preface.encode().expect("the names are short");
                connection.write_all(&preface).await.expect("the client reads");
                let mut bytes = Vec::new();
                let _ = connection.read_to_end(&mut bytes).await;
                let _ = report.send(bytes);
            });
        }
    });
    (address, received)
}

#[actix::test]
async fn a_stream_to_an_older_node_fails_at_once_and_says_why() {
    let (address, mut received) = older_node().await;
    let house = House::default();
    let client = house.client().await;
    let opened = within(LONG, client.service("parrot").stream(Talk).node(&*address)).await;
    let error = opened.unwrap_err();
    assert!(matches!(&error, CallError::NoStreams { node } if *node == address), "{error}");
    assert_eq!(error.executed(), Executed::No);
    stop(&[&client]).await;
    let bytes = within(LONG, received.recv()).await.expect("the connection has ended");
    let name = b"Parrot.Talk";
    assert!(!bytes.windows(name.len()).any(|it| it == name), "it was asked for nothing");
}

#[actix::test]
async fn streams_find_the_nodes_that_know_them() {
    let (address, _received) = older_node().await;
    let house = House::default();
    let mut record = Service::new("parrot", "1").node(NodeInfo::new("old", &*address));
    let kind = EndpointKind::Stream;
    record.endpoints.push(EndpointInfo {
        name: "Parrot.Talk".into(),
        kind,
        ..EndpointInfo::default()
    });
    house.registry.register(record, LONG).await.unwrap();
    let newer = house.system("parrot").handler(|| Parrot, |h| h.stream::<Talk>());
    let (newer, client) = (start(newer).await, house.client().await);
    for _ in 0..20 {
        let mut call = within(LONG, client.service("parrot").stream(Talk)).await.unwrap();
        assert_eq!(call.node(), newer.node().address);
        call.send(7).await.unwrap();
        assert_eq!(within(LONG, call.recv()).await.unwrap(), Some(7));
    }
    stop(&[&client, &newer]).await;
}
