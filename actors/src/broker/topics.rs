//! Who subscribes within this process, by topic.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::tally::Tally;
use super::{Acknowledger, BrokerError, Delivery, EncodedEvent, EventSink, Interest};
use crate::inbox::DueTurns;

/// The subscribers of this process; clones share them.
///
/// Looking a topic up is wait-free; changes are made one at a time, to copies.
#[derive(Clone)]
pub(super) struct Topics {
    shared: Arc<Shared>,
}

struct Shared {
    broker: &'static str,
    topics: ArcSwap<HashMap<Arc<str>, Arc<Topic>>>,
    writer: Mutex<()>,
    next: AtomicU64,
}

/// A topic that somebody has subscribed to.
pub(super) struct Topic {
    name: Arc<str>,
    audiences: ArcSwap<Vec<Audience>>,
}

/// The subscribers of a topic at one moment.
pub(super) struct Subscribers<'a> {
    topic: &'a Arc<str>,
    audiences: Guard<Arc<Vec<Audience>>>,
}

/// The subscribers without a group, or those of one.
#[derive(Clone)]
struct Audience {
    group: Option<Arc<str>>,
    members: Vec<Member>,
    /// Whose turn it is, in a group.
    next: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Member {
    number: u64,
    sink: Arc<dyn EventSink>,
}

/// Which subscribers of a topic are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To<'a> {
    /// Those without a group, and one of each group.
    All,
    /// Those without a group.
    Ungrouped,
    /// One of this group.
    Group(&'a str),
}

/// A subscriber's place; dropping it gives it up.
pub(super) struct Place {
    topics: Topics,
    topic: Arc<Topic>,
    number: u64,
}

impl Topics {
    pub(super) fn new(broker: &'static str) -> Self {
        let shared = Shared {
            broker,
            topics: ArcSwap::default(),
            writer: Mutex::default(),
            next: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a subscriber.
    pub(super) fn add(
        &self,
        interest: &Interest,
        sink: Arc<dyn EventSink>,
    ) -> Result<Place, BrokerError> {
        interest.check()?;
        let _writer = self.shared.writer.lock();
        let topic = self.topic(&interest.topic)?;
        let mut audiences = Vec::clone(&topic.audiences.load());
        let members: usize = audiences.iter().map(|audience| audience.members.len()).sum();
        if members >= SUBSCRIBERS_MOST {
            return Err(self.full("subscribers of a topic", SUBSCRIBERS_MOST));
        }
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let member = Member { number, sink };
        match audiences.iter_mut().find(|audience| audience.group == interest.group) {
            Some(audience) => audience.members.push(member),
            None => audiences.push(Audience {
                group: interest.group.clone(),
                members: vec![member],
                next: Arc::default(),
            }),
        }
        topic.audiences.store(Arc::new(audiences));
        Ok(Place { topics: self.clone(), topic, number })
    }

    /// The topic of a name, made if need be.
    fn topic(&self, name: &Arc<str>) -> Result<Arc<Topic>, BrokerError> {
        let topics = self.shared.topics.load();
        if let Some(topic) = topics.get(name) {
            return Ok(Arc::clone(topic));
        }
        if topics.len() >= TOPICS_MOST {
            return Err(self.full("topics", TOPICS_MOST));
        }
        let topic = Arc::new(Topic { name: Arc::clone(name), audiences: ArcSwap::default() });
        let mut topics = HashMap::clone(&topics);
        topics.insert(Arc::clone(name), Arc::clone(&topic));
        self.shared.topics.store(Arc::new(topics));
        Ok(topic)
    }

    fn full(&self, what: &'static str, limit: usize) -> BrokerError {
        BrokerError::Full { broker: self.shared.broker, what, limit }
    }

    /// Hands what is subscribed under a name to `look`, if there is anything.
    pub(super) fn look<T>(&self, name: &str, look: impl FnOnce(&Topic) -> T) -> Option<T> {
        self.shared.topics.load().get(name).map(|topic| look(topic))
    }

    fn remove(&self, topic: &Arc<Topic>, number: u64) {
        let _writer = self.shared.writer.lock();
        let mut audiences = Vec::clone(&topic.audiences.load());
        for audience in &mut audiences {
            audience.members.retain(|member| member.number != number);
        }
        audiences.retain(|audience| !audience.members.is_empty());
        let is_last = audiences.is_empty();
        topic.audiences.store(Arc::new(audiences));
        if is_last {
            let mut topics = HashMap::clone(&self.shared.topics.load());
            topics.remove(&topic.name);
            self.shared.topics.store(Arc::new(topics));
        }
    }
}

impl Topic {
    /// The subscribers now; whoever comes or goes later makes no difference to it.
    pub(super) fn subscribers(&self) -> Subscribers<'_> {
        Subscribers { topic: &self.name, audiences: self.audiences.load() }
    }

    /// Whether a member of the group has room.
    pub(super) fn has_room(&self, group: &str) -> bool {
        let audiences = self.audiences.load();
        let audience = audiences.iter().find(|known| known.group.as_deref() == Some(group));
        audience.is_some_and(|group| group.members.iter().any(|member| member.sink.has_room()))
    }
}

impl Subscribers<'_> {
    /// How many an event would reach.
    pub(super) fn reach(&self, to: To<'_>) -> u32 {
        let reach: usize = self.audiences.iter().map(|audience| audience.reach(to)).sum();
        u32::try_from(reach).unwrap_or(u32::MAX)
    }

