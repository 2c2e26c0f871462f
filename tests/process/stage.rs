//! What every scenario needs: a directory, servers, clients, and waits that end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::journal::lines_of;
use crate::ports::free_address;
use crate::program::Program;
use crate::program::client::Client;
use crate::program::server::Server;
use crate::program::talker::{Talk, Talker};

/// A scenario's directory, service and registry.
pub(crate) struct Stage {
    directory: PathBuf,
    pub(crate) service: String,
    /// The file of the static registry; without it nodes find each other over mDNS.
    registry: Option<PathBuf>,
    selector: &'static str,
    processes: AtomicU64,
}

/// A server process.
pub(crate) struct ServerProcess {
    pub(crate) child: Child,
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) executed: PathBuf,
}

/// A client process.
pub(crate) struct ClientProcess {
    pub(crate) child: Child,
    pub(crate) orders: Client,
}

/// A client process that streams.
pub(crate) struct TalkerProcess {
    pub(crate) child: Child,
    pub(crate) journal: PathBuf,
}

impl Stage {
    pub(crate) fn over_mdns(name: &str) -> Self {
        let unique = format!("{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(format!("callboard-{unique}"));
        fs::create_dir_all(&directory).expect("the directory for temporary files is writable");
        Self {
            directory,
            service: unique,
            registry: None,
            selector: "default",
            processes: AtomicU64::new(0),
        }
    }

    pub(crate) fn with_registry_file(name: &str) -> Self {
        let mut stage = Self::over_mdns(name);
        stage.registry = Some(stage.directory.join("registry"));
        stage
    }

    /// Has clients call all nodes alike, however long each of them takes.
    pub(crate) fn round_robin(mut self) -> Self {
        self.selector = "round-robin";
        self
    }

    pub(crate) fn has_file(&self) -> bool {
        self.registry.is_some()
    }

    pub(crate) fn registry_file(&self) -> &Path {
        self.registry.as_deref().expect("the scenario uses a file")
    }

    /// Writes the nodes into the registry's file.
    pub(crate) fn announce<'a>(&self, servers: impl IntoIterator<Item = &'a ServerProcess>) {
        let lines =
            servers.into_iter().map(|server| format!("{} {}\n", self.service, server.address));
        self.write_registry(&lines.collect::<String>());
    }

    /// Writes the registry's file; at once, as an editor should.
    pub(crate) fn write_registry(&self, lines: &str) {
        let draft = self.directory.join("draft");
        fs::write(&draft, lines).expect("the directory is writable");
        fs::rename(&draft, self.registry_file()).expect("the directory is writable");
    }

    /// The path of a file of this scenario's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Starts a server and waits until it is announced; `flags` come after the usual ones.
    pub(crate) fn server(&self, node: &str, flags: &[&str]) -> ServerProcess {
        self.limited_server(node, flags, usize::MAX, 1024)
    }

    /// Starts a server that handles `concurrency` requests at a time and queues `queue`.
    pub(crate) fn limited_server(
        &self,
        node: &str,
        flags: &[&str],
        concurrency: usize,
        queue: usize,
    ) -> ServerProcess {
        let executed = self.file(&format!("{node}.executed"));
        let orders =
            Server { node: node.to_owned(), executed: executed.clone(), concurrency, queue };
        let (child, address) = self.start_node(node, &Program::Server(orders), flags);
        ServerProcess { child, node: node.to_owned(), address, executed }
    }

