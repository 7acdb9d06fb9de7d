use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use candle_nn::{LayerNorm, Linear, Module};
use serde::{Deserialize, Serialize};

use super::named::Named;
use super::transformer::{Activation, Block, BlockLayers, Norm, Stack};
use super::vit::cut;
use super::{Encoder, EncoderIdentity, Frame, Picture, Preprocess, in_batches};
use crate::device::{put, put_linear, put_norm};
use crate::{Error, Result};

/// ε of every layer norm.
const NORM_EPS: f64 = 1e-5;
/// Frames that share one matrix product.
const BATCH: usize = 8;

/// Size of a [`Clip`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    /// Length of a token.
    pub dim: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; they divide `dim`.
    pub heads: usize,
    /// Side of a patch, pixels; it divides 224.
    pub patch: usize,
    /// Hidden units of a block's perceptron.
    pub hidden: usize,
    /// Length of a latent, the embedding that pictures and texts share.
    pub latent: usize,
}

impl ClipConfig {
    /// ViT-B/32: 768 units, 12 blocks, 12 heads, 512 latents.
    #[must_use]
    pub fn base_32() -> Self {
        Self {
            dim: 768,
            depth: 12,
            heads: 12,
            patch: 32,
            hidden: 3072,
            latent: 512,
        }
    }
}

/// The picture tower of CLIP (Radford et al. 2021). The latent is the projected class token after
/// the final layer norm, not brought to length 1.
///
/// Tensors are named as in `openai/clip-vit-base-patch32` of the Hugging Face hub. Evaluated in f32;
/// on a GPU the published code runs in f16.
#[derive(Clone, Debug)]
pub struct Clip {
    config: ClipConfig,
    preprocess: Preprocess,
    identity: EncoderIdentity,
    patch: Linear,
    cls: Tensor,
    position: Tensor,
    before: LayerNorm,
    stack: Stack,
    projection: Linear,
}

fn block(config: &ClipConfig, named: &Named, k: usize) -> Result<Block> {
    let at = |part: &str| format!("vision_model.encoder.layers.{k}.{part}");
    let joined = |part: &str| -> Result<Tensor> {
        let one = |which: &str| named.get(&at(&format!("self_attn.{which}_proj.{part}")));
        Ok(Tensor::cat(&[one("q")?, one("k")?, one("v")?], 0)?)
    };
    let norm = |part: &str| Norm::of(&named.norm(&at(part), NORM_EPS)?, NORM_EPS);
    Block::new(BlockLayers {
        norm1: norm("layer_norm1")?,
        qkv: Linear::new(joined("weight")?, Some(joined("bias")?)),
        proj: named.linear(&at("self_attn.out_proj"))?,
        scale1: None,
        norm2: norm("layer_norm2")?,
        first: named.linear(&at("mlp.fc1"))?,
        last: named.linear(&at("mlp.fc2"))?,
        scale2: None,
        activation: Activation::QuickGelu,
        turn: None,
        heads: config.heads,
    })
}

impl Clip {
    /// Tensor names and shapes of a network of this size.
    #[must_use]
    pub fn shapes(config: &ClipConfig) -> Vec<(String, Vec<usize>)> {
        let (d, h, p) = (config.dim, config.hidden, config.patch);
        let tokens = (224 / p.max(1)).pow(2) + 1;
        let mut shapes: Vec<(String, Vec<usize>)> = [
            ("embeddings.class_embedding", vec![d]),
            ("embeddings.patch_embedding.weight", vec![d, 3, p, p]),
            ("embeddings.position_embedding.weight", vec![tokens, d]),
        ]
        .into_iter()
        .map(|(name, shape)| (format!("vision_model.{name}"), shape))
        .collect();
        let mut pair = |name: String, weight: Vec<usize>| {
            let bias = vec![weight[0]];
            shapes.push((format!("vision_model.{name}.weight"), weight));
            shapes.push((format!("vision_model.{name}.bias"), bias));
        };
        pair("pre_layrnorm".into(), vec![d]);
        for k in 0..config.depth {
            let at = |part: &str| format!("encoder.layers.{k}.{part}");
            for which in ["q", "k", "v", "out"] {
                pair(at(&format!("self_attn.{which}_proj")), vec![d, d]);
            }
            pair(at("layer_norm1"), vec![d]);
            pair(at("layer_norm2"), vec![d]);
            pair(at("mlp.fc1"), vec![h, d]);
            pair(at("mlp.fc2"), vec![d, h]);
        }
        pair("post_layernorm".into(), vec![d]);
        shapes.push(("visual_projection.weight".into(), vec![config.latent, d]));
        shapes
    }

