//! Random numbers that are the same for the same seed.

use std::f64::consts::TAU;

/// The largest mean whose numbers are drawn one by one. Beyond it the normal distribution is as good.
const FEW: f64 = 60.0;

/// A generator (SplitMix64, by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number above 0 and up to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 32 bits are enough here, and a float holds them exactly.
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        (f64::from(high) + 1.0) / 4_294_967_296.0
    }

    /// A whole number with Poisson's distribution.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > FEW {
            let (one, other) = (self.next(), self.next());
            let normal = (-2.0 * one.ln()).sqrt() * (TAU * other).cos();
            return (mean + mean.sqrt() * normal).round().max(0.0);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.next(), 0.0);
        while product > limit {
            product *= self.next();
            count += 1.0;
        }
        count
    }
}
