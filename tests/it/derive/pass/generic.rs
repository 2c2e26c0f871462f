use callboard::prelude::*;
use callboard::serde::de::DeserializeOwned;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Store.Put", reply = Option<T>)]
struct Put<T> {
    value: T,
}

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Store.Swap", reply = Vec<Pair<K, V>>)]
struct Pair<K, V = String>
where
    K: Clone,
    V: Default,
{
    key: K,
    value: V,
}

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Store.Fill", reply = Self)]
struct Fill<const N: usize> {
    count: u32,
}

fn reply<E: Endpoint>() -> &'static str {
    std::any::type_name::<E::Reply>()
}

fn through<T: Serialize + DeserializeOwned + Send + 'static>() -> &'static str {
    reply::<Put<T>>()
}

fn main() {
    assert_eq!(through::<u8>(), "core::option::Option<u8>");
    assert!(reply::<Pair<u8, u16>>().ends_with("Pair<u8, u16>>"));
    assert!(reply::<Fill<3>>().ends_with("Fill<3>"));
}
