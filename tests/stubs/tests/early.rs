//! JSON as Go Micro of 2016 writes and reads it.

use callboard::codec::Proto;
use callboard::prelude::*;
use callboard::registry::MemoryRegistry;
use callboard_stub_tests::early::Kitchen as Message;
use callboard_stub_tests::early::greeter_service::Kitchen;
use callboard_stub_tests::gm;
use callboard_stub_tests::numbers::{Numbers, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Cook;

impl Actor for Cook {
    type Context = Context<Self>;
}

impl Handler<Request<Kitchen>> for Cook {
    type Result = Reply<Kitchen>;

    fn handle(&mut self, request: Request<Kitchen>, _: &mut Context<Self>) -> Reply<Kitchen> {
        Ok(request.into_inner().0)
    }
}

/// Recorded from Go Micro's clients of 2016 and of today, whose servers answered with these bytes.
#[actix_rt::test]
async fn its_clients_are_answered_byte_for_byte() {
    let server = ServiceSystem::new("gm.greeter").without_environment();
    let server =
        server.registry(MemoryRegistry::new()).handler(|| Cook, |h| h.request::<Kitchen>());
    let server = server.start().await.unwrap();
    for name in ["2016/30-kitchen-json", "current/31b-kitchen-json-rpc"] {
        let capture = |end: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../captures");
            std::fs::read_to_string(format!("{folder}/{name}.{end}.bin")).unwrap()
        };
        let body = |text: &str| text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        let expected = body(&capture("rsp")).unwrap();
        let mut stream = TcpStream::connect(&server.node().address).await.unwrap();
        stream.write_all(capture("req").as_bytes()).await.unwrap();
        let mut answer = String::new();
        while body(&answer).is_none_or(|body| body.len() < expected.len()) {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(LIMIT, stream.read(&mut buffer)).await.unwrap();
            let read = read.unwrap();
            assert!(read > 0, "{name}: {answer}");
            answer += std::str::from_utf8(&buffer[..read]).unwrap();
        }
        assert_eq!(body(&answer).unwrap(), expected, "{name}");
    }
    server.stop().await;
}

#[test]
fn each_form_is_read_whichever_is_written() {
    let text = r#"{"i64":-9007199254740993,"color":2,"inner_msg":{"inner_name":"x","big":7}}"#;
    let early: Proto<Message> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&early).unwrap(), text);
    let today: Proto<gm::Kitchen> = serde_json::from_str(text).unwrap();
    let text = serde_json::to_string(&today).unwrap();
    assert!(text.contains(r#""i64":"-9007199254740993","color":"BLUE","innerMsg""#), "{text}");
    let back: Proto<Message> = serde_json::from_str(&text).unwrap();
    assert_eq!(back, early);
}

#[test]
fn numbers_are_numbers_wherever_they_stand() {
    let numbers = Numbers {
        one: -1,
        perhaps: Some(u64::MAX),
        many: vec![1, 1 << 60],
        by_name: [("a".to_owned(), i64::MIN)].into(),
        sizes: vec![Size::Large.into(), Size::Small.into()],
        by_number: [(7, Size::Large.into())].into(),
    };
    let text = serde_json::to_string(&Proto(numbers.clone())).unwrap();
    assert_eq!(
        text,
        r#"{"one":-1,"perhaps":18446744073709551615,"many":[1,1152921504606846976],"by_name":{"a":-9223372036854775808},"sizes":[1,0],"by_number":{"7":1}}"#
    );
    assert_eq!(serde_json::from_str::<Proto<Numbers>>(&text).unwrap().into_inner(), numbers);
}

const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);
