//! What a person wants to know first about a file of recordings.

use std::fmt;

use mental_pong_game::task::{ConditionSet, SetIdentity};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stats;

use super::dmfc::{Half, Population, Recording, TrialType, behavior_unit};
use super::file::Format;
use super::reliability;

/// Cells of the three parts of occluded trials in the release: `start_end_pad0`, `start_occ_pad0`, `occ_end_pad0`
/// (79 conditions, 50-ms bins; neighbouring parts share one bin of each condition).
pub const RELEASED_CELLS: [(&str, usize); 3] = [
    ("start_end_pad0", 3502),
    ("start_occ_pad0", 2040),
    ("occ_end_pad0", 1541),
];

/// Summary of a [`Recording`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Where it was read.
    pub path: Option<String>,
    /// How it is kept.
    pub format: Option<Format>,
    /// `true` if the file says that it is invented; `None` if it does not say.
    pub synthetic: Option<bool>,
    /// Number of conditions.
    pub conditions: usize,
    /// Number of bins.
    pub bins: usize,
    /// Length of a bin, in ms.
    pub bin_ms: f64,
    /// Whether the file names its conditions.
    pub has_condition_ids: bool,
    /// The set that they are of.
    pub set: Option<SetIdentity>,
    /// What there is for each type of trial.
    pub trials: Vec<TrialsInfo>,
    /// Responses, `[unit, condition, bin]`.
    pub responses: Vec<ArrayInfo>,
    /// Behavioural variables, `[condition, bin]`.
    pub behaviors: Vec<ArrayInfo>,
    /// Cells of the parts of occluded trials, beside those of the release.
    pub cells: Vec<CellsInfo>,
    /// Whether all of [`Info::cells`] are those of the release.
    pub cells_as_released: bool,
    /// Name, rows and columns of each table.
    pub tables: Vec<TableInfo>,
    /// What is unusual.
    pub notes: Vec<String>,
    /// What is easily taken for something else in this very file, one sentence each.
    pub warnings: Vec<String>,
    /// Left edge of bin 0, in ms after the ball starts to move.
    pub first_bin_ms: f64,
    /// Whether it was held against the release, or is a laboratory's own layout.
    pub released_layout: bool,
}

/// What there is for a type of trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialsInfo {
    /// Which.
    pub trials: TrialType,
    /// Number of units.
    pub units: usize,
    /// Number of units that are reliable, if the file says.
    pub reliable: Option<usize>,
    /// Number of sessions and of trials in all, if the file says.
    pub sessions_and_trials: Option<(usize, i64)>,
    /// Number of behavioural variables.
    pub behaviors: usize,
    /// Number of masks, those shifted in time (`_roll`) included.
    pub masks: usize,
    /// Median over units of the correlation of the halves in `start_end_pad0`, and units that pass the published criterion;
    /// `None` without halves.
    pub split_half: Option<SplitHalf>,
    /// NaN in the responses of all units, and how many of them are in the last bin, which is NaN in the release.
    pub nan: (usize, usize),
    /// Pairs of unit and condition whose responses are the same in every bin: imputed, or silent.
    pub constant: usize,
}

/// How reliable the units are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitHalf {
    /// Median over units of Pearson r of the halves.
    pub median_r: f64,
    /// Units with p < 0.01 and r > 0.
    pub reliable: usize,
    /// Units that both halves have.
    pub units: usize,
}

/// One array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrayInfo {
    /// Its keys in the file.
    pub key: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Unit of its values; `None` if it is not known.
    pub unit: Option<String>,
    /// Share of values that are NaN, 0 to 1.
    pub nan_share: f64,
}

/// Cells of a mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellsInfo {
    /// Name of the mask.
    pub mask: String,
    /// Cells inside.
    pub found: usize,
    /// Cells inside in the release.
    pub released: usize,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Names of its columns.
    pub columns: Vec<String>,
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn nan_share(values: &[f64]) -> f64 {
    values.iter().filter(|v| v.is_nan()).count() as f64 / values.len().max(1) as f64
}

