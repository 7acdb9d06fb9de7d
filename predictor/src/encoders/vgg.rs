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
const BATCH: usize = 4;
/// Convolutions before each of the five poolings, and their maps in units of the width.
const STAGES: [(usize, usize); 5] = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)];
/// Side of the last maps, for a picture of 224.
const LAST_SIDE: usize = 7;

/// Size of a [`Vgg`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VggConfig {
    /// Maps of the first convolution (published: 64).
    pub width: usize,
    /// Units of the two linear layers, and length of a latent (published: 4,096).
    pub hidden: usize,
}

impl VggConfig {
    /// VGG16 with batch norm as torchvision's `vgg16_bn`.
    #[must_use]
    pub fn vgg16_bn() -> Self {
        Self {
            width: 64,
            hidden: 4096,
        }
    }
}

/// VGG16 with batch norm (Simonyan & Zisserman 2015). The latent is the second linear layer's output
/// before its ReLU, as Nayebi et al. 2023 take it.
///
/// Tensors are named as in torchvision: `features.{n}`, `classifier.0`, `classifier.3`.
#[derive(Clone, Debug)]
pub struct Vgg {
    config: VggConfig,
    preprocess: Preprocess,
    identity: EncoderIdentity,
    stages: Vec<Vec<Conv>>,
    first: Linear,
    second: Linear,
    /// The device, where it is not the processor.
    elsewhere: Option<Device>,
}

/// Place of each convolution in `features`, by stage, with its maps in and out.
fn places(config: &VggConfig) -> Vec<Vec<(usize, usize, usize)>> {
    let (mut at, mut from) = (0, 3);
    STAGES
        .iter()
        .map(|(convs, times)| {
            let to = times * config.width;
            let stage = (0..*convs)
                .map(|_| {
                    let place = (at, from, to);
                    // Convolution, batch norm, ReLU.
                    at += 3;
                    from = to;
                    place
                })
                .collect();
            at += 1;
            stage
        })
        .collect()
}

impl Vgg {
    /// Tensor names and shapes of a network of this size; the batch norms' step counters, which are
    /// not used, are left out.
    #[must_use]
    pub fn shapes(config: &VggConfig) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        for (at, from, to) in places(config).into_iter().flatten() {
            shapes.push((format!("features.{at}.weight"), vec![to, from, 3, 3]));
            shapes.push((format!("features.{at}.bias"), vec![to]));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                shapes.push((format!("features.{}.{part}", at + 1), vec![to]));
            }
        }
        let (h, inputs) = (config.hidden, 8 * config.width * LAST_SIDE * LAST_SIDE);
        shapes.push(("classifier.0.weight".into(), vec![h, inputs]));
        shapes.push(("classifier.0.bias".into(), vec![h]));
        shapes.push(("classifier.3.weight".into(), vec![h, h]));
        shapes.push(("classifier.3.bias".into(), vec![h]));
        shapes
    }

    /// A network from its tensors. `name` and `weights_sha256` go into the identity.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected, mis-shaped, or a
    /// running variance that is not above 0; [`Error::Config`] for a crop other than 224.
    pub fn new(
        config: VggConfig,
        preprocess: Preprocess,
        tensors: &BTreeMap<String, Tensor>,
        name: &str,
        weights_sha256: String,
    ) -> Result<Self> {
        if preprocess.crop != 224 || config.width == 0 {
            return Err(Error::Config {
                place: "VGG16".into(),
                field: "preprocess.crop, width".into(),
                expected: "224, a width above 0".into(),
                found: format!("{}, {}", preprocess.crop, config.width),
            });
        }
        let named = Named::new(tensors, &Self::shapes(&config))?;
        let stages = places(&config)
            .into_iter()
            .map(|stage| {
                stage
                    .into_iter()
                    .map(|(at, _, _)| {
                        let (conv, bn) = (format!("features.{at}"), format!("features.{}", at + 1));
                        Conv::new(&named, &conv, &bn, 1)
                    })
                    .collect::<Result<_>>()
            })
            .collect::<Result<_>>()?;
        let identity = EncoderIdentity {
            name: name.into(),
            weights_sha256,
            preprocessing: preprocess.describe(),
            code_version: 2,
        };
        Ok(Self {
            stages,
            first: named.linear("classifier.0")?,
            second: named.linear("classifier.3")?,
            elsewhere: None,
            config,
            preprocess,
            identity,
        })
    }

    fn latents<F: Frame>(&self, frames: &[F]) -> Result<Vec<f32>> {
        let input = self.preprocess.tensor(frames)?;
        let last = match &self.elsewhere {
            Some(device) => self.last_maps(input.to_device(device)?)?,
            None => self.last_maps(Maps::of(&input)?)?,
        };
        let hidden = self.first.forward(&last)?.relu()?;
        Ok(self.second.forward(&hidden)?.flatten_all()?.to_vec1()?)
    }

    /// What the convolutions give, `[frame, map · y · x]`.
    fn last_maps<F: Features>(&self, mut x: F) -> Result<Tensor> {
        for stage in &self.stages {
            for conv in stage {
                x = x.convolved(conv, None, true)?;
            }
            x = x.pooled(2, 2, 0)?;
        }
        x.flat()
    }
}

impl Encoder for Vgg {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn preprocess(&self) -> Option<&Preprocess> {
        Some(&self.preprocess)
    }

    fn latent_dim(&self) -> usize {
        self.config.hidden
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        for conv in self.stages.iter_mut().flatten() {
            conv.move_to(device)?;
        }
        self.elsewhere = (!device.is_cpu()).then(|| device.clone());
        put_linear(&mut self.first, device)?;
        put_linear(&mut self.second, device)
    }

    /// A latent depends on its own frame alone.
    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        in_batches(frames, BATCH, |chunk| self.latents(chunk))
    }

    fn encode_pictures(&self, pictures: &[&Picture]) -> Result<Vec<f32>> {
        in_batches(pictures, BATCH, |chunk| self.latents(chunk))
    }
}
