//! Plain JSON over HTTP/1.1: callboard's door beside axum on hyper, the same echo, the same client.
//!
//! ```text
//! door                                     measures both in turns and prints a table
//! door serve axum                          prints its address; ends with standard input
//! door call axum ADDRESS SERVER-PID ...    prints one line of JSON
//! ```
//!
//! The server has processor 0 to itself, the client processor 1. The client is a socket per caller
//! and parses no more than it must, so that the server is what is measured.

mod client;

use std::net::{Ipv4Addr, SocketAddr};

use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use callboard::ServiceSystem;
use callboard::config::RegistryKind;
use callboard::handler::HandlerBuilder;
use callboard_benches::echo::{Echo, Echoer};
use callboard_benches::ratio::{median, ratio};
use callboard_benches::worker::{
    Answer, Call, Sample, Scheduling, Server, System, Unsupported, Workload, announce, answer,
    block_on, drive, end_of_input,
};
use tokio::net::TcpListener;

use self::client::Client;

/// What is compared: each answers echoes at `/Echo/Echo`.
const SYSTEMS: [&dyn System; 2] = [&Axum, &Callboard];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !answer(&SYSTEMS, &words) {
        compare();
    }
}

struct Axum;

impl System for Axum {
    fn name(&self) -> &'static str {
        "axum"
    }

    fn serve(&self, _: &Workload) {
        block_on(async {
            let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = TcpListener::bind(loopback).await.expect("a loopback port is free");
            announce(listener.local_addr().expect("a bound socket has an address"));
            let listener = listener.tap_io(|stream| {
                stream.set_nodelay(true).expect("a connected socket takes options");
            });
            let echo = post(async |Json(echo): Json<Echo>| Json(echo));
            let router = Router::new().route("/Echo/Echo", echo);
            tokio::spawn(async { axum::serve(listener, router).await });
            end_of_input().await;
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        ask(call)
    }
}

struct Callboard;

impl System for Callboard {
    fn name(&self) -> &'static str {
        "callboard"
    }

    fn serve(&self, _: &Workload) {
        actix_rt::System::new().block_on(async {
            let system = ServiceSystem::new("echo")
                .without_environment()
                .configure(|config| config.registry = RegistryKind::Memory)
                .handler(Echoer::default, HandlerBuilder::request::<Echo>);
            let system = system.start().await.expect("a node starts");
            announce(&system.node().address);
            end_of_input().await;
            system.stop().await;
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        ask(call)
    }
}

fn ask(call: &Call) -> Result<Sample, Unsupported> {
    let address = call.address.parse().expect("the server has printed its address");
    block_on(drive(vec![Client::new(address)], &call.workload, call.server))
}

/// Measures both in turns, with 1 and with 64 connections.
fn compare() {
    let program = std::env::current_exe().expect("this program has a path");
    println!("connections  system     requests/s  server µs  client µs  p50 µs  p99 µs");
    for connections in [1, 64] {
        let workload = Workload { in_flight: connections, seconds: SECONDS, ..Workload::default() };
        let pinned = Scheduling { is_pinned: true, ..Scheduling::default() };
        let mut samples = [const { Vec::new() }; SYSTEMS.len()];
        for _ in 0..ROUNDS {
            for (system, samples) in SYSTEMS.iter().zip(&mut samples) {
                let server = Server::start(&program, system.name(), pinned, &workload);
                match server.expect("a server starts").measure(&workload) {
                    Answer::Measured(sample) => samples.push(sample),
                    other => panic!("{}: {other:?}", system.name()),
                }
            }
        }
        for (system, samples) in SYSTEMS.iter().zip(&samples) {
            let of = |figure: fn(&Sample) -> f64| {
                let figures: Vec<_> = samples.iter().map(figure).collect();
                median(&figures).expect("it was measured")
            };
            println!(
                "{connections:11}  {:9}  {:10.0}  {:9.2}  {:9.2}  {:6.0}  {:6.0}",
                system.name(),
                of(|it| it.per_second),
                of(|it| it.server_cpu),
                of(|it| it.client_cpu),
                of(|it| it.p50),
                of(|it| it.p99),
            );
        }
        let [axum, callboard] =
            samples.map(|it| it.iter().map(|it| it.per_second).collect::<Vec<_>>());
        let ratio = ratio(&callboard, &axum).expect("both were measured");
        println!("callboard / axum, median of the rounds: {ratio:.2}");
    }
}

/// Each of so many seconds.
const ROUNDS: usize = 5;
const SECONDS: f64 = 1.0;
