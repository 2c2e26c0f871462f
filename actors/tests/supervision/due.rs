//! Turns of actors to which a batch has brought something.

use callboard_actors::inbox::{DueTurns, Inbox, InboxOptions};
use tokio::time::Instant;

use crate::requests::{Outcomes, World};
use crate::world::{Probe, patient, set_up, settle, soon};

#[actix::test]
async fn an_actor_that_is_due_has_its_turn_once_the_batch_is_handed_out() {
    let world = World::start(4, &[]);
    settle().await;
    let mut due = DueTurns::default();
    let push = |due: &mut _, id| world.inbox.push_due(world.job(id).boxed(), Instant::now(), due);
    push(&mut due, 1);
    push(&mut due, 2);
    settle().await;
    assert_eq!(world.outcomes.take(), [""; 0], "nobody has woken it");
    due.take();
    assert_eq!(world.outcomes.take(), ["1 answered", "2 answered"]);
    // Whoever gives no turns wakes those who were to have one.
    push(&mut due, 3);
    drop(due);
    assert_eq!(world.outcomes.take(), [""; 0]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["3 answered"]);
}

#[actix::test]
async fn an_actor_on_another_thread_is_woken_before_those_at_home_have_had_their_turns() {
    let world = World::start(4, &[]);
    settle().await;
    let (inbox, job) = (world.inbox.clone(), world.job(1).boxed());
    let now = Instant::now();
    let pushed = std::thread::spawn(move || {
        let mut due = DueTurns::default();
        inbox.push_due(job, now, &mut due);
        due
    });
    let due = pushed.join().unwrap();
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
    drop(due);
}

#[actix::test]
async fn of_many_that_are_due_the_first_have_their_turn_and_the_others_are_woken() {
    let (log, outcomes) = (set_up(), Outcomes::default());
    let mut builder = patient("top");
    let inboxes: Vec<Inbox<Probe>> = std::iter::repeat_with(|| {
        let (child, inbox) = Probe::child("a", &log).with_inbox(InboxOptions::default());
        builder.child(child);
        inbox
    })
    .take(40)
    .collect();
    let _supervisor = builder.start();
    settle().await;
    let mut due = DueTurns::default();
    for (id, inbox) in (1..).zip(&inboxes) {
        inbox.push_due(outcomes.job(id).boxed(), Instant::now(), &mut due);
    }
    due.take();
    let answered = |ids: std::ops::RangeInclusive<u64>| -> Vec<_> {
        ids.map(|id| format!("{id} answered")).collect()
    };
    assert_eq!(outcomes.take(), answered(1..=32));
    // With `due` still there: nobody waits for it.
    settle().await;
    assert_eq!(outcomes.take(), answered(33..=40));
    due.take();
}
