//! Placeholder until integrated.
use std::time::Duration;
/// x
#[derive(Debug, Clone)]
pub struct Backoff(Duration, Duration, u32);
impl Backoff {
    /// x
    pub fn new(first: Duration, max: Duration) -> Self {
        Self(first, max, 0)
    }
    /// x
    pub fn next_delay(&mut self, rng: &mut impl rand::Rng) -> Duration {
        let cap = self.0.saturating_mul(1 << self.2.min(20)).min(self.1);
        self.2 += 1;
        cap.mul_f64(rand::RngExt::random::<f64>(rng))
    }
}
