use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint]
struct Hello;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint = "Greeter.Bye"]
struct Bye;

fn main() {}
