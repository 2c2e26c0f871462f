//! What load is driven, and the flags that say so. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How messages follow each other.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Each caller makes one call after the other.
    #[default]
    Unary,
    /// Each caller sends 256 messages without an answer, then makes a call that proves arrival.
    OneWay,
    /// Calls begin at fixed times, whether or not earlier ones have been answered.
    Open,
    /// Each caller receives one stream, counted in batches of 256 messages.
    Down,
    /// Each caller sends one stream; the last message of each 256 comes back.
    Up,
    /// Each caller has one stream on which what it sends comes back, counted by 256.
    Both,
    /// Each caller publishes one event after the other to all subscribers.
    Publish,
}

impl Shape {
    /// All of them.
    const ALL: [Self; 7] =
        [Self::Unary, Self::OneWay, Self::Open, Self::Down, Self::Up, Self::Both, Self::Publish];

    /// Whether messages go over streams.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Down | Self::Up | Self::Both)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::OneWay => "one-way",
            Self::Open => "open",
            Self::Down => "stream-down",
            Self::Up => "stream-up",
            Self::Both => "stream-both",
            Self::Publish => "publish",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|shape| shape.name() == text);
        known.ok_or_else(|| {
            format!("`{text}` is none of {}", Self::ALL.map(|shape| shape.name()).join(", "))
        })
    }
}

/// The load of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// How messages follow each other.
    pub shape: Shape,
    /// Callers; with [`Shape::Open`] the most calls at once, with [`Shape::Publish`] events.
    pub in_flight: usize,
    /// Bytes of text in a message.
    pub body: usize,
    /// Connections, over which callers are spread in turn.
    pub connections: usize,
    /// Subscribers that the server has for [`Shape::Publish`].
    #[serde(default = "one")]
    pub subscribers: usize,
    /// Time that is measured.
    pub seconds: f64,
    /// Calls per second of [`Shape::Open`]; else 0.
    pub rate: f64,
}

impl Default for Workload {
    fn default() -> Self {
        let shape = Shape::default();
        let subscribers = one();
        Self {
            shape,
            in_flight: 1,
            body: 100,
            connections: 1,
            subscribers,
            seconds: 1.0,
            rate: 0.0,
        }
    }
}

impl Workload {
    /// Reads flags.
    ///
    /// # Errors
    /// What is wrong with them, for whoever typed them.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let mut this = Self::default();
        for pair in words.chunks(2) {
            let [flag, value] = *pair else { return Err(format!("{} needs a value", pair[0])) };
            match flag {
                "--shape" => this.shape = read(flag, value)?,
                "--in-flight" => this.in_flight = read(flag, value)?,
                "--body" => this.body = read(flag, value)?,
                "--connections" => this.connections = read(flag, value)?,
                "--subscribers" => this.subscribers = read(flag, value)?,
                "--seconds" => this.seconds = read(flag, value)?,
                "--rate" => this.rate = read(flag, value)?,
                _ => return Err(format!("`{flag}` is no flag")),
            }
        }
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), String> {
        let is_some = |number: f64| number > 0.0 && number.is_finite();
        let counts = [self.in_flight, self.connections, self.subscribers];
        if counts.contains(&0) || !is_some(self.seconds) {
            let flags = "--in-flight, --connections, --subscribers and --seconds";
            return Err(format!("{flags} are more than 0"));
        }
        if self.shape == Shape::Open && !is_some(self.rate) {
            return Err("--shape open needs a --rate of more than 0".into());
        }
        Ok(())
    }

    /// The flags that [`parse`](Self::parse) reads as this.
    pub fn to_flags(&self) -> Vec<String> {
        let Self { shape, in_flight, body, connections, subscribers, seconds, rate } = self;
        let flags = [
            ("--shape", shape.to_string()),
            ("--in-flight", in_flight.to_string()),
            ("--body", body.to_string()),
            ("--connections", connections.to_string()),
            ("--subscribers", subscribers.to_string()),
            ("--seconds", seconds.to_string()),
            ("--rate", rate.to_string()),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

fn one() -> usize {
    1
}

fn read<T: FromStr<Err: fmt::Display>>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error| format!("{flag} {value}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_they_are_written() {
        let workload = Workload {
            shape: Shape::Open,
            in_flight: 64,
            body: 65_536,
            connections: 8,
            subscribers: 3,
            seconds: 1.5,
            rate: 1234.5,
        };
        let flags = workload.to_flags();
        let words: Vec<&str> = flags.iter().map(String::as_str).collect();
        assert_eq!(Workload::parse(&words), Ok(workload));
    }

    #[test]
    fn every_shape_is_read_as_it_is_written() {
        for shape in Shape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
    }

    #[test]
    fn results_from_before_there_were_subscribers_are_read() {
        let mut json = serde_json::to_value(Workload::default()).unwrap();
        json.as_object_mut().unwrap().remove("subscribers");
        assert_eq!(serde_json::from_value::<Workload>(json).unwrap(), Workload::default());
    }

    #[test]
    fn what_cannot_be_driven_is_refused() {
        for words in [
            &["--in-flight", "0"][..],
            &["--subscribers", "0"],
            &["--shape", "open"],
            &["--shape", "round"],
            &["--seconds", "inf"],
            &["--body"],
            &["--size", "1"],
        ] {
            assert!(Workload::parse(words).is_err(), "{words:?}");
        }
    }
}
