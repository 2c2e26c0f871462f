//! How the watcher takes services up, learns of them and gives them up.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{ActorStreamExt, AsyncContext, SpawnHandle, WrapStream};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::follow::{News, follow};
use super::last_good::LastGood;
use super::state::Told;
use super::{Freshness, LookupError, ServiceView, Watcher};
use crate::Context;
use crate::registry::RegistryError;

/// A service that is being followed; lost at a restart, unlike its view.
#[derive(Debug)]
pub(super) struct Followed {
    news: SpawnHandle,
    good: LastGood,
    error: Option<RegistryError>,
    waiting: Vec<oneshot::Sender<Answer>>,
    /// When it was last asked for, counted in uses.
    used: u64,
    /// When kept nodes are given up.
    grace: Option<SpawnHandle>,
    /// When the service is given up unless somebody needs it.
    forget: Option<SpawnHandle>,
    /// When subscribers are told that could not be told at once.
    retell: Option<SpawnHandle>,
}

/// The answer to a lookup.
pub(super) type Answer = Result<Arc<ServiceView>, LookupError>;

/// What a lookup can be told.
pub(super) enum Outlook {
    /// The answer is known.
    Known(Answer),
    /// The registry was asked; the answer will come.
    Wait(oneshot::Receiver<Answer>),
}

impl Watcher {
    /// Follows again what an earlier incarnation followed.
    pub(super) fn resume(&mut self, ctx: &mut Context<Self>) {
        for service in self.state.services() {
            if self.make_room(ctx) {
                self.state.mark_stale(&service);
                self.take_up(service.clone(), ctx);
                self.publish(&service, ctx);
                self.plan_to_forget(&service, ctx);
            } else {
                self.state.close(&service);
            }
        }
    }

    /// Answers a lookup from what is known, or has it wait.
    pub(super) fn outlook(&mut self, service: String, ctx: &mut Context<Self>) -> Outlook {
        let followed = match self.use_service(&service, ctx) {
            Ok(()) => self.followed.get(&service),
            Err(error) => return Outlook::Known(Err(error)),
        };
        let error = followed.and_then(|followed| followed.error.clone());
        match (self.state.view(&service), error) {
            (Some(view), _) if !view.versions.is_empty() => Outlook::Known(Ok(view)),
            (_, Some(error)) => Outlook::Known(Err(LookupError::Unavailable(error))),
            (Some(view), None) if view.freshness == Freshness::Live => {
                Outlook::Known(Err(LookupError::NotFound(service)))
            }
            (_, None) => self.wait(&service),
        }
    }

    /// Follows `service` from now on, and remembers that it was asked for.
    pub(super) fn use_service(
        &mut self,
        service: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), LookupError> {
        if !self.followed.contains_key(service) {
            if !self.make_room(ctx) {
                return Err(LookupError::Overloaded);
            }
            self.take_up(service.into(), ctx);
        }
        self.uses += 1;
        if let Some(followed) = self.followed.get_mut(service) {
            followed.used = self.uses;
        }
        Ok(())
    }

    /// Tells the subscribers of `service`, now or as soon as their mailboxes have room.
    pub(super) fn publish(&mut self, service: &str, ctx: &mut Context<Self>) {
        if self.state.publish(service) == Told::All {
            return;
        }
        let Some(followed) = self.followed.get_mut(service) else { return };
        if followed.retell.is_none() {
            let service = service.to_owned();
            followed.retell = Some(ctx.run_later(RETELL, move |this, ctx| {
                if let Some(followed) = this.followed.get_mut(&service) {
                    followed.retell = None;
                }
                this.publish(&service, ctx);
            }));
        }
    }

    /// Gives `service` up soon if it has no nodes and nobody subscribes to it.
    pub(super) fn plan_to_forget(&mut self, service: &str, ctx: &mut Context<Self>) {
        if self.is_needed(service) {
            return;
        }
        let Some(followed) = self.followed.get_mut(service) else { return };
        if followed.forget.is_none() {
            let service = service.to_owned();
            followed.forget = Some(ctx.run_later(self.options.negative, move |this, ctx| {
                if let Some(followed) = this.followed.get_mut(&service) {
                    followed.forget = None;
                }
                if !this.is_needed(&service) {
                    this.give_up(&service, ctx);
                }
            }));
        }
    }
}

// ===== Private helpers =====

