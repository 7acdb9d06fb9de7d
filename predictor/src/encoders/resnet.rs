use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use candle_nn::{Linear, Module};
use serde::{Deserialize, Serialize};

use super::convolution::{Conv, Features, Maps};
use super::named::Named;
use super::{Encoder, EncoderIdentity, Frame, Picture, Preprocess, in_batches};
use crate::device::put_linear;
use crate::{Error, Result};

/// Frames that are convolved together.
const BATCH: usize = 8;

/// The residual block of a [`Resnet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResnetBlock {
    /// Two 3 × 3 convolutions (ResNet-18 and 34).
    Basic,
    /// 1 × 1, 3 × 3, 1 × 1, four times as many maps out (ResNet-50). The stride is on the 3 × 3
    /// convolution, as torchvision's "v1.5".
    Bottleneck,
}

impl ResnetBlock {
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// Size of a [`Resnet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetConfig {
    /// The block.
    pub block: ResnetBlock,
    /// Blocks in each of the four layers.
    pub layers: [usize; 4],
    /// Maps of the first convolution (published: 64).
    pub width: usize,
    /// Outputs of the final linear layer (VIP: 1,024); none: the latent is the average over the
    /// last maps.
    pub fc: Option<usize>,
}

impl ResnetConfig {
    fn sized(block: ResnetBlock, layers: [usize; 4], fc: Option<usize>) -> Self {
        Self {
            block,
            layers,
            width: 64,
            fc,
        }
    }

    /// ResNet-18 without its classifier: 512 latents.
    #[must_use]
    pub fn resnet18() -> Self {
        Self::sized(ResnetBlock::Basic, [2, 2, 2, 2], None)
    }

    /// ResNet-34 without its classifier: 512 latents.
    #[must_use]
    pub fn resnet34() -> Self {
        Self::sized(ResnetBlock::Basic, [3, 4, 6, 3], None)
    }

    /// ResNet-50 without its classifier (also R3M's): 2,048 latents.
    #[must_use]
    pub fn resnet50() -> Self {
        Self::sized(ResnetBlock::Bottleneck, [3, 4, 6, 3], None)
    }

    /// VIP's ResNet-50 with its linear layer: 1,024 latents.
    #[must_use]
    pub fn vip() -> Self {
        Self::sized(ResnetBlock::Bottleneck, [3, 4, 6, 3], Some(1024))
    }

    /// Maps of the last layer.
    fn maps(&self) -> usize {
        self.width * 8 * self.block.expansion()
    }
}

/// A residual network as torchvision lays it out: ResNet-18, 34, 50, and with their weights R3M
/// (Nair et al. 2022) and VIP (Ma et al. 2023). The latent is the average over the last maps, or
/// the final linear layer's output.
///
/// Batch norms run on their stored statistics and are folded into the convolutions. R3M and VIP
/// take 0–255 and normalise inside; here the normalisation stands in [`Preprocess`] and happens
/// once. VIP's own code skips its division by 255 for a batch whose brightest value is at most 2;
/// here the division is always done.
#[derive(Clone, Debug)]
pub struct Resnet {
    config: ResnetConfig,
    preprocess: Preprocess,
    identity: EncoderIdentity,
    stem: Conv,
    blocks: Vec<Residual>,
    fc: Option<Linear>,
    /// The device, where it is not the processor.
    elsewhere: Option<Device>,
}

#[derive(Clone, Debug)]
struct Residual {
    convs: Vec<Conv>,
    shortcut: Option<Conv>,
}

impl Residual {
    fn forward<F: Features>(&self, x: F) -> Result<F> {
        let (last, before) = match self.convs.split_last() {
            Some(convs) => convs,
            None => return Ok(x),
        };
        let mut inner = None;
        for conv in before {
            inner = Some(inner.as_ref().unwrap_or(&x).convolved(conv, None, true)?);
        }
        let around = match &self.shortcut {
            Some(conv) => Some(x.convolved(conv, None, false)?),
            None => None,
        };
        let around = around.as_ref().unwrap_or(&x);
        inner
            .as_ref()
            .unwrap_or(&x)
            .convolved(last, Some(around), true)
    }
}

/// One block's place and size.
struct Plan {
    name: String,
    inputs: usize,
    maps: usize,
    stride: usize,
}

fn plans(config: &ResnetConfig) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut inputs = config.width;
    for (layer, blocks) in config.layers.iter().enumerate() {
        let maps = config.width << layer;
        for k in 0..*blocks {
            plans.push(Plan {
                name: format!("layer{}.{k}", layer + 1),
                inputs,
                maps,
                stride: if k == 0 && layer > 0 { 2 } else { 1 },
            });
            inputs = maps * config.block.expansion();
        }
    }
    plans
}

impl Plan {
    /// Kernel side, maps in and out, and stride of each convolution.
    fn convs(&self, block: ResnetBlock) -> Vec<(usize, usize, usize, usize)> {
        let (i, m, s) = (self.inputs, self.maps, self.stride);
        match block {
            ResnetBlock::Basic => vec![(3, i, m, s), (3, m, m, 1)],
            ResnetBlock::Bottleneck => vec![(1, i, m, 1), (3, m, m, s), (1, m, 4 * m, 1)],
        }
    }

    /// Whether the shortcut has a convolution of its own.
    fn projects(&self, block: ResnetBlock) -> bool {
        self.stride != 1 || self.inputs != self.maps * block.expansion()
    }
}

