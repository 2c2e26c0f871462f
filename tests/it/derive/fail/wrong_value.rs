use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = 5, reply = ())]
struct Number;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name, reply = ())]
struct NoValue;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = 5)]
struct NumberAsReply;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply(HelloReply))]
struct Parentheses;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = "two words")]
struct StringWithoutType;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = (), idempotent = "yes")]
struct StringAsFlag;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = (), crate = 5)]
struct NumberAsPath;

fn main() {}
