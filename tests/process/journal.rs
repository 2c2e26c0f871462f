//! What clients and servers wrote down, and what must be true of it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use callboard::prelude::{Deserialize, Serialize};

use crate::stage::{ClientProcess, ServerProcess};

/// One call, as its client saw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// Since the epoch.
    pub(crate) begun: Duration,
    pub(crate) took: Duration,
    pub(crate) timeout: Duration,
    /// How late timers of the client's thread were meanwhile; of a call that outlived its deadline,
    /// from there on.
    pub(crate) noise: Duration,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// By this node.
    Answered(String),
    Failed {
        executed: String,
        error: String,
    },
}

impl Record {
    pub(crate) fn is_idempotent(id: u64) -> bool {
        id.is_multiple_of(2)
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(_))
    }

    pub(crate) fn is_answered_by(&self, node: &str) -> bool {
        matches!(&self.outcome, Outcome::Answered(by) if by == node)
    }

    pub(crate) fn ended(&self) -> Duration {
        self.begun + self.took
    }
}

/// All calls of some clients, and all executions of some servers.
pub(crate) struct Journal {
    pub(crate) records: Vec<Record>,
    /// For each id the nodes that executed it.
    executed: HashMap<u64, Vec<String>>,
}

impl Journal {
    /// Reads what clients and servers have written, and checks what holds in every scenario.
    ///
    /// Each call of the clients has exactly one outcome. What was answered has been executed; what
    /// was certainly not executed has not been; what is not idempotent was not executed twice.
    pub(crate) fn read<'a>(
        clients: &[ClientProcess],
        servers: impl IntoIterator<Item = &'a ServerProcess>,
    ) -> Self {
        let mut records = Vec::new();
        for ClientProcess { orders: client, .. } in clients {
            let mut own = records_of(&client.journal);
            own.sort_by_key(|record| record.id);
            let ids = own.iter().map(|record| record.id);
            let expected = client.first_id..client.first_id + client.calls();
            assert!(ids.eq(expected), "a call was lost, or ended twice: {} calls", own.len());
            records.append(&mut own);
        }
        let mut journal = Self { records, executed: HashMap::new() };
        for server in servers {
            for id in executed_in(&server.executed) {
                journal.executed.entry(id).or_default().push(server.node.clone());
            }
        }
        journal.records.iter().for_each(|record| journal.check_execution(record));
        journal
    }

    pub(crate) fn failed(&self) -> Vec<&Record> {
        self.records.iter().filter(|record| !record.is_answered()).collect()
    }

    /// Fails with examples if any call failed.
    pub(crate) fn assert_no_failure(&self) {
        let failed = self.failed();
        let examples = &failed[..failed.len().min(5)];
        assert!(
            failed.is_empty(),
            "{} of {} calls failed, e.g. {examples:#?}",
            failed.len(),
            self.records.len()
        );
    }

    pub(crate) fn answered_by(&self, node: &str) -> usize {
        self.records.iter().filter(|record| record.is_answered_by(node)).count()
    }

    fn nodes_of(&self, id: u64) -> &[String] {
        self.executed.get(&id).map_or(&[], Vec::as_slice)
    }

    fn check_execution(&self, record: &Record) {
        let nodes = self.nodes_of(record.id);
        if !Record::is_idempotent(record.id) {
            assert!(nodes.len() <= 1, "executed twice, by {nodes:?}: {record:?}");
        }
        match &record.outcome {
            Outcome::Answered(by) => {
                assert!(nodes.contains(by), "answered, but executed by {nodes:?}: {record:?}");
            }
            Outcome::Failed { executed, .. } if executed == "No" => {
                assert!(nodes.is_empty(), "executed by {nodes:?} all the same: {record:?}");
            }
            Outcome::Failed { .. } => {}
        }
    }
}

/// How many lines a client or a server has written so far; cheap, as it is asked over and over.
pub(crate) fn lines_of(path: &Path) -> usize {
    fs::read(path).unwrap_or_default().split(|byte| *byte == b'\n').count() - 1
}

fn records_of(journal: &Path) -> Vec<Record> {
    let text = fs::read_to_string(journal).expect("the client has written it");
    text.lines().map(|line| serde_json::from_str(line).expect("a client wrote it")).collect()
}

/// What a server has executed.
pub(crate) fn executed_in(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).expect("the server has written it");
    let ids = text.lines().map(|line| line.split(' ').next().and_then(|id| id.parse().ok()));
    ids.map(|id| id.expect("a server wrote it")).collect()
}

/// The longest of the shortest `percent` of calls, apart from what delayed their client's thread.
pub(crate) fn percentile(records: &[&Record], percent: usize) -> Duration {
    assert!(!records.is_empty(), "there is nothing to measure");
    let mut times: Vec<Duration> =
        records.iter().map(|record| record.took.saturating_sub(record.noise)).collect();
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
