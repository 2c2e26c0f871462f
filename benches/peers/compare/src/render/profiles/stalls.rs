//! What made calls late: who stalled, for how long, and what that did to the latencies.

use super::super::table;
use crate::number::digits;
use crate::profile::{LONG, Profile, Seen, Stalls, Waited};
use crate::record::Metric;

/// A table with a column for each system; what could not be recorded is said.
pub(super) fn render(profiles: &[&Profile]) -> String {
    let seen = profiles.iter().filter_map(|profile| match &profile.stalls {
        Some(Stalls::Seen(seen)) => Some((profile.system.as_str(), seen)),
        _ => None,
    });
    let unseen = profiles.iter().filter_map(|profile| match &profile.stalls {
        Some(Stalls::Unseen(why)) => Some(format!(
            "Of {} it is not known when the server could run and did not: {why}.\n\n",
            profile.system,
        )),
        _ => None,
    });
    let (seen, text): (Vec<_>, String) = (seen.collect(), unseen.collect());
    if seen.is_empty() {
        return text;
    }
    let mut head = vec!["a run of its own".to_owned()];
    head.extend(seen.iter().map(|(system, _)| (*system).to_owned()));
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .map(|(name, of)| {
            let cells = seen.iter().map(|(_, seen)| digits(of(seen)));
            std::iter::once((*name).to_owned()).chain(cells).collect()
        })
        .collect();
    format!("{text}{}{}", introduction(), table(&head, &rows))
}

fn introduction() -> String {
    format!(
        "Who stalled: each ran once more while the scheduler's events were recorded, from before the \
         client was started until after it ended, its warm-up included. They tell when \
         the server was woken and when it ran. *Idle*: it did not run although its processor had \
         nobody, so whatever this system itself runs on did not run that processor. *Held*: another \
         program had it, or would have had it if the processor had been run. *Stolen* is the time that \
         processors had something to do and were not run, as the kernel counts it, to 10 ms of the \
         whole run. Waits of less than {} ms, the time of a wake-up, are left out of the sums. \
         At half of the peak catching up takes as long as the stall, so the calls of twice that time \
         are late: 5 ms of a second make a hundredth of all calls late, and so the p99 of a whole \
         run. The client's absence is its own longest stall, or its longest turn of work.\n\n",
        digits(LONG.as_secs_f64() * 1e3),
    )
}

/// A row's name, and where its figures are.
type Row = (&'static str, fn(&Seen) -> f64);

const ROWS: [Row; 9] = [
    ("p99 in p50s, whole run", |seen| Metric::Tail.of(&seen.sample)),
    ("p99 in p50s, median window", |seen| Metric::WindowTail.of(&seen.sample)),
    ("late windows, %", |seen| Metric::LateWindows.of(&seen.sample)),
    ("client away from the clock, longest, ms", |seen| Metric::ClientAway.of(&seen.sample) / 1e3),
    ("server idle, longest, ms", |seen| longest(seen.idle)),
    ("server idle, ms per second", |seen| long(seen.idle)),
    ("server held, longest, ms", |seen| longest(seen.held)),
    ("server held, ms per second", |seen| long(seen.held)),
    ("stolen, ms per second", |seen| seen.stolen.unwrap_or(f64::NAN)),
];

fn longest(waited: Waited) -> f64 {
    waited.longest
}

fn long(waited: Waited) -> f64 {
    waited.long
}

#[cfg(test)]
mod tests {
    use callboard_benches::worker::Sample;

    use super::*;

    fn profile(system: &str, stalls: Option<Stalls>) -> Profile {
        Profile { system: system.to_owned(), stalls, ..Profile::default() }
    }

    #[test]
    fn stalls_stand_beside_what_they_did() {
        let sample = Sample {
            p50: 50.0,
            p99: 1500.0,
            window_p50: Some(40.0),
            window_p99: Some(120.0),
            late_windows: Some(0.25),
            client_away: Some(300.0),
            ..Sample::default()
        };
        let idle = Waited { longest: 7.0, long: 14.5 };
        let seen = Seen { sample, idle, held: Waited::default(), stolen: Some(2.5) };
        let seen = profile("callboard", Some(Stalls::Seen(seen)));
        let unseen = profile("floor", Some(Stalls::Unseen("perf record: no such event".into())));
        let text = render(&[&seen, &unseen]);
        for part in [
            "Of floor it is not known when the server could run and did not: perf record: no such event.",
            "Waits of less than 0.20 ms",
            "| a run of its own | callboard |\n",
            "| p99 in p50s, whole run | 30.0 |\n| p99 in p50s, median window | 3.00 |",
            "| late windows, % | 25.0 |\n| client away from the clock, longest, ms | 0.30 |",
            "| server idle, longest, ms | 7.00 |\n| server idle, ms per second | 14.5 |",
            "| server held, longest, ms | 0.00 |\n| server held, ms per second | 0.00 |\n| stolen, ms per second | 2.50 |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_nothing() {
        let text = render(&[&profile("callboard", Some(Stalls::Seen(Seen::default())))]);
        assert!(text.contains("| stolen, ms per second | – |"), "{text}");
    }

    #[test]
    fn where_it_is_no_question_nothing_is_said() {
        assert_eq!(render(&[&profile("callboard", None)]), "");
    }
}
