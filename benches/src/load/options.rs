//! The flags of a comparison by hand. Pure.

use std::fmt;
use std::str::FromStr;

use callboard_benches::worker::{Shape, Workload};

/// What is compared, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub(super) systems: Vec<String>,
    pub(super) in_flight: Vec<usize>,
    /// All but the calls in flight.
    pub(super) workload: Workload,
    pub(super) rounds: usize,
    /// Server and client on a processor each.
    pub(super) pin: bool,
    pub(super) verbose: bool,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            systems: ["floor", "ping-pong", "callboard"].map(str::to_owned).to_vec(),
            in_flight: vec![1, 16, 64, 256],
            workload: Workload { seconds: 3.0, ..Workload::default() },
            rounds: 3,
            pin: false,
            verbose: false,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let mut value = || words.next().copied().ok_or(format!("{flag} needs a value\n{HELP}"));
            let workload = &mut options.workload;
            match *flag {
                "--systems" => options.systems = list(value()?)?,
                "--in-flight" => options.in_flight = list(value()?)?,
                "--shape" => workload.shape = one(value()?)?,
                "--body" => workload.body = one(value()?)?,
                "--connections" => workload.connections = one(value()?)?,
                "--subscribers" => workload.subscribers = one(value()?)?,
                "--seconds" => workload.seconds = one(value()?)?,
                "--rate" => workload.rate = one(value()?)?,
                "--rounds" => options.rounds = one(value()?)?,
                "--pin" => options.pin = true,
                "--verbose" => options.verbose = true,
                _ => return Err(format!("`{flag}` is no flag\n{HELP}")),
            }
        }
        if options.workload.shape == Shape::Open && options.workload.rate <= 0.0 {
            return Err(format!("--shape open needs a --rate\n{HELP}"));
        }
        Ok(options)
    }
}

fn list<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(one).collect()
}

fn one<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

const HELP: &str = "\
--systems floor,ping-pong,callboard   and by-hand, plain,
                                      callboard-memory, callboard-group
--in-flight 1,16,64,256
--shape unary                         or one-way, stream-down, stream-up, stream-both, publish, or
                                      open with --rate CALLS-PER-SECOND
--body 100
--connections 1
--subscribers 1                       with --shape publish
--seconds 3
--rounds 3
--pin       server on processor 0, client on 1; needs the program taskset
--verbose   print each run";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_switches_are_read() {
        let words = ["--in-flight", "1,64", "--systems", "floor,plain", "--pin", "--body", "65536"];
        let options = Options::parse(&words).unwrap();
        assert_eq!(options.in_flight, [1, 64]);
        assert_eq!(options.systems, ["floor", "plain"]);
        assert!(options.pin && !options.verbose);
        assert_eq!(options.workload.body, 65_536);
    }

    #[test]
    fn a_flag_without_its_value_is_refused() {
        assert!(Options::parse(&["--rounds"]).is_err());
        assert!(Options::parse(&["--shape", "open"]).is_err());
    }
}