impl Info {
    /// Of a recording. Every array is read once. Errors are those of [`Recording::responses`] and
    /// [`Recording::behavior`].
    pub fn of(recording: &Recording) -> Result<Self> {
        let expected = recording.expected();
        let mut responses = Vec::new();
        for (trials, population, half) in recording.available() {
            let values = recording.responses(trials, population, half)?;
            responses.push(ArrayInfo {
                key: format!("{}/{}", population.key(half), trials.key()),
                shape: vec![values.units(), values.conditions(), values.bins()],
                unit: Some(population.unit().into()),
                nan_share: nan_share(values.as_slice()),
            });
        }
        let mut behaviors = Vec::new();
        let mut of_trials = Vec::new();
        for trials in TrialType::ALL {
            for name in recording.behavior_names(trials) {
                let values = recording.behavior(trials, name)?;
                behaviors.push(ArrayInfo {
                    key: format!("behavioral_responses/{}/{name}", trials.key()),
                    shape: vec![values.rows(), values.cols()],
                    unit: behavior_unit(name).map(str::to_owned),
                    nan_share: nan_share(values.as_slice()),
                });
            }
            let units = recording
                .responses
                .get(&(trials, Population::All, Half::Full))
                .map(|array| array.shape()[0]);
            let Some(units) = units else {
                continue;
            };
            of_trials.push(TrialsInfo {
                trials,
                units,
                reliable: recording.reliable_units(trials).map(<[_]>::len),
                sessions_and_trials: recording
                    .trials_per_session(trials)
                    .map(|counts| (counts.len(), counts.iter().sum())),
                behaviors: recording.behavior_names(trials).count(),
                masks: recording.mask_names(trials).count(),
                split_half: split_half(recording, trials),
                nan: nan_of(recording, trials)?,
                constant: constant_pairs(recording, trials)?,
            });
        }
        let mut cells = Vec::new();
        for (name, released) in RELEASED_CELLS {
            cells.push(CellsInfo {
                mask: name.into(),
                found: recording.mask(TrialType::Occ, name)?.count(),
                released,
            });
        }
        Ok(Self {
            path: recording.path().map(|path| path.display().to_string()),
            format: recording.format(),
            synthetic: recording.synthetic(),
            conditions: expected.conditions,
            bins: expected.bins,
            bin_ms: expected.bin_ms,
            has_condition_ids: recording.condition_ids().is_some(),
            set: recording.set().map(ConditionSet::identity),
            trials: of_trials,
            responses,
            behaviors,
            cells_as_released: cells.iter().all(|cell| cell.found == cell.released),
            cells,
            tables: recording
                .tables
                .iter()
                .map(|(&name, table)| TableInfo {
                    name: name.into(),
                    rows: table.rows,
                    columns: table.columns.iter().map(|(name, _)| name.clone()).collect(),
                })
                .collect(),
            notes: recording.notes().to_vec(),
            warnings: warnings(recording)?,
            first_bin_ms: recording.first_bin_ms(),
            released_layout: recording.is_released_layout(),
        })
    }
}

fn split_half(recording: &Recording, trials: TrialType) -> Option<SplitHalf> {
    // Without halves, or without the mask, there is nothing to say.
    let found = reliability::published(recording, trials).ok()?;
    let r: Vec<f64> = found
        .iter()
        .map(|u| u.r)
        .filter(|r| r.is_finite())
        .collect();
    Some(SplitHalf {
        median_r: stats::quantile(&r, 0.5),
        reliable: found.iter().filter(|unit| unit.reliable).count(),
        units: found.len(),
    })
}

fn nan_of(recording: &Recording, trials: TrialType) -> Result<(usize, usize)> {
    let responses = recording.responses(trials, Population::All, Half::Full)?;
    let bins = responses.bins().max(1);
    let nan = |at: &usize| responses.as_slice()[*at].is_nan();
    let all = (0..responses.as_slice().len()).filter(nan).count();
    let last = (bins - 1..responses.as_slice().len())
        .step_by(bins)
        .filter(nan)
        .count();
    Ok((all, last))
}

fn constant_pairs(recording: &Recording, trials: TrialType) -> Result<usize> {
    let responses = recording.responses(trials, Population::All, Half::Full)?;
    Ok(responses
        .as_slice()
        .chunks_exact(responses.bins().max(1))
        .filter(|pair| {
            let mut finite = pair.iter().filter(|v| !v.is_nan());
            finite
                .next()
                .is_none_or(|first| finite.all(|v| (v - first).abs() <= 1e-15 * first.abs()))
        })
        .count())
}

