//! Time in which a server could run and did not, beside what its client measured. Pure.

use std::time::Duration;

use callboard_benches::worker::Sample;
use serde::{Deserialize, Serialize};

use super::switches::{Wait, Waits};

/// What a run says about what made its calls late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stalls {
    /// With the scheduler's events recorded meanwhile.
    Seen(Seen),
    /// Why it cannot be said.
    Unseen(String),
}

/// A run of which the scheduler's events were recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) sample: Sample,
    /// The server was woken and did not run while its processor had nobody.
    pub(crate) idle: Waited,
    /// It could run and did not while another program had its processor.
    pub(crate) held: Waited,
    /// Time in ms per second in which processors had something to do and were not run by whatever
    /// this system runs on, of all together; `None` where the kernel does not tell.
    pub(crate) stolen: Option<f64>,
}

/// Time of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waited {
    /// The longest at once, in ms.
    pub(crate) longest: f64,
    /// Time in ms per second, without what was [shorter](LONG): that is what a wake-up takes.
    pub(crate) long: f64,
}

impl Seen {
    /// Condenses the waits of a server; an error where they are not known.
    ///
    /// So much was stolen from the client's start to its end, which took so long.
    pub(super) fn of(
        sample: Sample,
        waits: &Waits,
        (stolen, elapsed): (Option<Duration>, Duration),
    ) -> Result<Self, String> {
        let (known, unknown) = (waits.all.len(), waits.unknown);
        if unknown > (known + unknown) / FEW {
            // A recording that lacks a processor lacks the wake-ups that were made there.
            let whole = known + unknown;
            return Err(format!("{unknown} of {whole} of its wake-ups were not recorded"));
        }
        if waits.span.is_zero() {
            return Err("no switch to the server was recorded".into());
        }
        let waited = |of: fn(&Wait) -> Duration| {
            let times = waits.all.iter().map(of);
            let long: Duration = times.clone().filter(|time| *time >= LONG).sum();
            let longest = times.max().unwrap_or_default();
            let long = millis(long) / waits.span.as_secs_f64();
            Waited { longest: rounded(millis(longest)), long: rounded(long) }
        };
        let (idle, held) = (waited(|wait| wait.idle), waited(|wait| wait.held));
        let stolen = stolen.map(|stolen| rounded(millis(stolen) / elapsed.as_secs_f64()));
        Ok(Self { sample, idle, held, stolen })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// To microseconds.
fn rounded(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}

/// A server that is woken runs within a tenth of that; five p50s are some more.
pub(crate) const LONG: Duration = Duration::from_micros(200);

/// One of so many wake-ups may be unknown, beside the first one of each thread.
const FEW: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::switches::{RECORDED, parse, waits};
    use super::*;

    const STOLEN: (Option<Duration>, Duration) =
        (Some(Duration::from_millis(30)), Duration::from_secs(2));

    #[test]
    fn what_a_wake_up_takes_is_no_stall() {
        let waits = waits(&parse(RECORDED).unwrap(), &[7]);
        let seen = Seen::of(Sample::default(), &waits, STOLEN).unwrap();
        // 3 of idle and 0.7 of other programs within a millisecond; 0.02 and 0.03 do not count.
        assert_eq!(seen.idle, Waited { longest: 3.0, long: 3000.0 });
        assert_eq!(seen.held, Waited { longest: 0.7, long: 700.0 });
        assert_eq!(seen.stolen, Some(15.0));
        let untold = Seen::of(Sample::default(), &waits, (None, STOLEN.1)).unwrap();
        assert_eq!(untold.stolen, None, "which is not nothing");
    }

    #[test]
    fn a_server_that_never_ran_says_nothing() {
        assert!(Seen::of(Sample::default(), &Waits::default(), STOLEN).is_err());
    }

    #[test]
    fn where_wake_ups_are_missing_nothing_is_said() {
        let of = |unknown| {
            let all = vec![Wait::default(); 99];
            let waits = Waits { all, unknown, span: Duration::from_secs(1) };
            Seen::of(Sample::default(), &waits, STOLEN).err()
        };
        assert_eq!(of(1), None);
        assert_eq!(of(2).as_deref(), Some("2 of 101 of its wake-ups were not recorded"));
    }
}
