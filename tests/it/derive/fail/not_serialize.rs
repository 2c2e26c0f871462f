use callboard::prelude::*;

#[derive(Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = ())]
struct Hello;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Bye", reply = ByeReply)]
struct Bye;

struct ByeReply;

fn main() {}
