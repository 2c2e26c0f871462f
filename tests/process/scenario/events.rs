//! A subscriber dies without a word while events are published.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::Child;
use crate::program::listener::Listener;
use crate::program::publisher::{Publisher, Told};
use crate::program::{Program, now};
use crate::stage::{DRAIN, START, Stage, wait_until};

/// The other subscriber gets every event, the publisher is told which ones the dead one missed, and
/// its successor at the same address gets those that follow.
pub(crate) fn subscriber_killed() {
    let stage = Stage::with_registry_file("events-subscriber-killed");
    let mut steady = stage.listener("steady", None, usize::MAX, &[]);
    let victim = stage.listener("victim", None, HANDLED, &[]);
    stage.announce_listeners("", [&steady, &victim]);
    let mut publisher = stage.publisher(false);
    kill_with_full_hands(&victim);
    publisher.wait_for("events that failed", PLACES, |told| told.failed > 0);
    publisher.wait_for("events that were refused", ENOUGH, |told| told.refused > 0);

    let mut next = stage.listener("next", None, usize::MAX, &["--server-address", &victim.address]);
    wait_until("events at the successor", LATE, || next.lines("handled").len() >= ENOUGH);
    let back = now();
    publisher.wait_for("events after the return", ENOUGH, |told| told.begun >= back);
    publisher.finish();
    steady.terminate();
    next.terminate();

    let lost = lost(&victim);
    let heard = heard_once([&victim, &next]);
    let told = publisher.told();
    assert_eq!(told.len(), steady.once("handled").len(), "the other one got every event, once");
    for it in &told {
        let counts = (it.acknowledged, it.failed, it.refused);
        let expected = match (lost.contains(&it.id), heard.contains(&it.id)) {
            // Whether it was handled is not known.
            (true, _) => (1, 1, 0),
            (_, true) => (2, 0, 0),
            (_, false) => (1, 0, 1),
        };
        assert_eq!(counts, expected, "{it:?}");
        assert!(it.begun < back || counts == (2, 0, 0), "after the return at {back:?}: {it:?}");
    }
}

/// Of a group each event is handled once, by the one member or the other. What the dead one had in
/// hand fails, as nobody knows whether it was handled, and is the other one's when it is published
/// again.
pub(crate) fn member_killed() {
    let stage = Stage::with_registry_file("events-member-killed");
    let group = Some("clerks");
    let mut steady = stage.listener("steady", group, usize::MAX, &[]);
    let victim = stage.listener("victim", group, HANDLED, &[]);
    stage.announce_listeners("clerks", [&steady, &victim]);
    let mut publisher = stage.publisher(true);
    kill_with_full_hands(&victim);
    publisher.wait_for("events that failed", PLACES, |told| told.failed > 0);
    let before = steady.lines("handled").len();
    wait_until("events at the other member", LATE, || {
        steady.lines("handled").len() >= before + ENOUGH
    });

    let mut next =
        stage.listener("next", group, usize::MAX, &["--server-address", &victim.address]);
    wait_until("events at the successor", LATE, || next.lines("handled").len() >= ENOUGH);
    publisher.finish();
    steady.terminate();
    next.terminate();

    let lost = lost(&victim);
    let mut told: BTreeMap<u64, Vec<(u32, u32, u32)>> = BTreeMap::new();
    for it in publisher.told() {
        told.entry(it.id).or_default().push((it.acknowledged, it.failed, it.refused));
    }
    for (id, counts) in &told {
        let expected: &[_] = if lost.contains(id) { &[(0, 1, 0), (1, 0, 0)] } else { &[(1, 0, 0)] };
        assert_eq!(counts, expected, "event {id}");
    }
    let mut handled = Vec::new();
    for listener in [&steady, &victim, &next] {
        handled.extend(listener.lines("handled"));
    }
    handled.sort_unstable();
    assert!(handled.iter().eq(told.keys()), "each event was handled once, by one member");
    let others = heard_once([&steady, &next]);
    assert!(lost.is_subset(&others), "what was lost came to the others, when it came again");
}

/// Kills a subscriber once it holds as many events as can be under way, so that none is between
/// the publisher and it.
fn kill_with_full_hands(victim: &ListenerProcess) {
    let full = HANDLED + PLACES;
    wait_until("a subscriber with its hands full", LATE, || victim.lines("heard").len() == full);
    victim.child.signal("KILL");
}

