use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use candle_nn::{Linear, Module};
use serde::{Deserialize, Serialize};

use super::named::Named;
use super::transformer::{Activation, Block, BlockLayers, Buffers, Norm, Stack};
use super::{Encoder, EncoderIdentity, Frame, Picture, Preprocess, in_batches};
use crate::device::{cpu_only, put, put_linear};
use crate::{Error, Result};

/// ε of every layer norm (timm; MAE; DINO).
const NORM_EPS: f64 = 1e-6;
/// Frames that share one matrix product.
const BATCH: usize = 8;

/// Size of a [`Vit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Length of a token, and of a latent.
    pub dim: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; they divide `dim`.
    pub heads: usize,
    /// Side of a patch, pixels; it divides the side of the picture.
    pub patch: usize,
    /// Hidden units of a block's perceptron.
    pub hidden: usize,
    /// Side of the picture, pixels.
    pub image: usize,
    /// Side of the grid of stored position embeddings; where it is not the picture's grid of
    /// patches, they are resampled to it.
    pub grid: usize,
    /// Whether both halves of a block are scaled unit by unit (`DINOv2`).
    pub layer_scale: bool,
    /// Whether a block's perceptron is gated (`SwiGLU`; `DINOv2` ViT-g) rather than GELU.
    pub gated: bool,
}

impl VitConfig {
    fn sized(dim: usize, depth: usize, heads: usize) -> Self {
        Self {
            dim,
            depth,
            heads,
            patch: 16,
            hidden: 4 * dim,
            image: 224,
            grid: 14,
            layer_scale: false,
            gated: false,
        }
    }

    /// ViT/14 of `DINOv2`: trained at 518 pixels, so 37 × 37 position embeddings.
    fn dinov2(dim: usize, depth: usize, heads: usize) -> Self {
        Self {
            patch: 14,
            grid: 37,
            layer_scale: true,
            ..Self::sized(dim, depth, heads)
        }
    }

    /// `DINOv2` ViT-S/14.
    #[must_use]
    pub fn dinov2_small() -> Self {
        Self::dinov2(384, 12, 6)
    }

    /// `DINOv2` ViT-B/14.
    #[must_use]
    pub fn dinov2_base() -> Self {
        Self::dinov2(768, 12, 12)
    }

    /// `DINOv2` ViT-L/14.
    #[must_use]
    pub fn dinov2_large() -> Self {
        Self::dinov2(1024, 24, 16)
    }

    /// `DINOv2` ViT-g/14: 1,536 units, 40 blocks, 24 heads, gated perceptrons of 4,096 units.
    #[must_use]
    pub fn dinov2_giant() -> Self {
        Self {
            hidden: 4096,
            gated: true,
            ..Self::dinov2(1536, 40, 24)
        }
    }

    /// ViT-S/16 (DINO): 384 units, 12 blocks, 6 heads.
    #[must_use]
    pub fn small_16() -> Self {
        Self::sized(384, 12, 6)
    }

    /// ViT-B/16 (VC-1 base, `DeiT`): 768 units, 12 blocks, 12 heads.
    #[must_use]
    pub fn base_16() -> Self {
        Self::sized(768, 12, 12)
    }

    /// ViT-L/16 (VC-1 large): 1,024 units, 24 blocks, 16 heads.
    #[must_use]
    pub fn large_16() -> Self {
        Self::sized(1024, 24, 16)
    }

    /// Patches along a side of the picture.
    fn side(&self) -> usize {
        self.image / self.patch
    }

    fn check(&self) -> Result<()> {
        let bad = |field: &str, expected: &str, found: String| Error::Config {
            place: "vision transformer".into(),
            field: field.into(),
            expected: expected.into(),
            found,
        };
        if self.heads == 0 || self.dim == 0 || !self.dim.is_multiple_of(self.heads) {
            return Err(bad("heads", "a divisor of dim", self.heads.to_string()));
        }
        if self.patch == 0 || self.image == 0 || !self.image.is_multiple_of(self.patch) {
            return Err(bad("patch", "a divisor of image", self.patch.to_string()));
        }
        if self.grid == 0 {
            return Err(bad("grid", "a side above 0", "0".into()));
        }
        Ok(())
    }
}

