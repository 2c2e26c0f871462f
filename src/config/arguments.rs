//! Reads a command line.
//!
//! Pure.

use crate::config::setting::{self, Setting};
use crate::config::{ConfigError, spelling};

/// What a command line asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// To run, with these settings.
    Run(Vec<(&'static Setting, String)>),
    /// To print the help.
    Help,
    /// To print the version.
    Version,
}

impl Command {
    /// Reads `arguments`, which do not begin with the program's name.
    ///
    /// The first mistake, `--help` or `--version` decides, whichever stands first.
    pub(super) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, ConfigError> {
        let mut settings = Vec::new();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            match name {
                "--help" | "-help" | "-h" => return alone("help", value.as_ref(), Self::Help),
                "--version" | "-version" | "-V" => {
                    return alone("version", value.as_ref(), Self::Version);
                }
                _ => {}
            }
            let setting = find(name, &argument)?;
            let value = match value {
                Some(value) => value,
                None => following(setting, arguments.next())?,
            };
            settings.push((setting, value));
        }
        Ok(Self::Run(settings))
    }
}

fn alone(
    flag: &'static str,
    value: Option<&String>,
    command: Command,
) -> Result<Command, ConfigError> {
    value.map_or(Ok(command), |_| Err(ConfigError::UnexpectedValue { flag }))
}

/// The argument behind a flag; one that is or looks like a flag says that the value was forgotten.
fn following(setting: &Setting, next: Option<String>) -> Result<String, ConfigError> {
    let is_flag = |next: &str| {
        let name = next.split_once('=').map_or(next, |(name, _)| name);
        next.starts_with("--") || find(name, next).is_ok()
    };
    next.filter(|next| !is_flag(next))
        .ok_or(ConfigError::MissingValue { flag: setting.flag, allowed: setting.allowed })
}

/// The setting that `name` is the flag of; `argument` is all that was written.
///
/// One dash will do, and underscores are dashes: so Go Micro's command lines are understood.
fn find(name: &str, argument: &str) -> Result<&'static Setting, ConfigError> {
    let flag = name.strip_prefix("--").or_else(|| name.strip_prefix('-')).unwrap_or_default();
    if flag.is_empty() || flag == "-" {
        return Err(ConfigError::UnexpectedArgument { argument: argument.into() });
    }
    let flag = flag.replace('_', "-");
    setting::all().find(|setting| setting.flag == flag).ok_or_else(|| ConfigError::UnknownFlag {
        flag: name.into(),
        meant: spelling::nearest(&flag, flags()),
    })
}

fn flags() -> impl Iterator<Item = &'static str> {
    setting::all().map(|setting| setting.flag).chain(["help", "version"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, ConfigError> {
        Command::read(line.split_whitespace().map(str::to_owned))
    }

    fn settings(line: &str) -> Vec<(&'static str, String)> {
        match read(line) {
            Ok(Command::Run(settings)) => {
                settings.into_iter().map(|(setting, value)| (setting.flag, value)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_follows_its_flag_or_an_equals_sign() {
        let expected = [("registry", "mdns".to_owned()), ("server-id", "a=b".to_owned())];
        assert_eq!(settings("--registry mdns --server-id=a=b"), expected);
        assert_eq!(settings("--registry=mdns --server-id a=b"), expected);
        assert_eq!(settings(""), []);
    }

    #[test]
    fn a_value_behind_an_equals_sign_may_be_empty_or_look_like_a_flag() {
        let expected = [("server-id", String::new()), ("server-id", "--x".to_owned())];
        assert_eq!(settings("--server-id= --server-id=--x"), expected);
        assert_eq!(settings("--server-id -x"), [("server-id", "-x".to_owned())]);
    }

    #[test]
    fn go_micros_spelling_is_understood() {
        let expected = [("registry", "mdns".to_owned()), ("server-id", "a_b".to_owned())];
        assert_eq!(settings("-registry mdns --server_id a_b"), expected);
        assert_eq!(settings("-registry=mdns -server_id=a_b"), expected);
    }

    #[test]
    fn help_and_version_are_asked_for_alone() {
        assert!(matches!(read("--registry mdns --help --nonsense"), Ok(Command::Help)));
        assert!(matches!(read("-h"), Ok(Command::Help)));
        assert!(matches!(read("--version"), Ok(Command::Version)));
        assert!(matches!(read("-V"), Ok(Command::Version)));
    }

    #[test]
    fn every_mistake_says_what_to_write_instead() {
        for (line, text) in [
            ("--regsitry mdns", "unknown flag `--regsitry`; did you mean `--registry`?"),
            ("--regsitry=mdns", "unknown flag `--regsitry`; did you mean `--registry`?"),
            ("--hepl", "unknown flag `--hepl`; did you mean `--help`?"),
            ("--verbose", "unknown flag `--verbose`"),
            ("-regsitry mdns", "unknown flag `-regsitry`; did you mean `--registry`?"),
            ("-x", "unknown flag `-x`"),
            ("run", "unexpected argument `run`; only flags are understood, see `--help`"),
            ("a=b", "unexpected argument `a=b`; only flags are understood, see `--help`"),
            ("--", "unexpected argument `--`; only flags are understood, see `--help`"),
            ("-", "unexpected argument `-`; only flags are understood, see `--help`"),
            ("--registry", "`--registry` needs a value; allowed: mdns, static, consul, memory"),
            (
                "--registry --selector random",
                "`--registry` needs a value; allowed: mdns, static, consul, memory",
            ),
            (
                "-registry -selector random",
                "`--registry` needs a value; allowed: mdns, static, consul, memory",
            ),
            ("--help=yes", "`--help` takes no value"),
            ("--version=1", "`--version` takes no value"),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), text, "{line}");
        }
    }
}
