//! What the tests of stimulus sets share.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "not every test uses every helper, and a helper may panic as a test may"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mental_pong_base::{Monitor, Quiet};
use mental_pong_game::Result;
use mental_pong_game::frames::{Look, Preset};
use mental_pong_game::stimuli::{
    Drawer, Format, Job, Occlusion, Setting, Shard, StimulusSet, Written, write_set,
};
use mental_pong_game::task::{Condition, SetLaw, primate79};

/// Small pictures under the display law.
pub(crate) const SMALL: Setting = Setting {
    law: SetLaw::Display,
    preset: Preset::Rnn100,
    occlusion: Occlusion::Occluded,
    format: Format::Npy,
    frame_rate_hz: None,
    look: Look {
        size_px: None,
        background: None,
        ball: None,
        occluder: None,
        opacity: None,
        paddle: None,
        fixation: None,
        no_ball: false,
    },
    drawn_by: Drawer::Rasteriser,
};

/// Every format that needs no other program.
pub(crate) const FORMATS: [Format; 7] = [
    Format::Npy,
    Format::Png,
    Format::Gif,
    Format::Tar,
    Format::TarPng,
    Format::Zarr,
    Format::Pool,
];

pub(crate) fn few() -> Vec<Condition> {
    primate79()[..4].to_vec()
}

pub(crate) fn set(conditions: &[Condition], setting: Setting) -> StimulusSet {
    StimulusSet::of_trials(conditions, setting).unwrap()
}

pub(crate) fn job() -> Job<'static> {
    Job {
        command: "mpong stimuli",
        ..Job::default()
    }
}

/// Writes a set without a shard, a limit, or a word.
pub(crate) fn write(out: &Path, conditions: &[Condition], setting: Setting) -> Result<Written> {
    write_set(out, &set(conditions, setting), &job(), &Quiet)
}

/// Writes one shard.
pub(crate) fn write_shard(out: &Path, set: &StimulusSet, index: u32, of: u32) -> Result<Written> {
    let job = Job {
        shard: Some(Shard { index, of }),
        ..job()
    };
    write_set(out, set, &job, &Quiet)
}

/// Every file below a folder, by its path, with its content, what a stopped run keeps for itself
/// left out.
pub(crate) fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                let own = name.to_str().unwrap();
                if !own.starts_with('.') && own != "plan.json" {
                    found.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

/// Asks to stop after so many questions.
pub(crate) struct StopAfter(pub(crate) AtomicU64);

impl Monitor for StopAfter {
    fn stopped(&self) -> bool {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_err()
    }
}