impl Resnet {
    /// Tensor names (torchvision's) and shapes of a network of this size; the batch norms' step
    /// counters, which are not used, are left out.
    #[must_use]
    pub fn shapes(config: &ResnetConfig) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        let mut conv_bn = |conv: String, bn: String, side: usize, from: usize, to: usize| {
            shapes.push((format!("{conv}.weight"), vec![to, from, side, side]));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                shapes.push((format!("{bn}.{part}"), vec![to]));
            }
        };
        conv_bn("conv1".into(), "bn1".into(), 7, 3, config.width);
        for plan in plans(config) {
            let name = &plan.name;
            for (k, (side, from, to, _)) in plan.convs(config.block).into_iter().enumerate() {
                let k = k + 1;
                conv_bn(
                    format!("{name}.conv{k}"),
                    format!("{name}.bn{k}"),
                    side,
                    from,
                    to,
                );
            }
            if plan.projects(config.block) {
                let to = plan.maps * config.block.expansion();
                let at = format!("{name}.downsample");
                conv_bn(format!("{at}.0"), format!("{at}.1"), 1, plan.inputs, to);
            }
        }
        if let Some(outputs) = config.fc {
            shapes.push(("fc.weight".into(), vec![outputs, config.maps()]));
            shapes.push(("fc.bias".into(), vec![outputs]));
        }
        shapes
    }

    /// A network from its tensors. `name` and `weights_sha256` go into the identity.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected, mis-shaped, or a
    /// running variance that is not above 0; [`Error::Config`] for a width of 0 or a layer without
    /// blocks.
    pub fn new(
        config: ResnetConfig,
        preprocess: Preprocess,
        tensors: &BTreeMap<String, Tensor>,
        name: &str,
        weights_sha256: String,
    ) -> Result<Self> {
        if config.width == 0 || config.layers.contains(&0) {
            return Err(Error::Config {
                place: "residual network".into(),
                field: "width, layers".into(),
                expected: "values above 0".into(),
                found: format!("{}, {:?}", config.width, config.layers),
            });
        }
        let named = Named::new(tensors, &Self::shapes(&config))?;
        let blocks = plans(&config)
            .into_iter()
            .map(|plan| {
                let name = &plan.name;
                let convs = plan
                    .convs(config.block)
                    .into_iter()
                    .enumerate()
                    .map(|(k, (_, _, _, stride))| {
                        let k = k + 1;
                        let (conv, bn) = (format!("{name}.conv{k}"), format!("{name}.bn{k}"));
                        Conv::new(&named, &conv, &bn, stride)
                    })
                    .collect::<Result<_>>()?;
                let shortcut = plan
                    .projects(config.block)
                    .then(|| {
                        let at = format!("{name}.downsample");
                        Conv::new(&named, &format!("{at}.0"), &format!("{at}.1"), plan.stride)
                    })
                    .transpose()?;
                Ok(Residual { convs, shortcut })
            })
            .collect::<Result<_>>()?;
        let identity = EncoderIdentity {
            name: name.into(),
            weights_sha256,
            preprocessing: preprocess.describe(),
            code_version: 2,
        };
        Ok(Self {
            stem: Conv::new(&named, "conv1", "bn1", 2)?,
            blocks,
            fc: config.fc.map(|_| named.linear("fc")).transpose()?,
            elsewhere: None,
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

    fn latents<F: Frame>(&self, frames: &[F]) -> Result<Vec<f32>> {
        let input = self.preprocess.tensor(frames)?;
        let mut latent = match &self.elsewhere {
            Some(device) => self.average(&input.to_device(device)?)?,
            None => self.average(&Maps::of(&input)?)?,
        };
        if let Some(fc) = &self.fc {
            latent = fc.forward(&latent)?;
        }
        Ok(latent.flatten_all()?.to_vec1()?)
    }

    /// The mean over the last maps, `[frame, map]`.
    fn average<F: Features>(&self, input: &F) -> Result<Tensor> {
        let mut x = input.convolved(&self.stem, None, true)?.pooled(3, 2, 1)?;
        for block in &self.blocks {
            x = block.forward(x)?;
        }
        x.average()
    }
}

impl Encoder for Resnet {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn preprocess(&self) -> Option<&Preprocess> {
        Some(&self.preprocess)
    }

    fn latent_dim(&self) -> usize {
        self.config.fc.unwrap_or_else(|| self.config.maps())
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        self.stem.move_to(device)?;
        for block in &mut self.blocks {
            for conv in block.convs.iter_mut().chain(&mut block.shortcut) {
                conv.move_to(device)?;
            }
        }
        self.elsewhere = (!device.is_cpu()).then(|| device.clone());
        match &mut self.fc {
            Some(fc) => put_linear(fc, device),
            None => Ok(()),
        }
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
        for name in ["resnet18", "vip"] {
            let mut network = PublishedEncoder::named(name).unwrap();
            let Architecture::Resnet(config) = &mut network.architecture else {
                unreachable!("a residual network");
            };
            (config.width, config.layers) = (4, [1, 2, 1, 1]);
            config.fc = config.fc.map(|_| 6);
            let config = config.clone();
            let tensors = network.random_tensors(5).unwrap();
            let own =
                Resnet::new(config, network.preprocess, &tensors, name, String::new()).unwrap();
            let other = Resnet {
                elsewhere: Some(Device::Cpu),
                ..own.clone()
            };
            assert_same_latents(&own, &other, 1);
        }
    }
}
