use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    Clip, ClipConfig, Encoder, Preprocess, Resnet, ResnetConfig, Vgg, VggConfig, Vit, VitConfig,
    Vjepa2, Vjepa2Config,
};
use crate::weights::convert::{Checkpoint, Part};
use crate::{Error, Result};

/// The network of a published encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// A vision transformer.
    Vit(VitConfig),
    /// A residual network.
    Resnet(ResnetConfig),
    /// CLIP's picture tower.
    Clip(ClipConfig),
    /// VGG16 with batch norm.
    Vgg(VggConfig),
    /// A vision transformer over tubelets.
    Vjepa2(Vjepa2Config),
}

/// A published encoder: its network and what it does to a frame first. As JSON it stands in the
/// `network` entry of a converted weight file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedEncoder {
    /// The encoder's name.
    pub name: String,
    /// Its network.
    pub architecture: Architecture,
    /// What is done to a frame before the first layer.
    pub preprocess: Preprocess,
}

impl PublishedEncoder {
    /// Names that [`PublishedEncoder::named`] knows.
    pub const NAMES: [&'static str; 21] = [
        "vc1-large",
        "vc1-base",
        "deit-base",
        "dino-small",
        "dinov2-small",
        "dinov2-base",
        "dinov2-large",
        "dinov2-giant",
        "clip-base",
        "vgg16",
        "resnet18",
        "resnet34",
        "resnet50",
        "r3m-18",
        "r3m-34",
        "r3m-50",
        "vip",
        "vjepa2-large",
        "vjepa2-huge",
        "vjepa2-giant",
        "vjepa2-giant-384",
    ];

    /// The encoder of that name, with the preprocessing of Nayebi et al. 2023 (V-JEPA 2, which is not
    /// theirs, with its authors').
    ///
    /// # Errors
    /// [`Error::Config`] for another name.
    pub fn named(name: &str) -> Result<Self> {
        let vit = |config| (Architecture::Vit(config), Preprocess::bicubic_256());
        let resnet = |config| (Architecture::Resnet(config), Preprocess::bilinear_256());
        let vjepa2 = |config: Vjepa2Config| {
            let preprocess = Preprocess::vjepa2(config.image);
            (Architecture::Vjepa2(config), preprocess)
        };
        let (architecture, preprocess) = match name {
            "vc1-large" => vit(VitConfig::large_16()),
            "vc1-base" | "deit-base" => vit(VitConfig::base_16()),
            "dino-small" => vit(VitConfig::small_16()),
            "dinov2-small" => vit(VitConfig::dinov2_small()),
            "dinov2-base" => vit(VitConfig::dinov2_base()),
            "dinov2-large" => vit(VitConfig::dinov2_large()),
            "dinov2-giant" => vit(VitConfig::dinov2_giant()),
            "clip-base" => (
                Architecture::Clip(ClipConfig::base_32()),
                Preprocess::clip(),
            ),
            "vgg16" => {
                let vgg = Architecture::Vgg(VggConfig::vgg16_bn());
                (vgg, Preprocess::bilinear_256())
            }
            "resnet18" | "r3m-18" => resnet(ResnetConfig::resnet18()),
            "resnet34" | "r3m-34" => resnet(ResnetConfig::resnet34()),
            "resnet50" | "r3m-50" => resnet(ResnetConfig::resnet50()),
            "vip" => resnet(ResnetConfig::vip()),
            "vjepa2-large" => vjepa2(Vjepa2Config::large()),
            "vjepa2-huge" => vjepa2(Vjepa2Config::huge()),
            "vjepa2-giant" => vjepa2(Vjepa2Config::giant()),
            "vjepa2-giant-384" => vjepa2(Vjepa2Config::giant_384()),
            other => {
                return Err(Error::Config {
                    place: "encoder".into(),
                    field: "name".into(),
                    expected: format!("one of {}", Self::NAMES.join(", ")),
                    found: other.into(),
                });
            }
        };
        Ok(Self {
            name: name.into(),
            architecture,
            preprocess,
        })
    }

