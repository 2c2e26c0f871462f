use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.Talk", reply = ())]
struct WithoutItem;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Example.Talk", item = u64, reply = ())]
struct WithoutStream;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(stream = 1, name = "Example.Talk", item = u64, reply = ())]
struct WrongFlag;

fn main() {}
