use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = ())]
struct Hello<'a> {
    name: &'a str,
}

fn main() {}
