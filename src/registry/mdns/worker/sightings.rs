//! What the daemon tells the worker, and the large records that this makes it fetch.

use std::net::IpAddr;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Instant;

use mdns_sd::{ResolvedService, ServiceEvent};

use super::{Input, Worker};
use crate::registry::mdns::announcement::read;
use crate::registry::mdns::nodes::Seen;
use crate::registry::mdns::outsize::fetch;
use crate::registry::mdns::record::decode;

impl Worker {
    /// Takes note of an announcement.
    pub(super) fn see(&mut self, resolved: &ResolvedService, now: Instant) {
        let reachable = |ip: &IpAddr| match ip {
            IpAddr::V4(_) => true,
            // Without its scope a link-local address leads nowhere.
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        };
        let ips = resolved.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr);
        let mut addresses: Vec<IpAddr> = ips.filter(reachable).collect();
        addresses.sort_unstable();
        let instance = resolved.get_fullname();
        let seen = match read(resolved.get_properties(), &addresses) {
            // Its own announcements come back to it; the registrations themselves say it better.
            Ok(sighting) if sighting.stamp.origin == self.origin => return,
            Ok(sighting) => self.nodes.see(instance, sighting, now),
            Err(reason) => return self.ignore(instance, &reason),
        };
        match seen {
            Seen::Nothing => {}
            Seen::News => self.is_stale = true,
            Seen::Full => self.ignore(instance, "too many nodes are known already"),
        }
    }

    fn ignore(&mut self, instance: &str, reason: &str) {
        self.garbage += 1;
        tracing::debug!(instance, reason, count = self.garbage, "mDNS announcement ignored");
    }

    /// Fetches large records, as many as there are threads for.
    pub(super) fn run_errands(&mut self, now: Instant) {
        for errand in self.nodes.errands(FETCHES_MAX.saturating_sub(self.fetching), now) {
            let inputs = self.own_inputs.clone();
            let (instance, digest) = (errand.instance.clone(), errand.digest);
            let thread = thread::Builder::new().name("callboard-mdns-fetch".into());
            let spawned = thread.spawn(move || {
                let fetched = fetch(&errand.at, digest, errand.size);
                let service = fetched.and_then(|json| decode(&json));
                let service = service.inspect_err(|reason| {
                    tracing::debug!(errand.instance, reason, "a large record was not fetched");
                });
                // The worker has ended: nobody wants it any more.
                let _ended = inputs.send(Input::Fetched(errand.instance, digest, service.ok()));
            });
            match spawned {
                Ok(_) => self.fetching += 1,
                Err(_) => self.is_stale |= self.nodes.fetched(&instance, digest, None, now),
            }
        }
    }
}

/// Passes events on until the daemon or the worker ends.
pub(super) fn forward(events: &mdns_sd::Receiver<ServiceEvent>, inputs: &SyncSender<Input>) {
    for event in events {
        let input = match event {
            ServiceEvent::ServiceResolved(resolved) => Input::Resolved(resolved),
            ServiceEvent::ServiceRemoved(_, instance) => Input::Removed(instance),
            ServiceEvent::SearchStarted(what) => {
                tracing::debug!(what, "mDNS query");
                if what.contains(" on 0 interfaces") {
                    tracing::warn!("no network interface fits the mDNS settings");
                }
                continue;
            }
            _ => continue,
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
    let _ended = inputs.send(Input::BrowseEnded);
}

/// Records fetched at a time, each by a thread of its own.
pub(super) const FETCHES_MAX: usize = 4;