    /// Starts a node and waits until it is announced; tells its address.
    pub(crate) fn start_node(
        &self,
        node: &str,
        program: &Program,
        flags: &[&str],
    ) -> (Child, String) {
        // While it is restarted at its address, nobody else gets it.
        let address = free_address().to_string();
        let mut all = vec!["--server-name", &self.service, "--server-address", &address];
        for (name, value) in self.settings() {
            all.extend([name.0, value]);
        }
        all.extend(flags);
        let mut child = Child::start(node, self.log_of(node), program, &all, &[]);
        let line = child.wait_for_line(" listening ", START);
        let address = line.split("address=\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        child.wait_for_line(" registered", START);
        (child, address)
    }

    /// Starts a client that calls in `phases`; what `change` does not change has defaults.
    pub(crate) fn client(
        &self,
        phases: &[(u32, u32)],
        change: impl FnOnce(&mut Client),
    ) -> ClientProcess {
        let number = self.processes.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("client-{number}");
        let mut orders = Client {
            service: self.service.clone(),
            phases: phases.to_vec(),
            timeout: Duration::from_secs(5),
            retries: 1,
            work: Duration::ZERO,
            long_work: Duration::ZERO,
            first_id: number * 1_000_000,
            journal: self.directory.join(format!("{name}.journal")),
        };
        change(&mut orders);
        let child = self.start_client(&name, &Program::Client(orders.clone()));
        ClientProcess { child, orders }
    }

    /// Starts a client that holds this many streams, one after the other in each place.
    pub(crate) fn talker(&self, streams: u32, talk: Talk, rounds: u32) -> TalkerProcess {
        let number = self.processes.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("talker-{number}");
        let journal = self.directory.join(format!("{name}.journal"));
        let service = self.service.clone();
        let orders = Talker { service, streams, talk, rounds, journal: journal.clone() };
        TalkerProcess { child: self.start_client(&name, &Program::Talker(orders)), journal }
    }

    /// Starts a process that serves nothing.
    pub(crate) fn start_client(&self, name: &str, program: &Program) -> Child {
        let settings = self.settings();
        let environment: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.1, *value)).collect();
        Child::start(name, self.log_of(name), program, &[], &environment)
    }

    /// Settings as flags and variables.
    fn settings(&self) -> Vec<((&'static str, &'static str), &str)> {
        let mut settings = vec![(("--selector", "CALLBOARD_SELECTOR"), self.selector)];
        match &self.registry {
            None => settings.push((("--registry", "CALLBOARD_REGISTRY"), "mdns")),
            Some(file) => {
                let file = file.to_str().expect("the path is made of plain names");
                settings.push((("--registry", "CALLBOARD_REGISTRY"), "static"));
                settings.push((("--registry-address", "CALLBOARD_REGISTRY_ADDRESS"), file));
            }
        }
        settings
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

impl ServerProcess {
    pub(crate) fn calls(&self) -> usize {
        lines_of(&self.executed)
    }

    /// Waits until it has executed `count` calls since it was started.
    pub(crate) fn wait_for_calls(&self, count: usize, limit: Duration) {
        wait_until(&format!("{count} calls at {}", self.node), limit, || self.calls() >= count);
    }

    /// Ends it as an operator would; it must drain and succeed.
    pub(crate) fn terminate(&mut self) {
        self.child.signal("TERM");
        self.child.wait_for_success(DRAIN);
    }
}

impl ClientProcess {
    /// Waits until this many calls have ended.
    pub(crate) fn wait_for_calls(&mut self, count: usize, limit: Duration) {
        wait_until(&format!("{count} calls of a client"), limit, || {
            let ended = lines_of(&self.orders.journal);
            if ended < count {
                self.child.assert_running();
            }
            ended >= count
        });
    }

    pub(crate) fn is_calling(&self) -> bool {
        (lines_of(&self.orders.journal) as u64) < self.orders.calls()
    }

    /// Waits until it has made all its calls.
    pub(crate) fn finish(&mut self) {
        let seconds: u32 = self.orders.phases.iter().map(|(_, seconds)| seconds).sum();
        self.child.wait_for_success(Duration::from_secs(seconds.into()) + LATE);
    }
}

impl Drop for Stage {
    // What a failed scenario wrote is kept for whoever looks into it.
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("logs and journals are in {}", self.directory.display());
        } else {
            // A directory that stays does no harm.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Looks at the world of other processes, which tells nobody when it changes, until it is as it
/// should be.
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// Time to start a node and announce it, on a busy machine.
pub(crate) const START: Duration = Duration::from_secs(20);

/// Time to drain: settle time, drain timeout and what else a stop waits for.
pub(crate) const DRAIN: Duration = Duration::from_secs(15);

/// How much later than planned a client may end.
const LATE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(20);
