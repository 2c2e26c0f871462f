//! Settings: what a program sets, the environment, and flags, resolved and validated once.
//!
//! A flag wins over the environment, and the environment over what the program sets. Names are
//! those of Go Micro: `--registry-address`, `CALLBOARD_REGISTRY_ADDRESS`, and also
//! `MICRO_REGISTRY_ADDRESS` where Go Micro has the setting. `--help` lists them all.
//!
//! Pure.

mod address;
mod advertise;
mod arguments;
mod choice;
mod error;
mod help;
mod setting;
mod spelling;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use self::arguments::Command;
use self::setting::Setting;

pub use self::address::{AddressError, ListenAddress, PortRange};
pub use self::advertise::{AdvertiseAddress, advertised};
pub use self::choice::{BrokerKind, RegistryInterface, RegistryKind, SelectorKind, TransportKind};
pub use self::error::{ConfigError, ValueError};

/// All settings of a node.
///
/// ```
/// use callboard::config::{Config, Parsed};
///
/// let mut base = Config::default();
/// base.server_name = "greeter".into();
/// let environment = [("CALLBOARD_CLIENT_RETRIES".to_owned(), "3".to_owned())];
/// let arguments = ["--server-address".to_owned(), ":9000".to_owned()];
/// match Config::resolve(base, environment.into_iter(), arguments.into_iter())? {
///     Parsed::Run(config) => assert_eq!(config.client_retries, 3),
///     Parsed::Help(text) | Parsed::Version(text) => println!("{text}"),
/// }
/// # Ok::<(), callboard::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where nodes are announced and found; mDNS by default, which needs no server.
    pub registry: RegistryKind,
    /// Where the registry is; none by default, and only `static` needs one.
    pub registry_address: Option<String>,
    /// What mDNS uses; by default what [`Config::interface`] says.
    pub registry_interface: Option<RegistryInterface>,
    /// How a node is chosen for a call; power of two choices by default.
    pub selector: SelectorKind,
    /// Labels of the nodes that calls go to if possible, the best first; none by default, at most
    /// 64 and 16 KiB.
    pub selector_labels: Vec<(String, String)>,
    /// How bytes travel; TCP by default.
    pub transport: TransportKind,
    /// How events reach their subscribers; directly by default.
    pub broker: BrokerKind,
    /// Where the broker is; none by default, and no broker of today has one.
    pub broker_address: Option<String>,
    /// The service's name; `callboard` by default.
    pub server_name: String,
    /// The service's version; `latest` by default, as in Go Micro.
    pub server_version: String,
    /// The node's id; by default a new one is made at each start.
    pub server_id: Option<String>,
    /// Where the node listens; loopback with a free port by default.
    pub server_address: ListenAddress,
    /// What is announced instead of where the node listens; none by default.
    pub server_advertise: Option<AdvertiseAddress>,
    /// Labels of the node; none by default, at most 64 and 16 KiB.
    pub server_metadata: BTreeMap<String, String>,
    /// Time after which the registry forgets a node that is gone; 30 s by default.
    pub register_ttl: Duration,
    /// Time between renewals; by default a third of the TTL, so that two may fail.
    pub register_interval: Option<Duration>,
    /// Further attempts of a call that may be repeated; 1 by default.
    pub client_retries: u32,
    /// Time for a call with all its attempts; 5 s by default.
    pub client_request_timeout: Duration,
    /// Connections to each node per arbiter; 1 by default, as one carries many calls.
    pub client_pool_size: usize,
    /// Time after which an idle connection is closed; 60 s by default.
    pub client_pool_ttl: Duration,
    /// Time for accepted requests to finish when the node stops; 10 s by default.
    pub drain_timeout: Duration,
    /// Time between leaving the registry and refusing requests; 500 ms by default.
    pub settle_time: Duration,
    /// Time in which the node has to be registered; 10 s by default.
    pub start_timeout: Duration,
    /// Threads that run actors; by default as many as the handlers ask for, one as a rule.
    pub arbiters: Option<usize>,
    /// Bytes up to which a message is sent and accepted; 4 MiB by default.
    pub max_frame: usize,
    /// What is logged; `info` by default.
    pub log: String,
}

