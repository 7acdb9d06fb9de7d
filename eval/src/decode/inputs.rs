//! From responses, behaviour and masks `[condition, bin]` to what the decoders take.

use serde::{Deserialize, Serialize};

use super::layout::{ConditionRows, Layout};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::recordings::dmfc::{Half, Mask, Population, Recording, Responses, TrialType};

/// A behavioural variable: its name and `[condition, bin]`, NaN where it is not defined.
pub type Variable = (String, Array2);

/// A layout and the features that fit it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Rows, truth, epochs. Bins are those of the behaviour.
    pub layout: Layout,
    /// `[condition][row, unit]`.
    pub features: Vec<Array2>,
}

/// The parts of a trial that rows are told apart by.
#[derive(Debug, Clone, Copy)]
pub struct Epochs<'a> {
    /// Mask `start_occ`.
    pub visible: &'a Mask,
    /// Mask `occ_end`.
    pub hidden: &'a Mask,
}

impl Inputs {
    /// Rows are the cells in both masks, with responses and behaviour of the *same* bin: the authors' decoder with
    /// `matched_timepoints = True`. A rolled `neural` mask only takes cells away; it moves no response against the
    /// behaviour, although it reads as if it did (the reference runs with rolls say so). For a lag see [`Inputs::lagged`].
    ///
    /// Rows with a NaN in any feature or variable are dropped by the decoder, as published, so that the rows depend on the
    /// list of variables (trap 7 of the specification). `ids` is `[condition]`; positions from 0 where there are none.
    /// [`Error::Shape`] where axes differ.
    pub fn matched(
        responses: &Responses,
        variables: &[Variable],
        (neural, behavior): (&Mask, &Mask),
        epochs: Epochs<'_>,
        ids: Option<&[String]>,
        bin_ms: f64,
    ) -> Result<Self> {
        neural.check(responses.conditions(), responses.bins())?;
        behavior.check(responses.conditions(), responses.bins())?;
        let both = behavior.map(|c, b| behavior.contains(c, b) && neural.contains(c, b));
        Self::lagged(responses, variables, &both, 0, epochs, ids, bin_ms)
    }

    /// Rows are the cells of `mask`: behaviour in bin b with the responses in bin b + `lag_bins`. Responses beyond the axis
    /// are missing. Otherwise as [`Inputs::matched`].
    pub fn lagged(
        responses: &Responses,
        variables: &[Variable],
        mask: &Mask,
        lag_bins: i64,
        epochs: Epochs<'_>,
        ids: Option<&[String]>,
        bin_ms: f64,
    ) -> Result<Self> {
        let (n, bins) = (responses.conditions(), responses.bins());
        check(responses, variables)?;
        for mask in [mask, epochs.visible, epochs.hidden] {
            mask.check(n, bins)?;
        }
        let cells = by_condition(mask);
        let (mut conditions, mut features) = (Vec::new(), Vec::new());
        for (c, here) in cells.into_iter().enumerate() {
            features.push(Array2::from_fn(here.len(), responses.units(), |i, u| {
                match usize::try_from(here[i] as i64 + lag_bins) {
                    Ok(bin) if bin < bins => responses.get(u, c, bin),
                    _ => f64::NAN,
                }
            }));
            conditions.push(ConditionRows {
                id: id(ids, c),
                targets: Array2::from_fn(here.len(), variables.len(), |i, v| {
                    variables[v].1.get(c, here[i])
                }),
                visible: here
                    .iter()
                    .map(|&b| epochs.visible.contains(c, b))
                    .collect(),
                hidden: here.iter().map(|&b| epochs.hidden.contains(c, b)).collect(),
                bins: here,
            });
        }
        let names = variables.iter().map(|v| v.0.clone()).collect();
        Ok(Self {
            layout: Layout::new(names, bin_ms, conditions)?,
            features,
        })
    }

