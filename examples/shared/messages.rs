//! What the examples `server` and `client` say to each other.

use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Example.Call", reply = String)]
pub(crate) struct Call {
    pub(crate) name: String,
}

/// Asks for numbers.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.Stream", item = (), reply = u64)]
pub(crate) struct Count {
    pub(crate) to: u64,
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.PingPong", item = u64, reply = u64)]
pub(crate) struct PingPong;

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "example.visited")]
pub(crate) struct Visited {
    pub(crate) name: String,
}
