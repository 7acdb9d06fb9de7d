//! What network a file's names and shapes are of, where they say so without doubt.

use std::collections::BTreeMap;

use super::convert::{Checkpoint, Part};
use crate::dynamics::{CellKind, DynamicsConfig, MlpConfig, Rollout, Skip};
use crate::encoders::{Architecture, PublishedEncoder, ResnetBlock, ResnetConfig, VitConfig};

/// Units of a head in every published transformer here.
const HEAD: usize = 64;

/// Size and kind of a dynamics module.
#[derive(Clone, Debug, PartialEq)]
pub enum DynamicsNetwork {
    /// A recurrent cell with its regressor.
    Recurrent(DynamicsConfig),
    /// A perceptron over a window.
    Mlp(MlpConfig),
}

impl DynamicsNetwork {
    /// Length of a latent vector.
    #[must_use]
    pub fn latent(&self) -> usize {
        match self {
            Self::Recurrent(config) => config.latent,
            Self::Mlp(config) => config.latent,
        }
    }

    /// Tensor names and shapes.
    #[must_use]
    pub fn shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        match self {
            Self::Recurrent(config) => config.shapes(),
            Self::Mlp(config) => config.shapes(),
        }
    }
}

/// The dynamics that stand under `dynamics.` in a file, or in one that holds nothing else without that prefix,
/// with the published equations (dt/τ 0.1, state started anew for every step), or nothing.
#[must_use]
pub fn dynamics(file: &Checkpoint) -> Option<DynamicsNetwork> {
    dynamics_under("dynamics.", file).or_else(|| dynamics_under("", file))
}

/// Where the tensors of dynamics stand in a file.
#[must_use]
pub fn dynamics_part(file: &Checkpoint, network: &DynamicsNetwork) -> Part {
    let shapes = network.shapes();
    match dynamics_under("dynamics.", file) {
        Some(_) => Part::new("", shapes),
        None => Part::renamed("", shapes, |name| {
            vec![name.trim_start_matches("dynamics.").to_string()]
        }),
    }
}

fn dynamics_under(prefix: &str, file: &Checkpoint) -> Option<DynamicsNetwork> {
    let shape = |name: &str| file.shape(&format!("{prefix}{name}"));
    let rows = |name: &str| shape(name).and_then(|s| s.first().copied());
    if let Some([latent, hidden]) = shape("regressor.2.weight") {
        let inputs = *shape("regressor.0.weight")?.get(1)?;
        return Some(DynamicsNetwork::Mlp(MlpConfig {
            latent: *latent,
            hidden: *hidden,
            window: inputs.checked_div(*latent)?,
        }));
    }
    let (cell, hidden) = if let Some(hidden) = rows("ctrnn.ah0") {
        (CellKind::Ctrnn, hidden)
    } else if let Some(rows) = rows("lstm.weight_ih_l0") {
        (CellKind::Lstm, rows / 4)
    } else {
        (CellKind::Gru, rows("gru.weight_ih_l0")? / 3)
    };
    Some(DynamicsNetwork::Recurrent(DynamicsConfig {
        cell,
        latent: rows("regressor.weight")?,
        fixed: 0,
        hidden,
        dt_over_tau: 0.1,
        skip: Skip::None,
        rollout: Rollout::Restart,
    }))
}

/// Where the encoder stands in a released checkpoint, and the published encoder of that name.
const COMBINED: [(&str, &str); 8] = [
    ("encoder.vc1.", "vc1-large"),
    ("encoder.r3m.module.convnet.", "r3m-50"),
    ("encoder.vip.module.convnet.", "vip"),
    ("encoder.deit.", "deit-base"),
    ("encoder.dino.", "dino-small"),
    ("encoder.dinov2.", "dinov2-giant"),
    ("encoder.resnet.", "resnet50"),
    ("encoder.vgg.", "vgg16"),
];

/// The encoder of a released checkpoint of encoder and dynamics: the published one where its shapes
/// are those of the file, else one of the same kind with the file's sizes; or nothing.
///
/// The sizes of a transformer do not say how many heads it has: of one whose width is no multiple of
/// 64 the number has to be told.
#[must_use]
pub fn combined_encoder(file: &Checkpoint) -> Option<PublishedEncoder> {
    let known = |prefix: &str| file.tensors().any(|(name, _)| name.starts_with(prefix));
    let (prefix, name) = COMBINED.into_iter().find(|(prefix, _)| known(prefix))?;
    let published = PublishedEncoder::named(name).ok()?;
    let same = published.part_in(file).first_missing(file).is_none();
    if same {
        return Some(published);
    }
    let architecture = architecture(file, prefix, &published)?;
    Some(PublishedEncoder {
        name: format!("{name}-resized"),
        architecture,
        preprocess: published.preprocess,
    })
}

/// A network of the kind of `like` with the sizes found under `prefix`.
#[must_use]
pub fn architecture(
    file: &Checkpoint,
    prefix: &str,
    like: &PublishedEncoder,
) -> Option<Architecture> {
    let shape = |name: &str| file.shape(&format!("{prefix}{name}"));
    match &like.architecture {
        Architecture::Vit(published) => {
            let &[_, _, dim] = shape("cls_token")? else {
                return None;
            };
            let &[_, tokens, _] = shape("pos_embed")? else {
                return None;
            };
            let depth = count(file, &format!("{prefix}blocks."));
            let gated = shape("blocks.0.mlp.w3.weight").is_some();
            let out = if gated {
                "blocks.0.mlp.w3.weight"
            } else {
                "blocks.0.mlp.fc2.weight"
            };
            Some(Architecture::Vit(VitConfig {
                dim,
                depth,
                heads: dim.is_multiple_of(HEAD).then_some(dim / HEAD)?,
                patch: *shape("patch_embed.proj.weight")?.get(2)?,
                hidden: *shape(out)?.get(1)?,
                grid: tokens.saturating_sub(1).isqrt(),
                layer_scale: shape("blocks.0.ls1.gamma").is_some(),
                gated,
                ..published.clone()
            }))
        }
        Architecture::Resnet(_) => {
            let layers = [1, 2, 3, 4].map(|k| count(file, &format!("{prefix}layer{k}.")));
            Some(Architecture::Resnet(ResnetConfig {
                block: if shape("layer1.0.conv3.weight").is_some() {
                    ResnetBlock::Bottleneck
                } else {
                    ResnetBlock::Basic
                },
                layers,
                width: *shape("conv1.weight")?.first()?,
                fc: match like.name.as_str() {
                    "vip" => shape("fc.weight").and_then(|s| s.first().copied()),
                    _ => None,
                },
            }))
        }
        _ => None,
    }
}

/// Members of a numbered list of names: `<prefix><number>.…`.
fn count(file: &Checkpoint, prefix: &str) -> usize {
    let numbers: BTreeMap<usize, ()> = file
        .tensors()
        .filter_map(|(name, _)| name.strip_prefix(prefix)?.split('.').next()?.parse().ok())
        .map(|n| (n, ()))
        .collect();
    numbers.len()
}
