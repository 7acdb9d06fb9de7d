//! What a study takes from a recording: conditions, bins, truth, and the population that is compared.

use mental_pong_game::task::{ConditionSet, Epoch};

use crate::analysis::Analysis;
use crate::config::StudyConfig;
use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{ConditionRows, Layout};
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, Responses, TrialType};

/// A recording with factors, and the halves whose factors were fitted here.
pub(crate) struct Fitted {
    pub(crate) recording: Recording,
    pub(crate) halves: Vec<Half>,
}

impl Fitted {
    /// Fits the factors that the analyses take, which may be none: it takes long.
    pub(crate) fn new(
        recording: &Recording,
        todo: &[&dyn Analysis],
        config: &StudyConfig,
    ) -> Result<Self> {
        let asked = |which: &[&str]| todo.iter().any(|a| which.contains(&a.id()));
        let halves: &[Half] = if asked(&["rsa"]) {
            &Half::ALL
        } else if asked(&["decode", "variables", "endpoint", "comparison"]) {
            &[Half::Full]
        } else {
            &[]
        };
        let (recording, halves) = recording.with_factors(TrialType::Occ, config.factors, halves)?;
        Ok(Self { recording, halves })
    }
}

/// The same error, naming the recording's file.
pub(crate) fn in_its_file(recording: &Recording, error: Error) -> Error {
    match error {
        Error::Eval(e) => Error::Eval(recording.in_its_file(e)),
        other => other,
    }
}

/// Names of the rows of the recording and of the animals in it; what is invented is called so in every table.
pub(crate) fn names_of(recording: Option<&Recording>) -> (&'static str, &'static str) {
    match recording.and_then(Recording::synthetic) {
        Some(true) => ("DMFC (synthetic)", "animals (synthetic)"),
        _ => ("DMFC", "animals"),
    }
}

/// Bins and masks of the task; targets x and y as the recording has them (`_TRUE` where it can).
///
/// Also says why the recording is not of the task's stimuli, if its masks are others.
pub(crate) fn recorded_layout(
    recording: &Recording,
    set: &ConditionSet,
) -> Result<(Layout, Option<String>)> {
    let (occ, axis) = (TrialType::Occ, recording.axis());
    let found = recording.expected().conditions;
    if set.len() != found {
        return Err(Error::field(
            "conditions",
            format!(
                "the {} of {}, since the file names no ids",
                set.len(),
                set.identity()
            ),
            found.to_string(),
        ));
    }
    let either = |name: &str| {
        let own = format!("{name}_TRUE");
        if recording.behavior_names(occ).any(|known| known == own) {
            recording.behavior(occ, &own)
        } else {
            recording.behavior(occ, name)
        }
    };
    let (x, y) = (either("ball_pos_x")?, either("ball_pos_y")?);
    let inside = recording.mask(occ, "start_end_pad0")?;
    for (name, values) in [("ball_pos_x", &x), ("ball_pos_y", &y)] {
        if let Some((c, b)) = inside
            .cells()
            .into_iter()
            .find(|&(c, b)| !values.get(c, b).is_finite())
        {
            return Err(Error::field(
                format!("behavioral_responses/occ/{name}_TRUE (or {name})"),
                "a value in every cell of start_end_pad0",
                format!("{} at condition {c}, bin {b}", values.get(c, b)),
            ));
        }
    }
    let start_end = recording.mask(occ, "start_end_pad0")?;
    let visible = recording.mask(occ, "start_occ_pad0")?;
    let hidden = recording.mask(occ, "occ_end_pad0")?;
    let mut other_task = None;
    let rows = set
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, condition)| {
            let bins: Vec<usize> = (0..x.cols())
                .filter(|&b| start_end.contains(c, b))
                .collect();
            let task = condition.binned(&axis);
            let task = task.bins(Epoch::All);
            if other_task.is_none() && !same_bins(&bins, task, set) {
                other_task = Some(format!(
                    "condition {} moves in {} bins of this recording and in {} of the task",
                    condition.id(),
                    bins.len(),
                    task.len()
                ));
            }
            Ok(ConditionRows {
                id: condition.id().into(),
                targets: Array2::from_fn(bins.len(), 2, |row, t| [&x, &y][t].get(c, bins[row])),
                visible: bins.iter().map(|&b| visible.contains(c, b)).collect(),
                hidden: bins.iter().map(|&b| hidden.contains(c, b)).collect(),
                bins,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let layout = Layout::new(vec!["x".into(), "y".into()], axis.bin_ms, rows)?;
    Ok((layout, other_task))
}

/// Whether the bins in which a ball moves are those of the task; masks of one's own may begin and end a bin apart.
fn same_bins(found: &[usize], task: &[usize], set: &ConditionSet) -> bool {
    if set.is_published() {
        return found == task;
    }
    let near = |a: Option<&usize>, b: Option<&usize>| match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(*b) <= 1,
        (a, b) => a == b,
    };
    near(found.first(), task.first()) && near(found.last(), task.last())
}

/// `[condition]`, end height as the recording has it: `ball_final_y`, else the ball's last height in the trial, degrees.
pub(crate) fn recorded_ends(recording: &Recording, layout: &Layout) -> Vec<f64> {
    let stored = recording.behavior(TrialType::Occ, "ball_final_y").ok();
    layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            let stored = stored
                .iter()
                .flat_map(|end| rows.bins.iter().map(|&b| end.get(c, b)))
                .find(|v| v.is_finite());
            let last = || {
                (0..rows.bins.len())
                    .rev()
                    .map(|row| rows.targets.get(row, 1))
                    .find(|v| v.is_finite())
            };
            stored.or_else(last).unwrap_or(f64::NAN)
        })
        .collect()
}

/// Responses in the bins of the layout: `[condition][bin, unit]`.
pub(crate) fn in_layout(layout: &Layout, responses: &Responses) -> Vec<Array2> {
    layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            Array2::from_fn(rows.bins.len(), responses.units(), |row, unit| {
                responses.get(unit, c, rows.bins[row])
            })
        })
        .collect()
}

/// What is decoded and compared: the factors asked for, else reliable units, else all.
pub(crate) fn population_of(recording: &Recording, factors: usize, half: Half) -> Population {
    [
        Population::Factors(factors),
        Population::Reliable,
        Population::All,
    ]
    .into_iter()
    .find(|&p| recording.has(TrialType::Occ, p, half))
    .unwrap_or(Population::All)
}

/// Units that the maps and distances are about: the reliable ones where the file says which they are.
pub(crate) fn units_of(recording: &Recording) -> Population {
    if recording.has(TrialType::Occ, Population::Reliable, Half::Full) {
        Population::Reliable
    } else {
        Population::All
    }
}
