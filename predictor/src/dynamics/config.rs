use serde::{Deserialize, Serialize};

/// The recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Continuous-time recurrent network with a retanh non-linearity.
    Ctrnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit, with PyTorch's equations.
    Gru,
}

/// What happens to the state between forecast steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rollout {
    /// The whole window is run again from the initial state for each step; the forecast pushes the
    /// oldest latent out of it (as published).
    Restart,
    /// The state goes on; each forecast is the next input.
    Carried,
}

/// What the regressor's output is added to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skip {
    /// Nothing: the regressor gives the next latent (as published).
    None,
    /// The last latent, moved on by its velocity; the regressor gives the acceleration. The velocity
    /// is the running mean of the changes seen, with this share of the newest; a forecast's own
    /// change is taken whole. The cell also gets the velocity and the error of its last forecast,
    /// each ten times enlarged.
    Inertia(f64),
    /// The last latent; the regressor gives the change, times this share. Nothing in it carries a velocity on: untrained,
    /// such a module all but stays where it is.
    Last(f64),
}

/// Size and equations of a dynamics module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicsConfig {
    /// The cell.
    pub cell: CellKind,
    /// Length of a latent vector.
    pub latent: usize,
    /// How many of the latents, the last of a vector, belong to the picture as a whole: they are not forecast but held at
    /// the mean of what the context showed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fixed: usize,
    /// Recurrent units.
    pub hidden: usize,
    /// Euler step over time constant of the CTRNN; published: 0.1. Unused by the others.
    pub dt_over_tau: f64,
    /// What a forecast starts from.
    pub skip: Skip,
    /// The rollout that the module is meant for.
    pub rollout: Rollout,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl DynamicsConfig {
    /// Length of the cell's input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self.skip {
            Skip::None | Skip::Last(_) => self.latent,
            Skip::Inertia(_) => 3 * self.latent,
        }
    }

    /// Tensor names, as in the published checkpoints, and shapes.
    #[must_use]
    pub fn shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d, h) = (self.inputs(), self.hidden);
        let mut shapes = match self.cell {
            CellKind::Ctrnn => vec![
                ("dynamics.ctrnn.ah0", vec![h]),
                ("dynamics.ctrnn.fc_x2ah.weight", vec![h, d]),
                ("dynamics.ctrnn.fc_x2ah.bias", vec![h]),
                ("dynamics.ctrnn.fc_h2ah.weight", vec![h, h]),
                ("dynamics.ctrnn.fc_h2y.weight", vec![h, h]),
                ("dynamics.ctrnn.fc_h2y.bias", vec![h]),
            ],
            CellKind::Gru => vec![
                ("dynamics.gru.weight_ih_l0", vec![3 * h, d]),
                ("dynamics.gru.weight_hh_l0", vec![3 * h, h]),
                ("dynamics.gru.bias_ih_l0", vec![3 * h]),
                ("dynamics.gru.bias_hh_l0", vec![3 * h]),
            ],
            CellKind::Lstm => vec![
                ("dynamics.lstm.weight_ih_l0", vec![4 * h, d]),
                ("dynamics.lstm.weight_hh_l0", vec![4 * h, h]),
                ("dynamics.lstm.bias_ih_l0", vec![4 * h]),
                ("dynamics.lstm.bias_hh_l0", vec![4 * h]),
            ],
        };
        shapes.push(("dynamics.regressor.weight", vec![self.latent, h]));
        shapes.push(("dynamics.regressor.bias", vec![self.latent]));
        shapes
    }
}
