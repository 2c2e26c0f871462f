//! Follows a file that lists nodes.
//!
//! A thread of its own looks at the file, so that nobody else ever waits for a disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::StaticOptions;
use super::text::parse_file;
use crate::registry::snapshot::{Snapshot, publish};

/// The last good view of a file, and what is wrong with the file now.
#[derive(Debug)]
pub(super) struct Follower {
    shared: Arc<Shared>,
    // Dropping it ends the thread.
    _stop: mpsc::Sender<()>,
}

impl Follower {
    /// Reads the file once, then looks at it as often as `options` say.
    pub(super) fn start(path: PathBuf, options: StaticOptions) -> Self {
        let shared = Arc::new(Shared {
            path,
            snapshots: watch::Sender::new(Snapshot::default()),
            state: Mutex::new(State::default()),
        });
        shared.look();
        let (stop, stopped) = mpsc::channel();
        let poll = options.poll.max(POLL_MIN);
        let follower = shared.clone();
        let thread = thread::Builder::new().name("callboard-static".into());
        let spawned = thread.spawn(move || {
            while stopped.recv_timeout(poll) == Err(RecvTimeoutError::Timeout) {
                follower.look();
            }
        });
        if let Err(error) = spawned {
            shared.report(format!("cannot be followed: {error}"));
        }
        Self { shared, _stop: stop }
    }

    pub(super) fn path(&self) -> &Path {
        &self.shared.path
    }

    pub(super) fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.shared.snapshots.subscribe()
    }

    /// What is wrong with the file now.
    pub(super) fn problem(&self) -> Option<String> {
        self.shared.state.lock().problem.clone()
    }

    /// Whether there ever was a good view.
    pub(super) fn has_been_read(&self) -> bool {
        self.shared.state.lock().has_been_read
    }
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    snapshots: watch::Sender<Snapshot>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Stamp>,
    problem: Option<String>,
    has_been_read: bool,
}

/// What tells one content of a file from another without reading it.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Shared {
    /// Reads the file if it differs from what was read last.
    fn look(&self) {
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp { modified: metadata.modified().ok(), length: metadata.len() },
            Err(error) => {
                // Whatever appears next is read, even if it is the old file again.
                self.state.lock().seen = None;
                return self.report(error.to_string());
            }
        };
        if self.state.lock().seen.as_ref() == Some(&stamp) {
            return;
        }
        match read(&self.path).map_err(|error| error.to_string()).and_then(|t| parse_file(&t)) {
            Ok(services) => {
                publish(&self.snapshots, services);
                let mut state = self.state.lock();
                state.problem = None;
                state.has_been_read = true;
            }
            Err(problem) => self.report(problem),
        }
        // After reading, so that a change during it is seen at the next look.
        self.state.lock().seen = Some(stamp);
    }

    fn report(&self, problem: String) {
        let mut state = self.state.lock();
        if state.problem.as_ref() != Some(&problem) {
            tracing::error!(path = %self.path.display(), problem, "static registry cannot be read");
            state.problem = Some(problem);
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_MAX {
        return Err(io::Error::other(format!("longer than {FILE_MAX} bytes")));
    }
    Ok(text)
}

/// Bytes of a file; room for 10,000 nodes with many labels.
const FILE_MAX: u64 = 8 * 1024 * 1024;

/// The shortest time between two looks.
const POLL_MIN: Duration = Duration::from_millis(10);
