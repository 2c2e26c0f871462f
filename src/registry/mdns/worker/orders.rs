//! What the worker tells the daemon, and what it does when that is refused.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::sightings::forward;
use super::{Daemon, Key, Record, Refusal, Stamp, Worker};
use crate::registry::mdns::announcement::fits;

impl Worker {
    /// Withdraws what was released.
    pub(super) fn withdraw(&mut self, now: Instant) {
        while let Some(lease) = self.withdrawals.pop() {
            let stamp = self.next_stamp(lease.ttl);
            match self.daemon.withdraw(&lease, stamp) {
                Ok(()) => {}
                Err(Refusal::Busy) => {
                    self.withdrawals.push(lease);
                    self.retry = Some(now + RETRY);
                    return;
                }
                // With the daemon its instances are gone.
                Err(Refusal::Ended) => return self.restart(now),
                Err(Refusal::Wrong(reason)) => {
                    tracing::warn!(lease.label, reason, "mDNS goodbye failed");
                }
            }
        }
    }

    /// Announces one registration.
    pub(super) fn announce(&mut self, key: &Key, now: Instant) {
        let Some(ttl) = self.leases.lease(key).map(|lease| lease.ttl) else { return };
        let stamp = self.next_stamp(ttl);
        let port = match self.offer_if_large(key) {
            Ok(port) => port,
            Err(error) => {
                tracing::warn!(node = key.node, %error, "a large record cannot be handed out");
                return self.leases.postpone(Some(key), now + RETRY_SLOWLY);
            }
        };
        let Some(lease) = self.leases.lease(key) else { return };
        match self.daemon.announce(lease, stamp, port) {
            Ok(()) => self.leases.announced(key, now),
            Err(Refusal::Busy) => self.leases.postpone(Some(key), now + RETRY),
            Err(Refusal::Ended) => self.restart(now),
            Err(Refusal::Wrong(reason)) => {
                tracing::warn!(node = key.node, reason, "mDNS announcement failed");
                self.leases.postpone(Some(key), now + RETRY_SLOWLY);
            }
        }
    }

    /// The port that hands out the record of a registration, if it needs one.
    fn offer_if_large(&mut self, key: &Key) -> io::Result<Option<u16>> {
        let Some(lease) = self.leases.lease(key).filter(|lease| !fits(&lease.record)) else {
            return Ok(None);
        };
        let Record { service, json, digest, .. } = &lease.record;
        let ip = self.daemon.host_ip(&service.nodes[0].address);
        let port = self.outsize.offer(ip.unwrap_or(ANY), *digest, json)?;
        self.offered.insert(key.clone(), *digest);
        Ok(Some(port))
    }

    /// Begins to look for nodes, or begins again.
    pub(super) fn browse(&mut self, now: Instant) {
        let events = match self.daemon.browse() {
            Ok(events) => events,
            Err(Refusal::Ended) => return self.restart(now),
            Err(refusal) => {
                tracing::debug!(?refusal, "mDNS query was not sent");
                self.retry = Some(now + RETRY);
                return;
            }
        };
        let inputs = self.own_inputs.clone();
        let thread = thread::Builder::new().name("callboard-mdns-events".into());
        self.browse_due = match thread.spawn(move || forward(&events, &inputs)) {
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(%error, "mDNS answers cannot be read");
                self.retry = Some(now + RETRY_SLOWLY);
                true
            }
        };
    }

    /// Replaces a daemon that has ended.
    fn restart(&mut self, now: Instant) {
        tracing::warn!("the mDNS daemon has ended and is started again");
        self.retry = Some(now + RETRY_SLOWLY);
        self.leases.postpone(None, now + RETRY_SLOWLY);
        self.browse_due = self.is_browsing;
        self.withdrawals.clear();
        match Daemon::start(&self.options) {
            Ok(daemon) => self.daemon = daemon,
            Err(reason) => tracing::error!(reason, "the mDNS daemon does not start"),
        }
    }

    fn next_stamp(&mut self, ttl: Duration) -> Stamp {
        Stamp { origin: self.origin, beat: self.next_beat(), ttl }
    }

    /// The time in microseconds, so that it also grows over restarts; never twice the same.
    pub(super) fn next_beat(&mut self) -> u64 {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        self.last_beat = u64::try_from(time).unwrap_or(0).max(self.last_beat + 1);
        self.last_beat
    }
}

/// Where large records are handed out when a node is announced with its interfaces' addresses.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Pause before an order that the daemon had no room for.
pub(super) const RETRY: Duration = Duration::from_millis(10);

/// Pause after something that should not happen.
const RETRY_SLOWLY: Duration = Duration::from_secs(1);
