use candle_core::{Device, Tensor};

use super::{Dynamics, check_context};
use crate::Result;

/// No dynamics: every forecast is the last latent of the context (published as `ID`).
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Length of a latent vector.
    pub latent: usize,
}

impl Dynamics for Identity {
    fn latent_dim(&self) -> usize {
        self.latent
    }

    /// Without weights it runs where its context is.
    fn move_to(&mut self, _device: &Device) -> Result<()> {
        Ok(())
    }

    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let (_, time) = check_context(context, self.latent)?;
        Ok(context
            .narrow(1, time - 1, 1)?
            .repeat((1, steps, 1))?
            .contiguous()?)
    }
}