    /// A network from its tensors. `name` and `weights_sha256` go into the identity.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected or mis-shaped;
    /// [`Error::Config`] for sizes that do not divide or a crop other than 224.
    pub fn new(
        config: ClipConfig,
        preprocess: Preprocess,
        tensors: &BTreeMap<String, Tensor>,
        name: &str,
        weights_sha256: String,
    ) -> Result<Self> {
        let (heads, patch) = (config.heads, config.patch);
        let fits = heads > 0 && config.dim > 0 && config.dim.is_multiple_of(heads);
        if !fits || patch == 0 || !224_usize.is_multiple_of(patch) || preprocess.crop != 224 {
            return Err(Error::Config {
                place: "CLIP".into(),
                field: "heads, patch, preprocess.crop".into(),
                expected: "heads that divide dim, a patch that divides 224, a crop of 224".into(),
                found: format!("{heads}, {patch}, {}", preprocess.crop),
            });
        }
        let named = Named::new(tensors, &Self::shapes(&config))?;
        let embedding = |part: &str| named.get(&format!("vision_model.embeddings.{part}"));
        let position = embedding("position_embedding.weight")?.unsqueeze(0)?;
        let cls = embedding("class_embedding")?.reshape((1, 1, config.dim))?;
        let weight = embedding("patch_embedding.weight")?;
        let identity = EncoderIdentity {
            name: name.into(),
            weights_sha256,
            preprocessing: preprocess.describe(),
            code_version: 2,
        };
        Ok(Self {
            patch: Linear::new(weight.reshape((config.dim, 3 * patch * patch))?, None),
            cls,
            position,
            before: named.norm("vision_model.pre_layrnorm", NORM_EPS)?,
            stack: Stack::new(
                (0..config.depth)
                    .map(|k| block(&config, &named, k))
                    .collect::<Result<_>>()?,
                Norm::of(
                    &named.norm("vision_model.post_layernorm", NORM_EPS)?,
                    NORM_EPS,
                )?,
            ),
            projection: Linear::new(named.get("visual_projection.weight")?, None),
            config,
            preprocess,
            identity,
        })
    }

    fn latents<F: Frame>(&self, frames: &[F]) -> Result<Vec<f32>> {
        let input = self.preprocess.tensor(frames)?;
        let patches = cut(&input.to_device(self.cls.device())?, self.config.patch)?;
        let cls = self.cls.repeat((frames.len(), 1, 1))?;
        let x = Tensor::cat(&[&cls, &self.patch.forward(&patches)?], 1)?;
        let x = self.before.forward(&x.broadcast_add(&self.position)?)?;
        let cls = self.stack.forward_first(&x)?;
        Ok(self.projection.forward(&cls)?.flatten_all()?.to_vec1()?)
    }
}

impl Encoder for Clip {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn preprocess(&self) -> Option<&Preprocess> {
        Some(&self.preprocess)
    }

    fn latent_dim(&self) -> usize {
        self.config.latent
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        put_linear(&mut self.patch, device)?;
        put(&mut self.cls, device)?;
        put(&mut self.position, device)?;
        put_norm(&mut self.before, NORM_EPS, device)?;
        self.stack.move_to(device)?;
        put_linear(&mut self.projection, device)
    }

    /// A latent depends on its own frame alone.
    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        in_batches(frames, BATCH, |chunk| self.latents(chunk))
    }

    fn encode_pictures(&self, pictures: &[&Picture]) -> Result<Vec<f32>> {
        in_batches(pictures, BATCH, |chunk| self.latents(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{Architecture, PublishedEncoder, assert_same_latents};

    /// What a card is given to do, done by the processor.
    #[test]
    fn the_tensor_library_s_operations_give_the_same_latents() {
        let mut network = PublishedEncoder::named("clip-base").unwrap();
        let Architecture::Clip(config) = &mut network.architecture else {
            unreachable!("CLIP");
        };
        (config.dim, config.depth, config.heads, config.hidden) = (24, 2, 3, 32);
        let config = config.clone();
        let tensors = network.random_tensors(5).unwrap();
        let own = Clip::new(config, network.preprocess, &tensors, "clip", String::new()).unwrap();
        let other = Clip {
            stack: own.stack.by_the_library().unwrap(),
            ..own.clone()
        };
        assert_same_latents(&own, &other, 1);
    }
}
