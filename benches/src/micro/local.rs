//! Ask and tell within a process: actix's own `Addr`, ours, and a service by its name.

use std::time::Duration;

use actix_rt::{Arbiter, SystemRunner};

use super::Plan;
use super::cast::{Ask, Cast, Note};
use super::looping::{ask, tell};
use super::rounds::{Way, compared, interleave};
use crate::alone::Alone;
use crate::echo::Echo;
use crate::figure::Figure;

/// Measures ask and tell, on the same arbiter and across two.
pub fn measure(runner: &SystemRunner, plan: Plan) -> Vec<Figure> {
    let mut figures = at(runner, plan, &Arbiter::current(), ("same arbiter", 1.3));
    let other = Arbiter::new();
    figures.extend(at(runner, plan, &other.handle(), ("across arbiters", 1.2)));
    other.stop();
    figures
}

/// Asks across arbiters in one way alone; `None` when there is no such way.
pub fn alone(runner: &SystemRunner, alone: &Alone) -> Option<Figure> {
    let other = Arbiter::new();
    let cast = runner.block_on(Cast::start(&other.handle()));
    let plan = Plan { rounds: 1, time: TURN };
    let ways = asks(runner, plan, &cast, alone.size);
    let way = ways.into_iter().find(|way| way.name() == alone.what);
    let figure = way.map(|mut way| alone.repeat(|| way.measure()));
    runner.block_on(cast.stop());
    other.stop();
    figure
}

fn at(
    runner: &SystemRunner,
    plan: Plan,
    arbiter: &actix_rt::ArbiterHandle,
    (place, bar): (&str, f64),
) -> Vec<Figure> {
    let cast = runner.block_on(Cast::start(arbiter));
    let mut figures = Vec::new();
    for in_flight in [1, 64] {
        let all = interleave(plan.rounds, asks(runner, plan, &cast, in_flight));
        figures.extend(compared(&format!("ask, {place}"), ("in flight", in_flight), &all, bar));
    }
    for batch in [1, 64] {
        let all = interleave(plan.rounds, tells(runner, plan, &cast, batch));
        let varied = ("in flight", batch);
        figures.extend(compared(&format!("tell, {place}"), varied, &all, f64::INFINITY));
    }
    runner.block_on(cast.stop());
    figures
}

fn asks<'a>(runner: &'a SystemRunner, plan: Plan, cast: &'a Cast, in_flight: u64) -> Vec<Way<'a>> {
    let time = plan.time;
    vec![
        Way::new("Addr, actix::Context", move || {
            let address = cast.bare.clone();
            runner.block_on(ask(in_flight, time, async move |id| {
                address.send(Ask(Echo::new(id))).await.expect(LIVES).expect(ECHOES).check(id);
            }))
        }),
        Way::new("Addr, callboard::Context", move || {
            let address = cast.supervised.clone();
            runner.block_on(ask(in_flight, time, async move |id| {
                address.send(Ask(Echo::new(id))).await.expect(LIVES).expect(ECHOES).check(id);
            }))
        }),
        Way::new("service(name)", move || {
            let service = cast.service.clone();
            runner.block_on(ask(in_flight, time, async move |id| {
                service.send(Echo::new(id)).await.expect(ECHOES).check(id);
            }))
        }),
    ]
}

fn tells<'a>(runner: &'a SystemRunner, plan: Plan, cast: &'a Cast, batch: u64) -> Vec<Way<'a>> {
    let (time, tally) = (plan.time, &*cast.tally);
    vec![
        Way::new("Addr, actix::Context", move || {
            runner.block_on(tell(batch, time, tally, |id| cast.bare.do_send(Note(Echo::new(id)))))
        }),
        Way::new("Addr, callboard::Context", move || {
            runner.block_on(tell(batch, time, tally, |id| {
                cast.supervised.do_send(Note(Echo::new(id)));
            }))
        }),
        Way::new("service(name)", move || {
            runner
                .block_on(tell(batch, time, tally, |id| cast.service.do_send(Note(Echo::new(id)))))
        }),
    ]
}

/// Of a way alone; a part of it is warm-up each time.
const TURN: Duration = Duration::from_millis(500);

const LIVES: &str = "the actor lives";
const ECHOES: &str = "the actor echoes";
