//! Initialisations by name, as PyTorch and the published code draw them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CellKind, DynamicsConfig};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// How fresh parameters of a [`super::Recurrent`] are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// This project's: see [`super::Recurrent::init`].
    Project,
    /// As the published code: LSTM, GRU and regressor as [`torch_recurrent`] and [`torch_linear`], the
    /// CTRNN as [`ctrnn_preset`].
    Published,
}

impl Init {
    /// Every initialisation.
    pub const ALL: [Self; 2] = [Self::Project, Self::Published];

    /// The name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Published => "published",
        }
    }

    /// Fresh parameters of a module of this size.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn draw(self, config: &DynamicsConfig, rng: &mut Stream) -> Result<Params> {
        if self == Self::Project {
            return super::Recurrent::init(config, rng);
        }
        let mut params = Params::default();
        match config.cell {
            CellKind::Ctrnn => ctrnn_preset(config, &mut params, rng)?,
            CellKind::Lstm | CellKind::Gru => torch_recurrent(config, &mut params, rng)?,
        }
        torch_linear(
            &mut params,
            "dynamics.regressor",
            config.hidden,
            config.latent,
            rng,
        )?;
        Ok(params)
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|init| init.name() == text);
        found.ok_or_else(|| Error::Config {
            place: "dynamics".into(),
            field: "init".into(),
            expected: Self::ALL.map(Self::name).join(", "),
            found: text.into(),
        })
    }
}

/// `torch.nn.LSTM` and `torch.nn.GRU`: every weight and bias uniform within `1/√hidden`.
///
/// # Errors
/// When the tensor library refuses a shape.
pub fn torch_recurrent(
    config: &DynamicsConfig,
    params: &mut Params,
    rng: &mut Stream,
) -> Result<()> {
    let bound = 1.0 / (config.hidden as f64).sqrt();
    for (name, shape) in config.shapes() {
        if !name.contains("regressor") {
            params.uniform(name, &shape, bound, rng)?;
        }
    }
    Ok(())
}

/// `torch.nn.Linear`: weight `[outputs, inputs]` and bias uniform within `1/√inputs`.
///
/// # Errors
/// When the tensor library refuses a shape.
pub fn torch_linear(
    params: &mut Params,
    name: &str,
    inputs: usize,
    outputs: usize,
    rng: &mut Stream,
) -> Result<()> {
    let bound = 1.0 / (inputs as f64).sqrt();
    params.uniform(&format!("{name}.weight"), &[outputs, inputs], bound, rng)?;
    params.uniform(&format!("{name}.bias"), &[outputs], bound, rng)
}

/// The published CTRNN's preset: `W_hx ~ N(0, 1)/√inputs`, `W_hh ~ 1.5 · N(0, 1)/√hidden`, `W_yh`, `b_h`,
/// `b_y` and `ah0 ~ N(0, 1)`. The published training leaves `ah0` as it was drawn.
///
/// # Errors
/// When the tensor library refuses a shape.
pub fn ctrnn_preset(config: &DynamicsConfig, params: &mut Params, rng: &mut Stream) -> Result<()> {
    for (name, shape) in config.shapes() {
        let sd = match name.rsplit_once("ctrnn.").map(|(_, tensor)| tensor) {
            None => continue,
            Some("fc_x2ah.weight") => 1.0 / (config.inputs() as f64).sqrt(),
            Some("fc_h2ah.weight") => 1.5 / (config.hidden as f64).sqrt(),
            Some(_) => 1.0,
        };
        params.normal(name, &shape, sd, rng)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::{Rollout, Skip};

    fn drawn(cell: CellKind, name: &str) -> Vec<f64> {
        let config = DynamicsConfig {
            cell,
            latent: 64,
            fixed: 0,
            hidden: 100,
            dt_over_tau: 0.1,
            skip: Skip::None,
            rollout: Rollout::Restart,
        };
        let mut rng = Stream::new(1, "test", 0);
        let params = Init::Published.draw(&config, &mut rng).unwrap();
        assert_eq!(params.iter().count(), config.shapes().len());
        let values: Vec<f32> = params.tensors()[name]
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        values.into_iter().map(f64::from).collect()
    }

    fn moments(values: &[f64]) -> (f64, f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let fourth = values
            .iter()
            .map(|v| ((v - mean) / sd).powi(4))
            .sum::<f64>()
            / n;
        (mean, sd, fourth)
    }

    #[test]
    fn torch_s_tensors_are_uniform_within_their_bound() {
        for (cell, name) in [
            (CellKind::Lstm, "dynamics.lstm.weight_hh_l0"),
            (CellKind::Gru, "dynamics.gru.weight_ih_l0"),
            (CellKind::Ctrnn, "dynamics.regressor.weight"),
        ] {
            let values = drawn(cell, name);
            assert!(values.iter().all(|v| v.abs() <= 0.1));
            // A uniform's deviation is bound/√3, its kurtosis 1.8.
            let (mean, sd, fourth) = moments(&values);
            assert!(mean.abs() < 0.004, "{mean}");
            assert!((sd - 0.1 / 3.0_f64.sqrt()).abs() < 0.002, "{sd}");
            assert!((fourth - 1.8).abs() < 0.1, "{fourth}");
        }
    }

    #[test]
    fn the_ctrnn_s_preset_has_its_deviations() {
        for (tensor, want) in [
            ("fc_x2ah.weight", 0.125),
            ("fc_h2ah.weight", 0.15),
            ("fc_h2y.weight", 1.0),
        ] {
            let (mean, sd, fourth) =
                moments(&drawn(CellKind::Ctrnn, &format!("dynamics.ctrnn.{tensor}")));
            assert!(mean.abs() < 0.05 * want, "{tensor} {mean}");
            assert!((sd / want - 1.0).abs() < 0.05, "{tensor} {sd}");
            assert!((fourth - 3.0).abs() < 0.3, "{tensor} {fourth}");
        }
        assert!(
            drawn(CellKind::Ctrnn, "dynamics.ctrnn.ah0")
                .iter()
                .any(|v| *v != 0.0)
        );
    }
}
