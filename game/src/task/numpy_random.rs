//! numpy's legacy `RandomState`, bit for bit: what scikit-learn's splits are drawn from.
//!
//! A 32-bit Mersenne Twister (Matsumoto & Nishimura 1998) seeded with one integer; bounded
//! integers by masked rejection; shuffles from the last element down. For parity with published
//! splits only.

const N: usize = 624;
const M: usize = 397;

/// A stream equal to `numpy.random.RandomState(seed)`.
#[derive(Clone, Debug)]
pub struct RandomState {
    key: [u32; N],
    pos: usize,
    /// The second of a pair of normals, kept for the next call.
    spare_normal: Option<f64>,
}

impl RandomState {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut key = [seed; N];
        for i in 1..N {
            let before = key[i - 1];
            key[i] = 1_812_433_253_u32
                .wrapping_mul(before ^ (before >> 30))
                .wrapping_add(i as u32);
        }
        Self {
            key,
            pos: N,
            spare_normal: None,
        }
    }

    fn refill(&mut self) {
        for i in 0..N {
            let joined = (self.key[i] & 0x8000_0000) | (self.key[(i + 1) % N] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.key[i] = self.key[(i + M) % N] ^ (joined >> 1) ^ twist;
        }
        self.pos = 0;
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.pos == N {
            self.refill();
        }
        let mut y = self.key[self.pos];
        self.pos += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// The next number of `random_sample()`: uniform in `[0, 1)`, 53 bits.
    pub fn random_sample(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// The next number of `standard_normal()`, `randn()` or `normal()`: the polar method (Marsaglia & Bray 1964), of
    /// whose pairs the second comes out first. Equal to numpy but for the last digit of the platform's logarithm.
    pub fn standard_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        loop {
            let x = 2.0 * self.random_sample() - 1.0;
            let y = 2.0 * self.random_sample() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                let factor = libm::sqrt(-2.0 * libm::log(square) / square);
                self.spare_normal = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// An integer in `0..=max`, as numpy's legacy shuffles draw it. Nothing is drawn for 0.
    pub fn interval(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// Shuffles in place, as `shuffle(x)`. Of at most 2³² elements, numpy's 32-bit path.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.interval(i as u32) as usize;
            items.swap(i, j);
        }
    }

    /// The numbers `0..n` shuffled, as `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy.random.RandomState(seed).permutation(20)
    const PERMUTATION_20: [(u32, [usize; 20]); 4] = [
        (
            0,
            [
                18, 1, 19, 8, 10, 17, 6, 13, 4, 2, 5, 14, 9, 7, 16, 11, 3, 0, 15, 12,
            ],
        ),
        (
            1,
            [
                3, 16, 6, 10, 2, 14, 4, 17, 7, 1, 13, 0, 19, 18, 9, 15, 8, 12, 11, 5,
            ],
        ),
        (
            2,
            [
                12, 4, 18, 0, 9, 5, 3, 10, 1, 17, 7, 16, 14, 2, 11, 6, 19, 13, 15, 8,
            ],
        ),
        (
            1234,
            [
                3, 13, 2, 16, 14, 5, 4, 0, 8, 18, 17, 11, 10, 9, 7, 1, 19, 12, 6, 15,
            ],
        ),
    ];
    // x = list(range(10)); numpy.random.RandomState(seed).shuffle(x)
    const SHUFFLE_10: [(u32, [usize; 10]); 3] = [
        (1234, [7, 2, 9, 1, 0, 8, 4, 5, 6, 3]),
        (1235, [4, 8, 5, 0, 1, 6, 3, 7, 9, 2]),
        (7, [8, 5, 0, 2, 1, 9, 7, 3, 6, 4]),
    ];
    // numpy.random.RandomState(0).random_sample(5)
    const SAMPLE_5: [f64; 5] = [
        0.5488135039273248,
        0.7151893663724195,
        0.6027633760716439,
        0.5448831829968969,
        0.4236547993389047,
    ];

    #[test]
    fn streams_match_numpy() {
        for (seed, expected) in PERMUTATION_20 {
            assert_eq!(RandomState::new(seed).permutation(20), expected);
        }
        for (seed, expected) in SHUFFLE_10 {
            let mut list: Vec<usize> = (0..10).collect();
            RandomState::new(seed).shuffle(&mut list);
            assert_eq!(list, expected);
        }
        let mut stream = RandomState::new(0);
        assert_eq!([(); 5].map(|()| stream.random_sample()), SAMPLE_5);
    }

    // numpy.random.RandomState(0).randn(7)
    const NORMAL_7: [f64; 7] = [
        1.764052345967664,
        0.4001572083672233,
        0.9787379841057392,
        2.240893199201458,
        1.8675579901499675,
        -0.977277879876411,
        0.9500884175255894,
    ];

    #[test]
    fn normals_match_numpy() {
        let mut stream = RandomState::new(0);
        for expected in NORMAL_7 {
            assert!((stream.standard_normal() - expected).abs() < 1e-14);
        }
        assert!((RandomState::new(1).standard_normal() - NORMAL_7[0]).abs() > 1e-3);
    }

    #[test]
    fn raw_words_match_the_published_generator() {
        // The C++ standard gives the 10000th word of mt19937 with seed 5489.
        let mut stream = RandomState::new(5489);
        let last = (0..10_000).map(|_| stream.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn another_seed_gives_another_order() {
        let [(first, order), ..] = PERMUTATION_20;
        assert_ne!(RandomState::new(first + 1).permutation(20), order);
    }

    #[test]
    fn intervals_keep_their_bound_and_zero_draws_nothing() {
        let mut stream = RandomState::new(3);
        let before = stream.clone().next_u32();
        assert_eq!(stream.interval(0), 0);
        assert_eq!(stream.clone().next_u32(), before);
        let drawn: std::collections::BTreeSet<u32> = (0..500).map(|_| stream.interval(4)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(
            (0..100)
                .map(|_| stream.interval(u32::MAX))
                .any(|v| v > 1 << 31)
        );
    }
}
