//! Requests per second and latency over loopback, beside the floor.
//!
//! `cargo run --release -p callboard-benches --bin load -- --in-flight 1,64,256 --seconds 3
//! --rounds 3 --pin`: the program runs itself as server and as client of each system in turn.

#[path = "../load/client.rs"]
mod client;
#[path = "../load/options.rs"]
mod options;
#[path = "../load/report.rs"]
mod report;
#[path = "../load/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use self::options::{Options, System};
use self::report::{Sample, Table};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", system] => server::run(system_of(system)),
        ["call", system, address, process, in_flight, seconds] => {
            let sample = client::run(&client::Task {
                system: system_of(system),
                address: address.parse().expect("an address"),
                server: process.parse().expect("a process id"),
                in_flight: in_flight.parse().expect("a number"),
                seconds: seconds.parse().expect("a number"),
            });
            println!("{}", sample.to_line());
        }
        _ => match Options::parse(&words) {
            Ok(options) => compare(&options),
            Err(text) => {
                eprintln!("{text}");
                std::process::exit(2);
            }
        },
    }
}

fn system_of(name: &str) -> System {
    name.parse().expect("a system's name")
}

/// Runs all systems in turn, round after round, so that a busy machine is unfair to none.
fn compare(options: &Options) {
    let servers: Vec<(System, Server)> =
        options.systems.iter().map(|system| (*system, Server::start(*system, options))).collect();
    let mut table = Table::default();
    for in_flight in &options.in_flight {
        for round in 0..options.rounds {
            // Ping-pong is what one caller alone can do; with more it would be another workload.
            for (system, server) in &servers {
                if *system == System::PingPong && *in_flight > 1 {
                    continue;
                }
                let sample = server.measure(*system, *in_flight, options);
                if options.verbose {
                    eprintln!("round {round} {system} {in_flight}: {}", sample.to_line());
                }
                table.add(*system, *in_flight, sample);
            }
        }
    }
    table.print();
}

/// A server in a process of its own; killed when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(system: System, options: &Options) -> Self {
        let mut command = itself(options.pin.then_some(0));
        command.args(["serve", system.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program can be run again");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the server lives");
        let address = line.trim_end().parse().expect("the server prints its address");
        Self { process, address }
    }

    fn measure(&self, system: System, in_flight: usize, options: &Options) -> Sample {
        let mut command = itself(options.pin.then_some(1));
        command.args(["call", system.name(), &self.address.to_string()]);
        command.args([self.process.id().to_string(), in_flight.to_string()]);
        command.arg(options.seconds.to_string());
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.expect("this program can be run again");
        let line = String::from_utf8_lossy(&output.stdout);
        Sample::from_line(line.trim()).expect("the client prints what it measured")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program, on one processor only if `processor` says which.
fn itself(processor: Option<usize>) -> Command {
    let path = std::env::current_exe().expect("the system knows this program's path");
    match processor {
        None => Command::new(path),
        Some(processor) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &processor.to_string()]).arg(path);
            command
        }
    }
}
