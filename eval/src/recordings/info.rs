//! What a person wants to know first about a file of recordings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Result;

use super::dmfc::{Half, Population, Recording, TrialType, behavior_unit};
use super::file::Format;

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
        })
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
            "  axes        {} conditions{} x {} bins of {} ms",
            self.conditions,
            if self.has_condition_ids {
                ""
            } else {
                " (not named)"
            },
            self.bins,
            self.bin_ms
        )?;
        for trials in &self.trials {
            write!(
                f,
                "  {} trials  {} units",
                trials.trials.key(),
                trials.units
            )?;
            if let Some(reliable) = trials.reliable {
                write!(f, ", {reliable} reliable")?;
            }
            if let Some((sessions, count)) = trials.sessions_and_trials {
                write!(f, ", {count} trials in {sessions} sessions")?;
            }
            writeln!(
                f,
                ", {} behavioural variables, {} masks",
                trials.behaviors, trials.masks
            )?;
        }
        writeln!(f, "  cells of the masks (of the release)")?;
        for cell in &self.cells {
            let mark = if cell.found == cell.released {
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