    /// One row for each condition, as the authors' decoder with `matched_timepoints = False`: features are the responses in
    /// the cells of `neural`, unit by unit and in time from the mask's first cell, targets the variables in the cells of
    /// `behavior` in the same way. Times that some condition lacks are left out, for all. The masks need not overlap: where
    /// each has one cell, one moment of the responses is asked about another moment of the behaviour.
    ///
    /// A target is named as its variable, with `@k` for the k-th bin if there are several. Errors as [`Inputs::matched`];
    /// [`Error::Invalid`] where a mask is empty in a condition.
    pub fn asynchronous(
        responses: &Responses,
        variables: &[Variable],
        (neural, behavior): (&Mask, &Mask),
        ids: Option<&[String]>,
        bin_ms: f64,
    ) -> Result<Self> {
        let (n, bins) = (responses.conditions(), responses.bins());
        check(responses, variables)?;
        for mask in [neural, behavior] {
            mask.check(n, bins)?;
        }
        let (x, y) = (by_condition(neural), by_condition(behavior));
        let common = |cells: &[Vec<usize>], what: &str| match cells.iter().map(Vec::len).min() {
            Some(count) if count > 0 => Ok(count),
            _ => Err(Error::invalid(what, "a condition has no cell in it")),
        };
        let (times_x, times_y) = (common(&x, "neural mask")?, common(&y, "behaviour mask")?);
        let names = variables
            .iter()
            .flat_map(|(name, _)| {
                (0..times_y).map(move |k| {
                    if times_y == 1 {
                        name.clone()
                    } else {
                        format!("{name}@{k}")
                    }
                })
            })
            .collect();
        let (mut conditions, mut features) = (Vec::new(), Vec::new());
        for c in 0..n {
            features.push(Array2::from_fn(1, responses.units() * times_x, |_, j| {
                responses.get(j / times_x, c, x[c][j % times_x])
            }));
            conditions.push(ConditionRows {
                id: id(ids, c),
                bins: vec![y[c][0]],
                targets: Array2::from_fn(1, variables.len() * times_y, |_, j| {
                    variables[j / times_y].1.get(c, y[c][j % times_y])
                }),
                visible: vec![false],
                hidden: vec![false],
            });
        }
        Ok(Self {
            layout: Layout::new(names, bin_ms, conditions)?,
            features,
        })
    }

    /// [`Inputs::matched`] or [`Inputs::lagged`] of a recording. Variables that the file lacks are derived where [`variable`] can.
    pub fn from_recording(recording: &Recording, from: &FromRecording<'_>) -> Result<Self> {
        let responses = recording.responses(from.trials, from.population, from.half)?;
        let variables = variables(recording, from.trials, from.variables)?;
        let behavior = recording.mask(from.trials, from.mask)?;
        Self::paired(
            &responses,
            &variables,
            behavior,
            from.pairing,
            Epochs {
                visible: recording.mask(from.trials, "start_occ_pad0")?,
                hidden: recording.mask(from.trials, "occ_end_pad0")?,
            },
            recording.condition_ids(),
            recording.expected().bin_ms,
        )
    }

    pub(crate) fn paired(
        responses: &Responses,
        variables: &[Variable],
        mask: &Mask,
        pairing: Pairing,
        epochs: Epochs<'_>,
        ids: Option<&[String]>,
        bin_ms: f64,
    ) -> Result<Self> {
        match pairing {
            Pairing::RolledMask(bins) => {
                let neural = roll(mask, bins);
                Self::matched(responses, variables, (&neural, mask), epochs, ids, bin_ms)
            }
            Pairing::Lag(bins) => {
                Self::lagged(responses, variables, mask, bins, epochs, ids, bin_ms)
            }
        }
    }
}

/// How responses and behaviour are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pairing {
    /// The neural mask rolled by this many bins, as published: same bins, fewer of them. 0 is the headline.
    RolledMask(i64),
    /// Responses this many bins after the behaviour (negative: before it): a lag in time.
    Lag(i64),
}

impl Pairing {
    /// Bins of the roll or lag.
    #[must_use]
    pub fn bins(self) -> i64 {
        match self {
            Self::RolledMask(bins) | Self::Lag(bins) => bins,
        }
    }
}

