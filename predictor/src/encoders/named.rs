use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{LayerNorm, Linear};

use crate::{Error, Result};

/// The tensors of a frozen network by name: checked whole before the first is taken.
pub(super) struct Named<'a>(&'a BTreeMap<String, Tensor>);

fn bad(tensor: &str, expected: String, found: String) -> Error {
    Error::Weights {
        path: "parameters".into(),
        tensor: tensor.into(),
        expected,
        found,
    }
}

impl<'a> Named<'a> {
    /// Accepts `tensors` when names, shapes and type are exactly those of `shapes`, f32.
    pub(super) fn new(
        tensors: &'a BTreeMap<String, Tensor>,
        shapes: &[(String, Vec<usize>)],
    ) -> Result<Self> {
        for (name, shape) in shapes {
            match tensors.get(name) {
                None => return Err(bad(name, format!("shape {shape:?}"), "nothing".into())),
                Some(t) if t.dims() != shape.as_slice() || t.dtype() != DType::F32 => {
                    let found = format!("shape {:?}, {:?}", t.dims(), t.dtype());
                    return Err(bad(name, format!("shape {shape:?}, F32"), found));
                }
                Some(_) => {}
            }
        }
        if tensors.len() != shapes.len() {
            let known: std::collections::BTreeSet<&String> =
                shapes.iter().map(|(name, _)| name).collect();
            for (name, tensor) in tensors {
                if !known.contains(name) {
                    let found = format!("a tensor of shape {:?}", tensor.dims());
                    return Err(bad(name, "no such tensor".into(), found));
                }
            }
        }
        Ok(Self(tensors))
    }

    /// The tensor, cut off from any training graph.
    pub(super) fn get(&self, name: &str) -> Result<Tensor> {
        match self.0.get(name) {
            Some(tensor) => Ok(tensor.detach()),
            None => Err(bad(name, "a tensor".into(), "nothing".into())),
        }
    }

    /// `<name>.weight` and `<name>.bias` as a linear layer.
    pub(super) fn linear(&self, name: &str) -> Result<Linear> {
        Ok(Linear::new(
            self.get(&format!("{name}.weight"))?,
            Some(self.get(&format!("{name}.bias"))?),
        ))
    }

    /// `<name>.weight` and `<name>.bias` as a layer norm.
    pub(super) fn norm(&self, name: &str, eps: f64) -> Result<LayerNorm> {
        Ok(LayerNorm::new(
            self.get(&format!("{name}.weight"))?,
            self.get(&format!("{name}.bias"))?,
            eps,
        ))
    }

    /// The convolution `<conv>.weight`, with `<conv>.bias` if there is one, and the batch norm `<bn>`
    /// after it, running statistics, as one weight and one bias; folded in f64.
    pub(super) fn conv_bn(&self, conv: &str, bn: &str, eps: f64) -> Result<(Tensor, Tensor)> {
        let weight = self.get(&format!("{conv}.weight"))?;
        let of =
            |name: &str| -> Result<Vec<f32>> { Ok(self.get(&format!("{bn}.{name}"))?.to_vec1()?) };
        let (gamma, beta) = (of("weight")?, of("bias")?);
        let (mean, var) = (of("running_mean")?, of("running_var")?);
        let mut shift = vec![0.0_f32; mean.len()];
        if let Some(bias) = self.0.get(&format!("{conv}.bias")) {
            shift = bias.to_vec1()?;
        }
        let mut values: Vec<f32> = weight.flatten_all()?.to_vec1()?;
        let mut bias = Vec::with_capacity(gamma.len());
        let per_channel = values.len() / gamma.len().max(1);
        for (c, row) in values.chunks_exact_mut(per_channel.max(1)).enumerate() {
            let variance = f64::from(var[c]) + eps;
            if variance <= 0.0 || !variance.is_finite() {
                let name = format!("{bn}.running_var");
                return Err(bad(&name, "variances above 0".into(), var[c].to_string()));
            }
            let scale = f64::from(gamma[c]) / variance.sqrt();
            for v in row {
                *v = (f64::from(*v) * scale) as f32;
            }
            let centre = f64::from(mean[c]) - f64::from(shift[c]);
            bias.push((f64::from(beta[c]) - centre * scale) as f32);
        }
        let channels = bias.len();
        Ok((
            Tensor::from_vec(values, weight.dims(), &Device::Cpu)?,
            Tensor::from_vec(bias, (1, channels, 1, 1), &Device::Cpu)?,
        ))
    }
}
