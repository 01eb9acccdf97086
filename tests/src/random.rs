//! Random numbers that a seed brings back, so that a run that failed can be run again.

use std::hash::{BuildHasher as _, RandomState};

/// George Marsaglia, "Xorshift RNGs".
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }

    /// A number in a range.
    pub fn within(&mut self, range: std::ops::Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    /// One of several.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        (!choices.is_empty()).then(|| choices[self.below(choices.len())])
    }
}

/// The seed in this variable, or another one each time.
pub fn seed(variable: &str) -> u64 {
    let any = || RandomState::new().hash_one(0);
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or_else(any)
}
