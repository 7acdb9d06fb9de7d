//! Every distinct picture of a set, once.

use rayon::prelude::*;

use crate::frames::PictureKey;
use crate::stimuli::set::StimulusSet;

/// Bytes of pictures in one file, about.
const FILE_BYTES: usize = 64 << 20;
/// Conditions that a thread takes at a time.
const BLOCK: usize = 2048;

/// A picture and the first frame that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Picture {
    key: PictureKey,
    pub(crate) condition: u32,
    pub(crate) frame: u32,
}

/// The distinct pictures of a whole set, in the order of their keys. Nothing is drawn to find them.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) pictures: Vec<Picture>,
    /// Pictures in each file but the last.
    pub(crate) per_file: usize,
}

impl Pool {
    pub(crate) fn of(set: &StimulusSet) -> Self {
        let mut pictures: Vec<Picture> = set
            .conditions()
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, conditions)| {
                let mut found = Vec::new();
                let Some(first) = conditions.first() else {
                    return found;
                };
                let mut movie = set.movie(first);
                for (k, condition) in conditions.iter().enumerate() {
                    movie.turn_to(condition);
                    found.extend((0..movie.n_frames()).map(|n| Picture {
                        key: movie.key(n),
                        condition: (block * BLOCK + k) as u32,
                        frame: n as u32,
                    }));
                    if k % 256 == 255 {
                        distinct(&mut found);
                    }
                }
                distinct(&mut found);
                found
            })
            .collect::<Vec<_>>()
            .concat();
        distinct(&mut pictures);
        Self {
            pictures,
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
                    self.pictures.partition_point(|p| p.key < key) as u32
                })
            })
            .collect()
    }
}

fn distinct(pictures: &mut Vec<Picture>) {
    pictures.sort_unstable();
    pictures.dedup_by_key(|p| p.key);
}
