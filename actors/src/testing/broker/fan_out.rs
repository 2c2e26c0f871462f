//! Properties: who gets an event, how often, in which order.

use std::sync::Arc;

use futures_util::future::join_all;

use super::probe::{Manner, Probe, TOPIC, publish, until_reached};
use super::{Harness, Nodes};
use crate::broker::{BrokerError, EncodedEvent, Interest, Published};
use crate::metadata::Metadata;

/// Every subscriber without a group gets each event once, on the publisher's node and on others.
pub async fn every_subscriber_gets_each_event(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let mut probes = Vec::new();
    for broker in brokers.iter().chain(&brokers[..1]) {
        probes.push(Probe::on(broker, None, Manner::Acknowledge).await);
    }
    until_reached(harness, &brokers[0], 4).await;
    let published = publish(harness, &brokers[0], "John").await;
    assert_eq!(published, Published { acknowledged: 4, ..Published::default() });
    for (probe, _) in &probes {
        probe.until(harness, 1).await;
        assert_eq!(probe.bodies(), ["John"]);
    }
}

/// Of a queue group exactly one member gets each event, and all members take part, those of one
/// node among themselves and those of several nodes.
pub async fn a_group_gets_each_event_once(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let group = Some("mailer");
    let mut probes = Vec::new();
    for broker in [&brokers[1], &brokers[1], &brokers[2]] {
        probes.push(Probe::on(broker, group, Manner::Acknowledge).await);
    }
    until_reached(harness, &brokers[0], 1).await;
    let mut round = 0;
    // The members on other nodes may be seen later than the first one.
    while probes.iter().any(|(probe, _)| probe.bodies().is_empty()) && round < 50 {
        let each = |number| publish(harness, &brokers[0], number);
        let names: Vec<_> = (0..20).map(|number| format!("{round}.{number}")).collect();
        for published in join_all(names.iter().map(|name| each(name))).await {
            assert_eq!(published, Published { acknowledged: 1, ..Published::default() });
        }
        round += 1;
    }
    let mut all: Vec<String> = probes.iter().flat_map(|(probe, _)| probe.bodies()).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((count, all.len()), (20 * round, 20 * round), "lost or delivered twice");
    for (index, (probe, _)) in probes.iter().enumerate() {
        assert!(!probe.bodies().is_empty(), "member {index} got none of {count} events");
    }
}

/// Two groups, and those without one, each get each event.
pub async fn groups_and_others_do_not_disturb_each_other(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let mut probes = Vec::new();
    for (broker, group) in
        [(0, None), (1, None), (1, Some("mailer")), (2, Some("mailer")), (2, Some("counter"))]
    {
        probes.push((group, Probe::on(&brokers[broker], group, Manner::Acknowledge).await));
    }
    until_reached(harness, &brokers[0], 4).await;
    for number in 0..10 {
        let published = publish(harness, &brokers[0], &number.to_string()).await;
        assert_eq!(published, Published { acknowledged: 4, ..Published::default() });
    }
    let of = |wanted: Option<&str>| -> usize {
        let those = probes.iter().filter(|(group, _)| *group == wanted);
        those.map(|(_, (probe, _))| probe.bodies().len()).sum()
    };
    assert_eq!((of(None), of(Some("mailer")), of(Some("counter"))), (20, 10, 10));
}

/// A subscription that was closed, or dropped, gets nothing more; others do.
pub async fn a_closed_subscription_gets_nothing(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let (closed, subscription) = Probe::on(&brokers[1], None, Manner::Acknowledge).await;
    let (dropped, other) = Probe::on(&brokers[2], Some("mailer"), Manner::Acknowledge).await;
    let (stays, _own) = Probe::on(&brokers[1], None, Manner::Acknowledge).await;
    until_reached(harness, &brokers[0], 3).await;
    subscription.close().await;
    drop(other);
    until_reached(harness, &brokers[0], 1).await;
    publish(harness, &brokers[0], "John").await;
    stays.until(harness, 1).await;
    assert_eq!((closed.bodies(), dropped.bodies()), (vec![], vec![]));
    let (again, _own) = Probe::on(&brokers[2], Some("mailer"), Manner::Acknowledge).await;
    until_reached(harness, &brokers[0], 2).await;
    publish(harness, &brokers[0], "Jane").await;
    again.until(harness, 1).await;
    assert_eq!(again.bodies(), ["Jane"]);
}

