//! Methods that are called like other things: each keeps its name on the wire, and is callable.

use callboard::prelude::*;
use callboard::registry::MemoryRegistry;
use callboard_stub_tests::names::Text;
use callboard_stub_tests::names::names_service as service;

struct Answers;

impl Actor for Answers {
    type Context = Context<Self>;
}

/// Answers methods with their names.
macro_rules! answer {
    ($($endpoint:ident)*) => {$(
        impl Handler<Request<service::$endpoint>> for Answers {
            type Result = Reply<service::$endpoint>;

            fn handle(
                &mut self,
                request: Request<service::$endpoint>,
                _: &mut Context<Self>,
            ) -> Reply<service::$endpoint> {
                Ok(Text { text: format!("{} {}", request.endpoint(), request.text) }.into())
            }
        }
    )*};
}

answer!(
    NamesMethod NamesClientMethod New SelfMethod Type A Option Some Ok Err Result Send From Into
    Clone Debug PartialEq Serialize Deserialize Proto ProtobufCodec String Text Endpoints
);

impl Handler<Streaming<service::SayHello>> for Answers {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(
        &mut self,
        mut stream: Streaming<service::SayHello>,
        _: &mut Context<Self>,
    ) -> Self::Result {
        Box::pin(async move {
            while let Some(text) = stream.recv().await? {
                stream.send(text).await?;
            }
            Ok(())
        })
    }
}

#[actix_rt::test]
async fn every_method_is_called_by_a_name_of_its_own() {
    let registry = MemoryRegistry::new();
    let system = |name| ServiceSystem::new(name).without_environment().registry(registry.clone());
    let server = system("names").handler(|| Answers, service::endpoints).start().await.unwrap();
    let client = system("client").start().await.unwrap();
    let names = service::NamesClient::new(&client, "names");
    let text = || Text { text: "x".into() };
    let answers = [
        (names.names(text()).await.unwrap(), "Names.Names x"),
        (names.names_client(text()).await.unwrap(), "Names.NamesClient x"),
        (names.new_(text()).await.unwrap(), "Names.New x"),
        (names.self_(text()).await.unwrap(), "Names.Self x"),
        (names.r#type(text()).await.unwrap(), "Names.Type x"),
        (names.a(text()).await.unwrap(), "Names.A x"),
        (names.clone(text()).await.unwrap(), "Names.Clone x"),
        (names.proto(text()).await.unwrap(), "Names.Proto x"),
        (names.text(text()).await.unwrap(), "Names.Text x"),
        (names.endpoints(text()).await.unwrap(), "Names.endpoints x"),
    ];
    for (answer, expected) in answers {
        assert_eq!(answer.text, expected);
    }
    let mut stream = names.say_hello().await.unwrap();
    stream.send(text().into()).await.unwrap();
    assert_eq!(stream.recv().await.unwrap().map(|text| text.text.clone()), Some("x".to_owned()));
    assert_eq!(service::SayHello::NAME, "Names.say_hello");
    drop(stream);
    client.stop().await;
    server.stop().await;
}