/// What to take from a recording.
#[derive(Debug, Clone, Copy)]
pub struct FromRecording<'a> {
    /// Kind of trial; published: occluded.
    pub trials: TrialType,
    /// Which responses; published: 50 factors for online decoding, reliable units for the end point.
    pub population: Population,
    /// Which trials were averaged; published: all.
    pub half: Half,
    /// Names of the variables, such as [`super::variables::PUBLISHED_23`].
    pub variables: &'a [&'a str],
    /// Mask of the behaviour; published: `start_end_pad0`.
    pub mask: &'a str,
    /// How responses and behaviour are put together; published: rolled masks of -5 to 5, 0 for the headline.
    pub pairing: Pairing,
}

impl FromRecording<'static> {
    /// The published online decoder: 50 factors, 23 variables, all of the trial.
    #[must_use]
    pub fn published() -> Self {
        Self {
            trials: TrialType::Occ,
            population: Population::Factors(50),
            half: Half::Full,
            variables: &super::variables::PUBLISHED_23,
            mask: "start_end_pad0",
            pairing: Pairing::RolledMask(0),
        }
    }
}

/// Several variables, see [`variable`].
pub fn variables(
    recording: &Recording,
    trials: TrialType,
    names: &[&str],
) -> Result<Vec<Variable>> {
    names
        .iter()
        .map(|&name| Ok((name.to_owned(), variable(recording, trials, name)?)))
        .collect()
}

/// A variable `[condition, bin]` of a recording, derived where the file lacks it and it can be: `ball_pos_dx`, `_dy`,
/// `_dspeed`, `_dtheta` by [`motion`], `ball_pos_ego_x`, `_y` as the ball less the gaze, each with or without `_TRUE`;
/// `eye_dh`, `_dv`, `_dspeed`, `_dtheta` of the gaze likewise.
/// [`Error::Field`] otherwise. The release has the derived ones for occluded trials only.
pub fn variable(recording: &Recording, trials: TrialType, name: &str) -> Result<Array2> {
    let direct = recording.behavior(trials, name);
    if direct.is_ok() {
        return direct;
    }
    let (stem, suffix) = name
        .strip_suffix("_TRUE")
        .map_or((name, ""), |stem| (stem, "_TRUE"));
    let ball = |axis: &str| recording.behavior(trials, &format!("ball_pos_{axis}{suffix}"));
    match stem {
        "ball_pos_dx" | "ball_pos_dy" | "ball_pos_dspeed" | "ball_pos_dtheta" => {
            let motion = motion(&ball("x")?, &ball("y")?)?;
            Ok(match stem {
                "ball_pos_dx" => motion.dx,
                "ball_pos_dy" => motion.dy,
                "ball_pos_dspeed" => motion.speed,
                _ => motion.heading,
            })
        }
        "eye_dh" | "eye_dv" | "eye_dspeed" | "eye_dtheta" => {
            let gaze = |axis: &str| recording.behavior(trials, axis);
            let motion = motion(&gaze("eye_h")?, &gaze("eye_v")?)?;
            Ok(match stem {
                "eye_dh" => motion.dx,
                "eye_dv" => motion.dy,
                "eye_dspeed" => motion.speed,
                _ => motion.heading,
            })
        }
        "ball_pos_ego_x" => egocentric(&ball("x")?, &recording.behavior(trials, "eye_h")?),
        "ball_pos_ego_y" => egocentric(&ball("y")?, &recording.behavior(trials, "eye_v")?),
        _ => direct,
    }
}

/// `[condition]`, a variable of a recording in the last bin of a mask; NaN where the mask is empty. [`Error::Field`] for
/// a variable or mask that is not there.
///
/// The published end height is `ball_final_y`: plain `ball_pos_y`, which has rebounds off the paddle in it, in the last bin of
/// `start_end_pad0` (trap 6 of the specification). The observers' final paddle is `paddle_pos_y` in the same bin.
pub fn final_values(
    recording: &Recording,
    trials: TrialType,
    name: &str,
    mask: &str,
) -> Result<Vec<f64>> {
    let values = variable(recording, trials, name)?;
    Ok(by_condition(recording.mask(trials, mask)?)
        .iter()
        .enumerate()
        .map(|(c, bins)| bins.last().map_or(f64::NAN, |&b| values.get(c, b)))
        .collect())
}

