//! Trainable tensors by name, and the optimiser that moves them.
//!
//! Both keep names in order and can be written to bytes and read back exactly, which is what lets
//! training resume to the byte (candle's own `VarMap` iterates in hash order, and its `AdamW` keeps
//! its moments to itself).

use std::collections::{BTreeMap, HashMap};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;

use crate::Result;
use mental_pong_base::Stream;

/// Named trainable tensors, f32, made on the CPU.
#[derive(Clone, Debug, Default)]
pub struct Params(BTreeMap<String, Var>);

impl Params {
    /// Adds a tensor of `shape` drawn uniformly from ±`bound`.
    ///
    /// # Errors
    /// When the tensor library refuses the shape.
    pub fn uniform(
        &mut self,
        name: &str,
        shape: &[usize],
        bound: f64,
        rng: &mut Stream,
    ) -> Result<()> {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| rng.uniform(-bound, bound) as f32).collect();
        self.insert(name, &Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Adds a tensor of `shape` drawn from a normal of standard deviation `sd`.
    ///
    /// # Errors
    /// When the tensor library refuses the shape.
    pub fn normal(&mut self, name: &str, shape: &[usize], sd: f64, rng: &mut Stream) -> Result<()> {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| (sd * rng.normal()) as f32).collect();
        self.insert(name, &Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Of an encoder of ours before training: `[input, output]` weights He-normal, biases and means of latents
    /// zero, their standard deviations (`…sd`) one.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub(crate) fn he_normal(
        shapes: Vec<(&'static str, Vec<usize>)>,
        rng: &mut Stream,
    ) -> Result<Self> {
        let mut params = Self::default();
        for (name, shape) in shapes {
            if name.ends_with("weight") {
                params.normal(name, &shape, (2.0 / shape[0] as f64).sqrt(), rng)?;
            } else {
                let value = if name.ends_with("sd") { 1.0_f32 } else { 0.0 };
                params.insert(name, &Tensor::full(value, shape, &Device::Cpu)?)?;
            }
        }
        Ok(params)
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// When the tensor library cannot hold it.
    pub fn insert(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.0.insert(name.to_string(), Var::from_tensor(tensor)?);
        Ok(())
    }

    /// The variables in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.0.iter()
    }

    /// The tensors, ready for `safetensors`.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.0
            .iter()
            .map(|(name, var)| (name.clone(), var.as_tensor().clone()))
            .collect()
    }

    /// Moves the variables.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn move_to(&mut self, device: &Device) -> Result<()> {
        for var in self.0.values_mut() {
            *var = Var::from_tensor(&var.to_device(device)?)?;
        }
        Ok(())
    }

    /// Where the variables are.
    #[must_use]
    pub fn device(&self) -> Device {
        let first = self.0.values().next();
        first.map_or(Device::Cpu, |var| var.device().clone())
    }

    /// A builder over these variables; modules built from it train them.
    #[must_use]
    pub fn builder(&self) -> VarBuilder<'static> {
        let tensors: HashMap<String, Tensor> = self.tensors().into_iter().collect();
        VarBuilder::from_tensors(tensors, DType::F32, &self.device())
    }

    /// Overwrites the variables with `tensors` of the same names and shapes.
    ///
    /// # Errors
    /// When a name is missing or a shape differs.
    pub fn set(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, var) in &self.0 {
            let tensor = tensors.get(name).ok_or_else(|| crate::Error::Config {
                place: "checkpoint".into(),
                field: name.clone(),
                expected: "a tensor".into(),
                found: "nothing".into(),
            })?;
            var.set(&tensor.to_device(var.device())?)?;
        }
        Ok(())
    }
}

/// Adam (Kingma & Ba 2015) with bias correction and no weight decay, as `torch.optim.Adam`'s
/// defaults: β 0.9 and 0.999, ε 1e-8. Gradients may be clipped to a global norm.
#[derive(Clone, Debug)]
pub struct Adam {
    moments: BTreeMap<String, (Tensor, Tensor)>,
    /// Steps taken.
    pub step: u64,
}

