//! The regressors of the encoding model and the groups that they form.

use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::decode::inputs::{Variable, variable};
use crate::error::{Error, Result};
use crate::recordings::dmfc::{Mask, Recording, TrialType};

/// The 14 regressors that vary in time, in the published order; the 15th is [`BOUNCE`].
pub const ALLOCENTRIC: [&str; 14] = [
    "ball_pos_x_TRUE",
    "ball_pos_y_TRUE",
    "ball_pos_dx_TRUE",
    "ball_pos_dy_TRUE",
    "ball_pos_dtheta_TRUE",
    "ball_pos_dspeed_TRUE",
    "paddle_pos_y",
    "joy",
    "eye_h",
    "eye_v",
    "eye_dh",
    "eye_dv",
    "eye_dtheta",
    "eye_dspeed",
];

/// The same with the ball's position relative to gaze. Its velocities stay those in the world: which the published
/// egocentric run took is not known.
pub const EGOCENTRIC: [&str; 14] = [
    "ball_pos_ego_x_TRUE",
    "ball_pos_ego_y_TRUE",
    "ball_pos_dx_TRUE",
    "ball_pos_dy_TRUE",
    "ball_pos_dtheta_TRUE",
    "ball_pos_dspeed_TRUE",
    "paddle_pos_y",
    "joy",
    "eye_h",
    "eye_v",
    "eye_dh",
    "eye_dv",
    "eye_dtheta",
    "eye_dspeed",
];

/// Name of the 15th regressor: 1 in conditions whose ball bounces in the epoch.
pub const BOUNCE: &str = "bounce";

/// Bend of the ball's height, |second difference| in degrees per bin², above which a condition has a bounce.
pub const BOUNCE_BEND: f64 = 0.1;

/// A subset of the regressors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// All.
    Full,
    /// All but the ball's position.
    WithoutPosition,
    /// All but the ball's velocity.
    WithoutKinematics,
    /// All but the hand: eye and ball.
    WithoutHand,
    /// All but the eye: hand and ball.
    WithoutEye,
    /// All but the ball: eye and hand.
    WithoutBall,
    /// The ball's position.
    Position,
    /// The ball's velocity.
    Kinematics,
    /// Paddle and joystick.
    Hand,
    /// Gaze and its velocity.
    Eye,
    /// The ball: position, velocity and bounce.
    Ball,
}

impl Model {
    /// The eleven published models, in their order.
    pub const EVERY: [Self; 11] = [
        Self::Full,
        Self::WithoutPosition,
        Self::WithoutKinematics,
        Self::WithoutHand,
        Self::WithoutEye,
        Self::WithoutBall,
        Self::Position,
        Self::Kinematics,
        Self::Hand,
        Self::Eye,
        Self::Ball,
    ];

    /// Whether regressor `k` (0 to 14) is in it. The bounce counts as part of the ball, and neither as position nor as
    /// velocity; the specification does not say.
    #[must_use]
    pub fn has(self, k: usize) -> bool {
        let position = k < 2;
        let kinematics = (2..6).contains(&k);
        let hand = (6..8).contains(&k);
        let eye = (8..14).contains(&k);
        let ball = position || kinematics || k == 14;
        match self {
            Self::Full => true,
            Self::WithoutPosition => !position,
            Self::WithoutKinematics => !kinematics,
            Self::WithoutHand => !hand,
            Self::WithoutEye => !eye,
            Self::WithoutBall => !ball,
            Self::Position => position,
            Self::Kinematics => kinematics,
            Self::Hand => hand,
            Self::Eye => eye,
            Self::Ball => ball,
        }
    }
}

/// Regressors in the cells of a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    names: Vec<String>,
    conditions: usize,
    bins: usize,
    cells: Vec<(usize, usize)>,
    /// `[row, regressor]`.
    x: Array2,
}

/// Number of regressors.
pub const REGRESSORS: usize = 15;

