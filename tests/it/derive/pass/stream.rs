use callboard::prelude::*;
use callboard::serde::de::DeserializeOwned;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.PingPong", item = u64, reply = "Vec<u8>")]
struct PingPong {
    limit: u64,
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.Feed", item = (), reply = Option<T>)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
struct Feed<T> {
    first: T,
}

fn name<T: StreamEndpoint>() -> &'static str {
    T::NAME
}

fn main() {
    assert_eq!(name::<PingPong>(), "Example.PingPong");
    assert_eq!(name::<Feed<u8>>(), "Example.Feed");
}
