//! An actor that answers tasks of another arbiter.

use actix_rt::Arbiter;

use super::*;
use crate::supervisor::{Child, Supervisor};

/// Answers whoever waits, and tells how many of them are woken later.
struct Answer {
    wakers: Vec<BatchedWaker>,
    kept: Option<oneshot::Sender<usize>>,
}

impl Job<Nobody> for Answer {
    fn key(&self) -> JobKey {
        JobKey { origin: 0, id: 0 }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn endpoint(&self) -> usize {
        0
    }

    fn run(&mut self, _: &mut Nobody, _: &mut Context<Nobody>) -> Progress<Nobody> {
        self.wakers.clear();
        let kept = self.kept.take().expect("it is run once");
        kept.send(batch::kept()).expect("the test waits for it");
        Progress::Done
    }

    fn panicked(&mut self, panic: &Panic) {
        unreachable!("{panic}");
    }

    fn refuse(&mut self, refusal: Refusal) {
        unreachable!("{refusal:?}");
    }
}

#[actix::test]
async fn whom_an_actor_answers_is_woken_when_its_turn_ends_and_it_stays_awake_for_more() {
    let (child, inbox) = Child::new("a", || Nobody).with_inbox(InboxOptions::default());
    let vitals = child.vitals();
    let mut supervisor = Supervisor::builder("top");
    supervisor.child(child);
    let _running = supervisor.start();
    let (sender, waiting) = oneshot::channel();
    let callers = Arbiter::new();
    callers.spawn(async { drop(sender.send(waiters(5).await)) });
    let (tasks, wakers) = timeout(LONG, waiting).await.expect("they wait").expect("all do");
    let (kept, told) = oneshot::channel();
    let before = vitals.snapshot().polls;
    inbox.push_one(Box::new(Answer { wakers, kept: Some(kept) }), Instant::now());
    let told = timeout(LONG, told).await.expect("it is run");
    assert_eq!(told, Ok(5));
    all_wake(tasks).await;
    let awake = async {
        while vitals.snapshot().polls < before + 10 {
            yield_now().await;
        }
    };
    timeout(LONG, awake).await.expect("it has turns although nothing wakes it");
    callers.stop();
}
