//! When a process could run and did not, and whether anybody had its processor meanwhile. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the scheduler did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    at: Duration,
    processor: u32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A thread can run, on this processor, which need not be the one where it is told.
    Waking { thread: u32, target: u32 },
    /// A thread follows another one, which could go on or could not.
    Switch { from: u32, is_runnable: bool, to: u32 },
}

/// For how long a thread could run and did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wait {
    /// Of that, while its processor had nobody.
    pub(super) idle: Duration,
    /// Of that, while another program had its processor.
    pub(super) held: Duration,
}

/// The waits of some threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) all: Vec<Wait>,
    /// How often one of them got a processor without it being known since when it waited, but for
    /// each one's first time, before which it may have been woken when nothing was recorded yet.
    pub(super) unknown: usize,
    /// From the first to the last time that one of them got a processor.
    pub(super) span: Duration,
}

/// What [`parse`] reads, as an argument of `perf script`.
pub(super) const FIELDS: &str = "cpu,time,event,trace";

/// Reads all events; what is none is left out, but not when all is: then it is not understood.
pub(super) fn parse(text: &str) -> Result<Vec<Event>, String> {
    let events: Vec<Event> = text.lines().filter_map(event).collect();
    match text.lines().count() {
        lines if lines > 0 && events.is_empty() => {
            Err(format!("{lines} lines of the recording were not understood"))
        }
        _ => Ok(events),
    }
}

/// `[001] 12.000000034: sched:sched_waking: comm=load pid=5 prio=120 target_cpu=000`.
fn event(line: &str) -> Option<Event> {
    let (processor, rest) = line.trim().strip_prefix('[')?.split_once(']')?;
    let (at, rest) = rest.trim().split_once(": ")?;
    let (seconds, nanos) = at.split_once('.')?;
    let (name, fields) = rest.trim().split_once(": ")?;
    let number = |key| value(fields, key)?.parse().ok();
    let kind = match name.strip_prefix("sched:")? {
        "sched_waking" => {
            Kind::Waking { thread: number(" pid=")?, target: number(" target_cpu=")? }
        }
        "sched_switch" => Kind::Switch {
            from: number(" prev_pid=")?,
            is_runnable: value(fields, " prev_state=")?.starts_with('R'),
            to: number(" next_pid=")?,
        },
        _ => return None,
    };
    let at = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    Some(Event { at, processor: processor.parse().ok()?, kind })
}

/// What stands behind a key; what stands before the first one, a command, may be anything.
fn value<'a>(fields: &'a str, key: &str) -> Option<&'a str> {
    fields.split_once(key)?.1.split_whitespace().next()
}

/// The waits of these threads, from events in their order.
pub(super) fn waits(events: &[Event], threads: &[u32]) -> Waits {
    let threads = threads.iter().copied().collect();
    let mut account = Account { threads, ..Account::default() };
    for event in events {
        account.add(*event);
    }
    let Account { all, unknown, first, last, .. } = account;
    let span = first.zip(last).map(|(first, last)| last.saturating_sub(first));
    Waits { all, unknown, span: span.unwrap_or_default() }
}

/// What is known after some events.
#[derive(Debug, Default)]
struct Account {
    threads: BTreeSet<u32>,
    /// Those that had a processor.
    known: BTreeSet<u32>,
    /// Processors that have nobody, and since when.
    idle: BTreeMap<u32, Duration>,
    /// Threads that wait.
    waiting: BTreeMap<u32, Waiting>,
    all: Vec<Wait>,
    unknown: usize,
    first: Option<Duration>,
    last: Option<Duration>,
}

/// A wait that is not over.
#[derive(Debug)]
struct Waiting {
    since: Duration,
    processor: u32,
    idle: Duration,
}

impl Account {
    fn add(&mut self, Event { at, processor, kind }: Event) {
        match kind {
            Kind::Waking { thread, target } => self.begin(thread, at, target),
            Kind::Switch { from, is_runnable, to } => {
                if from == NOBODY {
                    self.end_idle(processor, at);
                }
                if to == NOBODY {
                    self.idle.insert(processor, at);
                }
                if is_runnable {
                    self.begin(from, at, processor);
                }
                self.run(to, at);
            }
        }
    }

    /// Instead of one that began before: who was about to sleep was woken without having slept.
    fn begin(&mut self, thread: u32, since: Duration, processor: u32) {
        if self.threads.contains(&thread) {
            let idle = Duration::ZERO;
            self.waiting.insert(thread, Waiting { since, processor, idle });
        }
    }

    /// A processor has had nobody until now: those who waited for it did so for that long.
    fn end_idle(&mut self, processor: u32, at: Duration) {
        let idle_since = self.idle.remove(&processor).unwrap_or_default();
        for waiting in self.waiting.values_mut().filter(|it| it.processor == processor) {
            waiting.idle += at.saturating_sub(waiting.since.max(idle_since));
        }
    }

    fn run(&mut self, thread: u32, at: Duration) {
        if !self.threads.contains(&thread) {
            return;
        }
        self.first.get_or_insert(at);
        self.last = Some(at);
        let is_first = self.known.insert(thread);
        match self.waiting.remove(&thread) {
            Some(Waiting { since, idle, .. }) => {
                let held = at.saturating_sub(since).saturating_sub(idle);
                self.all.push(Wait { idle, held });
            }
            None if is_first => {}
            None => self.unknown += 1,
        }
    }
}

