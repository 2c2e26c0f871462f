//! Takes the profiles.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard_benches::alone::Alone;
use callboard_benches::figure::Figure;
use callboard_benches::worker::{Answer, Client, Sample, Server, Workload};

use super::cases::{Case, Run, Way};
use super::condense::{IsOf, enough, holders, parts, side};
use super::delay::{Delay, stolen};
use super::perf::{Recording, What, why_not};
use super::script::{Taken, parse};
use super::{Holder, Profile, Profiles, Seen, Side, Stalls, switches};
use crate::about::About;
use crate::measure::{progress, start};
use crate::options::Options;
use crate::point::Point;
use crate::record::Comparison;
use crate::systems::System;

/// Profiles all cases; where that is not possible, says why.
///
/// What is offered is a share of the peaks of the comparison.
pub(crate) fn take(options: &Options, comparison: &Comparison) -> Profiles {
    let About { date, commit, .. } = About::gather(options);
    let mut profiles = Profiles { date, commit, note: why_not(), all: Vec::new() };
    if profiles.note.is_some() {
        return profiles;
    }
    let cases = Case::all();
    let bar = progress(cases.iter().map(|case| case.ways.len() as u64).sum());
    for case in &cases {
        for way in &case.ways {
            bar.inc(1);
            bar.set_message(format!("profile: {}, {}", case.title, way.name));
            let base = Profile {
                case: case.title.clone(),
                system: way.name.clone(),
                ..Profile::default()
            };
            let mut taken = profile(options, comparison, way);
            // On a busy machine `perf` may begin when all is over.
            if taken.is_err() {
                taken = profile(options, comparison, way);
            }
            let profile = match taken {
                Ok((sides, holders)) => Profile { sides, holders, ..base },
                Err(why) => {
                    bar.println(format!("no profile of {}, {}: {why}", case.title, way.name));
                    Profile { note: Some(why), ..base }
                }
            };
            let stalls = tail_of(way).map(|at| {
                let seen = stalls(options, comparison, at);
                // On a busy machine events are lost, or the recording ends too early.
                let seen = seen.or_else(|_| stalls(options, comparison, at));
                seen.map_or_else(Stalls::Unseen, Stalls::Seen)
            });
            profiles.all.push(Profile { stalls, ..profile });
        }
    }
    bar.finish_with_message("profiled");
    profiles
}

type Parts = (Vec<Side>, Vec<Holder>);

fn profile(options: &Options, comparison: &Comparison, way: &Way) -> Result<Parts, String> {
    let time = options.profile_time;
    let (sides, holders) = match &way.run {
        Run::Pair(point) => pair(options, comparison, (*point, &way.name))?,
        Run::Micro(alone) => {
            let program = &options.programs.micro;
            let parts: [(&str, IsOf); 2] = [("caller", is_first), ("actor", is_not_first)];
            (process(program, (alone, 1), time, &parts)?, Vec::new())
        }
        Run::Growth(alone, each) => {
            let parts: [(&str, IsOf); 1] = [("all", |_| true)];
            (process(&options.programs.growth, (alone, *each), time, &parts)?, Vec::new())
        }
    };
    Ok((enough(sides)?, holders))
}

/// Of a way whose question is what makes calls late, where it is and the system.
fn tail_of(way: &Way) -> Option<(Point, &str)> {
    match way.run {
        Run::Pair(point @ Point::Offered(_)) => Some((point, &way.name)),
        _ => None,
    }
}

/// A server that waits for its client.
fn serve(
    options: &Options,
    (point, name): (Point, &str),
    workload: &Workload,
) -> Result<Server, String> {
    let system = System::find(name).ok_or("there is no such system")?;
    start(options, (point, system), workload)
}

/// What a client measured.
fn sample(client: Client) -> Result<Sample, String> {
    match client.answer() {
        Answer::Measured(sample) => Ok(sample),
        Answer::Unsupported(why) | Answer::Failed(why) => Err(why),
    }
}

/// When the server could run and did not, in a run that is as long as those that are compared.
fn stalls(options: &Options, comparison: &Comparison, at: (Point, &str)) -> Result<Seen, String> {
    if !options.is_pinned {
        return Err(NOT_PINNED.into());
    }
    let seconds = options.profile_time.as_secs_f64();
    let workload = at.0.workload(seconds, comparison.peak(at.1, 0)).ok_or(NO_PEAK)?;
    let server = serve(options, at, &workload)?;
    // Before the client, since it must see the whole of what the client measures.
    let time = Duration::from_secs_f64(workload.seconds) + WARM_UP + START;
    let mut recording = Recording::start(What::Switches, time)?;
    let (begun, before) = (Instant::now(), stolen());
    let client = server.client(&workload)?;
    sleep(WARM_UP);
    let threads = threads(server.id());
    let sample = sample(client)?;
    let since = |before| stolen().map(|now| now.saturating_sub(before));
    let stolen = (before.and_then(since), begun.elapsed());
    if !recording.is_going_on() {
        return Err("the recording ended before the client did".into());
    }
    let events = switches::parse(&recording.end()?)?;
    Seen::of(sample, &switches::waits(&events, &threads), stolen)
}

