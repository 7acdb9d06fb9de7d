use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use candle_nn::{Linear, Module};
use serde::{Deserialize, Serialize};

use super::named::Named;
use super::transformer::{Activation, Block, BlockLayers, Norm, Stack, Turn};
use super::{Encoder, EncoderIdentity, Frame, Picture, Preprocess};
use crate::device::put_linear;
use crate::{Error, Result};

/// ε of every layer norm.
const NORM_EPS: f64 = 1e-6;
/// Frames of a tubelet.
const TUBELET: usize = 2;
/// Base of the rotations' periods.
const PERIOD: f64 = 10_000.0;

/// What becomes of the last tubelets' tokens. The published network has no class token and names no
/// latent of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean over the tokens of the last tubelet: the newest two frames, which have looked at the
    /// whole window.
    MeanOfLastTubelet,
    /// The mean over all tokens of the window.
    MeanOfWindow,
}

/// Size of a [`Vjepa2`] and how it is used frame by frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vjepa2Config {
    /// Length of a token, and of a latent.
    pub dim: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; they divide `dim`.
    pub heads: usize,
    /// Hidden units of a block's perceptron.
    pub hidden: usize,
    /// Side of a patch, pixels.
    pub patch: usize,
    /// Side of the picture, pixels.
    pub image: usize,
    /// Frames that a latent is made from, its own the last; even. The first frame is repeated where
    /// a clip does not go back so far.
    pub window: usize,
    /// What becomes of the tokens.
    pub pooling: Pooling,
}

impl Vjepa2Config {
    fn sized(dim: usize, depth: usize, heads: usize, hidden: usize, image: usize) -> Self {
        Self {
            dim,
            depth,
            heads,
            hidden,
            patch: 16,
            image,
            window: 2,
            pooling: Pooling::MeanOfLastTubelet,
        }
    }

    /// ViT-L: 1,024 units, 24 blocks, 16 heads, 256 pixels.
    #[must_use]
    pub fn large() -> Self {
        Self::sized(1024, 24, 16, 4096, 256)
    }

    /// ViT-H: 1,280 units, 32 blocks, 16 heads, 256 pixels.
    #[must_use]
    pub fn huge() -> Self {
        Self::sized(1280, 32, 16, 5120, 256)
    }

    /// ViT-g: 1,408 units, 40 blocks, 22 heads, perceptrons of 6,144 units, 256 pixels.
    #[must_use]
    pub fn giant() -> Self {
        Self::sized(1408, 40, 22, 6144, 256)
    }

    /// ViT-g at 384 pixels.
    #[must_use]
    pub fn giant_384() -> Self {
        Self::sized(1408, 40, 22, 6144, 384)
    }

    fn side(&self) -> usize {
        self.image / self.patch.max(1)
    }

    /// Tokens of a window.
    pub(crate) fn tokens(&self) -> usize {
        self.window / TUBELET * self.side().pow(2)
    }

    fn check(&self) -> Result<()> {
        let bad = |field: &str, expected: &str, found: usize| Error::Config {
            place: "V-JEPA 2".into(),
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        };
        if self.heads == 0 || self.dim == 0 || !self.dim.is_multiple_of(self.heads) {
            return Err(bad("heads", "a divisor of dim", self.heads));
        }
        if self.patch == 0 || self.image == 0 || !self.image.is_multiple_of(self.patch) {
            return Err(bad("patch", "a divisor of image", self.patch));
        }
        if self.window == 0 || !self.window.is_multiple_of(TUBELET) {
            return Err(bad("window", "an even number above 0", self.window));
        }
        Ok(())
    }
}

/// The encoder of V-JEPA 2 (Assran et al. 2025): a vision transformer over tubelets of two frames,
/// without class token and without position embedding; queries and keys are turned by the token's
/// place in time, height and width.
///
/// Each third of a head is turned by one of the three places. The angles of a third are laid out
/// tiled (`ω₀ … ωₙ ω₀ … ωₙ`) while the pairs that are turned are neighbours, so that the two members
/// of a pair turn by different angles. That is no rotation; the published weights were trained so.
///
/// The network takes a window of frames. A latent is made from the window that ends with its frame,
/// never from a later one, and [`Pooling`] says how.
#[derive(Clone, Debug)]
pub struct Vjepa2 {
    config: Vjepa2Config,
    preprocess: Preprocess,
    identity: EncoderIdentity,
    patch: Linear,
    stack: Stack,
}

