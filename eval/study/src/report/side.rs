//! The table at the top of the page: a row a system, a column a question, joined by identifiers.

use crate::card::{Card, RowKind, Score, Section};

/// A column: which number, its heading, what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Identifier of the analysis.
    pub analysis: &'static str,
    /// Identifier of the metric.
    pub metric: &'static str,
    /// Part of the trial.
    pub epoch: &'static str,
    /// Target; empty for any.
    pub target: &'static str,
    /// The other row of a comparison; empty for none.
    pub against: &'static str,
    /// Heading.
    pub heading: &'static str,
    /// What it says, in plain words.
    pub means: &'static str,
}

const fn column(
    analysis: &'static str,
    id: (&'static str, &'static str, &'static str, &'static str),
    heading: &'static str,
    means: &'static str,
) -> Column {
    Column {
        analysis,
        metric: id.0,
        epoch: id.1,
        target: id.2,
        against: id.3,
        heading,
        means,
    }
}

/// The columns, in order.
pub const COLUMNS: [Column; 10] = [
    column(
        "simulation",
        ("skill", "hidden", "x", "inertia"),
        "skill x",
        "1 − error / error of inertia in the same latents, horizontal place of the hidden ball: above 0 is better than going on as before",
    ),
    column(
        "simulation",
        ("skill", "hidden", "y", "inertia"),
        "skill y",
        "the same for the vertical place, where the walls are",
    ),
    column(
        "simulation",
        ("skill", "", "end", "inertia"),
        "skill end",
        "the same for the height at the end, which is what the paddle needs",
    ),
    column(
        "decode",
        ("r", "hidden", "x", ""),
        "finds hidden x",
        "correlation of the ball's true horizontal position, while it is hidden, with what a linear read-out finds on conditions it was not fitted on; 1 is perfect",
    ),
    column(
        "decode",
        ("r", "hidden", "y", ""),
        "finds hidden y",
        "the same for the vertical position",
    ),
    column(
        "endpoint",
        ("r_end_250ms", "hidden", "end", ""),
        "foresees the end",
        "correlation of the true end height with what is read out 250 ms after the ball disappeared",
    ),
    column(
        "rsa",
        ("r_xy_n_sb", "hidden", "", ""),
        "similar to DMFC",
        "similarity of representational geometry with DMFC while the ball is hidden, corrected for noise",
    ),
    column(
        "predictivity",
        ("median_r_xy_n_sb", "hidden", "units", ""),
        "predicts units",
        "noise-corrected correlation with the responses of single units on held-out conditions, median over units",
    ),
    column(
        "behavior",
        ("mae_of_mean", "", "end", ""),
        "error (°)",
        "mean over conditions of |mean paddle − ball| at the end, degrees; smaller is better",
    ),
    column(
        "behavior",
        ("consistency", "", "animals", ""),
        "errs alike",
        "noise-corrected correlation of error patterns over conditions with those of the animals in the recording",
    ),
];

impl Column {
    /// The number of a row, on the study's own set.
    #[must_use]
    pub fn find<'a>(&self, sections: &'a [Section], row: &str) -> Option<&'a Score> {
        let section = sections.iter().find(|s| s.analysis == self.analysis)?;
        section.scores.iter().find(|s| {
            s.row == row
                && s.metric == self.metric
                && s.epoch == self.epoch
                && (self.target.is_empty() || s.target.starts_with(self.target))
                && s.against == self.against
                && s.set.is_empty()
        })
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct SideRow<'a> {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: RowKind,
    /// A score for each column that is used.
    pub scores: Vec<Option<&'a Score>>,
}

/// The table: the columns that have a number, and the rows that have one.
#[derive(Debug, Clone, PartialEq)]
pub struct SideBySide<'a> {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, models first.
    pub rows: Vec<SideRow<'a>>,
}

/// The table of a card.
#[must_use]
pub fn side_by_side(card: &Card) -> SideBySide<'_> {
    let mut names: Vec<(String, RowKind)> = Vec::new();
    for column in &COLUMNS {
        let section = card.sections.iter().find(|s| s.analysis == column.analysis);
        for score in section.into_iter().flat_map(|s| &s.scores) {
            if score.metric == column.metric
                && score.set.is_empty()
                && !names.iter().any(|(name, _)| *name == score.row)
            {
                names.push((score.row.clone(), score.kind));
            }
        }
    }
    names.sort_by_key(|(_, kind)| *kind);
    let all: Vec<Vec<Option<&Score>>> = names
        .iter()
        .map(|(name, _)| {
            COLUMNS
                .iter()
                .map(|c| c.find(&card.sections, name))
                .collect()
        })
        .collect();
    let used: Vec<usize> = (0..COLUMNS.len())
        .filter(|&i| all.iter().any(|row| row[i].is_some()))
        .collect();
    SideBySide {
        columns: used.iter().map(|&i| COLUMNS[i]).collect(),
        rows: names
            .into_iter()
            .zip(all)
            .map(|((name, kind), scores)| SideRow {
                name,
                kind,
                scores: used.iter().map(|&i| scores[i]).collect(),
            })
            .collect(),
    }
}
