//! What has been answered is used again, within bounds.

use std::time::Duration;

use crate::requests::World;
use crate::world::soon;

const SECOND: Duration = Duration::from_secs(1);

impl World {
    /// How many of an endpoint come back at once.
    fn spares_of(&self, endpoint: usize) -> usize {
        let mut spares = Vec::new();
        self.inbox.take_spares(endpoint, 16, &mut spares);
        assert!(spares.iter().all(|spare| spare.endpoint() == endpoint));
        spares.len()
    }

    /// How many of an endpoint there are; they are gone then.
    fn all_spares_of(&self, endpoint: usize) -> usize {
        std::iter::repeat_with(|| self.spares_of(endpoint)).take_while(|count| *count > 0).sum()
    }

    /// Has so many requests of an endpoint answered, some at a time.
    async fn answer(&self, endpoint: usize, count: u64) {
        for id in 1..=count {
            self.push([self.job(id).of(endpoint).lent()]);
            soon(self.idle()).await;
        }
    }
}

#[actix::test]
async fn what_has_been_answered_comes_back_to_be_filled_anew() {
    let world = World::start(100, &[]);
    // Whether their answers take time or not; but for those that were not run, or panicked.
    world.push((1..=14).map(|id| world.job(id).lent()));
    world.push([world.job(15), world.job(16).panics().lent(), world.job(17).takes(SECOND).lent()]);
    world.push([world.job(18).within(Duration::ZERO).lent()]);
    soon(world.idle()).await;
    assert_eq!((world.outcomes.take().len(), world.spares_of(0)), (18, 0), "some at a time");
    world.answer(0, 1).await;
    assert_eq!((world.spares_of(0), world.spares_of(0)), (16, 0));
    world.push((1..=16).map(|id| world.job(id).of(usize::from(id % 2 == 0)).lent()));
    soon(world.idle()).await;
    assert_eq!([0, 1, 0, 2].map(|endpoint| world.spares_of(endpoint)), [8, 8, 0, 0]);
}

#[actix::test]
async fn what_an_endpoint_has_most_of_gives_way() {
    let world = World::start(100, &[]);
    world.answer(1, 400).await;
    world.answer(0, 96).await;
    assert_eq!((world.all_spares_of(0), world.all_spares_of(1)), (96, 160), "256 are kept");
}

#[actix::test]
async fn what_is_not_needed_is_given_back() {
    let world = World::start(100, &[]);
    world.answer(0, 32).await;
    let mut spares = Vec::new();
    world.inbox.take_spares(0, 3, &mut spares);
    assert_eq!(spares.len(), 3);
    world.inbox.give_spares(&mut spares);
    assert_eq!((spares.len(), world.all_spares_of(0)), (0, 32));
    world.answer(0, 32).await;
    world.inbox.rest();
    assert_eq!(world.all_spares_of(0), 0);
}
