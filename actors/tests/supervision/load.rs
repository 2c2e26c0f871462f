//! Ten thousand panics, and every call is answered exactly once.

use std::collections::HashMap;
use std::time::Duration;

use actix::prelude::*;
use callboard_actors::inbox::InboxOptions;
use callboard_actors::supervisor::Exit;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::requests::Outcomes;
use crate::world::{Crash, Probe, Say, eventually, patient, set_up, soon};

const SENDERS: u64 = 4;
const PANICS_EACH: u64 = 1_250;

/// What became of one sender's calls.
#[derive(Debug, Default)]
struct Tally {
    answered: u64,
    panicked: u64,
}

async fn send_messages(probe: Addr<Probe>, seed: u64) -> Tally {
    let (mut rng, mut tally) = (StdRng::seed_from_u64(seed), Tally::default());
    while tally.panicked < PANICS_EACH {
        if rng.random_bool(0.5) {
            assert_eq!(probe.send(Crash).await, Err(MailboxError::Closed));
            tally.panicked += 1;
        } else {
            let number = rng.random();
            assert_eq!(probe.send(Say(number)).await, Ok(number));
            tally.answered += 1;
        }
    }
    tally
}

#[actix::test]
async fn ten_thousand_panics_under_load_answer_every_call_exactly_once() {
    let log = set_up();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let options = InboxOptions { capacity: usize::MAX, ..InboxOptions::default() };
    let (child, inbox) = Probe::child("a", &log).with_inbox(options);
    let vitals = child.vitals();
    let mut builder = patient("top");
    let probe = builder.child(child);
    let supervisor = builder.start();

    let senders: Vec<_> = (0..SENDERS)
        .map(|index| actix::spawn(send_messages(probe.clone(), seed.wrapping_add(index))))
        .collect();
    let (outcomes, mut rng) = (Outcomes::default(), StdRng::seed_from_u64(!seed));
    let (mut expected, mut batch, mut id) = (HashMap::new(), Vec::new(), 0);
    for _ in 0..SENDERS {
        let mut panics = 0;
        while panics < PANICS_EACH {
            id += 1;
            let (kind, job) = match rng.random_range(0..4) {
                0 | 1 => ("panicked", outcomes.job(id).panics()),
                2 => ("answered", outcomes.job(id)),
                // Answered a moment later, over the panics of others.
                _ => ("answered", outcomes.job(id).takes(Duration::from_millis(50))),
            };
            panics += u64::from(kind == "panicked");
            expected.insert(id, kind);
            batch.push(job.boxed());
            if batch.len() == 32 {
                inbox.push(&mut batch, Instant::now());
                actix_rt::task::yield_now().await;
            }
        }
    }
    inbox.push(&mut batch, Instant::now());

    let mut total = Tally::default();
    for sender in senders {
        let tally = eventually(sender).await.unwrap();
        total.answered += tally.answered;
        total.panicked += tally.panicked;
    }
    eventually(inbox.status().idle()).await;
    let lines = outcomes.take();
    assert_eq!(lines.len(), expected.len(), "exactly one outcome for each request");
    for line in lines {
        let (id, kind) = line.split_once(' ').unwrap();
        assert_eq!(expected.remove(&id.parse().unwrap()), Some(kind), "request {id}");
    }
    // Longer than any delay before a restart.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let signs = vitals.snapshot();
    assert_eq!(total.panicked, SENDERS * PANICS_EACH);
    assert_eq!((signs.panics, signs.restarts), (10_000, 10_000));
    assert_eq!(signs.messages, total.answered + total.panicked);
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
}
