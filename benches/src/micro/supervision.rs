//! What supervision costs: for each message, and for a restart.
//!
//! callboard's context does not run without a supervisor, so that messages are compared with those
//! to an actor in actix's own context, on the same arbiter.

use std::time::Instant;

use actix_rt::{Arbiter, SystemRunner};

use super::Plan;
use super::cast::{Ask, Cast, Fail, Note};
use super::looping::tell;
use super::rounds::{Samples, Way, compared, figures, interleave};
use crate::echo::Echo;
use crate::figure::Figure;

/// Measures messages to an actor with and without supervision, and restarts.
pub fn measure(runner: &SystemRunner, plan: Plan) -> Vec<Figure> {
    let cast = runner.block_on(Cast::start(&Arbiter::current()));
    let varied = ("in flight", BATCH);
    let all = interleave(plan.rounds, messages(runner, plan, &cast));
    let mut results = compared(MESSAGES, varied, &all, f64::INFINITY);
    let beyond = [difference(&all)];
    results.extend(figures(MESSAGES, varied, &beyond).into_iter().map(|figure| figure.bar(10.0)));

    // Each of the panics would be printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let all = interleave(plan.rounds, restarts(runner, plan, &cast));
    std::panic::set_hook(hook);
    results.extend(figures(
        "restart: from a message that panics to the reply to the next",
        ("in flight", 1),
        &all,
    ));
    runner.block_on(cast.stop());
    results
}

fn messages<'a>(runner: &'a SystemRunner, plan: Plan, cast: &'a Cast) -> Vec<Way<'a>> {
    let (time, tally) = (plan.time, &*cast.tally);
    vec![
        Way::new("actix::Context, alone", move || {
            runner.block_on(tell(BATCH, time, tally, |id| cast.bare.do_send(Note(Echo::new(id)))))
        }),
        Way::new("callboard::Context, supervised", move || {
            runner.block_on(tell(BATCH, time, tally, |id| {
                cast.supervised.do_send(Note(Echo::new(id)));
            }))
        }),
    ]
}

fn difference(all: &[Samples]) -> Samples {
    let pairs = all[0].values.iter().zip(&all[1].values);
    let values = pairs.map(|(alone, supervised)| supervised - alone).collect();
    Samples { name: "supervised beyond alone".into(), values }
}

fn restarts<'a>(runner: &'a SystemRunner, plan: Plan, cast: &'a Cast) -> Vec<Way<'a>> {
    vec![
        Way::new("Addr of a supervised actor", move || {
            runner.block_on(until(plan, async |id| {
                cast.supervised.send(Fail).await.expect_err("a panic fails its message");
                let reply = cast.supervised.send(Ask(Echo::new(id))).await;
                reply.expect("the next message finds an actor").expect("it echoes");
            }))
        }),
        Way::new("service(name)", move || {
            runner.block_on(until(plan, async |id| {
                cast.service.send(Fail).await.expect_err("a panic fails its request");
                cast.service.send(Echo::new(id)).await.expect("the next request finds an actor");
            }))
        }),
    ]
}

async fn until(plan: Plan, once: impl AsyncFn(u64)) -> f64 {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < plan.time {
        once(count).await;
        count += 1;
    }
    begun.elapsed().as_nanos() as f64 / count as f64
}

const MESSAGES: &str = "a message to a supervised actor";
const BATCH: u64 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_taken_within_each_round() {
        let samples = |values: [f64; 2]| Samples { name: String::new(), values: values.into() };
        let all = [samples([100.0, 200.0]), samples([105.0, 203.0])];
        assert_eq!(difference(&all).values, [5.0, 3.0]);
    }
}