impl Config {
    /// Puts environment and arguments on top of `base`, and validates the whole.
    ///
    /// `arguments` do not begin with the program's name. Variables that are no settings are
    /// ignored, and so are empty ones. Metadata adds up; everything else is replaced.
    ///
    /// # Errors
    /// The first mistake, with the flag or variable where it stands. A program prints it and exits
    /// with [`ConfigError::EXIT_CODE`]. Help and version are served whatever the environment says.
    pub fn resolve(
        base: Self,
        environment: impl Iterator<Item = (String, String)>,
        arguments: impl Iterator<Item = String>,
    ) -> Result<Parsed, ConfigError> {
        let flags = match Command::read(arguments)? {
            Command::Run(flags) => flags,
            Command::Help => return Ok(Parsed::Help(help::text(&base))),
            Command::Version => {
                return Ok(Parsed::Version(format!(
                    "{} {}",
                    base.server_name, base.server_version
                )));
            }
        };
        let mut config = base;
        for (setting, name, text) in variables(environment) {
            setting.assign(&mut config, name, &text)?;
        }
        for (setting, text) in flags {
            setting.assign(&mut config, &format!("--{}", setting.flag), &text)?;
        }
        config.validate()?;
        Ok(Parsed::Run(config))
    }

    /// Checks each setting and how they go together.
    ///
    /// # Errors
    /// The first that is wrong, by the name of its flag.
    pub fn validate(&self) -> Result<(), ConfigError> {
        setting::all().try_for_each(|setting| setting.validate(self))?;
        if self.renewal_interval() >= self.register_ttl {
            return Err(ConfigError::IntervalTooLong {
                interval: value::show_duration(self.renewal_interval()),
                ttl: value::show_duration(self.register_ttl),
            });
        }
        if self.registry == RegistryKind::Static && self.registry_address.is_none() {
            return Err(ConfigError::NoAddresses);
        }
        if self.selector == SelectorKind::Label && self.selector_labels.is_empty() {
            return Err(ConfigError::NoLabels);
        }
        Ok(())
    }

    /// Time between renewals: what is set, or a third of the TTL.
    #[must_use]
    pub fn renewal_interval(&self) -> Duration {
        self.register_interval.unwrap_or(self.register_ttl / RENEWALS_PER_TTL)
    }

    /// The interfaces that mDNS uses: what is set, or those that reach the node.
    ///
    /// While a node listens on loopback nobody else could call it, so that nobody else is told.
    #[must_use]
    pub fn interface(&self) -> RegistryInterface {
        let reaching = if self.server_address.is_local() {
            RegistryInterface::Loopback
        } else {
            RegistryInterface::All
        };
        self.registry_interface.clone().unwrap_or(reaching)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registry: RegistryKind::default(),
            registry_address: None,
            registry_interface: None,
            selector: SelectorKind::default(),
            selector_labels: Vec::new(),
            transport: TransportKind::default(),
            broker: BrokerKind::default(),
            broker_address: None,
            server_name: "callboard".into(),
            server_version: "latest".into(),
            server_id: None,
            server_address: ListenAddress::default(),
            server_advertise: None,
            server_metadata: BTreeMap::new(),
            register_ttl: Duration::from_secs(30),
            register_interval: None,
            client_retries: 1,
            client_request_timeout: Duration::from_secs(5),
            client_pool_size: 1,
            client_pool_ttl: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            settle_time: Duration::from_millis(500),
            start_timeout: Duration::from_secs(10),
            arbiters: None,
            max_frame: 4 << 20,
            log: "info".into(),
        }
    }
}

/// What a program should do.
///
/// ```
/// use callboard::config::{Config, Parsed};
///
/// let version = ["--version".to_owned()];
/// let parsed = Config::resolve(Config::default(), std::iter::empty(), version.into_iter())?;
/// assert_eq!(parsed, Parsed::Version("callboard latest".into()));
/// # Ok::<(), callboard::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one per process, and it is taken apart")]
pub enum Parsed {
    /// Run with these settings.
    Run(Config),
    /// Print this help to stdout and exit with 0.
    Help(String),
    /// Print this version to stdout and exit with 0.
    Version(String),
}

/// Each setting that the environment has, with the variable and its text.
fn variables(
    environment: impl Iterator<Item = (String, String)>,
) -> impl Iterator<Item = (&'static Setting, &'static str, String)> {
    let is_known = |name: &str| setting::all().any(|each| each.environment.contains(&name));
    let mut known: HashMap<String, String> =
        environment.filter(|(name, text)| is_known(name) && !text.trim().is_empty()).collect();
    setting::all().filter_map(move |setting| {
        let mut names = setting.environment.iter();
        names.find_map(|name| known.remove(*name).map(|text| (setting, *name, text)))
    })
}

/// Renewals per TTL; two may fail before the registry forgets the node.
const RENEWALS_PER_TTL: u32 = 3;

#[cfg(test)]
mod tests;
