//! How Consul is reached.

use std::fmt;
use std::time::Duration;

use crate::http_client::Security;
#[cfg(feature = "tls")]
use crate::tls::ClientTls;

/// How Consul is reached.
///
/// ```
/// use std::time::Duration;
///
/// use callboard::registry::ConsulOptions;
///
/// let options = ConsulOptions::new("consul.local:8500")
///     .datacenter("eu-1")
///     .timeout(Duration::from_secs(2))
///     .wait(Duration::from_secs(30));
/// assert_eq!(options.address, "consul.local:8500");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConsulOptions {
    /// `host`, `host:port`, or either after `http://` or `https://`; default `127.0.0.1:8500`, and
    /// with `https://` port 8501. `https://` needs the feature `tls`; without it, it is refused as
    /// [`Misconfigured`](crate::registry::RegistryError::Misconfigured).
    pub address: String,
    /// The ACL token; none by default.
    pub token: Option<String>,
    /// The datacenter that is asked for nodes; default the agent's own. Nodes are registered with
    /// the agent, and so in its datacenter.
    pub datacenter: Option<String>,
    /// Time for a request that does not wait for changes; default 5 s.
    pub timeout: Duration,
    /// Longest time that a blocking query waits; default 55 s.
    pub wait: Duration,
    /// Whom `https://` trusts; by default what the operating system does.
    #[cfg(feature = "tls")]
    pub tls: ClientTls,
}

impl Default for ConsulOptions {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8500".to_owned(),
            token: None,
            datacenter: None,
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(55),
            #[cfg(feature = "tls")]
            tls: ClientTls::default(),
        }
    }
}

impl ConsulOptions {
    /// An agent at this address, and defaults for the rest.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// Sends this ACL token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Asks for the nodes of this datacenter.
    #[must_use]
    pub fn datacenter(mut self, name: impl Into<String>) -> Self {
        self.datacenter = Some(name.into());
        self
    }

    /// Sets whom `https://` trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the time for a request that does not wait for changes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the longest time that a blocking query waits, from 1 ms to 10 min, which is Consul's own
    /// limit; what lies beyond is taken for the nearest.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// What the address, `host:port`, is secured with.
    #[cfg(feature = "tls")]
    pub(super) fn secure(&self, address: &str) -> Result<Security, String> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.tls.connector(host).map(Security::Tls).map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, reason = "there is something to secure with where TLS is")]
    pub(super) fn secure(&self, _: &str) -> Result<Security, String> {
        Err("https needs callboard's feature `tls`; build with it, or give the address of the \
             agent's plain HTTP API, as `http://host:port`"
            .to_owned())
    }
}

/// Without the token.
impl fmt::Debug for ConsulOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsulOptions")
            .field("address", &self.address)
            .field("datacenter", &self.datacenter)
            .finish_non_exhaustive()
    }
}
