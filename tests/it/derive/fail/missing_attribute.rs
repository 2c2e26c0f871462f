use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
struct Hello;

fn main() {}