impl Design {
    /// From the 14 variables `[condition, bin]` in the published order; the bounce is made from the second. Cells in which one
    /// of them is not finite are left out.
    ///
    /// [`Error::Shape`] for another number of variables or other axes, [`Error::Invalid`] if no cell is left.
    pub fn new(variables: &[Variable], mask: &Mask) -> Result<Self> {
        if variables.len() != REGRESSORS - 1 {
            return Err(Error::shape(
                "variables",
                format!("{} regressors in the published order", REGRESSORS - 1),
                format!("{}", variables.len()),
            ));
        }
        let (conditions, bins) = (mask.conditions(), mask.bins());
        for (name, values) in variables {
            if (values.rows(), values.cols()) != (conditions, bins) {
                return Err(Error::shape(
                    format!("variable {name}"),
                    format!("{conditions} conditions x {bins} bins"),
                    format!("{} x {}", values.rows(), values.cols()),
                ));
            }
        }
        let cells: Vec<(usize, usize)> = mask
            .cells()
            .into_iter()
            .filter(|&(c, b)| variables.iter().all(|v| v.1.get(c, b).is_finite()))
            .collect();
        if cells.is_empty() {
            return Err(Error::invalid("mask", "no cell has all regressors"));
        }
        let bounce = bounces(&variables[1].1, mask);
        let x = Array2::from_fn(cells.len(), REGRESSORS, |i, k| {
            let (c, b) = cells[i];
            if k < REGRESSORS - 1 {
                variables[k].1.get(c, b)
            } else {
                f64::from(u8::from(bounce[c]))
            }
        });
        let mut names: Vec<String> = variables.iter().map(|v| v.0.clone()).collect();
        names.push(BOUNCE.into());
        Ok(Self {
            names,
            conditions,
            bins,
            cells,
            x,
        })
    }

    /// From a recording, with [`ALLOCENTRIC`] or [`EGOCENTRIC`]. Published: visible trials in `start_occ_pad0`, occluded
    /// trials in `occ_end_pad0`. The bounce is that of the ball in the world in both. Errors of the fields.
    pub fn from_recording(
        recording: &Recording,
        trials: TrialType,
        names: &[&str; 14],
        mask: &str,
    ) -> Result<Self> {
        let variables = names
            .iter()
            .map(|&name| Ok((name.to_owned(), variable(recording, trials, name)?)))
            .collect::<Result<Vec<Variable>>>()?;
        let mask = recording.mask(trials, mask)?;
        let mut design = Self::new(&variables, mask)?;
        let bounce = bounces(&variable(recording, trials, "ball_pos_y_TRUE")?, mask);
        for (i, &(c, _)) in design.cells.iter().enumerate() {
            design
                .x
                .set(i, REGRESSORS - 1, f64::from(u8::from(bounce[c])));
        }
        Ok(design)
    }

    /// Names of the regressors.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// `[row]`, (condition, bin).
    #[must_use]
    pub fn cells(&self) -> &[(usize, usize)] {
        &self.cells
    }

    /// `[row, regressor]`.
    #[must_use]
    pub fn values(&self) -> &Array2 {
        &self.x
    }

    /// Number of conditions and bins of the axes.
    pub(crate) fn axes(&self) -> (usize, usize) {
        (self.conditions, self.bins)
    }
}

/// `[condition]`, whether the ball's height `[condition, bin]` bends by more than [`BOUNCE_BEND`] within the mask.
#[must_use]
pub fn bounces(y: &Array2, mask: &Mask) -> Vec<bool> {
    (0..mask.conditions())
        .map(|c| {
            let path: Vec<f64> = (0..mask.bins())
                .filter(|&b| mask.contains(c, b))
                .map(|b| y.get(c, b))
                .collect();
            path.windows(3)
                .any(|w| (w[2] - 2.0 * w[1] + w[0]).abs() > BOUNCE_BEND)
        })
        .collect()
}