/// The traps that this file has.
fn warnings(recording: &Recording) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let occ = TrialType::Occ;
    if recording
        .available()
        .any(|(trials, ..)| trials == TrialType::Vis)
    {
        warnings.push(
            "occ and vis are kinds of trials; the hidden and visible parts of a trial are the masks occ_end and start_occ"
                .into(),
        );
    }
    let (visible, hidden) = (
        recording.mask(occ, "start_occ_pad0")?,
        recording.mask(occ, "occ_end_pad0")?,
    );
    let shared = visible.as_slice().iter().zip(hidden.as_slice());
    let shared = shared.filter(|(a, b)| **a && **b).count();
    if shared > 0 {
        warnings.push(format!(
            "{shared} cells are in both start_occ and occ_end: a bin counts if 1 ms of it does"
        ));
    }
    let inside = recording.mask(occ, "start_end_pad0")?.as_slice();
    for axis in ["x", "y"] {
        let pair =
            ["", "_TRUE"].map(|end| recording.behavior(occ, &format!("ball_pos_{axis}{end}")));
        if let [Ok(plain), Ok(clean)] = pair {
            let differing = plain
                .as_slice()
                .iter()
                .zip(clean.as_slice())
                .zip(inside)
                .filter(|((a, b), inside)| **inside && (*a - *b).abs() > 1e-6)
                .count();
            if differing > 0 {
                warnings.push(format!(
                    "ball_pos_{axis} differs from ball_pos_{axis}_TRUE in {differing} cells: it has the rebounds off the paddle of hits; use _TRUE"
                ));
            }
        }
    }
    let has = |name: &str| recording.behavior_names(occ).any(|n| n == name);
    if has("ball_final_y") || has("target_y") {
        warnings.push("ball_final_y and target_y are taken from ball_pos_y, not from _TRUE".into());
    }
    if has("eye_dv") && has("ball_pos_dx") {
        warnings.push("eye_dv and eye_dh are in deg/s, ball_pos_d* in deg per bin".into());
    }
    if recording.available().any(|(_, population, half)| {
        matches!(population, Population::Factors(_)) && half != Half::Full
    }) {
        warnings.push(
            "factors of the mean and of each half are three systems of axes: distances compare, single factors do not".into(),
        );
    }
    Ok(warnings)
}

impl fmt::Display for TrialsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} trials  {} units", self.trials.key(), self.units)?;
        if let Some(reliable) = self.reliable {
            write!(f, ", {reliable} reliable")?;
        }
        if let Some((sessions, count)) = self.sessions_and_trials {
            write!(f, ", {count} trials in {sessions} sessions")?;
        }
        writeln!(
            f,
            ", {} behavioural variables, {} masks",
            self.behaviors, self.masks
        )?;
        match self.split_half {
            Some(half) => writeln!(
                f,
                "              median split-half r {:.3} of {} units; {} with p < 0.01 and r > 0",
                half.median_r, half.units, half.reliable
            )?,
            None => writeln!(f, "              no halves: no reliability")?,
        }
        let (nan, last) = self.nan;
        writeln!(
            f,
            "              {nan} NaN, {last} of them in the last bin; {} pairs of unit and condition constant (imputed or silent)",
            self.constant
        )?;
        Ok(())
    }
}

impl Info {
    fn arrays(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, arrays) in [
            ("responses", &self.responses),
            ("behaviour", &self.behaviors),
        ] {
            writeln!(f, "  {title}")?;
            let width = arrays.iter().map(|a| a.key.len()).max().unwrap_or(0);
            for array in arrays {
                let shape: Vec<String> = array.shape.iter().map(ToString::to_string).collect();
                writeln!(
                    f,
                    "    {:<width$}  {:>13}  {:<9}  {:>6.2} % NaN",
                    array.key,
                    shape.join(" x "),
                    array.unit.as_deref().unwrap_or("?"),
                    100.0 * array.nan_share
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            writeln!(f, "{path}")?;
        }
        if let Some(format) = self.format {
            writeln!(f, "  format      {format}")?;
        }
        let synthetic = match self.synthetic {
            Some(true) => "SYNTHETIC (the file says so): not a recording",
            Some(false) => "no",
            None => "the file does not say",
        };
        writeln!(f, "  synthetic   {synthetic}")?;
        writeln!(
            f,
            "  axes        {} conditions{} x {} bins of {} ms; bin 0 starts {} ms from motion onset",
            self.conditions,
            if self.has_condition_ids {
                ""
            } else {
                " (not named)"
            },
            self.bins,
            self.bin_ms,
            self.first_bin_ms
        )?;
        if let Some(set) = &self.set {
            writeln!(f, "  conditions  of {set}")?;
        }
        if !self.released_layout {
            writeln!(
                f,
                "  layout      a laboratory's own, not held against the release"
            )?;
        }
        self.trials
            .iter()
            .try_for_each(|trials| write!(f, "{trials}"))?;
        for warning in &self.warnings {
            writeln!(f, "  mind: {warning}")?;
        }
        writeln!(f, "  cells of the masks (of the release)")?;
        let ours = self.released_layout && self.conditions == 79;
        for cell in &self.cells {
            let mark = if !ours {
                ""
            } else if cell.found == cell.released {
                "as released"
            } else {
                "NOT as released"
            };
            writeln!(
                f,
                "    {:<16} {:>5} ({}) {mark}",
                cell.mask, cell.found, cell.released
            )?;
        }
        self.arrays(f)?;
        for table in &self.tables {
            writeln!(
                f,
                "  table {}  {} rows x {} columns",
                table.name,
                table.rows,
                table.columns.len()
            )?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}