/// The threads of a process.
fn threads(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).collect()
}

/// A client and a server.
fn pair(
    options: &Options,
    comparison: &Comparison,
    (point, name): (Point, &str),
) -> Result<Parts, String> {
    let time = options.profile_time;
    let workload = point.workload(1.0, comparison.peak(name, 0)).ok_or(NO_PEAK)?;
    let workload = Workload { seconds: (time + START).as_secs_f64(), ..workload };
    let server = serve(options, (point, name), &workload)?;
    let client = server.client(&workload)?;
    sleep(WARM_UP);
    let processes = [client.id(), server.id()];
    let recording = Recording::start(What::Samples, time)?;
    let (begun, before) = (Instant::now(), processes.map(Delay::of));
    sleep(time);
    let (elapsed, after) = (begun.elapsed().as_secs_f64(), processes.map(Delay::of));
    // Its samples are read when nothing is measured any more.
    let sample = sample(client)?;
    let taken = parse(&recording.end()?);
    let cpu = [("client", sample.client_cpu), ("server", sample.server_cpu)];
    let sides = cpu.iter().enumerate().map(|(index, (name, micros))| {
        let own: Vec<_> = taken.iter().filter(|it| it.process == processes[index]).collect();
        let delay = after[index].since(before[index]);
        Side {
            nanos: micros * 1e3,
            delayed: Duration::from_nanos(delay.waited).as_secs_f64() / elapsed,
            taken: delay.taken as f64 / elapsed,
            ..side(name, &own)
        }
    });
    let is_question = matches!(point, Point::Offered(_));
    Ok((sides.collect(), if is_question { holders(&taken) } else { Vec::new() }))
}

fn is_first(taken: &Taken) -> bool {
    taken.thread == taken.process
}

fn is_not_first(taken: &Taken) -> bool {
    !is_first(taken)
}

/// A process that does one thing alone, of which each operation is so many.
fn process(
    program: &Path,
    (alone, each): (&Alone, u32),
    time: Duration,
    of: &[(&str, IsOf)],
) -> Result<Vec<Side>, String> {
    let alone = Alone { time: time + START, ..alone.clone() };
    let mut running = Running::start(program, &alone)?;
    let taken = parse(&Recording::start(What::Samples, time)?.end()?);
    let figure = running.figure()?;
    Ok(parts(&taken, running.0.id(), figure.value / f64::from(each), of))
}

/// A process that has announced that it begins; killed when dropped before its end.
struct Running(Child);

impl Running {
    fn start(program: &Path, alone: &Alone) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(alone.to_words()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let text = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut this = Self(command.spawn().map_err(text)?);
        let mut line = String::new();
        if let Some(output) = &mut this.0.stdout {
            // All that comes before the figure; nothing of that is kept.
            BufReader::with_capacity(1, output).read_line(&mut line).map_err(text)?;
        }
        if line.is_empty() {
            Err(format!("{} does not begin", program.display()))
        } else {
            Ok(this)
        }
    }

    fn figure(&mut self) -> Result<Figure, String> {
        let mut text = String::new();
        if let Some(output) = &mut self.0.stdout {
            output.read_to_string(&mut text).map_err(|error| error.to_string())?;
        }
        text.lines().find_map(Figure::from_line).ok_or_else(|| "it told no figure".to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself, or nobody wants what it does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why it is not known whether a server's processor had nobody.
const NOT_PINNED: &str = "it was not bound to a processor";

/// Why nothing can be offered.
const NO_PEAK: &str = "its peak is not known";

/// Time for a client's warm-up, and its start.
const WARM_UP: Duration = Duration::from_millis(400);

/// What a run lasts beyond what is sampled, since `perf` takes a while to begin.
const START: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::comparison;

    #[test]
    fn whose_processor_is_not_known_is_not_seen() {
        let point = Point::Offered(50);
        let why = |words: &[&str]| {
            let options = Options::parse(words).unwrap();
            stalls(&options, &comparison(point, &[]), (point, "callboard")).unwrap_err()
        };
        assert_eq!((why(&["--no-pin"]).as_str(), why(&[]).as_str()), (NOT_PINNED, NO_PEAK));
    }
}
