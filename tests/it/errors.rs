//! Every way a call can fail says what happened, what to do, and whether it was executed.

use callboard::prelude::*;
use callboard::{CallError, Executed, Filter};

use crate::ports::free_address;
use crate::stage::{Echo, House, LONG, echo, eventually, on_both_ways, start, stop, within};

#[actix::test]
async fn a_service_that_nobody_runs_is_not_found() {
    let house = House::default();
    let client = house.client().await;
    let error = within(LONG, client.service("stgae").send(echo())).await.unwrap_err();
    assert!(matches!(error, CallError::NotFound { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no service is called \"stgae\": check the name, that it runs, and that both sides use \
         the same registry"
    );
    assert_eq!(error.executed(), Executed::No);
    assert!(!error.is_retryable());
    stop(&[&client]).await;
}

#[actix::test]
async fn a_service_without_a_node_that_will_do_has_none_available() {
    let house = House::default();
    let server = start(house.stage("one").version("1.0.0")).await;
    let client = house.client().await;
    let call = client.service("stage").send(echo()).filter(Filter::version("2.0.0"));
    let error = within(LONG, call).await.unwrap_err();
    assert!(matches!(error, CallError::NoneAvailable { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no node of service \"stage\" can be called: none of the 1 nodes of service stage matches \
         version=2.0.0, endpoint=Stage.Echo"
    );
    assert_eq!(error.executed(), Executed::No);
    assert!(error.is_retryable());
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_registry_that_is_down_is_named() {
    let house = House::default();
    let client = house.client().await;
    house.registry.outage();
    let error = within(LONG, client.service("stage").send(echo())).await.unwrap_err();
    let CallError::Registry { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(error.to_string(), "cannot look up service \"stage\"");
    let reason = "registry memory at this process is unavailable: it has an outage";
    assert_eq!(source.to_string(), reason);
    assert!(error.is_retryable());
    assert_eq!(error.executed(), Executed::No);
    // What `main` prints names both.
    let whole = format!("{:?}", callboard::Error::from(error));
    assert!(
        whole.contains("cannot look up service \"stage\"") && whole.contains(reason),
        "{whole}"
    );
    stop(&[&client]).await;
}

#[actix::test]
async fn an_endpoint_that_no_node_has_is_unknown() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            play.stage.send(echo()).await.unwrap();
            let error = play.stage.send(Unheard).await.unwrap_err();
            assert!(matches!(error, CallError::UnknownEndpoint { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("Stage.Unheard"), "{text}");
            assert!(text.ends_with("check its name and the service's version"), "{text}");
            assert_eq!(error.executed(), Executed::No);
            assert!(!error.is_retryable());
        },
    )
    .await;
}

#[actix::test]
async fn a_node_that_is_asked_directly_names_itself_in_its_errors() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let address = server.node().address.clone();
    let direct = client.service("stage").send(Unheard).node(address.clone());
    let error = within(LONG, direct).await.unwrap_err();
    assert!(matches!(error, CallError::UnknownEndpoint { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "{address} has no endpoint Stage.Unheard: check its name and the service's version"
        )
    );
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_request_of_another_shape_is_a_codec_error() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    for error in [
        within(LONG, stage.send(EchoOfNumbers(200, 200))).await.map(drop).unwrap_err(),
        within(LONG, stage.send(EchoOfMore("a".into(), 7))).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, CallError::Codec { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("codec: the body is not what the endpoint takes: "), "{text}");
        assert_eq!(error.executed(), Executed::No);
        assert!(!error.is_retryable());
    }
    assert_eq!(house.diary.lines(), ["one starts"]);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_reply_of_another_shape_is_a_codec_error_after_the_fact() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let call = client.service("stage").send(EchoForNumbers("hello".into()));
    let error = within(LONG, call).await.unwrap_err();
    assert!(matches!(error, CallError::Codec { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("is not what Stage.Echo says"), "{text}");
    assert!(text.contains(&server.node().address), "{text}");
    assert_eq!(error.executed(), Executed::Yes);
    assert!(!error.is_retryable());
    house.diary.has("echo hello").await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_request_above_the_nodes_frame_is_too_large_and_not_sent() {
    let house = House::default();
    let small = house.stage("one").configure(|config| config.max_frame = 64 * 1024);
    let server = start(small).await;
    let client = house.client().await;
    let stage = client.service("stage");
    let error = within(LONG, stage.send(Echo("x".repeat(65 * 1024)))).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("the message is too large: the request was not sent: "), "{text}");
    assert!(text.contains("65536"), "the limit is named: {text}");
    assert_eq!(error.executed(), Executed::No);
    assert!(!error.is_retryable());
    // The connection lives on, and what just fits passes.
    let long = "x".repeat(63 * 1024);
    assert_eq!(within(LONG, stage.send(Echo(long.clone()))).await.unwrap(), long);
    eventually(async || server.connections() == 1).await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_reply_above_the_callers_frame_is_too_large_too() {
    let house = House::default();
    let server = start(house.system("stage").handler(Press::default, |h| h.request::<Print>()));
    let server = server.await;
    let small = house.system("client").configure(|config| config.max_frame = 64 * 1024);
    let client = start(small).await;
    let stage = client.service("stage");
    let error = within(LONG, stage.send(Print(65 * 1024))).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
    assert!(text.starts_with("the message is too large: the reply was not sent: "), "{text}");
    assert!(text.contains("65536"), "the limit is named: {text}");
    assert_eq!(error.executed(), Executed::Yes);
    assert!(!error.is_retryable());
    assert_eq!(within(LONG, stage.send(Print(63 * 1024))).await.unwrap().len(), 63 * 1024);
    eventually(async || server.connections() == 1).await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn an_address_where_nobody_listens_is_a_connection_that_was_not_made() {
    let house = House::default();
    let client = house.client().await;
    let address = free_address();
    let call = client.service("stage").send(echo()).node(address.to_string());
    let error = within(LONG, call).await.unwrap_err();
    assert!(matches!(error, CallError::Connection { executed: Executed::No, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("connection to {address} failed; the call has not been executed")
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(&address.to_string()) && cause.contains("refused"), "{cause}");
    assert!(error.is_retryable());
    stop(&[&client]).await;
}

#[actix::test]
async fn what_is_no_address_is_said_to_be_none() {
    let house = House::default();
    let client = house.client().await;
    let call = client.service("stage").send(echo()).node("somewhere");
    let error = within(LONG, call).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error:?}");
    assert!(format!("{:?}", callboard::Error::from(error)).contains("somewhere"));
    stop(&[&client]).await;
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Unheard", reply = ())]
struct Unheard;

/// What [`Echo`] is not.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Echo", reply = String)]
struct EchoOfNumbers(u64, u64);

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Echo", reply = String)]
struct EchoOfMore(String, u64);

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Echo", reply = (u64, u64, u64, Vec<String>))]
struct EchoForNumbers(String);

/// Asks for a text of this many bytes.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Press.Print", reply = String)]
struct Print(usize);

#[derive(Default)]
struct Press;

impl Actor for Press {
    type Context = Context<Self>;
}

impl Handler<Request<Print>> for Press {
    type Result = Reply<Print>;

    fn handle(&mut self, request: Request<Print>, _: &mut Context<Self>) -> Reply<Print> {
        Ok("x".repeat(request.0))
    }
}
