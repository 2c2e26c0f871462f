//! The thread that holds the registrations and the view of one [`MdnsRegistry`].
//!
//! Everything that happens reaches it through one bounded queue; between inputs it sleeps until
//! the next lease, beat, silence or fetch is due.
//!
//! [`MdnsRegistry`]: super::MdnsRegistry

mod orders;
mod sightings;
mod view;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use callboard_actors::registry::Service;
use mdns_sd::ResolvedService;
use tokio::sync::{oneshot, watch};

use super::MdnsOptions;
use super::announcement::Stamp;
use super::daemon::{Daemon, Refusal};
use super::leases::{Held, Lease, Leases};
use super::nodes::Nodes;
use super::outsize::Outsize;
use super::record::{Digest, Key, Record};
use crate::registry::snapshot::{Snapshot, publish};

/// What can happen to the worker.
pub(super) enum Input {
    /// Hold these for a time; the answer says why not.
    Register(Vec<Record>, Duration, Reply),
    /// Prolong these; the answer names a node that is not held.
    Renew(Vec<Key>, Duration, Reply),
    /// Give these back.
    Deregister(Vec<Key>, Reply),
    /// Look for nodes from now on.
    Browse,
    /// A node announced itself.
    Resolved(Box<ResolvedService>),
    /// A node said goodbye, or its records ended.
    Removed(String),
    /// The daemon closed the stream of events.
    BrowseEnded,
    /// A large record was fetched, or not.
    Fetched(String, Digest, Option<Service>),
    /// Say goodbye and end; the sender is dropped when that is done.
    Stop(SyncSender<()>),
}

/// Where an answer goes.
type Reply = oneshot::Sender<Result<(), String>>;

/// State of the thread.
pub(super) struct Worker {
    options: MdnsOptions,
    daemon: Daemon,
    inputs: Receiver<Input>,
    own_inputs: SyncSender<Input>,
    snapshots: watch::Sender<Snapshot>,
    leases: Leases,
    nodes: Nodes,
    outsize: Outsize,
    offered: BTreeMap<Key, Digest>,
    withdrawals: Vec<Lease>,
    // Given when the view shows what was done.
    answers: Vec<(Reply, Result<(), String>)>,
    origin: u64,
    last_beat: u64,
    fetching: usize,
    garbage: u64,
    is_browsing: bool,
    // What the daemon could not do yet is tried again then.
    retry: Option<Instant>,
    browse_due: bool,
    is_stale: bool,
}

impl Worker {
    /// Creates a worker that reads `inputs`, of which `own_inputs` is the other end.
    pub(super) fn new(
        options: MdnsOptions,
        daemon: Daemon,
        (own_inputs, inputs): (SyncSender<Input>, Receiver<Input>),
        snapshots: watch::Sender<Snapshot>,
    ) -> Self {
        Self {
            options,
            daemon,
            inputs,
            own_inputs,
            snapshots,
            leases: Leases::default(),
            nodes: Nodes::default(),
            outsize: Outsize::default(),
            offered: BTreeMap::new(),
            withdrawals: Vec::new(),
            answers: Vec::new(),
            origin: rand::random(),
            last_beat: 0,
            fetching: 0,
            garbage: 0,
            is_browsing: false,
            retry: None,
            browse_due: false,
            is_stale: false,
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            let input = match self.next_due() {
                Some(due) => {
                    let pause = due.saturating_duration_since(Instant::now());
                    self.inputs.recv_timeout(pause)
                }
                None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            // One view for all that has come in, so that a burst does not cost one each.
            let mut next = input.ok();
            for left in (0..BATCH).rev() {
                match next.take() {
                    // Whoever waits for the channel to close waits until goodbye is said.
                    Some(Input::Stop(_done)) => return self.stop(),
                    Some(input) => self.take(input),
                    None => break,
                }
                next = if left > 0 { self.inputs.try_recv().ok() } else { None };
            }
            self.do_what_is_due(Instant::now());
            self.publish();
            for (reply, answer) in self.answers.drain(..) {
                // Nobody waits for it any more: what was asked is done all the same.
                let _cancelled = reply.send(answer);
            }
        }
    }

    fn take(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Register(records, ttl, reply) => {
                let answer = self.register(records, ttl, now);
                self.answers.push((reply, answer));
            }
            Input::Renew(keys, ttl, reply) => {
                let lost = keys.into_iter().find(|key| !self.leases.renew(key, ttl, now));
                self.answers.push((reply, lost.map_or(Ok(()), |key| Err(key.node))));
            }
            Input::Deregister(keys, reply) => {
                for key in keys {
                    self.release(&key, now);
                }
                self.answers.push((reply, Ok(())));
            }
            Input::Browse => {
                self.is_browsing = true;
                self.browse_due = true;
            }
            Input::Resolved(resolved) => self.see(&resolved, now),
            Input::Removed(instance) => self.is_stale |= self.nodes.forget(&instance),
            Input::BrowseEnded => {
                self.browse_due = self.is_browsing;
                self.retry = Some(now + orders::RETRY);
            }
            Input::Fetched(instance, digest, service) => {
                self.fetching -= 1;
                self.is_stale |= self.nodes.fetched(&instance, digest, service, now);
            }
            Input::Stop(_) => {}
        }
    }

