//! How busy and how slow a node is.
//!
//! Pure.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::moment::Moment;

/// Calls in flight and peak-EWMA latency of one node, shared by all callers.
///
/// The latency jumps up to a slower answer at once and forgets it exponentially, also while no
/// answers come: a node that was slow is tried again.
#[derive(Debug, Default)]
pub(super) struct Load {
    latency: AtomicU64,
    in_flight: AtomicU32,
}

impl Load {
    /// Calls begin.
    pub(super) fn begin(&self, calls: u32) {
        self.in_flight.fetch_add(calls, Ordering::Relaxed);
    }

    /// Calls that had begun end.
    pub(super) fn end(&self, calls: u32) {
        let fewer = |count: u32| Some(count.saturating_sub(calls));
        // It never refuses, so the result says nothing.
        let _ = self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// Calls begun and not ended.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// An answer took this long.
    pub(super) fn observe(&self, latency: Duration, now: Moment, decay: Duration) {
        let sample = micros(latency);
        self.update(now, |known| {
            let keep = known.weight(now, decay);
            sample.max(known.micros * keep + sample * (1.0 - keep))
        });
    }

    /// It failed or refused: doubles the latency, so that failing fast attracts nobody.
    pub(super) fn penalise(&self, now: Moment, decay: Duration) {
        self.update(now, |known| {
            let known = known.micros * known.weight(now, decay);
            (known.max(PENALTY_MIN) * 2.0).min(PENALTY_MAX)
        });
    }

    /// Takes the node for one of which nothing is known.
    pub(super) fn forget(&self) {
        self.latency.store(0, Ordering::Relaxed);
    }

    /// The latency as it counts now; `None` when nothing was observed yet.
    pub(super) fn latency(&self, now: Moment, decay: Duration) -> Option<Duration> {
        let known = Latency::unpack(self.latency.load(Ordering::Relaxed))?;
        Some(Duration::from_secs_f32(known.micros * known.weight(now, decay) / 1e6))
    }

    /// What one more call would cost: latency times calls in flight, that one included.
    ///
    /// A node of which nothing is known is worth one try; until it is answered, further ones are
    /// as expensive as a very slow node.
    pub(super) fn cost(&self, now: Moment, decay: Duration) -> f32 {
        let calls = self.in_flight() as f32;
        match Latency::unpack(self.latency.load(Ordering::Relaxed)) {
            Some(known) => known.micros * known.weight(now, decay) * (calls + 1.0),
            None => calls * UNKNOWN,
        }
    }

    /// The same latency for a node whose record changed; its calls are counted anew.
    pub(super) fn carry_over(&self) -> Self {
        let latency = self.latency.load(Ordering::Relaxed);
        Self { latency: AtomicU64::new(latency), in_flight: AtomicU32::new(0) }
    }

    fn update(&self, now: Moment, micros: impl Fn(Latency) -> f32) {
        let change = |packed| {
            let known = Latency::unpack(packed).unwrap_or(Latency { micros: 0.0, tick: tick(now) });
            Some(Latency { micros: micros(known).max(LATENCY_MIN), tick: tick(now) }.pack())
        };
        // `change` never refuses, so the result says nothing.
        let _ = self.latency.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

/// Calls in flight of a whole service.
///
/// Counted in several places that threads rarely share; a node always uses the same one.
#[derive(Debug, Default)]
pub(super) struct Total([Shard; SHARDS]);

impl Total {
    /// A call begins (1) or ends (-1) at the node with this seed.
    pub(super) fn add(&self, seed: u64, change: i64) {
        let shard = usize::try_from(seed % SHARDS as u64).unwrap_or_default();
        self.0[shard].0.fetch_add(change, Ordering::Relaxed);
    }

    /// Calls in flight.
    pub(super) fn sum(&self) -> u64 {
        let sum: i64 = self.0.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum();
        u64::try_from(sum).unwrap_or(0)
    }
}

/// Alone on its cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard(AtomicI64);

/// A latency and when it was observed, which fit one atomic together.
#[derive(Clone, Copy)]
struct Latency {
    micros: f32,
    tick: u32,
}

impl Latency {
    fn unpack(packed: u64) -> Option<Self> {
        let (micros, tick) = (packed >> 32, packed & u64::from(u32::MAX));
        let micros = f32::from_bits(u32::try_from(micros).unwrap_or_default());
        (packed != 0).then(|| Self { micros, tick: u32::try_from(tick).unwrap_or_default() })
    }

    fn pack(self) -> u64 {
        (u64::from(self.micros.to_bits()) << 32) | u64::from(self.tick)
    }

    /// What is left of it now, from 1 down to 0.
    fn weight(self, now: Moment, decay: Duration) -> f32 {
        // Threads learn the time at slightly different points: an observation from ahead is new.
        let ticks = tick(now).wrapping_sub(self.tick).cast_signed().max(0);
        if ticks == 0 {
            return 1.0;
        }
        let elapsed = ticks as f32 * TICK_SECONDS;
        (-elapsed / decay.as_secs_f32().max(f32::MIN_POSITIVE)).exp()
    }
}

/// Ticks wrap after 814 days; what is older than half of that counts as new.
fn tick(now: Moment) -> u32 {
    u32::try_from((now.as_micros() >> TICK_BITS) & u64::from(u32::MAX)).unwrap_or_default()
}

fn micros(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1e6
}

/// A tick is 2^14 microseconds, a small part of any decay that makes sense.
const TICK_BITS: u32 = 14;
const TICK_SECONDS: f32 = 0.016_384;

/// Microseconds that a call in flight costs at a node of which nothing is known.
const UNKNOWN: f32 = 1e6;

/// Keeps a packed latency apart from zero, which means that there is none.
const LATENCY_MIN: f32 = 0.1;

/// A first failure counts as an answer after twice this many microseconds.
const PENALTY_MIN: f32 = 1e3;

/// No run of failures makes a node slower than a minute.
const PENALTY_MAX: f32 = 6e7;

/// More would make summing slow, fewer would make counting slow.
const SHARDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(10);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn latency_jumps_up_at_once_and_comes_down_slowly() {
        let load = Load::default();
        load.observe(MILLI, at(0), DECAY);
        load.observe(MILLI * 100, at(0), DECAY);
        assert_close(&load, at(0), 0.1);
        load.observe(MILLI, at(10), DECAY);
        let expected = 0.1 / 1f32.exp() + 0.001 * (1.0 - 1.0 / 1f32.exp());
        assert_close(&load, at(10), expected);
    }

    #[test]
    fn an_old_latency_fades_without_new_answers() {
        let load = Load::default();
        load.observe(MILLI * 100, at(0), DECAY);
        assert_close(&load, at(20), 0.1 / 2f32.exp());
        assert!(load.cost(at(60), DECAY) < 300.0);
    }

    #[test]
    fn an_observation_from_slightly_ahead_counts_in_full() {
        let load = Load::default();
        load.observe(MILLI * 100, at(1), DECAY);
        assert_close(&load, at(0), 0.1);
    }

    #[test]
    fn cost_grows_with_calls_in_flight() {
        let load = Load::default();
        load.observe(MILLI, at(0), DECAY);
        let idle = load.cost(at(0), DECAY);
        load.begin(1);
        load.begin(1);
        assert!((load.cost(at(0), DECAY) / idle - 3.0).abs() < 0.001);
    }

    #[test]
    fn an_unknown_node_is_worth_exactly_one_try() {
        let (unknown, slow) = (Load::default(), Load::default());
        slow.observe(MILLI * 200, at(0), DECAY);
        assert!(unknown.cost(at(0), DECAY) < slow.cost(at(0), DECAY));
        unknown.begin(1);
        assert!(unknown.cost(at(0), DECAY) > slow.cost(at(0), DECAY));
    }

    #[test]
    fn failing_makes_a_node_look_slower_but_never_slower_than_a_minute() {
        let load = Load::default();
        load.penalise(at(0), DECAY);
        assert_close(&load, at(0), 0.002);
        for _ in 0..100 {
            load.penalise(at(0), DECAY);
        }
        assert_close(&load, at(0), 60.0);
    }

    #[test]
    fn an_end_without_a_beginning_changes_nothing() {
        let load = Load::default();
        load.end(1);
        assert_eq!(load.in_flight(), 0);
        load.begin(1);
        load.end(5);
        assert_eq!(load.in_flight(), 0);
    }

    #[test]
    fn a_total_sums_what_all_nodes_have_in_flight() {
        let total = Total::default();
        for seed in 0..20 {
            total.add(seed, 1);
        }
        total.add(3, -1);
        assert_eq!(total.sum(), 19);
    }

    fn at(seconds: u64) -> Moment {
        // A multiple of the tick, so that rounding does not blur what is compared.
        Moment::NEVER.plus(Duration::from_micros(seconds * 1_000_000))
    }

    fn assert_close(load: &Load, now: Moment, seconds: f32) {
        let latency = load.latency(now, DECAY).unwrap().as_secs_f32();
        assert!((latency / seconds - 1.0).abs() < 0.01, "{latency} is not {seconds}");
    }
}