    /// The groups there are, and none if there are subscribers without a group.
    pub(super) fn audiences(&self) -> Vec<Option<Arc<str>>> {
        self.audiences.iter().map(|audience| audience.group.clone()).collect()
    }

    /// Delivers an event to all that are meant, whose answers the tally counts; `deliver` hands it
    /// to one.
    pub(super) fn publish(
        &self,
        event: &EncodedEvent,
        to: To<'_>,
        tally: &Arc<Tally>,
        mut deliver: impl FnMut(&dyn EventSink, Delivery),
    ) {
        tally.expect(self.reach(to));
        self.each(to, |member| {
            let delivery = Delivery {
                topic: Arc::clone(self.topic),
                event: event.clone(),
                acknowledger: Acknowledger::counted(tally),
            };
            deliver(&*member.sink, delivery);
        });
    }

    /// Delivers an event of a batch to the one subscriber that is meant, if exactly one is.
    pub(super) fn deliver(
        &self,
        to: To<'_>,
        event: EncodedEvent,
        acknowledger: Acknowledger,
        due: &mut DueTurns,
    ) {
        let topic = Arc::clone(self.topic);
        let mut delivery = Some(Delivery { topic, event, acknowledger });
        self.each(to, |member| {
            if let Some(delivery) = delivery.take() {
                member.sink.deliver_of_batch(delivery, due);
            }
        });
    }

    fn each(&self, to: To<'_>, mut reached: impl FnMut(&Member)) {
        for audience in self.audiences.iter().filter(|audience| audience.is_meant(to)) {
            if audience.group.is_some() {
                reached(audience.member());
            } else {
                audience.members.iter().for_each(&mut reached);
            }
        }
    }
}

impl Audience {
    fn is_meant(&self, to: To<'_>) -> bool {
        match to {
            To::All => true,
            To::Ungrouped => self.group.is_none(),
            To::Group(name) => self.group.as_deref() == Some(name),
        }
    }

    fn reach(&self, to: To<'_>) -> usize {
        match (self.is_meant(to), &self.group) {
            (false, _) => 0,
            (true, None) => self.members.len(),
            (true, Some(_)) => 1,
        }
    }

    /// The next one in turn that has room; the next one if none has. There is always one.
    fn member(&self) -> &Member {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let turns = (0..count).map(|turn| &self.members[(first + turn) % count]);
        turns.clone().find(|member| member.sink.has_room()).unwrap_or(&self.members[first])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.topics.remove(&self.topic, self.number);
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.shared.topics.load().keys()).finish()
    }
}

/// Topics with subscribers in one process at most.
const TOPICS_MOST: usize = 16_384;

/// Subscribers of one topic in one process at most.
const SUBSCRIBERS_MOST: usize = 16_384;