    fn register(
        &mut self,
        records: Vec<Record>,
        ttl: Duration,
        now: Instant,
    ) -> Result<(), String> {
        for record in records {
            let beat = self.next_beat();
            let key = record.key.clone();
            match self.leases.hold(record, ttl, beat, now) {
                Held::Full => return Err("it holds too many registrations".into()),
                Held::Changed => self.take_back(&key),
                Held::New | Held::Renewed => {}
            }
            self.is_stale = true;
        }
        Ok(())
    }

    fn release(&mut self, key: &Key, now: Instant) {
        if let Some(lease) = self.leases.release(key, now) {
            self.take_back(key);
            self.withdrawals.push(lease);
            self.is_stale = true;
        }
    }

    /// Stops to hand out the large record of a registration.
    fn take_back(&mut self, key: &Key) {
        if let Some(digest) = self.offered.remove(key) {
            self.outsize.forget(digest);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let has_room = self.fetching < sightings::FETCHES_MAX;
        let dues = [self.leases.next_due(), self.nodes.next_due(has_room), self.retry];
        dues.into_iter().flatten().min()
    }

    fn do_what_is_due(&mut self, now: Instant) {
        for key in self.leases.ended(now) {
            tracing::debug!(node = key.node, "mDNS registration was not renewed and ends");
            self.release(&key, now);
        }
        for instance in self.nodes.fallen_silent(now) {
            self.is_stale = true;
            self.daemon.verify(instance);
        }
        if self.retry.is_none_or(|retry| retry <= now) {
            self.retry = None;
            self.withdraw(now);
            if self.browse_due {
                self.browse(now);
            }
        }
        for key in self.leases.owed(now) {
            // Not any more if the daemon has ended meanwhile.
            if self.leases.is_owed(&key, now) {
                self.announce(&key, now);
            }
        }
        self.run_errands(now);
    }

    fn publish(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let own = self.leases.iter().map(|lease| (lease.changed, &lease.record.service));
        let services = view::merged(own.chain(self.nodes.shown()));
        publish(&self.snapshots, services);
    }

    /// Withdraws everything and ends the daemon.
    fn stop(mut self) {
        let now = Instant::now();
        let keys: Vec<Key> = self.leases.iter().map(|lease| lease.record.key.clone()).collect();
        for key in keys {
            self.release(&key, now);
        }
        // What it has no room for is withdrawn by the daemon itself, a second slower.
        self.withdraw(now);
        self.daemon.stop();
    }
}

/// Inputs taken before the view is published.
const BATCH: usize = 256;

#[cfg(test)]
mod tests;