/// Events that a publisher waits for one by one are delivered one by one.
pub async fn one_publisher_s_events_stay_in_order(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let (here, _one) = Probe::on(&brokers[0], None, Manner::Acknowledge).await;
    let (there, _other) = Probe::on(&brokers[1], None, Manner::Acknowledge).await;
    until_reached(harness, &brokers[0], 2).await;
    let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    for name in &names {
        publish(harness, &brokers[0], name).await;
    }
    there.until(harness, names.len()).await;
    assert_eq!(here.bodies(), names);
    assert_eq!(there.bodies(), names);
}

/// Many publishers on several nodes lose nothing and deliver nothing twice.
pub async fn publishers_at_once_lose_nothing(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let (probe, _own) = Probe::on(&brokers[2], None, Manner::Acknowledge).await;
    for broker in brokers {
        until_reached(harness, broker, 1).await;
    }
    let names: Vec<_> = (0..600).map(|number| number.to_string()).collect();
    let each = |(number, name): (usize, &String)| {
        let (broker, name) = (&brokers[number % 3], name.clone());
        async move { publish(harness, broker, &name).await }
    };
    for published in join_all(names.iter().enumerate().map(each)).await {
        assert_eq!(published, Published { acknowledged: 1, ..Published::default() });
    }
    let mut got = probe.bodies();
    got.sort_unstable();
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(got, expected);
}

/// Topic, metadata, content type and body arrive as they were sent, however large.
pub async fn events_survive_as_they_are(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let (probe, _own) = Probe::on(&brokers[1], None, Manner::Acknowledge).await;
    until_reached(harness, &brokers[0], 1).await;
    let metadata = Metadata::new().with("Trace", "1").with("Größe", "ein Meter");
    let body = format!("\"{}ü\"", "x".repeat(harness.event_bytes()));
    let large = EncodedEvent { metadata, ..EncodedEvent::new(harness.content_type(), body) };
    let patience = harness.patience();
    let published = brokers[0].publisher(TOPIC).publish(large.clone(), patience).await;
    assert!(matches!(published, Ok(Published { acknowledged: 1, .. })), "{published:?}");
    probe.until(harness, 1).await;
    let (topic, event) = probe.events().remove(0);
    assert_eq!(&*topic, TOPIC);
    assert_eq!(event.content_type, large.content_type);
    assert!(event.body == large.body, "the body differs");
    for (name, value) in large.metadata.iter() {
        assert_eq!(event.metadata.value(name), Some(value), "metadata {name}");
    }
}

/// One event reaches as many subscribers as the harness says.
pub async fn a_thousand_subscribers(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let count = harness.subscribers();
    let mut probes = Vec::new();
    for number in 0..count {
        let broker = &brokers[1 + usize::from(number % 2 == 0)];
        probes.push(Probe::on(broker, None, Manner::Acknowledge).await);
    }
    until_reached(harness, &brokers[0], count).await;
    let published = publish(harness, &brokers[0], "John").await;
    assert_eq!(published, Published { acknowledged: count, ..Published::default() });
    for (probe, _) in &probes {
        assert_eq!(probe.bodies(), ["John"]);
    }
}

/// A topic or a group that cannot be carried is refused, by both sides.
pub async fn bad_names_are_refused(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    let long = "x".repeat(Interest::NAME_MOST + 1);
    for interest in [
        Interest::new(""),
        Interest::new(long.as_str()),
        Interest::new(TOPIC).group(""),
        Interest::new(TOPIC).group(long.as_str()),
    ] {
        let subscribed = brokers[0].subscribe(interest.clone(), Probe::new(Manner::Drop)).await;
        let error = subscribed.err().unwrap_or_else(|| panic!("{interest:?} was taken"));
        assert!(matches!(error, BrokerError::Invalid { .. }), "{interest:?}: {error}");
    }
    let patience = harness.patience();
    let event = EncodedEvent::new(harness.content_type(), "1");
    for topic in ["", &long] {
        let published = brokers[0].publisher(topic).publish(event.clone(), patience).await;
        assert!(matches!(published, Err(BrokerError::Invalid { .. })), "{published:?}");
    }
    let longest: Arc<str> = "x".repeat(Interest::NAME_MOST).into();
    let taken = brokers[0].subscribe(Interest::new(longest), Probe::new(Manner::Drop)).await;
    taken.expect("the longest name is allowed").close().await;
}
