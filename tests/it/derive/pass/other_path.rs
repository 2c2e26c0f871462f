// A program that knows the library under a name of its own.
mod vendor {
    pub mod board {
        pub use callboard::{Endpoint, schema, serde};
    }
}

use callboard::serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, vendor::board::Endpoint)]
#[endpoint(name = "Store.Put", reply = Vec<T>, crate = crate::vendor::board)]
struct Put<T> {
    value: T,
}

#[derive(Serialize, Deserialize, vendor::board::Endpoint)]
#[endpoint(name = "Store.Clear", reply = (), crate = "crate::vendor::board")]
struct Clear;

fn main() {
    assert_eq!(<Put<u8> as vendor::board::Endpoint>::NAME, "Store.Put");
    assert_eq!(<Clear as vendor::board::Endpoint>::NAME, "Store.Clear");
}
