//! Follows one service in a registry, through outages, for as long as it is polled.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tokio::time::{Instant, sleep, timeout};

use super::WatcherOptions;
use crate::Backoff;
use crate::registry::{Change, Registry, RegistryError, Watch, WatchScope};

/// What was learned.
#[derive(Debug)]
pub(super) enum News {
    /// The registry said so; `healing` when this is the first word after a gap.
    Changed {
        /// What it said.
        change: Change,
        /// Whether it was not heard of before this.
        healing: bool,
    },
    /// It cannot be watched now; there will be another attempt.
    Failed(RegistryError),
}

/// The endless news of `service`; every failure is told, then waited for and tried again.
pub(super) fn follow(
    registry: Arc<dyn Registry>,
    service: String,
    options: &WatcherOptions,
) -> impl Stream<Item = News> + 'static {
    let follower = Follower {
        registry,
        scope: WatchScope::Service(service),
        patience: options.answer,
        steady: options.retry_max,
        backoff: Backoff::new(options.retry_first, options.retry_max),
        pause: None,
        watch: None,
    };
    unfold(follower, |mut follower| async move { Some((follower.next().await, follower)) })
}

struct Follower {
    registry: Arc<dyn Registry>,
    scope: WatchScope,
    patience: Duration,
    steady: Duration,
    backoff: Backoff,
    pause: Option<Duration>,
    watch: Option<(Box<dyn Watch>, Instant)>,
}

impl Follower {
    async fn next(&mut self) -> News {
        let news = match self.watch.as_mut() {
            Some((watch, _)) => watch.next().await.map(|change| (change, false)),
            None => self.reopen().await.map(|change| (change, true)),
        };
        match news {
            Ok((change, healing)) => News::Changed { change, healing },
            Err(error) => {
                self.plan_retry(&error);
                News::Failed(error)
            }
        }
    }

    async fn reopen(&mut self) -> Result<Change, RegistryError> {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        let attempt = async {
            let mut watch = self.registry.watch(self.scope.clone()).await?;
            let change = watch.next().await?;
            Ok((watch, change))
        };
        let (watch, change) = timeout(self.patience, attempt).await.unwrap_or_else(|_| {
            Err(RegistryError::Unavailable {
                registry: self.registry.name(),
                address: self.registry.address(),
                reason: format!("no answer within {:?}", self.patience),
            })
        })?;
        self.watch = Some((watch, Instant::now()));
        Ok(change)
    }

    fn plan_retry(&mut self, error: &RegistryError) {
        // A registry that answers once and breaks at once must not be asked in a tight loop, so
        // only a watch that has lasted starts the backoff over.
        if self.watch.take().is_some_and(|(_, opened)| opened.elapsed() >= self.steady) {
            self.backoff.reset();
        }
        let delay = self.backoff.next_delay(&mut rand::rng());
        self.pause = Some(if error.is_retryable() { delay } else { self.steady });
    }
}