/// What a processor that has nothing to do is said to run.
const NOBODY: u32 = 0;

/// Recorded, and shortened: a server, 7, is woken twice while its processor 0 has nobody, the second
/// time behind another program, that then also takes the processor from it.
#[cfg(test)]
pub(super) const RECORDED: &str = "\
[000] 10.000000000: sched:sched_switch: prev_comm=load prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
[001] 10.000100000:       sched:sched_waking: comm=load pid=7 prio=120 target_cpu=000
[001] 10.000150000: sched:sched_switch: prev_comm=load prev_pid=9 prev_prio=120 prev_state=S ==> next_comm=swapper/1 next_pid=0 next_prio=120
[001] 10.001000000: sched:sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=load next_pid=9 next_prio=120
[000] 10.003100000: sched:sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=load next_pid=7 next_prio=120
[001] 10.003150000:       sched:sched_waking: comm=load pid=7 prio=120 target_cpu=000
[000] 10.003200000: sched:sched_switch: prev_comm=load prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
[001] 10.003300000:       sched:sched_waking: comm=load pid=7 prio=120 target_cpu=000
[000] 10.003320000: sched:sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=opt cgu.0 next_pid=5 next_prio=120
[000] 10.003350000: sched:sched_switch: prev_comm=opt cgu.0 prev_pid=5 prev_prio=120 prev_state=R+ ==> next_comm=load next_pid=7 next_prio=120
[000] 10.003400000: sched:sched_switch: prev_comm=load prev_pid=7 prev_prio=120 prev_state=R+ ==> next_comm=opt cgu.0 next_pid=5 next_prio=120
[000] 10.004100000: sched:sched_switch: prev_comm=opt cgu.0 prev_pid=5 prev_prio=120 prev_state=S ==> next_comm=load next_pid=7 next_prio=120
";

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn events_are_read_whatever_a_command_is_called() {
        let events = parse(RECORDED).unwrap();
        assert_eq!(events.len(), 12);
        let at = Duration::new(10, 100_000);
        let kind = Kind::Waking { thread: 7, target: 0 };
        assert_eq!(events[1], Event { at, processor: 1, kind });
        let kind = Kind::Switch { from: 5, is_runnable: true, to: 7 };
        assert_eq!((events[9].processor, events[9].kind), (0, kind));
        let Kind::Switch { is_runnable, .. } = events[11].kind else { panic!("it is a switch") };
        assert!(!is_runnable);
    }

    #[test]
    fn what_is_no_event_is_left_out() {
        let text = "# a comment\n\n[000] 1.0: sched:sched_wakeup: comm=a pid=1 target_cpu=000\n\
                    [000] 1.5: sched:sched_waking: comm=a prio=1\n";
        let whole = format!("{text}{RECORDED}");
        assert_eq!(parse(&whole), parse(RECORDED));
        let none = "4 lines of the recording were not understood";
        assert_eq!(parse(text), Err(none.to_owned()));
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn a_wait_is_told_by_whether_anybody_had_the_processor() {
        let Waits { all, unknown, span } = waits(&parse(RECORDED).unwrap(), &[7]);
        let expected = [
            // Woken at 100 µs, idle until 3,100 µs, though the other processor was too.
            Wait { idle: micros(3000), held: micros(0) },
            Wait { idle: micros(20), held: micros(30) },
            Wait { idle: micros(0), held: micros(700) },
        ];
        assert_eq!(all, expected);
        assert_eq!((unknown, span), (0, micros(1000)));
    }

    #[test]
    fn who_is_woken_before_its_processor_is_idle_waits_for_nobody_from_then_on() {
        let switch = |at, from, to| Event {
            at: micros(at),
            processor: 0,
            kind: Kind::Switch { from, is_runnable: false, to },
        };
        let kind = Kind::Waking { thread: 7, target: 0 };
        let woken = Event { at: micros(20), processor: 1, kind };
        let events = [switch(10, 7, 5), woken, switch(30, 5, 0), switch(90, 0, 7)];
        let wait = Wait { idle: micros(60), held: micros(10) };
        assert_eq!(waits(&events, &[7]).all, [wait]);
    }

    #[test]
    fn each_thread_may_have_been_woken_once_before_it_was_recorded() {
        let kind = |to| Kind::Switch { from: 0, is_runnable: false, to };
        let events =
            [7, 8, 7, 8, 8].map(|to| Event { at: micros(5), processor: 0, kind: kind(to) });
        assert_eq!(waits(&events, &[7, 8]).unknown, 3);
        assert_eq!(waits(&events[..2], &[7, 8]).unknown, 0);
    }

    #[test]
    fn of_others_nothing_is_told() {
        assert_eq!(waits(&parse(RECORDED).unwrap(), &[]), Waits::default());
        let other = waits(&parse(RECORDED).unwrap(), &[9]);
        assert_eq!((other.all, other.unknown), (vec![], 0));
        assert_eq!(waits(&[], &[7]), Waits::default());
    }
}
