//! Runs everything, in turns.

use std::collections::HashSet;
use std::time::Duration;

use callboard_benches::worker::{Answer, Scheduling, Server, Workload};
use indicatif::{ProgressBar, ProgressStyle};

use crate::about::About;
use crate::options::{Options, Programs};
use crate::point::Point;
use crate::record::{Comparison, Run};
use crate::systems::{Role, System};

/// Measures all systems with all workloads, round after round; what a system has not is asked for
/// once.
///
/// Within a workload the systems follow each other directly, so that a machine that is busy for a
/// while is unfair to none. Each run has a server of its own, so that none pays for another's past.
pub(crate) fn measure(options: &Options) -> Comparison {
    let mut comparison = Comparison { about: About::gather(options), runs: Vec::new() };
    let plan: Vec<(Point, &System)> = Point::all()
        .into_iter()
        .flat_map(|point| options.systems.iter().map(move |system| (point, *system)))
        .filter(|(point, system)| system.is_measured_at(*point))
        .collect();
    let bar = progress(plan.len() as u64 * u64::from(options.rounds));
    let mut unsupported = HashSet::new();
    for round in 0..options.rounds {
        for (point, system) in &plan {
            bar.inc(1);
            if unsupported.contains(&(*point, system.name)) {
                continue;
            }
            let whole = options.rounds;
            bar.set_message(format!("round {} of {whole}, {point}, {}", round + 1, system.name));
            let run = run(&comparison, (round, *point, system), options);
            if let Some(note) = &run.note
                && round == 0
            {
                bar.println(format!("{}, {point}: {note}", system.name));
            }
            if is_unsupported(&run) {
                unsupported.insert((*point, system.name));
            }
            comparison.runs.push(run);
        }
    }
    bar.finish_with_message("measured");
    comparison
}

fn run(
    comparison: &Comparison,
    (round, point, system): (u32, Point, &System),
    options: &Options,
) -> Run {
    let peak = comparison.peak(system.name, round);
    let workload = point.workload(options.seconds, peak);
    let answer = match &workload {
        None => Answer::Unsupported("no unary call came through".into()),
        Some(workload) => call(options, (point, system), workload),
    };
    let (sample, note) = match answer {
        Answer::Measured(sample) => (Some(sample), None),
        Answer::Unsupported(why) => (None, Some(why)),
        Answer::Failed(why) => (None, Some(format!("{FAILED}{why}"))),
    };
    Run { round, system: system.name.to_owned(), point, workload, sample, note }
}

/// Whether the system said that it has no such workload, rather than failed at it.
fn is_unsupported(run: &Run) -> bool {
    let note = run.note.as_ref().filter(|_| run.workload.is_some());
    note.is_some_and(|note| !note.starts_with(FAILED))
}

/// Starts the server of a system for a workload at this point.
pub(crate) fn start(
    options: &Options,
    (point, system): (Point, &System),
    workload: &Workload,
) -> Result<Server, String> {
    let Programs { load, peers, door, .. } = &options.programs;
    let program = match (point, system.role) {
        (Point::Door(_), _) => door,
        (_, Role::Rival) => peers,
        _ => load,
    };
    let is_real_time = matches!(point, Point::RealTime(_));
    let scheduling = Scheduling { is_pinned: options.is_pinned, is_real_time };
    Server::start(program, system.name, scheduling, workload)
}

fn call(options: &Options, at: (Point, &System), workload: &Workload) -> Answer {
    if let (Point::RealTime(_), _) = at {
        if !Scheduling::has_real_time() {
            return Answer::Unsupported("real-time priority is not permitted here".into());
        }
        std::thread::sleep(REAL_TIME_PAUSE);
    }
    match start(options, at, workload) {
        Ok(server) => server.measure(workload),
        Err(error) => Answer::Failed(error),
    }
}

/// Shows how far it is.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)");
    bar.set_style(style.expect("the template is right"));
    bar
}

/// Before a run with real-time priority, so that what the one before it has used of the kernel's
/// allowance, 0.95 s of each second, is not missing.
const REAL_TIME_PAUSE: Duration = Duration::from_millis(300);

/// Begins the note about a client that broke.
const FAILED: &str = "failed: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_tried_again_and_what_there_is_not_is_not() {
        let run = |workload: Option<Workload>, note: Option<&str>| Run {
            round: 0,
            system: "a".into(),
            point: Point::OneWay,
            workload,
            sample: None,
            note: note.map(str::to_owned),
        };
        let workload = Some(Workload::default());
        assert!(is_unsupported(&run(workload, Some("there are no streams"))));
        assert!(!is_unsupported(&run(workload, Some("failed: no end in 15 s"))));
        assert!(!is_unsupported(&run(None, Some("no unary call came through"))));
        assert!(!is_unsupported(&run(workload, None)));
    }
}