/// What a subscriber that is no more has heard and not handled.
fn lost(victim: &ListenerProcess) -> BTreeSet<u64> {
    let (heard, handled) = (victim.once("heard"), victim.once("handled"));
    assert!(handled.is_subset(&heard) && handled.len() == HANDLED);
    let lost: BTreeSet<u64> = heard.difference(&handled).copied().collect();
    assert_eq!(lost.len(), PLACES);
    lost
}

/// What several subscribers have heard; none of it twice.
fn heard_once<const N: usize>(listeners: [&ListenerProcess; N]) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for listener in listeners {
        for id in listener.once("heard") {
            assert!(all.insert(id), "event {id} was heard twice");
        }
    }
    all
}

/// A subscriber process.
struct ListenerProcess {
    child: Child,
    address: String,
    journal: PathBuf,
}

/// A process that publishes until it is told to stop.
struct PublisherProcess {
    child: Child,
    orders: Publisher,
}

impl Stage {
    /// Starts a subscriber and waits until it has subscribed.
    fn listener(
        &self,
        name: &str,
        group: Option<&str>,
        handles: usize,
        flags: &[&str],
    ) -> ListenerProcess {
        let journal = self.file(&format!("{name}.journal"));
        let group = group.map(str::to_owned);
        let orders = Listener { group, handles, journal: journal.clone() };
        let (mut child, address) = self.start_node(name, &Program::Listener(orders), flags);
        child.wait_for_line("topic:ledger.entry", START);
        ListenerProcess { child, address, journal }
    }

    /// Writes subscribers into the registry's file, all of one group or all without.
    fn announce_listeners<'a>(
        &self,
        group: &str,
        listeners: impl IntoIterator<Item = &'a ListenerProcess>,
    ) {
        let line = |it: &ListenerProcess| format!("topic:ledger.entry {group} {}\n", it.address);
        self.write_registry(&listeners.into_iter().map(line).collect::<String>());
    }

    fn publisher(&self, repeats: bool) -> PublisherProcess {
        let (stop, journal) = (self.file("stop"), self.file("publisher.journal"));
        let orders = Publisher { places: PLACES, repeats, stop, journal };
        let child = self.start_client("publisher", &Program::Publisher(orders.clone()));
        PublisherProcess { child, orders }
    }
}

impl ListenerProcess {
    /// The events of which it has written `what` so far.
    fn lines(&self, what: &str) -> Vec<u64> {
        let lines = whole_lines(&self.journal).into_iter().filter_map(|line| {
            let (word, id) = line.split_once(' ').expect("a subscriber wrote it");
            (word == what).then(|| id.parse().expect("a subscriber wrote it"))
        });
        lines.collect()
    }

    /// The same, of which none may be there twice.
    fn once(&self, what: &str) -> BTreeSet<u64> {
        let lines = self.lines(what);
        let once: BTreeSet<u64> = lines.iter().copied().collect();
        assert_eq!(once.len(), lines.len(), "an event was {what} twice by one subscriber");
        once
    }

    fn terminate(&mut self) {
        self.child.signal("TERM");
        self.child.wait_for_success(DRAIN);
    }
}

impl PublisherProcess {
    fn told(&self) -> Vec<Told> {
        let lines = whole_lines(&self.orders.journal);
        lines.iter().map(|line| serde_json::from_str(line).expect("it wrote it")).collect()
    }

    /// Waits until it has been told such things of so many events.
    fn wait_for(&mut self, what: &str, count: usize, is_such: impl Fn(&Told) -> bool) {
        wait_until(what, LATE, || {
            self.child.assert_running();
            self.told().iter().filter(|told| is_such(told)).count() >= count
        });
    }

    /// Has it stop, once what is under way has been answered.
    fn finish(&mut self) {
        fs::write(&self.orders.stop, "").expect("the directory is writable");
        self.child.wait_for_success(LATE);
    }
}

/// What a process has written so far; of a line that is being written nothing.
fn whole_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.map(str::to_owned).collect()
}

/// Events under way at the same time.
const PLACES: usize = 16;

/// Events that the one who is killed handles before.
const HANDLED: usize = 200;

/// Events that show that something goes on.
const ENOUGH: usize = 200;

const LATE: Duration = Duration::from_secs(60);
