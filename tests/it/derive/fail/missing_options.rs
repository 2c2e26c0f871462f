use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint()]
struct Hello;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Bye")]
struct Bye;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(reply = ())]
struct Ping;

fn main() {}
