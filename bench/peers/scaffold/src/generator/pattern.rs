//! Bytes of which each piece can be told from its neighbours.

/// Bytes until the pattern repeats: a prime, so that no message size divides it.
const PERIOD: usize = 65_521;

/// Longest piece that is given at once.
const PIECE_MAX: usize = 1 << 20;

/// An endless sequence of bytes.
#[derive(Debug)]
pub struct Pattern(Vec<u8>);

impl Default for Pattern {
    fn default() -> Self {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[0]
        };
        let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let endless = period.into_iter().cycle();
        Self(endless.take(PERIOD + PIECE_MAX).collect())
    }
}

impl Pattern {
    /// Returns `length` bytes from `offset` on, at most a mebibyte.
    pub fn piece(&self, offset: u64, length: usize) -> &[u8] {
        let start = (offset % PERIOD as u64) as usize;
        &self.0[start..start + length]
    }
}