/// Cosine and sine of every token's angle, `[token, unit of a head]`; units that no place turns have
/// angle 0.
fn angles(config: &Vjepa2Config) -> Turn {
    let (side, head) = (config.side(), config.dim / config.heads);
    let third = 2 * (head / 3 / 2);
    let half = third / 2;
    let mut cos = Vec::with_capacity(config.tokens() * head);
    let mut sin = Vec::with_capacity(config.tokens() * head);
    for token in 0..config.tokens() {
        let places = [
            token / (side * side),
            token % (side * side) / side,
            token % side,
        ];
        for unit in 0..head {
            let angle = match places.get(unit / third.max(1)) {
                Some(place) if third > 0 => {
                    let j = unit % third % half;
                    *place as f64 * libm::pow(PERIOD, -(j as f64) / half as f64)
                }
                _ => 0.0,
            };
            cos.push(libm::cos(angle) as f32);
            sin.push(libm::sin(angle) as f32);
        }
    }
    Turn { cos, sin }
}

impl Vjepa2 {
    /// Tensor names (its authors', after `module.backbone.`) and shapes of a network of this size.
    #[must_use]
    pub fn shapes(config: &Vjepa2Config) -> Vec<(String, Vec<usize>)> {
        let (d, h, p) = (config.dim, config.hidden, config.patch);
        let mut shapes = Vec::new();
        let mut pair = |name: String, weight: Vec<usize>| {
            let bias = vec![weight[0]];
            shapes.push((format!("{name}.weight"), weight));
            shapes.push((format!("{name}.bias"), bias));
        };
        pair("patch_embed.proj".into(), vec![d, 3, TUBELET, p, p]);
        for k in 0..config.depth {
            pair(format!("blocks.{k}.norm1"), vec![d]);
            pair(format!("blocks.{k}.attn.qkv"), vec![3 * d, d]);
            pair(format!("blocks.{k}.attn.proj"), vec![d, d]);
            pair(format!("blocks.{k}.norm2"), vec![d]);
            pair(format!("blocks.{k}.mlp.fc1"), vec![h, d]);
            pair(format!("blocks.{k}.mlp.fc2"), vec![d, h]);
        }
        pair("norm".into(), vec![d]);
        shapes
    }

    /// The name in the `transformers` library's files (after `encoder.`) of a canonical tensor.
    pub(crate) fn hugging_face(name: &str) -> Vec<String> {
        let name = name
            .replace("patch_embed.proj", "embeddings.patch_embeddings.proj")
            .replace("blocks.", "layer.")
            .replace(".attn.", ".attention.");
        if let Some((before, kind)) = name.split_once(".qkv.") {
            let of = |which: &str| format!("{before}.{which}.{kind}");
            return ["query", "key", "value"].map(of).to_vec();
        }
        match name.strip_prefix("norm.") {
            Some(kind) => vec![format!("layernorm.{kind}")],
            None => vec![name],
        }
    }

    /// A network from its tensors. `name` and `weights_sha256` go into the identity.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected or mis-shaped;
    /// [`Error::Config`] for sizes that do not divide or a crop that is not the picture's side.
    pub fn new(
        config: Vjepa2Config,
        preprocess: Preprocess,
        tensors: &BTreeMap<String, Tensor>,
        name: &str,
        weights_sha256: String,
    ) -> Result<Self> {
        config.check()?;
        if preprocess.crop != config.image {
            return Err(Error::Config {
                place: "V-JEPA 2".into(),
                field: "preprocess.crop".into(),
                expected: config.image.to_string(),
                found: preprocess.crop.to_string(),
            });
        }
        let named = Named::new(tensors, &Self::shapes(&config))?;
        let turn = Arc::new(angles(&config));
        let blocks = (0..config.depth)
            .map(|k| {
                let at = |part: &str| format!("blocks.{k}.{part}");
                let norm = |part: &str| Norm::of(&named.norm(&at(part), NORM_EPS)?, NORM_EPS);
                Block::new(BlockLayers {
                    norm1: norm("norm1")?,
                    qkv: named.linear(&at("attn.qkv"))?,
                    proj: named.linear(&at("attn.proj"))?,
                    scale1: None,
                    norm2: norm("norm2")?,
                    first: named.linear(&at("mlp.fc1"))?,
                    last: named.linear(&at("mlp.fc2"))?,
                    scale2: None,
                    activation: Activation::Gelu,
                    turn: Some(turn.clone()),
                    heads: config.heads,
                })
            })
            .collect::<Result<_>>()?;
        let patch = named.get("patch_embed.proj.weight")?;
        let pooling = match config.pooling {
            Pooling::MeanOfLastTubelet => "mean over the last tubelet's tokens",
            Pooling::MeanOfWindow => "mean over the window's tokens",
        };
        let identity = EncoderIdentity {
            name: name.into(),
            weights_sha256,
            preprocessing: format!(
                "{}; windows of {} frames, the first repeated; {pooling}",
                preprocess.describe(),
                config.window
            ),
            code_version: 2,
        };
        Ok(Self {
            patch: Linear::new(
                patch.reshape((config.dim, 3 * TUBELET * config.patch.pow(2)))?,
                Some(named.get("patch_embed.proj.bias")?),
            ),
            stack: Stack::new(blocks, Norm::of(&named.norm("norm", NORM_EPS)?, NORM_EPS)?),
            config,
            preprocess,
            identity,
        })
    }

