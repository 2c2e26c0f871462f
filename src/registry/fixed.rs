//! The registry `static`: nodes that an operator wrote down.
//!
//! The list is given as text, [`StaticRegistry::parse`], or in a file that is followed while it
//! changes, [`StaticRegistry::file`]. What is in it never expires. Registering, renewing and
//! deregistering succeed and change nothing: in a static world it is the operator who announces a
//! node.
//!
//! # The text
//! Services are separated by `;`, their addresses by `,`; a version may follow the name:
//!
//! ```text
//! greeter=127.0.0.1:9001,127.0.0.1:9002;users@1.2.0=unix:/run/users.sock
//! ```
//!
//! # The file
//! One node per line: service, version (may be missing), address, and labels of the node. The
//! label `id` names the node, which is otherwise known as `service@address`. `#` starts a comment.
//!
//! ```text
//! # service  version  address            labels
//! greeter    1.0.0    127.0.0.1:9001     zone=a
//! greeter    1.0.0    127.0.0.1:9002     zone=b id=greeter-2
//! users               unix:/run/users.sock
//! ```
//!
//! A file that starts with `[` or `{` is JSON instead: an array of records, or one record, in the
//! form of [`Service`].
//!
//! While a file is missing or broken, watches keep the last good view and `get` and `list` say
//! what is wrong, with the line.

mod file;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{
    BoxFuture, Catalogue, Registry, RegistryError, Service, Watch, WatchScope,
};
use tokio::sync::watch;

use self::file::Follower;
use super::snapshot::{Snapshot, SnapshotWatch};

/// A registry whose nodes are written down.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), callboard::registry::RegistryError> {
/// use callboard::registry::{Registry, StaticRegistry};
///
/// let registry = StaticRegistry::parse("greeter=127.0.0.1:9001,127.0.0.1:9002")?;
/// assert_eq!(registry.get("greeter".into()).await?[0].nodes.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StaticRegistry {
    source: Source,
}

impl StaticRegistry {
    /// Creates a registry from text such as `greeter=127.0.0.1:9001;users=127.0.0.1:9002`.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] says which part of the text is wrong.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let services = text::parse_inline(text).map_err(|reason| RegistryError::Invalid {
            registry: NAME,
            service: reason.service,
            reason: reason.text,
        })?;
        let services = Arc::new(Catalogue::new(services));
        Ok(Self { source: Source::Text(watch::Sender::new(services)) })
    }

    /// Creates a registry that follows a file, with the default options.
    ///
    /// The file is read before this returns. It may be missing: the registry is unavailable until
    /// it appears.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::file_with(path, StaticOptions::default())
    }

    /// Creates a registry that follows a file.
    pub fn file_with(path: impl Into<PathBuf>, options: StaticOptions) -> Self {
        Self { source: Source::File(Follower::start(path.into(), options)) }
    }

    /// The view, or why there is none that can be trusted now.
    fn view(&self) -> Result<Snapshot, RegistryError> {
        match &self.source {
            Source::Text(services) => Ok(services.borrow().clone()),
            Source::File(follower) => match follower.problem() {
                None => Ok(follower.snapshots().borrow().clone()),
                Some(reason) => Err(self.unavailable(reason)),
            },
        }
    }

    fn open_watch(&self, scope: WatchScope) -> Result<Box<dyn Watch>, RegistryError> {
        let snapshots = match &self.source {
            Source::Text(services) => services.subscribe(),
            Source::File(follower) => match follower.problem() {
                // An empty resync would say that every node is gone.
                Some(reason) if !follower.has_been_read() => return Err(self.unavailable(reason)),
                _ => follower.snapshots(),
            },
        };
        Ok(Box::new(SnapshotWatch::new(NAME, scope, snapshots, None)))
    }

    fn unavailable(&self, reason: String) -> RegistryError {
        RegistryError::Unavailable { registry: NAME, address: self.address(), reason }
    }
}

impl Registry for StaticRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> String {
        match &self.source {
            Source::Text(_) => String::new(),
            Source::File(follower) => follower.path().display().to_string(),
        }
    }

    /// Does nothing: the operator announces nodes.
    fn register(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Does nothing: fixed entries never expire.
    fn renew(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Does nothing: the operator withdraws nodes.
    fn deregister(&self, _: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async { Ok(()) })
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(async { Ok(self.view()?.within(&WatchScope::Service(name)).records()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(async { Ok(self.view()?.records()) })
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        Box::pin(async { self.open_watch(scope) })
    }
}

/// How a file is followed.
///
/// ```no_run
/// use std::time::Duration;
///
/// use callboard::registry::{StaticOptions, StaticRegistry};
///
/// let options = StaticOptions::default().poll(Duration::from_millis(200));
/// let registry = StaticRegistry::file_with("/etc/greeter/nodes", options);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticOptions {
    /// Time between two looks at the file; default 1 s, which costs one `stat`.
    pub poll: Duration,
}

impl Default for StaticOptions {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1) }
    }
}

impl StaticOptions {
    /// Sets the time between two looks at the file and returns the whole.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }
}

#[derive(Debug)]
enum Source {
    // A sender, though nothing is ever sent: watches live as long as the registry.
    Text(watch::Sender<Snapshot>),
    File(Follower),
}

const NAME: &str = "static";

#[cfg(test)]
mod tests;