/// A vision transformer as timm lays it out: VC-1 (Majumdar et al. 2023) base and large, `DeiT`-B,
/// DINO ViT-S/16, and with layer scale and a gated perceptron `DINOv2` (Oquab et al. 2023). The
/// latent is the class token after the final layer norm.
///
/// Pre-norm blocks with ε 1e-6, fused query-key-value projection, exact (erf) GELU, learnt position
/// embedding, no dropout. `DINOv2`'s position embedding is resampled as its authors' code does:
/// bicubic (a = −0.75), no antialiasing, scale `(side + 0.1) / grid`.
#[derive(Clone, Debug)]
pub struct Vit {
    config: VitConfig,
    preprocess: Preprocess,
    identity: EncoderIdentity,
    patch: Linear,
    cls: Tensor,
    position: Tensor,
    stack: Stack,
}

/// What each stage of a [`Vit`] gives, each `[frame, token, unit]`; token 0 is the class token.
#[derive(Clone, Debug)]
pub struct VitActivations {
    /// Tokens with their position embedding, before the first block.
    pub embedded: Tensor,
    /// After each block.
    pub blocks: Vec<Tensor>,
    /// After the final layer norm.
    pub normed: Tensor,
}

fn block(config: &VitConfig, named: &Named, k: usize) -> Result<Block> {
    let at = |part: &str| format!("blocks.{k}.{part}");
    let scale = |part: &str| {
        let gamma = config.layer_scale.then(|| named.get(&at(part)));
        gamma.transpose()
    };
    let (first, last) = if config.gated {
        ("mlp.w12", "mlp.w3")
    } else {
        ("mlp.fc1", "mlp.fc2")
    };
    Block::new(BlockLayers {
        norm1: Norm::of(&named.norm(&at("norm1"), NORM_EPS)?, NORM_EPS)?,
        qkv: named.linear(&at("attn.qkv"))?,
        proj: named.linear(&at("attn.proj"))?,
        scale1: scale("ls1.gamma")?,
        norm2: Norm::of(&named.norm(&at("norm2"), NORM_EPS)?, NORM_EPS)?,
        first: named.linear(&at(first))?,
        last: named.linear(&at(last))?,
        scale2: scale("ls2.gamma")?,
        activation: match config.gated {
            true => Activation::GatedSilu,
            false => Activation::Gelu,
        },
        turn: None,
        heads: config.heads,
    })
}

/// Cuts inputs `[frame, channel, y, x]` into patches of `side` × `side`, row by row:
/// `[frame, patch, channel · y · x]`.
pub(super) fn cut(input: &Tensor, side: usize) -> Result<Tensor> {
    let (frames, channels, height, width) = input.dims4()?;
    let (rows, columns) = (height / side, width / side);
    Ok(input
        .reshape(vec![frames, channels, rows, side, columns, side])?
        .permute(vec![0, 2, 4, 1, 3, 5])?
        .contiguous()?
        .reshape((frames, rows * columns, channels * side * side))?)
}

/// Four neighbours, clamped to `0..from`, and their weights for each of `to` places: PyTorch's
/// bicubic kernel (a = −0.75) at `(i + 0.5) · from / (to + 0.1) − 0.5`.
fn bicubic(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let step = from as f64 / (to as f64 + 0.1);
    (0..to)
        .map(|i| {
            let at = (i as f64 + 0.5) * step - 0.5;
            let (floor, t) = (at.floor(), at - at.floor());
            let place = |k: f64| (floor + k).clamp(0.0, (from - 1) as f64) as usize;
            [
                (place(-1.0), far(t + 1.0)),
                (place(0.0), near(t)),
                (place(1.0), near(1.0 - t)),
                (place(2.0), far(2.0 - t)),
            ]
        })
        .collect()
}

/// Position embeddings `[1, grid², unit]` resampled to `[1, side², unit]`.
fn resample(position: &Tensor, grid: usize, side: usize) -> Result<Tensor> {
    if grid == side {
        return Ok(position.contiguous()?);
    }
    let values: Vec<f32> = position.flatten_all()?.to_vec1()?;
    let dim = position.dim(2)?;
    let taps = bicubic(grid, side);
    let mut out = Vec::with_capacity(side * side * dim);
    for rows in &taps {
        for columns in &taps {
            for unit in 0..dim {
                let row = |y: usize| -> f64 {
                    let value = |x: usize| f64::from(values[(y * grid + x) * dim + unit]);
                    columns.iter().map(|(x, w)| w * value(*x)).sum()
                };
                let sum: f64 = rows.iter().map(|(y, w)| w * row(*y)).sum();
                out.push(sum as f32);
            }
        }
    }
    Ok(Tensor::from_vec(
        out,
        (1, side * side, dim),
        position.device(),
    )?)
}