/// Position relative to gaze, `[condition, bin]`, degrees: `ball - eye`. [`Error::Shape`] where axes differ.
pub fn egocentric(ball: &Array2, eye: &Array2) -> Result<Array2> {
    same_axes("gaze", ball, eye)?;
    Ok(Array2::from_fn(ball.rows(), ball.cols(), |c, b| {
        ball.get(c, b) - eye.get(c, b)
    }))
}

/// Motion in the plane from positions, each `[condition, bin]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    /// Horizontal, degrees per bin.
    pub dx: Array2,
    /// Vertical, degrees per bin.
    pub dy: Array2,
    /// Length of the velocity, degrees per bin.
    pub speed: Array2,
    /// Angle of the velocity, rad.
    pub heading: Array2,
}

/// Velocities as in the release: first difference to the next bin, the last finite value repeated. NaN where the position
/// is. [`Error::Shape`] where axes differ.
pub fn motion(x: &Array2, y: &Array2) -> Result<Motion> {
    same_axes("y", x, y)?;
    let (rows, bins) = (x.rows(), x.cols());
    let difference = |a: &Array2| {
        let mut out = Array2::filled(rows, bins, f64::NAN);
        for c in 0..rows {
            let mut last = f64::NAN;
            for b in 0..bins {
                if !a.get(c, b).is_finite() {
                    last = f64::NAN;
                    continue;
                }
                let step = if b + 1 < bins {
                    a.get(c, b + 1) - a.get(c, b)
                } else {
                    f64::NAN
                };
                if step.is_finite() {
                    last = step;
                }
                out.set(c, b, last);
            }
        }
        out
    };
    let (dx, dy) = (difference(x), difference(y));
    let of =
        |f: fn(f64, f64) -> f64| Array2::from_fn(rows, bins, |c, b| f(dx.get(c, b), dy.get(c, b)));
    Ok(Motion {
        speed: of(f64::hypot),
        heading: of(|a, b| b.atan2(a)),
        dx,
        dy,
    })
}

/// A mask moved along time by `bins` (positive: later), around the end of the axis as `numpy.roll`.
#[must_use]
pub fn roll(mask: &Mask, bins: i64) -> Mask {
    let n = mask.bins() as i64;
    mask.map(|c, b| n > 0 && mask.contains(c, (b as i64 - bins).rem_euclid(n) as usize))
}

/// One cell of each condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The first cell: `start_pad0` of `start_end`, `occ_pad0` of `occ_end`.
    First,
    /// The middle cell, the earlier of two: `half_pad0` is that of `occ_end`.
    Middle,
    /// The last cell: `f_pad0` of `start_end` or `occ_end`.
    Last,
}

/// The mask with one cell for each condition, from one with connected cells.
#[must_use]
pub fn moment(mask: &Mask, moment: Moment) -> Mask {
    let cells = by_condition(mask);
    mask.map(|c, b| {
        let (Some(&first), Some(&last)) = (cells[c].first(), cells[c].last()) else {
            return false;
        };
        b == match moment {
            Moment::First => first,
            Moment::Middle => first.midpoint(last),
            Moment::Last => last,
        }
    })
}

fn by_condition(mask: &Mask) -> Vec<Vec<usize>> {
    let mut cells = vec![Vec::new(); mask.conditions()];
    for (c, b) in mask.cells() {
        cells[c].push(b);
    }
    cells
}

fn id(ids: Option<&[String]>, c: usize) -> String {
    ids.and_then(|ids| ids.get(c))
        .cloned()
        .unwrap_or_else(|| c.to_string())
}

fn check(responses: &Responses, variables: &[Variable]) -> Result<()> {
    for (name, values) in variables {
        let expected = (responses.conditions(), responses.bins());
        if (values.rows(), values.cols()) != expected {
            return Err(Error::shape(
                format!("variable {name}"),
                format!("{} conditions x {} bins", expected.0, expected.1),
                format!("{} x {}", values.rows(), values.cols()),
            ));
        }
    }
    Ok(())
}

fn same_axes(what: &str, a: &Array2, b: &Array2) -> Result<()> {
    if (a.rows(), a.cols()) == (b.rows(), b.cols()) {
        return Ok(());
    }
    Err(Error::shape(
        what,
        format!("{} conditions x {} bins", a.rows(), a.cols()),
        format!("{} x {}", b.rows(), b.cols()),
    ))
}
