//! Writes the text of `--help`.
//!
//! Pure.

use crate::config::Config;
use crate::config::setting::{GROUPS, Setting};

/// The help of a program whose own settings are `base`; they are shown as the defaults.
pub(super) fn text(base: &Config) -> String {
    let Config { server_name, server_version, .. } = base;
    let mut text = format!("{server_name} {server_version}\n\nUsage: {server_name} [FLAGS]\n\n");
    text += INTRODUCTION;
    for (heading, settings) in GROUPS {
        text.extend(["\n", heading, ":\n"]);
        for setting in *settings {
            text += &entry(setting, base);
        }
    }
    text += "\nOther:\n";
    text += &row("--help, -h", "Prints this.");
    text += &row("--version, -V", "Prints the version.");
    text
}

fn entry(setting: &Setting, base: &Config) -> String {
    let flag = format!("--{} <{}>", setting.flag, setting.placeholder);
    let shown = setting.shown(base);
    let environment = setting.environment.join(", ");
    let mut text = row(&flag, setting.summary);
    text += &row("", &format!("[default: {shown}]"));
    text += &row("", &format!("[env: {environment}]"));
    text
}

/// A flag on the left, what it does on the right, in as many lines as that takes.
fn row(flag: &str, meaning: &str) -> String {
    let mut text = String::new();
    let mut left = flag;
    for line in wrapped(meaning, WIDTH - RIGHT) {
        text.extend([&format!("  {left:<width$}", width = RIGHT - 2), &*line, "\n"]);
        left = "";
    }
    text
}

/// Breaks a text between words; a word that is longer than a line keeps one of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("the list starts with a line and only grows");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

const INTRODUCTION: &str = "\
A flag wins over the environment, and the environment over what the program sets. Of a flag that is
given twice the last counts. An empty variable counts as not set.

Durations are written 500ms, 5s or 1m30s; a bare number is seconds.
";

/// Columns of a line.
const WIDTH: usize = 100;

/// The column where the right side starts: behind the longest flag.
const RIGHT: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting;

    #[test]
    fn every_setting_is_there_with_its_default_and_its_variables() {
        let config = Config::default();
        let text = text(&config);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for each in setting::all() {
            let entry = format!(
                "--{} <{}> {} [default: {}] [env: {}]",
                each.flag,
                each.placeholder,
                each.summary,
                each.shown(&config),
                each.environment.join(", ")
            );
            assert!(words.contains(&entry), "{entry}\n{text}");
        }
        assert!(words.ends_with("--help, -h Prints this. --version, -V Prints the version."));
    }

    #[test]
    fn no_line_is_too_long_or_ends_in_blanks() {
        let text = text(&Config::default());
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }

    #[test]
    fn the_flag_and_its_meaning_are_two_columns() {
        assert_eq!(
            row("--x", &"word ".repeat(13)),
            format!("  --x{}{}\n{}word\n", " ".repeat(35), ["word"; 12].join(" "), " ".repeat(40))
        );
    }

    #[test]
    fn the_defaults_are_those_of_the_program() {
        let base = Config { server_name: "greeter".into(), client_retries: 7, ..Config::default() };
        let text = text(&base);
        assert!(text.starts_with("greeter latest\n\nUsage: greeter [FLAGS]\n"), "{text}");
        assert!(text.contains("[default: 7]"), "{text}");
    }
}
