//! The thread that speaks multicast DNS, and how it is told which interfaces to use.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use mdns_sd::{Error, IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo, TxtProperty};

use super::announcement::{SERVICE_TYPE, Stamp, farewell, host, properties};
use super::leases::Lease;
use super::{Interfaces, MdnsOptions};

/// A running responder and querier.
pub(super) struct Daemon {
    daemon: ServiceDaemon,
    interfaces: Interfaces,
}

/// Why the daemon did not take an order.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It has too much to do; the order may be repeated soon.
    Busy,
    /// It has ended.
    Ended,
    /// The order is wrong.
    Wrong(String),
}

impl Daemon {
    /// Starts the daemon on the chosen interfaces.
    pub(super) fn start(options: &MdnsOptions) -> Result<Self, String> {
        if let Interfaces::Address(ip) = options.interfaces {
            UdpSocket::bind((ip, 0)).map_err(|error| format!("no interface has {ip}: {error}"))?;
        }
        let chosen = match &options.interfaces {
            Interfaces::Loopback => Some(IfKind::LoopbackV4),
            Interfaces::All => None,
            Interfaces::Name(name) => Some(IfKind::Name(name.clone())),
            Interfaces::Address(ip) => Some(IfKind::Addr(*ip)),
        };
        let start = || {
            let daemon = ServiceDaemon::new_with_port(options.port)?;
            if let Some(chosen) = chosen {
                daemon.disable_interface(IfKind::All)?;
                daemon.enable_interface(chosen)?;
            }
            Ok(daemon)
        };
        let daemon = start().map_err(|error: Error| error.to_string())?;
        Ok(Self { daemon, interfaces: options.interfaces.clone() })
    }

    /// Announces a registration; `outsize` is the port that hands out its record.
    pub(super) fn announce(
        &self,
        lease: &Lease,
        stamp: Stamp,
        outsize: Option<u16>,
    ) -> Result<(), Refusal> {
        self.register(lease, properties(&lease.record, stamp, outsize))
    }

    /// Withdraws a registration: in our own words, which are heeded at once, and in those of DNS.
    pub(super) fn withdraw(&self, lease: &Lease, stamp: Stamp) -> Result<(), Refusal> {
        self.register(lease, farewell(stamp))?;
        self.daemon.unregister(self.info(lease, Vec::new())?.get_fullname())?;
        Ok(())
    }

    fn register(&self, lease: &Lease, txt: Vec<TxtProperty>) -> Result<(), Refusal> {
        let mut info = self.info(lease, txt)?;
        // Probing for a name takes three quarters of a second. Ours contain the node's id, and an
        // id is unique among all nodes.
        info.set_requires_probe(false);
        Ok(self.daemon.register(info)?)
    }

    fn info(&self, lease: &Lease, txt: Vec<TxtProperty>) -> Result<ServiceInfo, Error> {
        let address = &lease.record.service.nodes[0].address;
        let port = port(address).unwrap_or(DISCARD);
        let host = host(&lease.label);
        match self.host_ip(address) {
            Some(ip) => ServiceInfo::new(SERVICE_TYPE, &lease.label, &host, ip, port, txt),
            None => ServiceInfo::new(SERVICE_TYPE, &lease.label, &host, (), port, txt)
                .map(ServiceInfo::enable_addr_auto),
        }
    }

    /// Starts to look for nodes.
    pub(super) fn browse(&self) -> Result<Receiver<ServiceEvent>, Refusal> {
        Ok(self.daemon.browse(SERVICE_TYPE)?)
    }

    /// Asks whether an instance that fell silent is still there, so that the cache forgets it.
    pub(super) fn verify(&self, instance: String) {
        if let Err(error) = self.daemon.verify(instance, VERIFY) {
            tracing::debug!(%error, "a silent node stays in the mDNS cache until its records end");
        }
    }

    /// The address a node's host name stands for; none to use those of the interfaces.
    ///
    /// A record of an address that does not belong to the interface would not be announced there.
    pub(super) fn host_ip(&self, address: &str) -> Option<IpAddr> {
        let own = ip(address).filter(|ip| !ip.is_unspecified());
        match &self.interfaces {
            Interfaces::Loopback => {
                let own = own.filter(|ip| ip.is_ipv4() && ip.is_loopback());
                Some(own.unwrap_or(Ipv4Addr::LOCALHOST.into()))
            }
            Interfaces::Address(ip) => Some(*ip),
            Interfaces::Name(_) => None,
            // Only an address of this machine can be bound.
            Interfaces::All => own.filter(|ip| UdpSocket::bind((*ip, 0)).is_ok()),
        }
    }

    /// Ends the daemon as if it had failed.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.daemon.shutdown().unwrap().recv().unwrap();
    }

    /// Says goodbye for every instance and ends the daemon.
    pub(super) fn stop(self) {
        for _ in 0..STOP_ATTEMPTS {
            match self.daemon.shutdown() {
                Ok(ended) => {
                    // Whether it ended or was too slow, nothing more can be done.
                    let _ended = ended.recv_timeout(STOP_MAX);
                    return;
                }
                // It does not tell when there is room for an order again.
                Err(Error::Again) => std::thread::sleep(STOP_PAUSE),
                Err(_) => return,
            }
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Again => Self::Busy,
            Error::DaemonShutdown => Self::Ended,
            error => Self::Wrong(error.to_string()),
        }
    }
}

fn port(address: &str) -> Option<u16> {
    if address.starts_with("unix:") {
        return None;
    }
    address.rsplit_once(':')?.1.parse().ok()
}

fn ip(address: &str) -> Option<IpAddr> {
    let host = address.rsplit_once(':')?.0;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The port that SRV names for a node that has none, e.g. on a Unix socket.
const DISCARD: u16 = 9;

/// Time for an instance that fell silent to answer after all.
const VERIFY: Duration = Duration::from_secs(2);

/// Time to say goodbye.
const STOP_MAX: Duration = Duration::from_millis(500);
const STOP_ATTEMPTS: u32 = 100;
const STOP_PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_taken_from_addresses_that_have_them() {
        assert_eq!(port("127.0.0.1:80"), Some(80));
        assert_eq!(port("[::1]:80"), Some(80));
        assert_eq!(port("unix:/run/x:80"), None);
        assert_eq!(ip("[::1]:80"), Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        assert_eq!(ip("example.org:80"), None);
    }

    #[test]
    fn on_loopback_every_node_has_a_loopback_host() {
        let options = MdnsOptions { port: 0, ..MdnsOptions::default() };
        let daemon = Daemon::start(&options).unwrap();
        let host = |address| daemon.host_ip(address).unwrap().to_string();
        assert_eq!(host("127.0.0.7:1"), "127.0.0.7");
        assert_eq!(host("192.0.2.1:1"), "127.0.0.1");
        assert_eq!(host("unix:/run/x"), "127.0.0.1");
        daemon.stop();
    }

    #[test]
    fn an_address_that_no_interface_has_is_refused() {
        let interfaces = Interfaces::Address(IpAddr::from([192, 0, 2, 1]));
        let options = MdnsOptions { interfaces, ..MdnsOptions::default() };
        let reason = Daemon::start(&options).err().unwrap();
        assert!(reason.starts_with("no interface has 192.0.2.1"), "{reason}");
    }
}
