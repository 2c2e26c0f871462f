//! How Consul is reached.

use std::fmt;
use std::time::Duration;

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
    /// `host`, `host:port`, or either after `http://`; default `127.0.0.1:8500`. `https://` is read,
    /// and refused as [`Misconfigured`](crate::registry::RegistryError::Misconfigured): there is no
    /// TLS yet.
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
}

impl Default for ConsulOptions {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8500".to_owned(),
            token: None,
            datacenter: None,
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(55),
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
