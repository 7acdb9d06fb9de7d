//! The variables that were decoded, by their names in the recordings.

/// The 23 targets of the released decoding results, in their order (file `decode_all_hand_dmfc_occ_start_end_pad0_…`).
pub const PUBLISHED_23: [&str; 23] = [
    "ball_pos_x_TRUE",
    "ball_pos_y_TRUE",
    "ball_pos_dx_TRUE",
    "ball_pos_dy_TRUE",
    "ball_pos_dspeed_TRUE",
    "ball_pos_dtheta_TRUE",
    "paddle_pos_y",
    "joy",
    "eye_v",
    "eye_h",
    "eye_dv",
    "eye_dh",
    "eye_dtheta",
    "eye_dspeed",
    "t_from_start",
    "t_from_occ",
    "t_from_end",
    "ball_pos_y_rel",
    "target_y",
    "target_y_relative",
    "ball_final_y",
    "ball_initial_y",
    "ball_occ_start_y",
];

/// The 33 targets of the driver in the authors' current repository, in its order: the 23, the egocentric ball, and
/// velocities after averaging over trials.
pub const DRIVER_33: [&str; 33] = [
    "ball_pos_x_TRUE",
    "ball_pos_y_TRUE",
    "ball_pos_dx_TRUE",
    "ball_pos_dy_TRUE",
    "ball_pos_dspeed_TRUE",
    "ball_pos_dtheta_TRUE",
    "ball_pos_ego_x_TRUE",
    "ball_pos_ego_y_TRUE",
    "paddle_pos_y",
    "joy",
    "eye_v",
    "eye_h",
    "eye_dv",
    "eye_dh",
    "eye_dtheta",
    "eye_dspeed",
    "eye_dx_postmean",
    "eye_dy_postmean",
    "eye_dtheta_postmean",
    "eye_dspeed_postmean",
    "hand_dx_postmean",
    "hand_dy_postmean",
    "hand_dtheta_postmean",
    "hand_dspeed_postmean",
    "t_from_start",
    "t_from_occ",
    "t_from_end",
    "ball_pos_y_rel",
    "target_y",
    "target_y_relative",
    "ball_final_y",
    "ball_initial_y",
    "ball_occ_start_y",
];

/// Position of the ball relative to gaze (P25, Fig. S5): ball less `eye_h`, `eye_v`.
pub const EGOCENTRIC: [&str; 2] = ["ball_pos_ego_x_TRUE", "ball_pos_ego_y_TRUE"];

/// The ball's state: what the two-stage end-point controls read first.
pub const BALL_STATE: [&str; 4] = [
    "ball_pos_x_TRUE",
    "ball_pos_y_TRUE",
    "ball_pos_dx_TRUE",
    "ball_pos_dy_TRUE",
];

/// Rolls of the neural mask in the released results, bins: 0 is the headline. They move no response in time, see
/// [`super::Inputs::matched`].
pub const PUBLISHED_ROLLS: std::ops::RangeInclusive<i64> = -5..=5;

/// Conditions (positions in the 79, from 0) whose ball bounces while it is visible: list of the authors' `OfflineDecoder`.
pub const BOUNCE_VISIBLE: [usize; 16] =
    [1, 5, 10, 11, 15, 23, 29, 30, 36, 38, 42, 43, 47, 52, 69, 73];

/// Conditions (positions in the 79, from 0) whose ball bounces while it is hidden: list of the authors' `OfflineDecoder`.
/// Paper and supplement count 26 bounces; the lists have 27 (trap 20 of the specification).
pub const BOUNCE_OCCLUDED: [usize; 11] = [3, 9, 20, 27, 33, 34, 41, 48, 51, 75, 78];

/// A named set of conditions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConditionSet {
    /// Name in tables.
    pub name: String,
    /// Positions in the layout, rising.
    pub conditions: Vec<usize>,
}

impl ConditionSet {
    /// The five published sets of the 79 conditions: `all`, `bounce`, `no_bounce`, `bounce_occ`, `bounce_vis`.
    #[must_use]
    pub fn published() -> Vec<Self> {
        let bounce: Vec<usize> = (0..79)
            .filter(|c| BOUNCE_VISIBLE.contains(c) || BOUNCE_OCCLUDED.contains(c))
            .collect();
        let straight = (0..79).filter(|c| !bounce.contains(c)).collect();
        [
            ("all", (0..79).collect()),
            ("bounce", bounce),
            ("no_bounce", straight),
            ("bounce_occ", BOUNCE_OCCLUDED.to_vec()),
            ("bounce_vis", BOUNCE_VISIBLE.to_vec()),
        ]
        .into_iter()
        .map(|(name, conditions)| Self {
            name: name.into(),
            conditions,
        })
        .collect()
    }
}
