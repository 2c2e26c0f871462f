//! Profiles: what each side of a workload does with its processor.

pub(crate) mod cases;
mod condense;
mod delay;
mod group;
mod perf;
mod script;
mod stalls;
mod switches;
mod take;

use serde::{Deserialize, Serialize};

pub(crate) use self::group::Group;
pub(crate) use self::stalls::{LONG, Seen, Stalls, Waited};
pub(crate) use self::take::take;

/// All that were taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// UTC.
    pub(crate) date: String,
    pub(crate) commit: String,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    pub(crate) all: Vec<Profile>,
}

/// That of one system in one case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// The title of the case.
    pub(crate) case: String,
    pub(crate) system: String,
    pub(crate) sides: Vec<Side>,
    /// Who had the processors, where that is the question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) holders: Vec<Holder>,
    /// What made calls late, where that is the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stalls: Option<Stalls>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// A process, or a thread of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) name: String,
    /// Nanoseconds of processor time per call, or what else is counted.
    pub(crate) nanos: f64,
    pub(crate) samples: usize,
    /// Share of the time in which it was runnable and not running: another program had its processor,
    /// or it was being woken.
    pub(crate) delayed: f64,
    /// How often per second it was taken off its processor.
    pub(crate) taken: f64,
    /// Their shares, the greatest first.
    pub(crate) groups: Vec<(Group, f64)>,
    /// Those with the greatest shares.
    pub(crate) symbols: Vec<Symbol>,
}

/// A function, as the compiler has left it: what is inlined counts where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) share: f64,
}

/// Who had a processor, and for which share of the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) processor: u32,
    pub(crate) command: String,
    pub(crate) share: f64,
}

impl Profiles {
    /// That of a system in a case.
    pub(crate) fn find(&self, case: &str, system: &str) -> Option<&Profile> {
        self.all.iter().find(|profile| profile.case == case && profile.system == system)
    }

    /// One profile per line, so that changes can be read.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let Self { date, commit, note, all } = self;
        let lines =
            all.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?.join(",\n");
        let note = match note {
            Some(note) => format!("\"note\": {},\n", serde_json::to_string(note)?),
            None => String::new(),
        };
        let [date, commit] = [date, commit].map(serde_json::to_string);
        let (date, commit) = (date?, commit?);
        Ok(format!("{{\"date\": {date}, \"commit\": {commit},\n{note}\"all\": [\n{lines}\n]}}\n"))
    }
}

impl Side {
    /// The share of a group.
    pub(crate) fn share(&self, group: Group) -> f64 {
        self.groups.iter().find(|(other, _)| *other == group).map_or(0.0, |(_, share)| *share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_from_before_there_were_stalls_are_read() {
        let json = serde_json::to_string(&Profile::default()).unwrap();
        assert!(!json.contains("stalls"));
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), Profile::default());
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let symbol = Symbol { name: "tcp_ack".into(), share: 0.25 };
        let side = Side {
            name: "client".into(),
            groups: vec![(Group::Network, 0.5)],
            symbols: vec![symbol],
            ..Side::default()
        };
        let holder = Holder { processor: 1, command: "load".into(), share: 0.5 };
        let stalls = Some(Stalls::Seen(Seen::default()));
        let profile =
            Profile { sides: vec![side], holders: vec![holder], stalls, ..Profile::default() };
        let note = Some("no \"perf\"".to_owned());
        for (note, all) in [(None, vec![profile.clone(), profile]), (note, vec![])] {
            let this = Profiles { note, all, ..Profiles::default() };
            let json = this.to_json().unwrap();
            assert_eq!(serde_json::from_str::<Profiles>(&json).unwrap(), this);
        }
    }
}
