//! The rivals of callboard under the same load, one after the other, by the worker's protocol.
//!
//! ```text
//! peers serve tonic                         prints its address; ends with standard input
//! peers call tonic ADDRESS SERVER-PID ...   prints one line of JSON
//! ```
//!
//! The flags are those of [`callboard_benches::worker`]. Each rival has the configuration that its
//! manual recommends for speed: one thread on each side (tarpc a second time on as many as tokio
//! chooses), `TCP_NODELAY`, its compact codec, and limits that let every workload through. Those of
//! NATS need `nats-server` to be installed.

mod axum;
mod kameo;
mod nats;
mod ractor;
mod rival;
mod tarpc;
mod tonic;

use callboard_benches::worker::run;

use self::rival::Peer;

fn main() {
    run(&[
        &Peer(tonic::Tonic),
        &Peer(tarpc::Tarpc),
        &Peer(tarpc::TarpcThreads),
        &Peer(ractor::Ractor),
        &Peer(kameo::Kameo),
        &Peer(axum::Axum),
        &Peer(nats::Nats),
        &nats::Topic::<128> { name: "nats-publish" },
        &nats::Topic::<1> { name: "nats-acknowledged" },
    ]);
}
