use candle_core::{D, Device, Tensor};
use candle_nn::{Linear, Module};
use serde::{Deserialize, Serialize};

use super::{Dynamics, check_context};
use crate::device::put_linear;
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Size of an [`Mlp`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Length of a latent vector.
    pub latent: usize,
    /// Latents in the window (published: 7).
    pub window: usize,
    /// Hidden units (published: 1,024).
    pub hidden: usize,
}

impl MlpConfig {
    /// Tensor names, as in the published code, and shapes.
    #[must_use]
    pub fn shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d, h) = (self.latent, self.hidden);
        vec![
            ("dynamics.regressor.0.weight", vec![h, d * self.window]),
            ("dynamics.regressor.0.bias", vec![h]),
            ("dynamics.regressor.2.weight", vec![d, h]),
            ("dynamics.regressor.2.bias", vec![d]),
        ]
    }
}

/// A feed-forward forecast from a window of latents (Nayebi et al. 2023, published as `MLP`): the
/// window laid out oldest first, a linear layer, ReLU, a linear layer back to the encoder's space.
#[derive(Clone, Debug)]
pub struct Mlp {
    config: MlpConfig,
    hidden: Linear,
    output: Linear,
}

impl Mlp {
    /// A module over `params`; training them trains it.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: MlpConfig, params: &Params) -> Result<Self> {
        let vb = params.builder().pp("dynamics.regressor");
        let (d, h) = (config.latent, config.hidden);
        let hidden = Linear::new(
            vb.get((h, d * config.window), "0.weight")?,
            Some(vb.get(h, "0.bias")?),
        );
        let output = Linear::new(vb.get((d, h), "2.weight")?, Some(vb.get(d, "2.bias")?));
        Ok(Self {
            config,
            hidden,
            output,
        })
    }

    /// Fresh parameters, drawn as PyTorch's `nn.Linear`: uniform within `1/√inputs`.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn init(config: &MlpConfig, rng: &mut Stream) -> Result<Params> {
        let mut params = Params::default();
        for (name, shape) in config.shapes() {
            let inputs = if name.contains(".0.") {
                config.latent * config.window
            } else {
                config.hidden
            };
            params.uniform(name, &shape, 1.0 / (inputs as f64).sqrt(), rng)?;
        }
        Ok(params)
    }

    /// The module's size.
    #[must_use]
    pub fn config(&self) -> &MlpConfig {
        &self.config
    }
}

impl Dynamics for Mlp {
    fn latent_dim(&self) -> usize {
        self.config.latent
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        put_linear(&mut self.hidden, device)?;
        put_linear(&mut self.output, device)
    }

    /// Uses the last [`MlpConfig::window`] latents of the context; a shorter context is refused.
    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let context = &context.to_device(self.output.weight().device())?;
        let (batch, time) = check_context(context, self.config.latent)?;
        let (window, latent) = (self.config.window, self.config.latent);
        if time < window || steps == 0 {
            return Err(Error::Shape {
                what: "context [batch, time, latent] of a window MLP, at least one step",
                expected: vec![batch, window, latent],
                found: context.dims().to_vec(),
            });
        }
        let mut seen: Vec<Tensor> = (time - window..time)
            .map(|t| Ok(context.narrow(1, t, 1)?.squeeze(1)?))
            .collect::<Result<_>>()?;
        for _ in 0..steps {
            let input = Tensor::cat(&seen[seen.len() - window..], D::Minus1)?;
            let hidden = self.hidden.forward(&input)?.relu()?;
            seen.push(self.output.forward(&hidden)?);
        }
        Ok(Tensor::stack(&seen[window..], 1)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn only_the_window_is_looked_at_and_a_shorter_context_is_refused() {
        let config = MlpConfig {
            latent: 3,
            window: 4,
            hidden: 5,
        };
        let params = Mlp::init(&config, &mut Stream::new(1, "test", 0)).unwrap();
        let mlp = Mlp::new(config, &params).unwrap();
        let values: Vec<f32> = (0..2 * 6 * 3).map(|k| (k as f32 * 0.7).sin()).collect();
        let long = Tensor::from_vec(values, (2, 6, 3), &Device::Cpu).unwrap();
        let forecast = |context: &Tensor| -> Vec<f32> {
            let out = mlp.forecast(context, 3).unwrap();
            assert_eq!(out.dims(), &[2, 3, 3]);
            out.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!(forecast(&long), forecast(&long.narrow(1, 2, 4).unwrap()));
        assert_ne!(forecast(&long), forecast(&long.narrow(1, 1, 4).unwrap()));
        assert!(mlp.forecast(&long.narrow(1, 0, 3).unwrap(), 1).is_err());
    }
}
