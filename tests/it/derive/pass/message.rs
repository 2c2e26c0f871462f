use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = HelloReply)]
struct Hello {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct HelloReply {
    greeting: String,
}

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Ping", reply = (), idempotent)]
struct Ping;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(reply = "Option<Vec<u8>>", idempotent = false)]
#[endpoint(name = "Store.Get")]
enum Get {
    ByName(String),
    ById { id: u64 },
}

fn answers<E: Endpoint<Reply = R>, R>(name: &str, idempotent: bool) {
    assert_eq!(E::NAME, name);
    assert_eq!(E::IDEMPOTENT, idempotent);
}

fn main() {
    answers::<Hello, HelloReply>("Greeter.Hello", false);
    answers::<Ping, ()>("Greeter.Ping", true);
    answers::<Get, Option<Vec<u8>>>("Store.Get", false);
}
