//! The table of all settings: names, meaning, how each is read, checked and shown.
//!
//! Pure.

mod client;
mod discovery;
mod process;
mod server;

use crate::config::{Config, ConfigError, ValueError, spelling};

/// One setting.
///
/// The three functions know the field; all else treats settings alike.
#[derive(Debug)]
pub(super) struct Setting {
    /// Without its dashes; also the name of the setting in messages.
    pub(super) flag: &'static str,
    /// Variables that are looked at; the first that is set wins.
    pub(super) environment: &'static [&'static str],
    /// What stands for the value in the help.
    pub(super) placeholder: &'static str,
    /// What it is for, in a sentence or two.
    pub(super) summary: &'static str,
    /// What may stand there, for errors.
    pub(super) allowed: &'static str,
    /// The names that are allowed, where names are.
    names: fn() -> Vec<&'static str>,
    read: fn(&mut Config, &str) -> Result<(), ValueError>,
    check: fn(&Config) -> bool,
    show: fn(&Config) -> String,
}

impl Setting {
    /// Puts `text` into `config`; `origin` says in messages where the text stands.
    pub(super) fn assign(
        &self,
        config: &mut Config,
        origin: &str,
        text: &str,
    ) -> Result<(), ConfigError> {
        let text = text.trim();
        (self.read)(config, text).map_err(|reason| self.invalid(origin, text, reason))?;
        self.checked(config, origin, text)
    }

    /// Checks what is in `config`, whoever put it there.
    pub(super) fn validate(&self, config: &Config) -> Result<(), ConfigError> {
        self.checked(config, self.flag, &self.shown(config))
    }

    /// The value in `config`, as a user would write it.
    pub(super) fn shown(&self, config: &Config) -> String {
        (self.show)(config)
    }

    fn checked(&self, config: &Config, origin: &str, text: &str) -> Result<(), ConfigError> {
        if (self.check)(config) {
            return Ok(());
        }
        Err(self.invalid(origin, text, ValueError::OutOfRange))
    }

    fn invalid(&self, origin: &str, text: &str, reason: ValueError) -> ConfigError {
        ConfigError::Invalid {
            setting: origin.into(),
            value: text.into(),
            allowed: self.allowed,
            meant: spelling::nearest(text, (self.names)().into_iter()),
            reason,
        }
    }
}

/// All settings, under the headings of the help.
pub(super) const GROUPS: &[(&str, &[Setting])] = &[
    ("Discovery", discovery::SETTINGS),
    ("Server", server::SETTINGS),
    ("Client", client::SETTINGS),
    ("Process", process::SETTINGS),
];

/// All settings in order.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|(_, settings)| settings.iter())
}

/// What a setting is unless its entry says otherwise.
const PLAIN: Setting = Setting {
    flag: "",
    environment: &[],
    placeholder: "TEXT",
    summary: "",
    allowed: "",
    names: Vec::new,
    read: |_, _| Ok(()),
    check: |_| true,
    show: |_| String::new(),
};

/// Puts a value that was read into its field.
fn set<T>(field: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    value.map(|value| *field = value)
}

/// Whether a text can name a service, a version or a node.
fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Fits wherever names travel or become labels.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_setting_is_complete_and_unlike_the_others() {
        let mut seen = HashSet::new();
        for setting in all() {
            let Setting { flag, environment, placeholder, summary, allowed, .. } = setting;
            assert!(!flag.is_empty() && !placeholder.is_empty() && !environment.is_empty());
            assert!(!summary.is_empty() && !allowed.is_empty(), "{flag}");
            assert!(!setting.shown(&Config::default()).is_empty(), "{flag}");
            assert!(seen.insert(*flag), "{flag}");
            assert!(environment.iter().all(|name| seen.insert(name)), "{environment:?}");
        }
    }

    #[test]
    fn the_first_variable_is_named_after_the_flag() {
        for setting in all() {
            let name = format!("CALLBOARD_{}", setting.flag.replace('-', "_").to_uppercase());
            assert_eq!(setting.environment[0], name);
        }
    }

    #[test]
    fn every_name_is_among_what_errors_and_help_say_is_allowed() {
        for setting in all() {
            for name in (setting.names)() {
                let allowed = setting.allowed.split(", ").any(|word| word == name);
                assert!(allowed, "{name} in `{}`", setting.allowed);
            }
        }
    }

    #[test]
    fn a_name_has_no_gaps() {
        assert!(is_name("greeter") && is_name("grüßer-1.0"));
        assert!(is_name(&"x".repeat(255)) && !is_name(&"x".repeat(256)));
        assert!(!is_name("") && !is_name("a b") && !is_name("a\nb") && !is_name("a\0"));
    }
}
