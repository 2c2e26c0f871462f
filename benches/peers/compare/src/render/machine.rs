//! Where and how it was measured.

use callboard_benches::meter::Windows;

use crate::number::{digits, thousands};
use crate::point::{OFFERED_LONGER, REAL_TIME_SECONDS};
use crate::record::Comparison;
use crate::systems::SYSTEMS;

/// When, where, with what.
pub(super) fn render(comparison: &Comparison) -> String {
    let about = &comparison.about;
    let pinned = if about.is_pinned {
        "server on processor 0, client on processor 1"
    } else {
        "on any processor"
    };
    let versions: Vec<_> =
        about.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
    format!(
        "## Machine\n\n| | |\n|---|---|\n\
         | when | {} UTC |\n| commit | {} |\n| processor | {} x {} |\n| memory | {} MiB |\n\
         | kernel | Linux {} |\n| compiler | {}, `release` profile, thin LTO |\n\
         | versions | {} |\n| processes | server and client apart, loopback, {pinned} |\n\
         | rounds | {} of {} s each, those of offered rates {} s, with real-time priority {} s |\n\n",
        about.date,
        about.commit,
        about.processors,
        about.processor,
        thousands(about.memory as f64),
        about.kernel,
        about.rustc,
        versions.join(", "),
        about.rounds,
        digits(about.seconds),
        digits(about.seconds * OFFERED_LONGER),
        digits(about.seconds.min(REAL_TIME_SECONDS)),
    )
}

/// How it was measured.
pub(super) fn method(comparison: &Comparison) -> String {
    let systems: Vec<String> =
        SYSTEMS.iter().map(|system| format!("| {} | {} |\n", system.name, system.about)).collect();
    let systems = systems.concat();
    format!(
        "## Method\n\n\
         Each system is a program that runs as a server and, apart from it, as a client. For each \
         workload the systems follow each other (A B C A B C …), {} times over; each run starts a \
         new server and a new client, warms up for 0.3 s and measures for {} s. The message is \
         `{{id: u64, text: String}}` with 100 bytes of text unless said otherwise; each reply's id \
         and length are checked. Every client runs on one thread, but that of `tarpc-threads`.\n\n\
         - *Closed loop*: each caller makes one call after the other; the clock is read once per \
         call.\n\
         - *Streams* are counted by 256 messages, which are checked one by one; each caller has one.\n\
         - *Events*: the subscribers acknowledge, or answer, and a publisher checks that all did.\n\
         - *Open loop*: evenly spaced beginnings; a call that begins late, because as many as may \
         be in flight are, counts from when it should have begun. The client looks at the clock \
         whenever it has nothing else to do and never sleeps, so its processor time says nothing.\n\
         - *Windows* have the calls of an open loop that should have begun within the same {} ms. Told \
         are the medians of their p50s and p99s, and how many are late: with a p99 above {} of that \
         p50. A call that was not answered before the end is later than all others; only the last \
         window is left out when more than a hundredth of its answers is missing. Where a median p50 \
         times the rate is more than may be in flight, calls wait for a caller: that is a queue, and \
         so it is where half of the windows lack answers. Of fewer than {} windows nothing is told.\n\
         - *With real-time priority* it is the same, but no other program can take the processors \
         from server and client (`chrt --fifo`), where that is permitted.\n\
         - *Large bodies*: a client sends the text of a reply again instead of writing a new one, so \
         that no copy of the benchmark's own is measured.\n\
         - *Ratios* are taken within a round; the median of those is given.\n\
         - *CPU and memory* are what the kernel says about the two processes, to 10 ms; for the \
         server with the processes that it has started.\n\n\
         | system | |\n|---|---|\n{systems}\n",
        comparison.about.rounds,
        digits(comparison.about.seconds),
        Windows::WIDTH.as_millis(),
        Windows::LATE,
        Windows::LEAST,
    )
}
