//! The flags. Pure.

use std::path::PathBuf;

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
    /// Nothing is measured: the text is written anew from what was.
    pub(crate) only_render: bool,
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
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            home: PathBuf::from("benches"),
            output: PathBuf::new(),
            programs: Programs { load: "load".into(), peers: "peers".into(), door: "door".into() },
            systems: SYSTEMS.iter().collect(),
            rounds: 5,
            seconds: 1.0,
            is_pinned: true,
            only_render: false,
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
                "--systems" => options.systems = systems(value()?)?,
                "--rounds" => options.rounds = number(value()?)?,
                "--seconds" => options.seconds = number(value()?)?,
                "--quick" => {
                    is_quick = true;
                    (options.rounds, options.seconds) = (2, 0.3);
                }
                "--no-pin" => options.is_pinned = false,
                "--render" => options.only_render = true,
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
    fn mistakes_are_refused() {
        for words in [&["--rounds", "0"][..], &["--systems", "go"], &["--seconds"], &["--fast"]] {
            assert!(Options::parse(words).is_err(), "{words:?}");
        }
    }
}
