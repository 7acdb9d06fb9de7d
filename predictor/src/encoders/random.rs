use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{Encoder, PublishedEncoder};
use crate::Result;
use mental_pong_base::Stream;

impl PublishedEncoder {
    /// Random tensors for this network, in the manner of PyTorch's defaults: weights of linear layers
    /// and convolutions uniform within `1/√inputs`, norms 1 and biases 0, running means 0 and
    /// variances 1, tokens and position embeddings normal of deviation 0.02, layer scales 1. A
    /// tensor depends on the seed and its name alone.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn random_tensors(&self, seed: u64) -> Result<BTreeMap<String, Tensor>> {
        self.shapes()
            .into_iter()
            .map(|(name, shape)| {
                let mut rng = Stream::new(seed, &format!("random encoder/{name}"), 0);
                let count: usize = shape.iter().product();
                let last = name.rsplit('.').next().unwrap_or_default();
                let embedding = name.contains("embed") && shape.iter().any(|s| *s > 1);
                let values: Vec<f32> = if shape.len() >= 2 && last == "weight" && !is_table(&name) {
                    let inputs: usize = shape[1..].iter().product();
                    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
                    (0..count)
                        .map(|_| rng.uniform(-bound, bound) as f32)
                        .collect()
                } else if last == "bias" || last == "running_mean" {
                    vec![0.0; count]
                } else if embedding || last.contains("token") {
                    (0..count).map(|_| (0.02 * rng.normal()) as f32).collect()
                } else {
                    vec![1.0; count]
                };
                Ok((name, Tensor::from_vec(values, shape, &Device::Cpu)?))
            })
            .collect()
    }

    /// The encoder with [`PublishedEncoder::random_tensors`]. Its identity says so: the name ends in
    /// `-random-<seed>`, and instead of a hash of weights stands `random:<seed>`.
    ///
    /// # Errors
    /// As [`PublishedEncoder::build`].
    pub fn random(&self, seed: u64) -> Result<Box<dyn Encoder>> {
        let named = Self {
            name: format!("{}-random-{seed}", self.name),
            ..self.clone()
        };
        named.build(&self.random_tensors(seed)?, format!("random:{seed}"))
    }
}

/// Whether a `weight` is a table of embeddings and no matrix.
fn is_table(name: &str) -> bool {
    name.contains("position_embedding")
}
