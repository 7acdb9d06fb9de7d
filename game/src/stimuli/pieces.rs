//! A set cut into pieces of work: each a function of the set alone, so that it does not matter who
//! does which.

use std::ops::Range;

use crate::error::Result;
use crate::stimuli::encode;
use crate::stimuli::movie::Format;
use crate::stimuli::pool::{Place, Pool};
use crate::stimuli::set::StimulusSet;
use crate::stimuli::write::Output;
use crate::stimuli::{tar_shard, video, zarr};

/// Bytes of frames in one tar shard, about.
const TAR_BYTES: usize = 256 << 20;
/// Conditions in one tar shard at most.
const TAR_CONDITIONS: usize = 512;

/// An id as the name of a file: what a file system may not take is written as `%` and its byte.
#[must_use]
pub fn file_name(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut name = String::new();
    for (k, byte) in id.bytes().enumerate() {
        // No hidden file, and no way up.
        if plain(byte) && !(k == 0 && byte == b'.') {
            name.push(char::from(byte));
        } else {
            name += &format!("%{byte:02X}");
        }
    }
    name
}

/// How the whole set is cut.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    pub(crate) n: usize,
    /// Conditions, or for format pool pictures, in each piece but the last.
    per_piece: usize,
    total: usize,
    /// `[condition]`.
    pub(crate) n_frames: Vec<usize>,
    pub(crate) pool: Option<Pool>,
}

impl Pieces {
    pub(crate) fn of(set: &StimulusSet) -> Self {
        let n_frames = set.n_frames();
        let longest = n_frames.iter().copied().max().unwrap_or(0);
        let setting = set.setting();
        let pool = (setting.format == Format::Pool).then(|| Pool::of(set));
        let (total, per_piece) = match (&pool, setting.format) {
            (Some(pool), _) => (pool.pictures.len(), pool.per_file),
            (None, Format::Tar | Format::TarPng) => {
                let fit = TAR_BYTES / (longest * setting.frame_len()).max(1);
                (n_frames.len(), fit.clamp(1, TAR_CONDITIONS))
            }
            (None, _) => (n_frames.len(), 1),
        };
        Self {
            n: total.div_ceil(per_piece),
            per_piece,
            total,
            n_frames,
            pool,
        }
    }

    /// Conditions, or pictures, of a piece.
    pub(crate) fn range(&self, piece: usize) -> Range<usize> {
        let from = piece * self.per_piece;
        from..(from + self.per_piece).min(self.total)
    }

    pub(crate) fn longest(&self) -> usize {
        self.n_frames.iter().copied().max().unwrap_or(0)
    }

    /// The files of a piece.
    pub(crate) fn names(&self, set: &StimulusSet, piece: usize) -> Vec<String> {
        let setting = set.setting();
        let at = self.range(piece).start;
        let id = || file_name(set.conditions()[at].id());
        match setting.format {
            Format::Pool => vec![format!("pool/{piece:06}.npy")],
            Format::Tar | Format::TarPng => vec![format!("frames-{piece:06}.tar")],
            Format::Zarr => vec![zarr::chunk_name(piece, &setting)],
            Format::Png => (0..self.n_frames[at])
                .map(|n| format!("{}/frame_{n:04}.png", id()))
                .collect(),
            Format::Npy | Format::Gif | Format::Mp4 => vec![format!("{}.{}", id(), setting.format)],
        }
    }

    /// Draws a piece into its files; false when asked to stop before it was whole.
    pub(crate) fn draw(&self, set: &StimulusSet, piece: usize, out: &mut Output) -> Result<bool> {
        let range = self.range(piece);
        let setting = &set.setting();
        let mut names = self.names(set, piece).into_iter();
        let mut name = || names.next().unwrap_or_default();
        if let Some(pool) = &self.pool {
            let pictures = &pool.pictures[range];
            let name = name();
            let mut bytes = encode::npy_header(&setting.shape(pictures.len()), &out.path(&name))?;
            bytes.reserve_exact(pictures.len() * setting.frame_len());
            let Some(first) = pictures.first() else {
                return Ok(true);
            };
            let of = |picture: &Place| &set.conditions()[picture.condition as usize];
            let (mut movie, mut at) = (set.movie(of(first)), first.condition);
            for picture in pictures {
                if out.stopped() {
                    return Ok(false);
                }
                if at != picture.condition {
                    movie.turn_to(of(picture));
                    at = picture.condition;
                }
                bytes.extend_from_slice(movie.draw(picture.frame as usize));
            }
            out.file(name, &bytes)?;
            return Ok(true);
        }
        let conditions = &set.conditions()[range];
        if matches!(setting.format, Format::Tar | Format::TarPng) {
            let name = name();
            let stopped = || out.stopped();
            let Some(bytes) = tar_shard::shard(set, conditions, &out.path(&name), &stopped)? else {
                return Ok(false);
            };
            out.file(name, &bytes)?;
            return Ok(true);
        }
        let condition = &conditions[0];
        let mut movie = set.movie(condition);
        match setting.format {
            Format::Png => {
                for n in 0..movie.n_frames() {
                    if out.stopped() {
                        return Ok(false);
                    }
                    let name = name();
                    let bytes = encode::png(movie.draw(n), setting, &out.path(&name))?;
                    out.file(name, &bytes)?;
                }
            }
            Format::Gif => {
                let name = name();
                let bytes = encode::gif(&mut movie, setting, &out.path(&name))?;
                out.file(name, &bytes)?;
            }
            Format::Mp4 => {
                let name = name();
                let ffmpeg = out.ffmpeg()?;
                let path = out.path(&name);
                let bytes = video::mp4(&mut movie, setting, ffmpeg, out.folder(), &path)?;
                out.file(name, &bytes)?;
            }
            Format::Zarr => {
                let name = name();
                let path = out.path(&name);
                let bytes = zarr::chunk(&mut movie, setting, self.longest(), &path)?;
                out.file(name, &bytes)?;
            }
            Format::Npy | Format::Tar | Format::TarPng | Format::Pool => {
                let name = name();
                let bytes = encode::npy(&mut movie, setting, &out.path(&name))?;
                out.file(name, &bytes)?;
            }
        }
        Ok(true)
    }
}
