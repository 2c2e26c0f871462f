//! Runs everything, in turns.

use callboard_benches::worker::{Answer, Server, Workload};
use indicatif::{ProgressBar, ProgressStyle};

use crate::about::About;
use crate::options::Options;
use crate::point::Point;
use crate::record::{Comparison, Run};
use crate::systems::{Role, System};

/// Measures all systems with all workloads, round after round.
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
    for round in 0..options.rounds {
        for (point, system) in &plan {
            let whole = options.rounds;
            bar.set_message(format!("round {} of {whole}, {point}, {}", round + 1, system.name));
            let run = run(&comparison, (round, *point, system), options);
            if let Some(note) = &run.note
                && round == 0
            {
                bar.println(format!("{}, {point}: {note}", system.name));
            }
            comparison.runs.push(run);
            bar.inc(1);
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
        Some(workload) => call(system, workload, options),
    };
    let (sample, note) = match answer {
        Answer::Measured(sample) => (Some(sample), None),
        Answer::Unsupported(why) => (None, Some(why)),
        Answer::Failed(why) => (None, Some(format!("failed: {why}"))),
    };
    Run { round, system: system.name.to_owned(), point, workload, sample, note }
}

fn call(system: &System, workload: &Workload, options: &Options) -> Answer {
    let [load, peers] = &options.programs;
    let program = if system.role == Role::Rival { peers } else { load };
    match Server::start(program, system.name, options.is_pinned) {
        Ok(server) => server.measure(workload),
        Err(error) => Answer::Failed(error),
    }
}

fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)");
    bar.set_style(style.expect("the template is right"));
    bar
}
