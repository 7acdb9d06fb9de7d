//! Forecasts of latents: context frames in, then free running.
//!
//! [`Recurrent`] holds the published modules (Nayebi et al. 2023: CTRNN and LSTM, each with a linear
//! regressor back to the encoder's space), a GRU beside them, and their two rollouts; [`Identity`] is the published
//! control without dynamics.

mod config;
mod ctrnn;
mod gru;
mod identity;
mod inertia;
pub mod init;
mod mlp;
mod recurrent;
mod windows;

pub use config::{CellKind, DynamicsConfig, Rollout, Skip};
pub use identity::Identity;
pub use inertia::Inertia;
pub use init::Init;
pub use mlp::{Mlp, MlpConfig};
pub use recurrent::{Recurrent, Unrolled};

use candle_core::{Device, Tensor};

use crate::Result;

/// A map from a window of latents to those that follow.
pub trait Dynamics: Send + Sync {
    /// Length of a latent vector.
    fn latent_dim(&self) -> usize;

    /// Moves the module to a device.
    ///
    /// # Errors
    /// When the device refuses.
    fn move_to(&mut self, device: &Device) -> Result<()>;

    /// Forecasts `steps` latents after `context`, `[batch, time, latent]`, time oldest first, at
    /// least one step long, of any device. Gives `[batch, step, latent]`. Nothing after the context is seen.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for an empty context or another latent length.
    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor>;
}

/// Refuses a context that a model of `dim` latents cannot take.
fn check_context(context: &Tensor, dim: usize) -> Result<(usize, usize)> {
    match context.dims() {
        &[batch, time, latent] if time > 0 && latent == dim => Ok((batch, time)),
        found => Err(crate::Error::Shape {
            what: "context [batch, time, latent]",
            expected: vec![1, 1, dim],
            found: found.to_vec(),
        }),
    }
}
