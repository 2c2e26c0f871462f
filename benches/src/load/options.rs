//! What is measured, and how.

use std::fmt;
use std::str::FromStr;

/// A system under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    /// Bare tokio, multiplexed.
    Floor,
    /// Bare tokio, a connection for each caller.
    PingPong,
    /// The real thing.
    Callboard,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::PingPong => "ping-pong",
            Self::Callboard => "callboard",
        }
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Floor, Self::PingPong, Self::Callboard];
        let known = all.into_iter().find(|system| system.name() == name);
        known.ok_or_else(|| format!("`{name}` is none of floor, ping-pong, callboard"))
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The flags.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) systems: Vec<System>,
    pub(super) in_flight: Vec<usize>,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    /// Server and client on a processor each.
    pub(super) pin: bool,
    pub(super) verbose: bool,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            systems: vec![System::Floor, System::PingPong, System::Callboard],
            in_flight: vec![1, 16, 64, 256],
            seconds: 3.0,
            rounds: 3,
            pin: false,
            verbose: false,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let mut value = || words.next().copied().ok_or(format!("{flag} needs a value\n{HELP}"));
            match *flag {
                "--systems" => options.systems = list(value()?)?,
                "--in-flight" => options.in_flight = list(value()?)?,
                "--seconds" => options.seconds = one(value()?)?,
                "--rounds" => options.rounds = one(value()?)?,
                "--pin" => options.pin = true,
                "--verbose" => options.verbose = true,
                _ => return Err(format!("`{flag}` is no flag\n{HELP}")),
            }
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
--systems floor,ping-pong,callboard
--in-flight 1,16,64,256
--seconds 3
--rounds 3
--pin       server on processor 0, client on 1; needs the program taskset
--verbose   print each run";