impl Watcher {
    fn take_up(&mut self, service: String, ctx: &mut Context<Self>) {
        self.state.open(&service);
        let known = self.state.view(&service).map(|view| view.versions.clone());
        let news = follow(Arc::clone(&self.registry), service.clone(), &self.options);
        let name = service.clone();
        let news = news.into_actor(self).map(move |news, this, ctx| this.learn(&name, news, ctx));
        let followed = Followed {
            news: ctx.spawn(news.finish()),
            good: known.map(LastGood::remembered).unwrap_or_default(),
            error: None,
            waiting: Vec::new(),
            used: 0,
            grace: None,
            forget: None,
            retell: None,
        };
        self.followed.insert(service, followed);
    }

    fn learn(&mut self, service: &str, news: News, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.get_mut(service) else { return };
        match news {
            News::Changed { change, healing } => {
                followed.error = None;
                followed.good.apply(service, change, healing);
                if healing {
                    self.begin_grace(service, ctx);
                }
                self.settle(service, ctx);
            }
            News::Failed(error) => self.endure(service, error, ctx),
        }
    }

    /// Makes what is believed the view, and lets everybody know who waits for it.
    fn settle(&mut self, service: &str, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.get_mut(service) else { return };
        let versions = followed.good.believed().into_versions();
        let waiting = std::mem::take(&mut followed.waiting);
        if self.state.renew(service, versions, Freshness::Live) {
            debug!(service, "the view of a service changed");
        }
        let answer = match self.state.view(service) {
            Some(view) if !view.versions.is_empty() => Ok(view),
            _ => Err(LookupError::NotFound(service.into())),
        };
        answer_all(waiting, &answer);
        self.publish(service, ctx);
        self.plan_to_forget(service, ctx);
    }

    /// Keeps what is believed while the registry cannot be watched.
    fn endure(&mut self, service: &str, error: RegistryError, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.get_mut(service) else { return };
        if followed.error.is_none() {
            warn!(service, %error, "the registry cannot be watched; retrying");
        }
        // Nodes cannot return to a registry that is away, so their grace does not run meanwhile.
        followed.grace.take().map(|timer| ctx.cancel_future(timer));
        followed.error = Some(error.clone());
        answer_all(std::mem::take(&mut followed.waiting), &Err(LookupError::Unavailable(error)));
        self.state.mark_stale(service);
        self.publish(service, ctx);
        self.plan_to_forget(service, ctx);
    }

    fn begin_grace(&mut self, service: &str, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.get_mut(service) else { return };
        followed.grace.take().map(|timer| ctx.cancel_future(timer));
        if !followed.good.keeps() {
            return;
        }
        let service = service.to_owned();
        followed.grace = Some(ctx.run_later(self.options.grace, move |this, ctx| {
            if let Some(followed) = this.followed.get_mut(&service) {
                followed.grace = None;
                followed.good.end_grace();
                this.settle(&service, ctx);
            }
        }));
    }

    fn wait(&mut self, service: &str) -> Outlook {
        let Some(followed) = self.followed.get_mut(service) else {
            return Outlook::Known(Err(LookupError::Overloaded));
        };
        if followed.waiting.len() >= self.options.waiting {
            return Outlook::Known(Err(LookupError::Overloaded));
        }
        let (sender, receiver) = oneshot::channel();
        followed.waiting.push(sender);
        Outlook::Wait(receiver)
    }

    fn is_needed(&self, service: &str) -> bool {
        let view = self.state.view(service);
        let waits = || self.followed.get(service).is_some_and(|known| !known.waiting.is_empty());
        view.is_some_and(|view| !view.versions.is_empty())
            || waits()
            || self.state.has_subscribers(service)
    }

    /// Gives up services until one more may be followed; `false` if lookups wait for all of them.
    fn make_room(&mut self, ctx: &mut Context<Self>) -> bool {
        while self.followed.len() >= self.options.services.max(1) {
            let idle = self.followed.iter().filter(|(_, followed)| followed.waiting.is_empty());
            let least = idle
                .min_by_key(|(service, known)| (self.state.has_subscribers(service), known.used));
            let Some(service) = least.map(|(service, _)| service.clone()) else {
                return false;
            };
            debug!(service, "a service is given up to make room for another");
            self.give_up(&service, ctx);
        }
        true
    }

    fn give_up(&mut self, service: &str, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.remove(service) else { return };
        let timers = [followed.grace, followed.forget, followed.retell];
        for handle in timers.into_iter().flatten().chain([followed.news]) {
            ctx.cancel_future(handle);
        }
        self.state.close(service);
    }
}

fn answer_all(waiting: Vec<oneshot::Sender<Answer>>, answer: &Answer) {
    for sender in waiting {
        // Whoever is gone needs no answer.
        let _ = sender.send(answer.clone());
    }
}

/// Until a subscriber with a full mailbox is tried again.
const RETELL: Duration = Duration::from_millis(50);
