use callboard::prelude::*;

#[derive(Serialize, Deserialize)]
struct Hello;

fn send<E: Endpoint>(_: E) {}

fn main() {
    send(Hello);
}
