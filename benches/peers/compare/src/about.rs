//! When, where and with what a comparison was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::systems::SYSTEMS;

/// What has to be known to make the same comparison again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// UTC.
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    /// MiB.
    pub(crate) memory: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// By package, from the lock file, and of the nats-server.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) rounds: u32,
    /// Time of each measurement.
    pub(crate) seconds: f64,
    /// Server on processor 0, client on 1.
    pub(crate) is_pinned: bool,
}

impl About {
    /// Looks around.
    pub(crate) fn gather(options: &Options) -> Self {
        let lock = read(&options.home.join("peers/Cargo.lock"));
        let mut versions: BTreeMap<String, String> = SYSTEMS
            .iter()
            .filter_map(|system| system.package)
            .filter_map(|package| Some((package.to_owned(), version(&lock, package)?)))
            .collect();
        if let Some(line) = said(Command::new("nats-server").arg("--version")) {
            let number = line.rsplit(' ').next().unwrap_or_default().trim_start_matches('v');
            versions.insert("nats-server".into(), number.to_owned());
        }
        let unknown = || "unknown".to_owned();
        Self {
            date: said(Command::new("date").args(["-u", "+%F %H:%M"])).unwrap_or_else(unknown),
            commit: commit(&options.home).unwrap_or_else(unknown),
            processor: value(&read(Path::new("/proc/cpuinfo")), "model name", ':')
                .unwrap_or_else(unknown),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: memory(&read(Path::new("/proc/meminfo"))),
            kernel: read(Path::new("/proc/sys/kernel/osrelease")).trim().to_owned(),
            rustc: said(Command::new("rustc").arg("--version")).unwrap_or_else(unknown),
            versions,
            rounds: options.rounds,
            seconds: options.seconds,
            is_pinned: options.is_pinned,
        }
    }
}

/// The commit, and whether the sources differ from it.
fn commit(home: &Path) -> Option<String> {
    let git = |words: &[&str]| said(Command::new("git").arg("-C").arg(home).args(words));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", ":/*.rs", ":/*.toml"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit} with changes") })
}

/// The first version of a package in a lock file.
fn version(lock: &str, package: &str) -> Option<String> {
    let entry = lock.split("[[package]]").find(|entry| {
        value(entry, "name", '=').is_some_and(|name| name.trim_matches('"') == package)
    })?;
    Some(value(entry, "version", '=')?.trim_matches('"').to_owned())
}

fn memory(text: &str) -> u64 {
    let line = value(text, "MemTotal", ':').unwrap_or_default();
    line.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// What stands behind a key in a file with one pair per line.
fn value(text: &str, key: &str, separator: char) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    let mut found = pairs.filter(|(name, _)| name.trim() == key);
    found.next().map(|(_, value)| value.trim().to_owned())
}

/// What a program says, if it can be run.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// A file, or nothing where there is none.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"tonic-build\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"tonic\"\nversion = \"0.14.9\"\n";
        assert_eq!(version(lock, "tonic").as_deref(), Some("0.14.9"));
        assert_eq!(version(lock, "kameo"), None);
    }

    #[test]
    fn memory_is_read_in_mebibytes() {
        assert_eq!(memory("MemTotal:        4096000 kB\nMemFree: 1 kB\n"), 4000);
    }
}
