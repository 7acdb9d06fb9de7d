//! Every distinct picture of a set, once.

use rayon::prelude::*;

use crate::frames::PictureKey;
use crate::stimuli::set::StimulusSet;

/// Bytes of pictures in one file, about.
const FILE_BYTES: usize = 64 << 20;
/// Conditions that a thread takes at a time.
const BLOCK: usize = 2048;

/// A frame by the numbers of its condition and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) condition: u32,
    pub(crate) frame: u32,
}

/// A frame whose key no frame before it has, with the content of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    key: PictureKey,
    at: Place,
    digest: [u8; 32],
}

/// The distinct pictures of a whole set, in the order in which they first appear.
///
/// Keys say without drawing that most frames are one of those before them. What is left is drawn and
/// hashed, so that no two pictures hold the same bytes. That takes 84 bytes for each key while it is
/// done, and 24 for each key and 8 for each picture afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// The first frame that shows each picture.
    pub(crate) pictures: Vec<Place>,
    /// The number of the picture of each key, by key.
    numbers: Vec<(PictureKey, u32)>,
    /// Pictures in each file but the last.
    pub(crate) per_file: usize,
}

impl Pool {
    pub(crate) fn of(set: &StimulusSet) -> Self {
        let mut found: Vec<Found> = set
            .conditions()
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, _)| of_block(set, block * BLOCK))
            .collect::<Vec<_>>()
            .concat();
        first_of_each_key(&mut found);

        // First appearances, by content.
        let mut by_content: Vec<u32> = (0..found.len() as u32).collect();
        let of = |k: u32| &found[k as usize];
        by_content.par_sort_unstable_by_key(|&k| (of(k).digest, of(k).at));
        let mut firsts: Vec<(Place, u32)> = Vec::new();
        for (n, &k) in by_content.iter().enumerate() {
            if n == 0 || of(by_content[n - 1]).digest != of(k).digest {
                firsts.push((of(k).at, n as u32));
            }
        }
        firsts.par_sort_unstable();
        let mut numbers: Vec<(PictureKey, u32)> = found.iter().map(|f| (f.key, 0)).collect();
        for (number, (_, from)) in firsts.iter().enumerate() {
            let same = by_content[*from as usize..].iter();
            let digest = of(by_content[*from as usize]).digest;
            for &k in same.take_while(|&&k| of(k).digest == digest) {
                numbers[k as usize].1 = number as u32;
            }
        }
        Self {
            pictures: firsts.into_iter().map(|(at, _)| at).collect(),
            numbers,
            per_file: (FILE_BYTES / set.setting().frame_len()).max(1),
        }
    }

    /// `[frame]` over the whole set in the order of the truth: the number of its picture.
    pub(crate) fn index(&self, set: &StimulusSet) -> Vec<u32> {
        set.conditions()
            .par_iter()
            .flat_map_iter(|condition| {
                let movie = set.movie(condition);
                (0..movie.n_frames()).map(move |n| {
                    let key = movie.key(n);
                    let at = self.numbers.partition_point(|(k, _)| *k < key);
                    self.numbers[at].1
                })
            })
            .collect()
    }
}

/// The first frame of each key among the conditions from number `from` on.
fn of_block(set: &StimulusSet, from: usize) -> Vec<Found> {
    let conditions = &set.conditions()[from..(from + BLOCK).min(set.conditions().len())];
    let mut found = Vec::new();
    let mut movie = set.movie(&conditions[0]);
    for (k, condition) in conditions.iter().enumerate() {
        movie.turn_to(condition);
        found.extend((0..movie.n_frames()).map(|n| Found {
            key: movie.key(n),
            at: Place {
                condition: (from + k) as u32,
                frame: n as u32,
            },
            digest: [0; 32],
        }));
        if k % 256 == 255 {
            first_of_each_key(&mut found);
        }
    }
    first_of_each_key(&mut found);
    // In the order of the conditions, so that each is turned to once.
    found.sort_unstable_by_key(|f| f.at);
    let mut last = None;
    for one in &mut found {
        if last.replace(one.at.condition) != Some(one.at.condition) {
            movie.turn_to(&set.conditions()[one.at.condition as usize]);
        }
        one.digest = movie.digest(one.at.frame as usize);
    }
    found
}

fn first_of_each_key(found: &mut Vec<Found>) {
    found.sort_unstable_by_key(|f| (f.key, f.at));
    found.dedup_by_key(|f| f.key);
}
