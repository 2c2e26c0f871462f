use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", replay = ())]
struct Slip;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(timeout, name = "Greeter.Hello", reply = ())]
struct Unknown;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(serde::name = "Greeter.Hello", reply = ())]
struct Path;

fn main() {}
