//! Random numbers that a seed repeats, on every system and in every version.

/// A generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number from 0 to 1, without 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns one of `count` numbers from 0 on, all equally likely.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        // The product's upper half (Lemire): no number is favoured by more
        // than one in 2^64 / count.
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_count_are_all_drawn_and_equally_often() {
        let mut rng = Rng::new(7);
        let mut counts = [0; 10];
        for _ in 0..100_000 {
            counts[rng.below(10) as usize] += 1;
        }
        let are_equal = counts.iter().all(|count| (9_500..10_500).contains(count));
        assert!(are_equal, "{counts:?}");
    }
}