impl Adam {
    const BETA1: f64 = 0.9;
    const BETA2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// An optimiser at rest.
    ///
    /// # Errors
    /// When the tensor library runs out of memory.
    pub fn new(params: &Params) -> Result<Self> {
        let moments = params
            .iter()
            .map(|(name, var)| {
                let zero = var.as_tensor().zeros_like()?;
                Ok((name.clone(), (zero.clone(), zero)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { moments, step: 0 })
    }

    /// Takes one step at rate `lr` against `grads`, clipped to the global norm `clip` when given.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn update(
        &mut self,
        params: &Params,
        grads: &GradStore,
        lr: f64,
        clip: Option<f64>,
    ) -> Result<()> {
        self.step += 1;
        let mut squares = 0.0;
        if clip.is_some() {
            for (_, var) in params.iter() {
                if let Some(g) = grads.get(var) {
                    squares += f64::from(g.sqr()?.sum_all()?.to_scalar::<f32>()?);
                }
            }
        }
        let scale = clip.map_or(1.0, |limit| (limit / squares.sqrt()).min(1.0));
        let correction1 = 1.0 - Self::BETA1.powi(self.step.min(100_000) as i32);
        let correction2 = 1.0 - Self::BETA2.powi(self.step.min(100_000) as i32);
        for (name, var) in params.iter() {
            let (Some(g), Some((m, v))) = (grads.get(var), self.moments.get_mut(name)) else {
                continue;
            };
            let g = (g * scale)?;
            *m = ((&*m * Self::BETA1)? + (&g * (1.0 - Self::BETA1))?)?.detach();
            *v = ((&*v * Self::BETA2)? + (g.sqr()? * (1.0 - Self::BETA2))?)?.detach();
            let denominator = ((&*v / correction2)?.sqrt()? + Self::EPSILON)?;
            let update = ((&*m * (lr / correction1))? / denominator)?;
            var.set(&(var.as_tensor().detach() - update)?)?;
        }
        Ok(())
    }

    /// The moments as named tensors, `m/<name>` and `v/<name>`.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.moments
            .iter()
            .flat_map(|(name, (m, v))| {
                [
                    (format!("m/{name}"), m.clone()),
                    (format!("v/{name}"), v.clone()),
                ]
            })
            .collect()
    }

    /// Restores moments that [`Adam::tensors`] gave.
    ///
    /// # Errors
    /// When one is missing.
    pub fn restore(&mut self, tensors: &BTreeMap<String, Tensor>, step: u64) -> Result<()> {
        for (name, (m, v)) in &mut self.moments {
            for (key, moment) in [(format!("m/{name}"), m), (format!("v/{name}"), v)] {
                let stored = tensors.get(&key).ok_or_else(|| crate::Error::Config {
                    place: "checkpoint".into(),
                    field: key,
                    expected: "a tensor".into(),
                    found: "nothing".into(),
                })?;
                *moment = stored.to_device(moment.device())?;
            }
        }
        self.step = step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // torch.optim.Adam([w], lr=0.1) on loss = (w**2).sum(), w = [1., -2.]: each step moves by
    // lr * m_hat / (sqrt(v_hat) + eps); the first step is lr exactly (up to eps).
    #[test]
    fn adam_follows_its_formula() {
        let mut params = Params::default();
        params
            .insert("w", &Tensor::new(&[1.0_f32, -2.0], &Device::Cpu).unwrap())
            .unwrap();
        let mut adam = Adam::new(&params).unwrap();
        let (mut w, mut m, mut v) = ([1.0_f64, -2.0], [0.0; 2], [0.0; 2]);
        for step in 1..=5 {
            let var = params.iter().next().unwrap().1;
            let loss = var.as_tensor().sqr().unwrap().sum_all().unwrap();
            let grads = loss.backward().unwrap();
            adam.update(&params, &grads, 0.1, None).unwrap();
            for k in 0..2 {
                let g = 2.0 * w[k];
                m[k] = 0.9 * m[k] + 0.1 * g;
                v[k] = 0.999 * v[k] + 0.001 * g * g;
                let (mh, vh) = (
                    m[k] / (1.0 - 0.9_f64.powi(step)),
                    v[k] / (1.0 - 0.999_f64.powi(step)),
                );
                w[k] -= 0.1 * mh / (vh.sqrt() + 1e-8);
            }
            let got: Vec<f32> = params.tensors()["w"].to_vec1().unwrap();
            for k in 0..2 {
                assert!((f64::from(got[k]) - w[k]).abs() < 1e-5);
            }
        }
    }
}
