//! Which rows there are, what stands in them, and how conditions are split.

use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};

/// Part of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Epoch {
    /// All rows (mask `start_end`).
    All,
    /// Rows before occlusion (mask `start_occ`).
    Visible,
    /// Rows behind the occluder (mask `occ_end`).
    Hidden,
}

impl Epoch {
    /// In the order of the tables.
    pub const EVERY: [Self; 3] = [Self::All, Self::Visible, Self::Hidden];

    /// As written in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Visible => "visible",
            Self::Hidden => "hidden",
        }
    }
}

/// The rows of one condition: one for each bin of the mask `start_end`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionRows {
    /// Id of the condition in its set.
    pub id: String,
    /// `[row]`, bin on the axis of the analysis, rising.
    pub bins: Vec<usize>,
    /// `[row, target]`, the truth. NaN is missing: such a row is dropped for all targets, as in the published decoder.
    pub targets: Array2,
    /// `[row]`, in the mask `start_occ`.
    pub visible: Vec<bool>,
    /// `[row]`, in the mask `occ_end`. The boundary bin is in both masks.
    pub hidden: Vec<bool>,
}

impl ConditionRows {
    /// First hidden bin; `None` if there is none.
    #[must_use]
    pub fn occlusion_bin(&self) -> Option<usize> {
        self.hidden
            .iter()
            .position(|&h| h)
            .map(|row| self.bins[row])
    }
}

/// The rows of all conditions, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    target_names: Vec<String>,
    bin_ms: f64,
    conditions: Vec<ConditionRows>,
}

impl Layout {
    /// `bin_ms` is the width of a bin (50 in the recordings).
    ///
    /// [`Error::Shape`] where a condition's vectors are not of one length, [`Error::Invalid`] for bins that do not rise or
    /// a width that is not positive.
    pub fn new(
        target_names: Vec<String>,
        bin_ms: f64,
        conditions: Vec<ConditionRows>,
    ) -> Result<Self> {
        if !(bin_ms.is_finite() && bin_ms > 0.0) {
            return Err(Error::invalid("bin_ms", format!("{bin_ms} is no width")));
        }
        for c in &conditions {
            let rows = c.bins.len();
            for (what, found) in [
                ("targets", c.targets.rows()),
                ("visible", c.visible.len()),
                ("hidden", c.hidden.len()),
            ] {
                if found != rows {
                    return Err(Error::shape(
                        format!("{what} of condition {}", c.id),
                        format!("{rows} rows, as the bins"),
                        format!("{found} rows"),
                    ));
                }
            }
            if c.targets.cols() != target_names.len() {
                return Err(Error::shape(
                    format!("targets of condition {}", c.id),
                    format!("{} columns", target_names.len()),
                    format!("{} columns", c.targets.cols()),
                ));
            }
            if c.bins.windows(2).any(|w| w[0] >= w[1]) {
                return Err(Error::invalid(
                    format!("bins of condition {}", c.id),
                    "they have to rise",
                ));
            }
        }
        Ok(Self {
            target_names,
            bin_ms,
            conditions,
        })
    }

    /// Names of the targets, in column order.
    #[must_use]
    pub fn target_names(&self) -> &[String] {
        &self.target_names
    }

    /// Width of a bin, ms.
    #[must_use]
    pub fn bin_ms(&self) -> f64 {
        self.bin_ms
    }

    /// The conditions, in order.
    #[must_use]
    pub fn conditions(&self) -> &[ConditionRows] {
        &self.conditions
    }
}

/// One division of the conditions (indices into the layout, not ids).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Conditions that the map is fitted on.
    pub train: Vec<usize>,
    /// Conditions that it is tested on.
    pub test: Vec<usize>,
}

impl Split {
    pub(crate) fn check_all(splits: &[Self], n_conditions: usize) -> Result<()> {
        if splits.is_empty() {
            return Err(Error::invalid("splits", "there are none"));
        }
        for (index, split) in splits.iter().enumerate() {
            let bad = |why: String| Err(Error::Split { split: index, why });
            if split.train.is_empty() || split.test.is_empty() {
                return bad("one side is empty".into());
            }
            let mut seen = vec![false; n_conditions];
            for &c in split.train.iter().chain(&split.test) {
                if c >= n_conditions {
                    return bad(format!("condition {c} of {n_conditions}"));
                }
                if seen[c] {
                    return bad(format!("condition {c} is there twice"));
                }
                seen[c] = true;
            }
        }
        Ok(())
    }
}

/// Rows whose features and targets are all finite.
pub(crate) fn kept_rows(x: &Array2, y: &Array2) -> Vec<usize> {
    (0..x.rows())
        .filter(|&row| {
            x.row(row)
                .iter()
                .chain(y.row(row))
                .all(|value| value.is_finite())
        })
        .collect()
}
