//! What the worker does when its daemon fails; the rest is tested through the registry.

use std::sync::mpsc::sync_channel;
use std::thread;

use callboard_actors::registry::NodeInfo;
use tokio::time::timeout;

use super::*;
use crate::registry::mdns::tests::test_options;

#[tokio::test]
async fn a_daemon_that_ended_is_replaced_and_told_everything_again() {
    let options = test_options();
    let (inputs, received) = sync_channel(8);
    let (sender, _snapshots) = watch::channel(Snapshot::default());
    let daemon = Daemon::start(&options).unwrap();
    daemon.kill();
    let worker = Worker::new(options.clone(), daemon, (inputs.clone(), received), sender);
    let thread = thread::spawn(move || worker.run());

    let service = Service::new("greeter", "1").node(NodeInfo::new("a", "127.0.0.1:1"));
    let (reply, answer) = oneshot::channel();
    let records = Record::split(&service).unwrap();
    inputs.send(Input::Register(records, Duration::from_secs(60), reply)).unwrap();
    assert_eq!(answer.await.unwrap(), Ok(()));

    // Another daemon sees it, so the new one has announced it.
    let (others, received) = sync_channel(64);
    let (sender, mut seen) = watch::channel(Snapshot::default());
    let other = Daemon::start(&options).unwrap();
    let other = Worker::new(options, other, (others.clone(), received), sender);
    let other = thread::spawn(move || other.run());
    others.send(Input::Browse).unwrap();
    let found = timeout(Duration::from_secs(10), seen.wait_for(|view| !view.is_empty()));
    assert_eq!(found.await.expect("found in time").unwrap().records(), [service]);

    for (inputs, thread) in [(inputs, thread), (others, other)] {
        let (done, _ended) = sync_channel(0);
        inputs.send(Input::Stop(done)).unwrap();
        thread.join().unwrap();
    }
}
