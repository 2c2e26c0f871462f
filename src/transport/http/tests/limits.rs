//! How long a client may take.

use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use tokio::time::Instant;

use super::*;

/// Answers each request at once.
fn echo(message: Message, answers: &mut Vec<Message>) {
    if let Message::Request { id, body, .. } = message {
        answers.push(Message::Reply { id, metadata: Metadata::new(), body });
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_five_seconds_from_its_first_byte() {
    let mut client = Client::connect(echo);
    // What is silent from the beginning is not reading a head.
    tokio::time::sleep(Duration::from_secs(60)).await;
    client.send("POST /Greeter/Hello HT").await;
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(began.elapsed().as_secs(), 5);
    let error = client.ended().await.to_string();
    assert!(error.contains("no whole head of a request within 5s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_body_has_thirty_seconds_and_its_client_is_told() {
    let mut client = Client::connect(echo);
    let began = Instant::now();
    client.send("POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\"a").await;
    let answer = client.rest().await;
    assert_eq!(began.elapsed().as_secs(), 30);
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("the body did not arrive within 30s"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_used_is_closed_after_three_minutes() {
    let mut client = Client::connect(echo);
    let request = "POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\"a\"";
    for _ in 0..3 {
        client.send(request).await;
        client.until("\r\n\r\n\"a\"").await;
        tokio::time::sleep(Duration::from_secs(179)).await;
    }
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(began.elapsed().as_millis().div_ceil(1000), 1);
    assert!(matches!(client.ended().await, TransportError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_its_time() {
    let mut held = None;
    let mut client = Client::connect(move |message, answers| match message {
        Message::Request { id, .. } => held = Some(id),
        Message::Pong { .. } => {}
        // The client goes when it has waited long enough.
        Message::Cancel { id } => assert_eq!(held, Some(id)),
        other => panic!("{other:?} {answers:?}"),
    });
    client.send("POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    let waited = tokio::time::timeout(Duration::from_secs(3600), client.rest()).await;
    assert!(waited.is_err(), "the engine decides how long a request takes");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_stream_has_thirty_seconds_but_silence_may_last() {
    let mut client = Client::connect(super::streams::listen);
    client.send(super::streams::chat("{}")).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await;
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(began.elapsed().as_secs(), 30);
    let error = client.ended().await.to_string();
    assert!(error.contains("no whole message of a stream within 30s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_announced_stream_has_a_minute_to_be_opened() {
    let mut client = Client::connect(|message, _| panic!("nothing is opened: {message:?}"));
    client.send(super::streams::post("Greeter.Count", "{}")).await;
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_client_has_gone_has_five_seconds_to_end() {
    let client = gone_during_a_stream(HttpOptions::default()).await;
    let began = Instant::now();
    assert!(matches!(client.ended.await.unwrap(), TransportError::Closed));
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_has_five_seconds_to_go_when_its_stream_has_ended() {
    let mut client = Client::connect(|message, answers| {
        if let Message::Request { id, .. } = message {
            answers.push(Message::Reply { id, metadata: Metadata::new(), body: Bytes::new() });
        }
    });
    client.send(super::streams::chat("{}")).await;
    client.until("Micro-Error: EOS\r\n").await;
    // What comes behind the end is of no use to anybody.
    client.send(super::streams::chat("{\"seq\":\"1\"}")).await;
    let began = Instant::now();
    client.rest().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(matches!(client.ended().await, TransportError::Closed));
}

#[tokio::test(start_paused = true)]
async fn each_time_is_an_option() {
    let head = "POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\n";
    let message = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    let seconds = Duration::from_secs;
    let default = HttpOptions::default();
    let idle = format!("{head}Content-Length: 3\r\n\r\n\"a\"");
    let body = format!("{head}Content-Length: 5\r\n\r\n\"a");
    let announced = super::streams::post("Greeter.Count", "{}");
    let stream = [super::streams::chat("{}"), message.to_owned()].concat();
    for (options, sent, expected) in [
        (HttpOptions { head_time: seconds(11), ..default }, head, 11),
        (HttpOptions { body_time: seconds(12), ..default }, &*body, 12),
        (HttpOptions { idle_time: seconds(13), ..default }, &*idle, 13),
        (HttpOptions { opening_time: seconds(14), ..default }, &*announced, 14),
        (HttpOptions { message_time: seconds(15), ..default }, &*stream, 15),
    ] {
        let mut client = Client::connect_with(options, |message, answers| {
            if matches!(message, Message::Request { stream: false, .. }) {
                echo(message, answers);
            } else {
                super::streams::listen(message, answers);
            }
        });
        client.send(sent).await;
        let began = Instant::now();
        client.rest().await;
        assert_eq!(began.elapsed().as_secs(), expected, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_times_at_the_end_of_a_stream_are_options() {
    let default = HttpOptions::default();
    let options = HttpOptions { ending_time: Duration::from_secs(16), ..default };
    let client = gone_during_a_stream(options).await;
    let began = Instant::now();
    client.ended.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 16);
    let options = HttpOptions { closing_time: Duration::from_secs(17), ..default };
    let mut client = Client::connect_with(options, |message, answers| {
        if let Message::Request { id, .. } = message {
            answers.push(Message::Reply { id, metadata: Metadata::new(), body: Bytes::new() });
        }
    });
    client.send(super::streams::chat("{}")).await;
    client.until("Micro-Error: EOS\r\n").await;
    let began = Instant::now();
    client.rest().await;
    assert_eq!(began.elapsed().as_secs(), 17);
}

/// A client that has opened a stream, and then closed its connection.
async fn gone_during_a_stream(options: HttpOptions) -> Client {
    let (told, opened) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let mut client = Client::connect_with(options, move |message, answers| {
        super::streams::listen(message, answers);
        told.take().into_iter().for_each(|told| told.send(()).unwrap());
    });
    client.send(super::streams::chat("{}")).await;
    opened.await.unwrap();
    client.stream.shutdown().await.unwrap();
    client
}
