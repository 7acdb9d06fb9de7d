//! `WebDataset` shards: tar files whose members belong together by the name up to the first dot.

use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::stimuli::encode::{self, failed};
use crate::stimuli::movie::{Format, Setting};
use crate::stimuli::pieces::file_name;
use crate::stimuli::set::StimulusSet;
use crate::stimuli::truth::Truth;
use crate::task::condition::Condition;
use crate::task::geometry::Geometry;
use crate::task::set::SetCondition;

#[derive(Serialize)]
struct Sample<'a> {
    id: &'a str,
    condition: Option<&'a Condition>,
    /// Where it is not the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    geometry: Option<&'a Geometry>,
    #[serde(flatten)]
    setting: &'a Setting,
    rate_hz: f64,
    /// `[frame]`.
    truth: &'a [Truth],
}

/// The shard of some conditions; nothing when asked to stop. The same conditions give the same
/// bytes: owner, mode and time of every member are fixed.
pub(crate) fn shard(
    set: &StimulusSet,
    conditions: &[SetCondition],
    path: &Path,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Vec<u8>>> {
    let setting = set.setting();
    let mut tar = tar::Builder::new(Vec::new());
    for condition in conditions {
        if stopped() {
            return Ok(None);
        }
        let mut movie = set.movie(condition);
        let truth: Vec<Truth> = (0..movie.n_frames())
            .map_while(|n| movie.truth(n))
            .collect();
        let about = |truth: &[Truth]| {
            serde_json::to_vec(&Sample {
                id: condition.id(),
                condition: condition.start(),
                geometry: Some(condition.geometry()).filter(|g| !g.is_published()),
                setting: &setting,
                rate_hz: setting.rate_hz(),
                truth,
            })
            .map_err(failed(path, "json"))
        };
        let id = file_name(condition.id());
        if setting.format == Format::TarPng {
            for (n, row) in truth.iter().enumerate() {
                let name = format!("{id}_{n:04}");
                let picture = encode::png(movie.draw(n), &setting, path)?;
                add(
                    &mut tar,
                    &format!("{name}.json"),
                    &about(std::slice::from_ref(row))?,
                    path,
                )?;
                add(&mut tar, &format!("{name}.png"), &picture, path)?;
            }
        } else {
            let array = encode::npy(&mut movie, &setting, path)?;
            add(&mut tar, &format!("{id}.frames.npy"), &array, path)?;
            add(&mut tar, &format!("{id}.json"), &about(&truth)?, path)?;
        }
    }
    tar.into_inner().map(Some).map_err(failed(path, "tar"))
}

fn add(tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8], path: &Path) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, name, content)
        .map_err(failed(path, "tar"))
}