    /// Tensor names and shapes of the network.
    #[must_use]
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        match &self.architecture {
            Architecture::Vit(config) => Vit::shapes(config),
            Architecture::Resnet(config) => Resnet::shapes(config),
            Architecture::Clip(config) => Clip::shapes(config),
            Architecture::Vgg(config) => Vgg::shapes(config),
            Architecture::Vjepa2(config) => Vjepa2::shapes(config),
        }
    }

    /// Where its tensors stand in the file its authors published: R3M and VIP under `convnet.`, the
    /// others without a prefix.
    #[must_use]
    pub fn part(&self) -> Part {
        let convnet = self.name.starts_with("r3m") || self.name == "vip";
        self.part_at(if convnet { "convnet." } else { "" })
    }

    /// Where its tensors stand in this file: the layouts of its authors' files, of the
    /// `transformers` library's, and of released checkpoints of encoder and dynamics are tried in
    /// turn. Where none fits, [`PublishedEncoder::part`], whose conversion then names what is missing.
    #[must_use]
    pub fn part_in(&self, checkpoint: &Checkpoint) -> Part {
        let shapes = || self.shapes();
        let plain = |prefix: &str| self.part_at(prefix);
        let combined = |inner: &str| Part::new(format!("encoder.{inner}"), shapes());
        let candidates = match &self.architecture {
            Architecture::Vit(_) => vec![
                plain(""),
                combined("vc1."),
                combined("deit."),
                combined("dino."),
                combined("dinov2."),
                Part::renamed("", shapes(), Vit::hugging_face).beside(&["pooler"]),
                Part::renamed("dinov2.", shapes(), Vit::hugging_face).beside(&["classifier"]),
            ],
            Architecture::Resnet(_) => vec![
                plain(""),
                plain("convnet."),
                combined("r3m.module.convnet."),
                combined("vip.module.convnet."),
                combined("resnet."),
            ],
            Architecture::Clip(_) => vec![plain("")],
            // The published model drops a layer between the two and so counts one less.
            Architecture::Vgg(_) => vec![
                plain(""),
                Part::renamed("encoder.vgg.", shapes(), |name| {
                    vec![name.replace("classifier.3.", "classifier.2.")]
                }),
            ],
            Architecture::Vjepa2(_) => vec![
                plain("").beside(&["pos_embed"]),
                plain("backbone.").beside(&["pos_embed"]),
                Part::renamed("encoder.", shapes(), Vjepa2::hugging_face).beside(&["predictor"]),
            ],
        };
        let fits = candidates.into_iter().find(|p| p.begins_in(checkpoint));
        fits.unwrap_or_else(|| self.part())
    }

    /// The same under another prefix, as inside a released checkpoint of encoder and dynamics
    /// (`encoder.vc1.`, `encoder.r3m.module.convnet.`, `encoder.vip.module.convnet.`).
    #[must_use]
    pub fn part_at(&self, prefix: &str) -> Part {
        Part::new(prefix, self.shapes())
    }

    /// The encoder with its weights.
    ///
    /// # Errors
    /// As [`Vit::new`], [`Resnet::new`], [`Clip::new`] and [`Vgg::new`].
    pub fn build(
        &self,
        tensors: &BTreeMap<String, Tensor>,
        sha256: String,
    ) -> Result<Box<dyn Encoder>> {
        let (before, name) = (self.preprocess.clone(), self.name.as_str());
        Ok(match self.architecture.clone() {
            Architecture::Vit(c) => Box::new(Vit::new(c, before, tensors, name, sha256)?),
            Architecture::Resnet(c) => Box::new(Resnet::new(c, before, tensors, name, sha256)?),
            Architecture::Clip(c) => Box::new(Clip::new(c, before, tensors, name, sha256)?),
            Architecture::Vgg(c) => Box::new(Vgg::new(c, before, tensors, name, sha256)?),
            Architecture::Vjepa2(c) => Box::new(Vjepa2::new(c, before, tensors, name, sha256)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Counts of the published files: VC-1 L 294 tensors, 303,301,632 values; B 85,798,656 values;
    // ResNet-50 53 convolutions and 53 batch norms of five (318, with their counters).
    #[test]
    fn sizes_are_those_of_the_published_files() {
        let count = |name: &str| {
            let shapes = PublishedEncoder::named(name).unwrap().shapes();
            let values: usize = shapes
                .iter()
                .map(|(_, s)| s.iter().product::<usize>())
                .sum();
            (shapes.len(), values)
        };
        assert_eq!(count("vc1-large"), (294, 303_301_632));
        assert_eq!(count("deit-base"), (150, 85_798_656));
        assert_eq!(count("dino-small"), (150, 21_665_664));
        assert_eq!(count("r3m-50").0 + 53, 318);
        assert_eq!(count("resnet18").0 + 20, 120);
        assert_eq!(count("vip").0, count("resnet50").0 + 2);
        // The same networks in transformers 5.23 and torchvision 0.29, counted there.
        for (name, values) in [
            ("dinov2-small", 22_056_192),
            ("dinov2-base", 86_579_712),
            ("dinov2-large", 304_367_616),
            ("dinov2-giant", 1_136_479_232),
            ("clip-base", 87_849_216),
            ("vgg16", 134_277_440),
            ("resnet18", 11_186_112),
            ("r3m-34", 21_301_696),
            ("resnet50", 23_561_152),
            // VJEPA2Model(VJEPA2Config(hidden_size, ...)).encoder in transformers 5.23.
            ("vjepa2-large", 303_885_312),
        ] {
            assert_eq!(count(name).1, values, "{name}");
        }
    }

    #[test]
    fn every_name_is_known_and_another_is_refused() {
        for name in PublishedEncoder::NAMES {
            let encoder = PublishedEncoder::named(name).unwrap();
            let text = serde_json::to_string(&encoder).unwrap();
            assert_eq!(
                serde_json::from_str::<PublishedEncoder>(&text).unwrap(),
                encoder
            );
        }
        let error = PublishedEncoder::named("vc2").unwrap_err();
        assert!(error.to_string().contains("vc1-large"));
    }
}
