use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = (), name = "Greeter.Hi")]
struct Hello;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Bye", reply = (), idempotent)]
#[endpoint(idempotent = false)]
struct Bye;

fn main() {}