impl Vit {
    /// Tensor names (timm's) and shapes of a network of this size.
    #[must_use]
    pub fn shapes(config: &VitConfig) -> Vec<(String, Vec<usize>)> {
        let (d, h, p) = (config.dim, config.hidden, config.patch);
        let mut shapes = vec![
            ("cls_token".to_string(), vec![1, 1, d]),
            ("pos_embed".to_string(), vec![1, config.grid.pow(2) + 1, d]),
            ("patch_embed.proj.weight".to_string(), vec![d, 3, p, p]),
            ("patch_embed.proj.bias".to_string(), vec![d]),
        ];
        let mut pair = |name: String, weight: Vec<usize>| {
            let bias = vec![weight[0]];
            shapes.push((format!("{name}.weight"), weight));
            shapes.push((format!("{name}.bias"), bias));
        };
        for k in 0..config.depth {
            pair(format!("blocks.{k}.norm1"), vec![d]);
            pair(format!("blocks.{k}.attn.qkv"), vec![3 * d, d]);
            pair(format!("blocks.{k}.attn.proj"), vec![d, d]);
            pair(format!("blocks.{k}.norm2"), vec![d]);
            if config.gated {
                pair(format!("blocks.{k}.mlp.w12"), vec![2 * h, d]);
                pair(format!("blocks.{k}.mlp.w3"), vec![d, h]);
            } else {
                pair(format!("blocks.{k}.mlp.fc1"), vec![h, d]);
                pair(format!("blocks.{k}.mlp.fc2"), vec![d, h]);
            }
        }
        pair("norm".into(), vec![d]);
        if config.layer_scale {
            for k in 0..config.depth {
                shapes.push((format!("blocks.{k}.ls1.gamma"), vec![d]));
                shapes.push((format!("blocks.{k}.ls2.gamma"), vec![d]));
            }
        }
        shapes
    }

    /// The names in the `transformers` library's files of a canonical tensor (`Dinov2Model`).
    pub(crate) fn hugging_face(name: &str) -> Vec<String> {
        match name {
            "cls_token" => return vec!["embeddings.cls_token".into()],
            "pos_embed" => return vec!["embeddings.position_embeddings".into()],
            _ => {}
        }
        if let Some(kind) = name.strip_prefix("patch_embed.proj.") {
            return vec![format!("embeddings.patch_embeddings.projection.{kind}")];
        }
        if let Some(kind) = name.strip_prefix("norm.") {
            return vec![format!("layernorm.{kind}")];
        }
        let name = name
            .replace("blocks.", "encoder.layer.")
            .replace(".ls1.gamma", ".layer_scale1.lambda1")
            .replace(".ls2.gamma", ".layer_scale2.lambda1")
            .replace(".attn.proj.", ".attention.output.dense.")
            .replace(".mlp.w12.", ".mlp.weights_in.")
            .replace(".mlp.w3.", ".mlp.weights_out.");
        match name.split_once(".attn.qkv.") {
            Some((before, kind)) => ["query", "key", "value"]
                .map(|which| format!("{before}.attention.attention.{which}.{kind}"))
                .to_vec(),
            None => vec![name],
        }
    }

