//! The flags. Pure.

use std::path::PathBuf;
use std::time::Duration;

use crate::systems::{SYSTEMS, System};

/// What is compared, and where everything is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// The folder `benches`.
    pub(crate) home: PathBuf,
    /// Where results, plots and the text go; the home by default, but not for a trial.
    pub(crate) output: PathBuf,
    pub(crate) programs: Programs,
    pub(crate) systems: Vec<&'static System>,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) is_pinned: bool,
    /// How long each profile is sampled.
    pub(crate) profile_time: Duration,
    pub(crate) task: Task,
}

/// What is done; the text and the plots are written in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Everything is measured and profiled.
    Measure,
    /// Only profiles are taken; the figures are the last ones.
    Profile,
    /// Nothing is: the text is written anew from what was.
    Render,
}

/// The programs of measured systems.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Programs {
    /// The yardsticks and callboard.
    pub(crate) load: PathBuf,
    /// The rivals.
    pub(crate) peers: PathBuf,
    /// Both sides of what is measured over HTTP.
    pub(crate) door: PathBuf,
    /// What is measured within a process, which is profiled here.
    pub(crate) micro: PathBuf,
    /// Likewise for growth.
    pub(crate) growth: PathBuf,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            home: PathBuf::from("benches"),
            output: PathBuf::new(),
            programs: Programs::default(),
            systems: SYSTEMS.iter().collect(),
            rounds: 5,
            seconds: 1.0,
            is_pinned: true,
            profile_time: Duration::from_secs(1),
            task: Task::Measure,
        };
        let (mut words, mut is_quick) = (words.iter(), false);
        while let Some(flag) = words.next() {
            let mut value = || words.next().copied().ok_or(format!("{flag} needs a value\n{HELP}"));
            match *flag {
                "--home" => options.home = value()?.into(),
                "--output" => options.output = value()?.into(),
                "--load" => options.programs.load = value()?.into(),
                "--peers" => options.programs.peers = value()?.into(),
                "--door" => options.programs.door = value()?.into(),
                "--micro" => options.programs.micro = value()?.into(),
                "--growth" => options.programs.growth = value()?.into(),
                "--systems" => options.systems = systems(value()?)?,
                "--rounds" => options.rounds = number(value()?)?,
                "--seconds" => options.seconds = number(value()?)?,
                "--quick" => {
                    is_quick = true;
                    (options.rounds, options.seconds) = (2, 0.3);
                    options.profile_time = Duration::from_millis(300);
                }
                "--no-pin" => options.is_pinned = false,
                "--profile" => options.task = Task::Profile,
                "--render" => options.task = Task::Render,
                _ => return Err(format!("`{flag}` is no flag\n{HELP}")),
            }
        }
        if options.output.as_os_str().is_empty() {
            // What a trial measures is not worth keeping.
            options.output = options.home.join(if is_quick { "peers/target/trial" } else { "" });
        }
        if options.rounds == 0 || options.seconds.is_nan() || options.seconds <= 0.0 {
            return Err("--rounds and --seconds are more than 0".into());
        }
        Ok(options)
    }
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            load: "load".into(),
            peers: "peers".into(),
            door: "door".into(),
            micro: "micro".into(),
            growth: "growth".into(),
        }
    }
}

fn systems(text: &str) -> Result<Vec<&'static System>, String> {
    let find = |name| System::find(name).ok_or_else(|| format!("no system is called `{name}`"));
    text.split(',').map(find).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits"))
}

const HELP: &str = "\
--rounds 5          how often each is measured, in turns
--seconds 1         how long, each time
--quick             2 rounds of 0.3 s, to see that everything works; into peers/target/trial
--systems a,b,c     only these
--no-pin            let server and client run on any processor
--profile           only take the profiles anew; needs the program perf
--render            write the text and the plots anew from the last results
--output FOLDER     write there instead";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_home_unless_told_otherwise() {
        let options = Options::parse(&["--home", "here"]).unwrap();
        assert_eq!((options.output, options.rounds), (PathBuf::from("here/"), 5));
        let options = Options::parse(&["--home", "here", "--quick"]).unwrap();
        assert_eq!(options.output, PathBuf::from("here/peers/target/trial"));
        let options = Options::parse(&["--output", "there", "--systems", "floor,nats"]).unwrap();
        assert_eq!(options.output, PathBuf::from("there"));
        assert_eq!(options.systems.iter().map(|it| it.name).collect::<Vec<_>>(), ["floor", "nats"]);
    }

    #[test]
    fn profiles_can_be_taken_alone() {
        assert_eq!(Options::parse(&[]).unwrap().task, Task::Measure);
        assert_eq!(Options::parse(&["--profile"]).unwrap().task, Task::Profile);
        let quick = Options::parse(&["--quick", "--render"]).unwrap();
        assert_eq!((quick.task, quick.profile_time), (Task::Render, Duration::from_millis(300)));
    }

    #[test]
    fn mistakes_are_refused() {
        for words in [&["--rounds", "0"][..], &["--systems", "go"], &["--seconds"], &["--fast"]] {
            assert!(Options::parse(words).is_err(), "{words:?}");
        }
    }
}
