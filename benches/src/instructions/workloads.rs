//! What is counted: the same work each time, on one thread.

use std::hint::black_box;

use actix_rt::{Arbiter, SystemRunner};
use bytes::BytesMut;
use callboard::codec::Codec;
use callboard::prelude::*;
use callboard_actors::selector::Pick;

use crate::echo::Echo;
use crate::growth::pair::{Server, client};
use crate::micro::cast::{Ask, Cast};
use crate::micro::picks::Field;
use crate::micro::wire::{BATCH, Frames};

/// A piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Names it, on the command line and in the baseline.
    pub name: &'static str,
    /// Operations that are counted.
    pub iterations: u64,
    run: fn(&SystemRunner, u64),
}

impl Workload {
    /// Prepares the work and does it.
    pub fn run(&self) {
        (self.run)(&actix_rt::System::new(), self.iterations);
    }
}

/// All there are.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "actor_message", iterations: 10_000, run: actor_message },
    Workload { name: "local_call", iterations: 10_000, run: local_call },
    Workload { name: "remote_call", iterations: 64 * 100, run: remote_call },
    Workload { name: "pick", iterations: 20_000, run: pick },
    Workload { name: "codec", iterations: 20_000, run: codec },
    Workload { name: "frame", iterations: BATCH * 200, run: frame },
];

/// Callgrind counts while this runs, and knows it by its name.
#[inline(never)]
pub fn counted(work: &mut dyn FnMut()) {
    work();
    // Else the call above is the last thing done, and becomes a jump out of here.
    black_box(());
}

/// A question to a supervised actor by its `Addr`, and the answer, one at a time.
fn actor_message(runner: &SystemRunner, iterations: u64) {
    let cast = runner.block_on(Cast::start(&Arbiter::current()));
    let ask = async |count| {
        for id in 0..count {
            let reply = cast.supervised.send(Ask(Echo::new(id))).await;
            reply.expect("the actor lives").expect("it echoes").check(id);
        }
    };
    runner.block_on(ask(WARM_UP));
    counted(&mut || runner.block_on(ask(iterations)));
}

/// A call by the service's name that a handler in the same process answers, one at a time.
fn local_call(runner: &SystemRunner, iterations: u64) {
    let cast = runner.block_on(Cast::start(&Arbiter::current()));
    let call = async |count| {
        for id in 0..count {
            cast.service.send(Echo::new(id)).await.expect("it echoes").check(id);
        }
    };
    runner.block_on(call(WARM_UP));
    counted(&mut || runner.block_on(call(iterations)));
}

/// Calls over TCP, both sides on this thread, as many at once as fill a batch.
fn remote_call(runner: &SystemRunner, iterations: u64) {
    let (_server, guest) = runner.block_on(async {
        let server = Server::start().await;
        let guest = client(&server.system.node().address, 1).await;
        (server, guest)
    });
    let host = guest.service("host");
    runner.block_on(calls(&host, WARM_UP));
    counted(&mut || runner.block_on(calls(&host, iterations)));
}

async fn calls(host: &ServiceRef, count: u64) {
    let callers: Vec<_> = (0..BATCH)
        .map(|_| {
            let host = host.clone();
            actix_rt::spawn(async move {
                for id in 0..count / BATCH {
                    host.send(Echo::new(id)).await.expect("it echoes").check(id);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no caller panics");
    }
}

/// The default strategy among a thousand nodes.
fn pick(_: &SystemRunner, iterations: u64) {
    let field = Field::new(1_000);
    let request = Pick::default();
    field.pick(&request, WARM_UP);
    counted(&mut || {
        black_box(field.pick(&request, iterations));
    });
}

/// An echo to bytes and back.
fn codec(_: &SystemRunner, iterations: u64) {
    let (echo, mut buffer) = (Echo::new(7), BytesMut::new());
    let mut around = |count| {
        for _ in 0..count {
            buffer.clear();
            Codec::Bincode.encode(black_box(&echo), &mut buffer).expect("an echo can be encoded");
            let decoded = Codec::Bincode.decode::<Echo>(black_box(&buffer));
            black_box(decoded.expect("it is an echo"));
        }
    };
    around(WARM_UP);
    counted(&mut || around(iterations));
}

/// A request to a frame and back, and its reply.
fn frame(_: &SystemRunner, iterations: u64) {
    let mut frames = Frames::new();
    let mut around = |batches| {
        for turn in 0..batches {
            frames.encode_requests(turn);
            frames.decode();
            frames.encode_replies(turn);
            frames.decode();
        }
    };
    around(2);
    counted(&mut || around(iterations / BATCH));
}

/// Operations that are not counted: they open what is opened once.
const WARM_UP: u64 = 64 * 4;
