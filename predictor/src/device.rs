//! Where networks run: the processor, or a card (feature `cuda`).
//!
//! The processor's own vector code (`kernels`, the transformer's blocks, the published rollout side by side, the published
//! training step) is never used for tensors of a card: those go through the tensor library's operations, or are refused.

use candle_core::{Device, Tensor};
use candle_nn::{LayerNorm, Linear};

use crate::{Error, Result};

/// The device of that name: `cpu`, or `cuda`, the first card.
///
/// # Errors
/// [`Error::Config`] for another name, a build without the feature `cuda`, or a card that does not answer.
pub fn device(name: &str) -> Result<Device> {
    let bad = |found: String| Error::Config {
        place: "device".into(),
        field: "name".into(),
        expected: "cpu, or cuda in a build with the feature `cuda` on a machine with a card".into(),
        found,
    };
    match name {
        "cpu" => Ok(Device::Cpu),
        "cuda" if cfg!(feature = "cuda") => {
            Device::new_cuda(0).map_err(|why| bad(format!("cuda, which says: {why}")))
        }
        "cuda" => Err(bad("cuda, and this build is without it".into())),
        other => Err(bad(other.into())),
    }
}

/// What runs on the processor alone says so.
pub(crate) fn cpu_only(what: &str, device: &Device) -> Result<()> {
    if device.is_cpu() {
        return Ok(());
    }
    Err(Error::Config {
        place: what.into(),
        field: "device".into(),
        expected: "cpu: its operations are the processor's own".into(),
        found: "another".into(),
    })
}

/// Moves a tensor.
pub(crate) fn put(tensor: &mut Tensor, device: &Device) -> Result<()> {
    *tensor = tensor.to_device(device)?;
    Ok(())
}

/// Moves a linear layer.
pub(crate) fn put_linear(linear: &mut Linear, device: &Device) -> Result<()> {
    let bias = linear.bias().map(|b| b.to_device(device)).transpose()?;
    *linear = Linear::new(linear.weight().to_device(device)?, bias);
    Ok(())
}

/// Moves a layer norm with an offset.
pub(crate) fn put_norm(norm: &mut LayerNorm, epsilon: f64, device: &Device) -> Result<()> {
    let weight = norm.weight().to_device(device)?;
    *norm = match norm.bias() {
        Some(bias) => LayerNorm::new(weight, bias.to_device(device)?, epsilon),
        None => LayerNorm::new_no_bias(weight, epsilon),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_a_build_without_a_card_says_so() {
        assert!(device("cpu").unwrap().is_cpu());
        let error = device("tpu").unwrap_err().to_string();
        assert!(error.contains("tpu") && error.contains("cuda"), "{error}");
        if !cfg!(feature = "cuda") {
            let error = device("cuda").unwrap_err().to_string();
            assert!(error.contains("this build"), "{error}");
        }
        assert!(cpu_only("playnet", &Device::Cpu).is_ok());
    }
}
