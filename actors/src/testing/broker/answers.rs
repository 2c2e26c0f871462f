//! Properties: what the publisher is told.

use std::time::Duration;

use super::probe::{Manner, Probe, publish, publish_within, until_reached};
use super::{Harness, Nodes};
use crate::broker::Published;

/// An event that nobody subscribes to is published all the same.
pub async fn nobody_is_no_error(harness: &dyn Harness) {
    let Nodes { brokers, .. } = &harness.nodes().await;
    assert_eq!(publish(harness, &brokers[0], "John").await, Published::default());
}

/// Each subscriber counts as what it answered; one that forgets an event has failed.
pub async fn failures_are_counted(harness: &dyn Harness) {
    if !harness.tells_failures() {
        return;
    }
    let Nodes { brokers, .. } = &harness.nodes().await;
    let _own = [
        Probe::on(&brokers[0], None, Manner::Acknowledge).await,
        Probe::on(&brokers[0], None, Manner::Fail).await,
        Probe::on(&brokers[1], None, Manner::Drop).await,
        Probe::on(&brokers[1], None, Manner::Refuse).await,
        Probe::on(&brokers[2], None, Manner::Fail).await,
        Probe::on(&brokers[2], Some("mailer"), Manner::Refuse).await,
    ];
    until_reached(harness, &brokers[0], 6).await;
    let published = publish(harness, &brokers[0], "John").await;
    assert_eq!(published, Published { acknowledged: 1, failed: 3, refused: 2 });
}

/// A member that is full makes way for another one of its group, on its node or elsewhere.
pub async fn a_full_subscriber_refuses_and_another_member_takes_over(harness: &dyn Harness) {
    if !harness.tells_failures() {
        return;
    }
    let Nodes { brokers, .. } = &harness.nodes().await;
    let group = Some("mailer");
    let _own = [
        Probe::on(&brokers[0], group, Manner::Refuse).await,
        Probe::on(&brokers[1], group, Manner::Refuse).await,
    ];
    let (takes, _other) = Probe::on(&brokers[2], group, Manner::Acknowledge).await;
    let until = crate::Deadline::within(harness.patience());
    // The member that takes them may be seen later than the others.
    while takes.bodies().is_empty() && !until.has_passed() {
        publish(harness, &brokers[0], "John").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = takes.bodies().len();
    for _ in 0..20 {
        let published = publish(harness, &brokers[0], "Jane").await;
        assert_eq!(published, Published { acknowledged: 1, ..Published::default() });
    }
    assert_eq!(takes.bodies().len(), before + 20);
}

/// A subscriber that does not answer costs the publisher its patience, and others nothing.
pub async fn a_slow_subscriber_delays_no_other(harness: &dyn Harness) {
    if !harness.tells_failures() {
        return;
    }
    let Nodes { brokers, .. } = &harness.nodes().await;
    let (_slow, _one) = Probe::on(&brokers[0], None, Manner::Keep).await;
    let (_slower, _two) = Probe::on(&brokers[1], None, Manner::Keep).await;
    let (fast, _three) = Probe::on(&brokers[1], None, Manner::Acknowledge).await;
    let (faster, _four) = Probe::on(&brokers[2], None, Manner::Acknowledge).await;
    until_reached(harness, &brokers[0], 4).await;
    let patience = Duration::from_millis(300);
    let (published, ()) =
        tokio::join!(publish_within(harness, &brokers[0], "John", patience), async {
            fast.until(harness, 1).await;
            faster.until(harness, 1).await;
        });
    // Of a node where one did not answer nobody knows what the others did.
    assert_eq!(published.failed + published.acknowledged, published.subscribers(), "{published:?}");
    assert!(published.failed >= 2 && published.acknowledged >= 1, "{published:?}");
}
