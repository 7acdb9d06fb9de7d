//! How many bytes a set will take, before it is written.

use std::ops::Range;
use std::path::Path;

use crate::error::Result;
use crate::stimuli::movie::Format;
use crate::stimuli::pieces::Pieces;
use crate::stimuli::set::StimulusSet;
use crate::stimuli::{encode, video, zarr};

/// Conditions that are encoded to see how well frames pack.
const SAMPLE: usize = 3;
/// What a file needs beyond its content: a block of the disk, its line in the manifest.
const FILE_OVERHEAD: u64 = 4096;
/// A row of the truth in both formats.
const TRUTH_ROW: u64 = 200;
/// The truth of a frame as JSON.
const JSON_ROW: u64 = 320;
/// A line of the condition table.
const CONDITION_ROW: u64 = 300;
/// Header and padding of two tar members, and the JSON with a geometry.
const TAR_SAMPLE: u64 = 3072;

/// Bytes of some pieces; of the truth and tables too where the set is `whole`. A video that is tried
/// goes through a temporary file in `scratch`.
pub(crate) fn bytes(
    set: &StimulusSet,
    pieces: &Pieces,
    mine: Range<usize>,
    whole: bool,
    ffmpeg: Option<&Path>,
    scratch: &Path,
) -> Result<u64> {
    let setting = set.setting();
    let frame = setting.frame_len() as u64;
    let all_frames: u64 = pieces.n_frames.iter().map(|&n| n as u64).sum();
    let items = match (mine.start, mine.end) {
        (from, to) if from < to => pieces.range(from).start..pieces.range(to - 1).end,
        _ => 0..0,
    };
    let tables = if whole {
        let index = if pieces.pool.is_some() { 4 } else { 0 };
        all_frames * (TRUTH_ROW + index) + set.conditions().len() as u64 * CONDITION_ROW
    } else {
        set.conditions().len() as u64 * CONDITION_ROW
    };
    let frames = if pieces.pool.is_some() {
        items.len() as u64 * frame
    } else {
        let n: u64 = pieces.n_frames[items.clone()]
            .iter()
            .map(|&n| n as u64)
            .sum();
        match setting.format {
            Format::Npy | Format::Pool => n * frame,
            Format::Tar => n * (frame + JSON_ROW) + items.len() as u64 * TAR_SAMPLE,
            Format::Png => {
                (n as f64 * per_frame(set, pieces, items, ffmpeg, scratch)?) as u64
                    + n * FILE_OVERHEAD
            }
            Format::TarPng => {
                (n as f64 * per_frame(set, pieces, items, ffmpeg, scratch)?) as u64 + n * TAR_SAMPLE
            }
            Format::Gif | Format::Mp4 | Format::Zarr => {
                (n as f64 * per_frame(set, pieces, items, ffmpeg, scratch)?) as u64
            }
        }
    };
    Ok(frames + tables + mine.len() as u64 * FILE_OVERHEAD)
}

/// Bytes of an encoded frame, from a sample of conditions, and a quarter more.
fn per_frame(
    set: &StimulusSet,
    pieces: &Pieces,
    conditions: Range<usize>,
    ffmpeg: Option<&Path>,
    scratch: &Path,
) -> Result<f64> {
    let setting = set.setting();
    let path = Path::new("sample");
    let (mut bytes, mut frames) = (0, 0);
    for k in conditions
        .clone()
        .step_by(conditions.len().div_ceil(SAMPLE).max(1))
    {
        let mut movie = set.movie(&set.conditions()[k]);
        let n = movie.n_frames();
        let half = n / 2;
        frames += n;
        bytes += match setting.format {
            Format::Gif => encode::gif(&mut movie, &setting, path)?.len(),
            Format::Zarr => zarr::chunk(&mut movie, &setting, pieces.longest(), path)?.len(),
            Format::Mp4 => match ffmpeg {
                Some(ffmpeg) => video::mp4(&mut movie, &setting, ffmpeg, scratch, path)?.len(),
                None => 0,
            },
            _ => {
                encode::png(movie.draw(0), &setting, path)?
                    .len()
                    .max(encode::png(movie.draw(half), &setting, path)?.len())
                    * n
            }
        };
    }
    Ok(1.25 * bytes as f64 / (frames.max(1)) as f64)
}