    /// Tubelets of inputs `[frame, channel, y, x]`, a window of them: `[tubelet · patch, values]`,
    /// a token's values in the order channel, frame, y, x.
    fn tubelets(&self, input: &Tensor) -> Result<Tensor> {
        let (frames, channels, height, width) = input.dims4()?;
        let p = self.config.patch;
        let (times, rows, columns) = (frames / TUBELET, height / p, width / p);
        Ok(input
            .reshape(vec![times, TUBELET, channels, rows, p, columns, p])?
            .permute(vec![0, 3, 5, 2, 1, 4, 6])?
            .contiguous()?
            .reshape((times * rows * columns, channels * TUBELET * p * p))?)
    }

    /// The tokens of one window of frames after the final norm, `[token, unit]`, tubelet by tubelet
    /// and row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of frames than the window's, or a frame of another size.
    pub fn tokens<F: Frame>(&self, frames: &[F]) -> Result<Tensor> {
        if frames.len() != self.config.window {
            return Err(Error::Shape {
                what: "window [frame]",
                expected: vec![self.config.window],
                found: vec![frames.len()],
            });
        }
        let input = self.preprocess.tensor(frames)?;
        let input = input.to_device(self.patch.weight().device())?;
        let x = self.patch.forward(&self.tubelets(&input)?)?;
        Ok(self.stack.forward(&x.unsqueeze(0)?)?.squeeze(0)?)
    }

    fn latents<F: Frame>(&self, frames: &[F]) -> Result<Vec<f32>> {
        let mut latents = Vec::with_capacity(frames.len() * self.config.dim);
        let window = self.config.window;
        for end in 0..frames.len() {
            let views: Vec<F> = (0..window)
                .map(|k| frames[(end + 1 + k).saturating_sub(window)])
                .collect();
            let tokens = self.tokens(&views)?;
            let last = match self.config.pooling {
                Pooling::MeanOfLastTubelet => self.config.side().pow(2),
                Pooling::MeanOfWindow => self.config.tokens(),
            };
            let pooled = tokens
                .narrow(0, self.config.tokens() - last, last)?
                .mean(0)?;
            latents.extend(pooled.to_vec1::<f32>()?);
        }
        Ok(latents)
    }
}

impl Encoder for Vjepa2 {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        self.config.dim
    }

    fn reach(&self) -> usize {
        self.config.window
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        put_linear(&mut self.patch, device)?;
        self.stack.move_to(device)
    }

    fn preprocess(&self) -> Option<&Preprocess> {
        Some(&self.preprocess)
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        self.latents(frames)
    }

    fn encode_pictures(&self, pictures: &[&Picture]) -> Result<Vec<f32>> {
        self.latents(pictures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{Architecture, PublishedEncoder, assert_same_latents};

    /// What a card is given to do, done by the processor; heads of 13 units, whose last has no neighbour.
    #[test]
    fn the_tensor_library_s_operations_give_the_same_latents() {
        let mut network = PublishedEncoder::named("vjepa2-large").unwrap();
        let Architecture::Vjepa2(config) = &mut network.architecture else {
            unreachable!("V-JEPA 2");
        };
        (config.dim, config.depth, config.heads, config.hidden) = (26, 2, 2, 32);
        let config = config.clone();
        let tensors = network.random_tensors(5).unwrap();
        let own = Vjepa2::new(config, network.preprocess, &tensors, "v", String::new()).unwrap();
        let other = Vjepa2 {
            stack: own.stack.by_the_library().unwrap(),
            ..own.clone()
        };
        assert_same_latents(&own, &other, 2);
    }
}
