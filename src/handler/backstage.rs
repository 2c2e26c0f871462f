//! Requests inside middleware, so that those whose callers go away can be dropped.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use callboard_actors::inbox::JobKey;
use futures_util::future::{AbortHandle, Abortable};
use parking_lot::Mutex;

/// The requests of one handler that are inside middleware.
///
/// As bounded as the requests that connections and local callers may have in flight.
#[derive(Debug, Default)]
pub(super) struct Backstage {
    present: Mutex<HashMap<JobKey, AbortHandle>>,
}

impl Backstage {
    /// Makes `future` end, without a result, when the request is cancelled.
    ///
    /// Counts from now on, not only once the future is polled: a cancellation may be next.
    pub(super) fn enter<F: Future>(
        self: &Arc<Self>,
        key: JobKey,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        let (handle, registration) = AbortHandle::new_pair();
        self.present.lock().insert(key, handle);
        let exit = Exit { backstage: Arc::clone(self), key };
        async move {
            let _exit = exit;
            Abortable::new(future, registration).await.ok()
        }
    }

    /// Drops what came from `origin` and, when `id` is given, is that request.
    pub(super) fn cancel(&self, origin: u64, id: Option<u64>) {
        let present = self.present.lock();
        if let Some(id) = id {
            present.get(&JobKey { origin, id }).map(AbortHandle::abort);
        } else {
            present.iter().filter(|(key, _)| key.origin == origin).for_each(|(_, one)| one.abort());
        }
    }
}

/// Removes an entry, also when the middleware panics.
struct Exit {
    backstage: Arc<Backstage>,
    key: JobKey,
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.backstage.present.lock().remove(&self.key);
    }
}
