use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter", reply = ())]
struct NoDot;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "go.micro.Greeter.Hello", reply = ())]
struct ManyDots;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter/Hello", reply = ())]
struct Slash;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "", reply = ())]
struct Empty;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter")]
struct NoDotNorReply;

fn main() {}
