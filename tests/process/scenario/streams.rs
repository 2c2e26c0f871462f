//! Either side of many streams dies without a word.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::overload::resident;
use crate::program::now;
use crate::program::talker::{Ending, Event, Talk, WARM};
use crate::stage::{ServerProcess, Stage, TalkerProcess, wait_until};

/// The clients of a server that dies see one error each, and stream to the next one.
pub(crate) fn server_killed() {
    let stage = Stage::with_registry_file("streams-server-killed");
    let server = stage.limited_server("node-1", &[], STREAMS as usize, 1);
    stage.announce([&server]);
    let mut client = stage.talker(STREAMS, Talk::Echo, 2);
    wait_for(&mut client, "streams that work", |event| matches!(event, Event::Warm { round: 1 }));

    let before = now();
    server.child.signal("KILL");
    let killed = now();
    let is_first_end = |event: &Event| matches!(event, Event::Ended(Ending { round: 1, .. }));
    wait_for(&mut client, "streams that have ended", is_first_end);
    // At the same address: the connections to it are the old ones, and so are their places.
    let mut next =
        stage.limited_server("node-2", &["--server-address", &server.address], STREAMS as usize, 1);
    client.child.wait_for_success(LATE);
    next.terminate();

    let endings = endings(&client.journal);
    assert_eq!(endings.len(), 2 * STREAMS as usize, "each stream ends once");
    for ending in endings {
        if ending.round == 1 {
            assert_eq!(ending.ends, ["Maybe", "end", "end"], "one error, once: {ending:?}");
            assert!(ending.has_sender_failed, "who sends is told: {ending:?}");
            assert!(ending.at >= before, "it ended before the kill: {ending:?}");
            assert!(ending.at <= killed + NOTICED, "it ended too late: {ending:?}");
        } else {
            assert_eq!(ending.ends, ["end", "end", "end"], "{ending:?}");
            assert_eq!(ending.items, WARM as usize, "all came back: {ending:?}");
        }
    }
    assert_eq!(next.streams(), (STREAMS as usize, STREAMS as usize));
}

/// What the streams of a client that dies took up, its server gives back at once.
pub(crate) fn client_killed() {
    let stage = Stage::with_registry_file("streams-client-killed");
    // Exactly as many as each client opens: the next one finds a place only where one was freed.
    let mut server = stage.limited_server("node-1", &[], STREAMS as usize, 1);
    stage.announce([&server]);
    let before = resident(&server);
    for round in 1..=ROUNDS {
        let mut client = stage.talker(STREAMS, Talk::Deaf, 1);
        wait_for(&mut client, "streams that are full", |it| matches!(it, Event::Warm { .. }));
        let held = resident(&server).saturating_sub(before);
        assert!(held > GROWTH_MOST, "streams that are full hold {held} KiB");
        client.child.signal("KILL");
        let killed = now();
        let all = round * STREAMS as usize;
        wait_until("the handlers' end", LATE, || server.streams() == (all, all));
        let took = now().saturating_sub(killed);
        assert!(took <= NOTICED, "the handlers went on for {took:?}");
        server.child.assert_running();
        // A handler may be gone while its connection still holds what waited in the streams.
        wait_until("the memory of its streams", LATE, || {
            resident(&server).saturating_sub(before) <= GROWTH_MOST
        });
    }
    let mut client = stage.talker(STREAMS, Talk::Echo, 1);
    client.child.wait_for_success(LATE);
    let endings = endings(&client.journal);
    assert_eq!(endings.len(), STREAMS as usize);
    assert!(endings.iter().all(|ending| ending.ends == ["end", "end", "end"]), "{endings:?}");
    server.terminate();
}

impl ServerProcess {
    /// Streams that it has begun to handle, and those whose handler is gone.
    fn streams(&self) -> (usize, usize) {
        let text = fs::read_to_string(self.executed.with_extension("streams"));
        let text = text.unwrap_or_default();
        let count = |word| text.lines().filter(|line| *line == word).count();
        (count("begun"), count("left"))
    }
}

/// Waits until as many events as there are streams are such.
fn wait_for(client: &mut TalkerProcess, what: &str, is_such: impl Fn(&Event) -> bool) {
    wait_until(what, LATE, || {
        client.child.assert_running();
        let events = events(&client.journal);
        events.iter().filter(|event| is_such(event)).count() == STREAMS as usize
    });
}

fn endings(journal: &Path) -> Vec<Ending> {
    let endings = events(journal).into_iter().filter_map(|event| match event {
        Event::Ended(ending) => Some(ending),
        Event::Warm { .. } => None,
    });
    endings.collect()
}

/// What a client has written so far; of a line that is being written nothing.
fn events(journal: &Path) -> Vec<Event> {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).expect("a client wrote it")).collect()
}

const STREAMS: u32 = 40;

/// Clients that are killed, one after the other.
const ROUNDS: usize = 4;

/// Half of what the streams of one client hold: a megabyte waits in each.
const GROWTH_MOST: u64 = STREAMS as u64 * 1024 / 2;

/// From the end of a process to the end of its streams, on a busy machine: its sockets are closed
/// at once, and nothing has to time out.
const NOTICED: Duration = Duration::from_secs(1);

const LATE: Duration = Duration::from_secs(40);