    /// A network from its tensors. `name` and `weights_sha256` go into the identity.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected or mis-shaped;
    /// [`Error::Config`] for sizes that do not divide or a crop that is not the picture's side.
    pub fn new(
        config: VitConfig,
        preprocess: Preprocess,
        tensors: &BTreeMap<String, Tensor>,
        name: &str,
        weights_sha256: String,
    ) -> Result<Self> {
        config.check()?;
        if preprocess.crop != config.image {
            return Err(Error::Config {
                place: "vision transformer".into(),
                field: "preprocess.crop".into(),
                expected: config.image.to_string(),
                found: preprocess.crop.to_string(),
            });
        }
        let named = Named::new(tensors, &Self::shapes(&config))?;
        let d = config.dim;
        let position = named.get("pos_embed")?;
        let patch = named.get("patch_embed.proj.weight")?;
        let blocks = (0..config.depth)
            .map(|k| block(&config, &named, k))
            .collect::<Result<_>>()?;
        let identity = EncoderIdentity {
            name: name.into(),
            weights_sha256,
            preprocessing: preprocess.describe(),
            code_version: 2,
        };
        Ok(Self {
            patch: Linear::new(
                patch.reshape((d, 3 * config.patch * config.patch))?,
                Some(named.get("patch_embed.proj.bias")?),
            ),
            cls: (named.get("cls_token")? + position.narrow(1, 0, 1)?)?,
            position: resample(
                &position.narrow(1, 1, config.grid.pow(2))?,
                config.grid,
                config.side(),
            )?,
            stack: Stack::new(blocks, Norm::of(&named.norm("norm", NORM_EPS)?, NORM_EPS)?),
            config,
            preprocess,
            identity,
        })
    }

    /// What is done to a frame before the first layer.
    #[must_use]
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Tokens with their position embedding for inputs `[frame, channel, y, x]`.
    fn embed(&self, input: &Tensor) -> Result<Tensor> {
        let frames = input.dim(0)?;
        let patches = cut(input, self.config.patch)?;
        let tokens = self
            .patch
            .forward(&patches)?
            .broadcast_add(&self.position)?;
        let cls = self.cls.repeat((frames, 1, 1))?;
        Ok(Tensor::cat(&[&cls, &tokens], 1)?)
    }

    /// Every stage for frames of [`FRAME_SIZE`](super::FRAME_SIZE) squared, all in one batch.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size.
    pub fn activations(&self, frames: &[&[u8]]) -> Result<VitActivations> {
        cpu_only("activations of a vision transformer", self.cls.device())?;
        let embedded = self.embed(&self.preprocess.tensor(frames)?)?;
        let (shape, tokens) = (embedded.dims3()?, embedded.dim(1)?);
        let tensor = |values: &[f32]| Tensor::from_slice(values, shape, embedded.device());
        let mut buffers = Buffers::default();
        let mut x: Vec<f32> = embedded.flatten_all()?.to_vec1()?;
        let mut blocks: Vec<Tensor> = Vec::with_capacity(self.stack.blocks.len());
        for block in &self.stack.blocks {
            block.forward(&mut x, tokens, &mut buffers);
            blocks.push(tensor(&x)?);
        }
        let mut normed = Vec::new();
        self.stack.norm.apply(&x, &mut normed);
        Ok(VitActivations {
            normed: tensor(&normed)?,
            embedded,
            blocks,
        })
    }

    fn latents<F: Frame>(&self, frames: &[F]) -> Result<Vec<f32>> {
        let input = self.preprocess.tensor(frames)?;
        let embedded = self.embed(&input.to_device(self.cls.device())?)?;
        // The class token is all that is read.
        let first = self.stack.forward_first(&embedded)?;
        Ok(first.flatten_all()?.to_vec1()?)
    }
}

impl Encoder for Vit {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn preprocess(&self) -> Option<&Preprocess> {
        Some(&self.preprocess)
    }

    fn latent_dim(&self) -> usize {
        self.config.dim
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        put_linear(&mut self.patch, device)?;
        put(&mut self.cls, device)?;
        put(&mut self.position, device)?;
        self.stack.move_to(device)
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
    use crate::encoders::{PublishedEncoder, assert_same_latents};

    /// What a card is given to do, done by the processor.
    #[test]
    fn the_tensor_library_s_operations_give_the_same_latents() {
        for name in ["vc1-base", "dinov2-small", "dinov2-giant"] {
            let mut network = PublishedEncoder::named(name).unwrap();
            let crate::encoders::Architecture::Vit(config) = &mut network.architecture else {
                unreachable!("a vision transformer");
            };
            (config.dim, config.depth, config.heads, config.hidden) = (24, 2, 3, 32);
            let config = config.clone();
            let tensors = network.random_tensors(5).unwrap();
            let own = Vit::new(config, network.preprocess, &tensors, name, String::new()).unwrap();
            let other = Vit {
                stack: own.stack.by_the_library().unwrap(),
                ..own.clone()
            };
            assert_same_latents(&own, &other, 1);
        }
    }
}
