//! Published weight files: where they stand, under which licence, and whom to cite. Nothing of them
//! is part of this project, and nothing is fetched unless a user asks.

use serde::Serialize;

/// How the content of a file is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "known", content = "sha256")]
pub enum Checksum {
    /// The SHA-256, as stated by a third party for the file of this address.
    Sha256(&'static str),
    /// The first digits of the SHA-256, which the file's name carries (PyTorch's convention).
    Sha256Prefix(&'static str),
    /// No source states it.
    Unknown,
}

/// A published weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Name, as on the command line.
    pub name: &'static str,
    /// The encoder it is of, as [`crate::encoders::PublishedEncoder::named`] knows it.
    pub encoder: &'static str,
    /// The dynamics that stand in the same file.
    pub dynamics: Option<&'static str>,
    /// The file's name on disk.
    pub file: &'static str,
    /// Its folder's address, with the last slash.
    pub folder: &'static str,
    /// Its name in the address, percent-encoded.
    pub path: &'static str,
    /// Size in bytes as published or estimated, to two or three digits; the server's word counts.
    pub about_bytes: Option<u64>,
    /// Licence as its authors state it.
    pub licence: &'static str,
    /// What is known of the content.
    pub checksum: Checksum,
    /// The paper.
    pub citation: &'static str,
}

impl Published {
    /// The file's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.folder, self.path)
    }
}

/// The file of that name (of the entry, or of the file on disk).
#[must_use]
pub fn find(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|p| p.name == name || p.file == name)
}

const META: &str = "https://dl.fbaipublicfiles.com/";
const HUB: &str = "https://huggingface.co/";
const TORCH: &str = "https://download.pytorch.org/models/";
const TORCH_RL: &str = "https://pytorch.s3.amazonaws.com/models/rl/";
const MENTAL_SIM: &str = "https://huggingface.co/anayebi/mental-sim-models/resolve/main/";

const VC1: &str = "Majumdar et al. 2023, arXiv:2303.18240";
const R3M: &str = "Nair et al. 2022, arXiv:2203.12601";
const VIP: &str = "Ma et al. 2022, arXiv:2210.00030";
const DINOV2: &str = "Oquab et al. 2023, arXiv:2304.07193";
const DINO: &str = "Caron et al. 2021, arXiv:2104.14294";
const DEIT: &str = "Touvron et al. 2021, arXiv:2012.12877";
const CLIP: &str = "Radford et al. 2021, arXiv:2103.00020";
const RESNET: &str = "He et al. 2016, arXiv:1512.03385";
const VGG: &str = "Simonyan & Zisserman 2015, arXiv:1409.1556";
const VJEPA2: &str = "Assran et al. 2025, arXiv:2506.09985";
const NAYEBI: &str = "Nayebi et al. 2023, arXiv:2305.11772";

const NO_LICENCE: &str = "none stated (all rights reserved)";

const fn entry(
    name: &'static str,
    file: &'static str,
    folder: &'static str,
    path: &'static str,
    about_mb: u64,
    licence: &'static str,
    citation: &'static str,
) -> Published {
    Published {
        name,
        encoder: name,
        dynamics: None,
        file,
        folder,
        path,
        about_bytes: if about_mb == 0 {
            None
        } else {
            Some(about_mb * 1_000_000)
        },
        licence,
        checksum: Checksum::Unknown,
        citation,
    }
}

const fn prefixed(entry: Published, digits: &'static str) -> Published {
    Published {
        checksum: Checksum::Sha256Prefix(digits),
        ..entry
    }
}

const fn sim(
    name: &'static str,
    path: &'static str,
    encoder: &'static str,
    dynamics: &'static str,
    about_mb: u64,
) -> Published {
    Published {
        encoder,
        dynamics: Some(dynamics),
        ..entry(name, name, MENTAL_SIM, path, about_mb, NO_LICENCE, NAYEBI)
    }
}

/// Every file that is known, in the order of the encoders' names.
pub const PUBLISHED: [Published; 29] = [
    Published {
        checksum: Checksum::Sha256(
            "89d59b6e0fe627ee13dd49011d9e3178fc5749237b3963608213ba210257d79a",
        ),
        ..entry(
            "vc1-large",
            "vc1-large.bin",
            HUB,
            "facebook/vc1-large/resolve/main/pytorch_model.bin",
            1320,
            "CC-BY-NC-4.0",
            VC1,
        )
    },
    entry(
        "vc1-base",
        "vc1_vitb.pth",
        META,
        "eai-vc/vc1_vitb.pth",
        448,
        "CC-BY-NC-4.0",
        VC1,
    ),
    prefixed(
        entry(
            "deit-base",
            "deit_base_patch16_224-b5f2ef4d.pth",
            META,
            "deit/deit_base_patch16_224-b5f2ef4d.pth",
            346,
            "Apache-2.0",
            DEIT,
        ),
        "b5f2ef4d",
    ),
    entry(
        "dino-small",
        "dino_deitsmall16_pretrain.pth",
        META,
        "dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth",
        87,
        "Apache-2.0",
        DINO,
    ),
    entry(
        "dinov2-small",
        "dinov2_vits14_pretrain.pth",
        META,
        "dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        88,
        "Apache-2.0",
        DINOV2,
    ),
    entry(
        "dinov2-base",
        "dinov2_vitb14_pretrain.pth",
        META,
        "dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
        346,
        "Apache-2.0",
        DINOV2,
    ),
    entry(
        "dinov2-large",
        "dinov2_vitl14_pretrain.pth",
        META,
        "dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        1220,
        "Apache-2.0",
        DINOV2,
    ),
    entry(
        "dinov2-giant",
        "dinov2_vitg14_pretrain.pth",
        META,
        "dinov2/dinov2_vitg14/dinov2_vitg14_pretrain.pth",
        4550,
        "Apache-2.0",
        DINOV2,
    ),
    entry(
        "clip-base",
        "clip-vit-base-patch32.bin",
        HUB,
        "openai/clip-vit-base-patch32/resolve/main/pytorch_model.bin",
        605,
        "MIT",
        CLIP,
    ),
    prefixed(
        entry(
            "vgg16",
            "vgg16_bn-6c64b313.pth",
            TORCH,
            "vgg16_bn-6c64b313.pth",
            554,
            "BSD-3-Clause",
            VGG,
        ),
        "6c64b313",
    ),
    prefixed(
        entry(
            "resnet18",
            "resnet18-f37072fd.pth",
            TORCH,
            "resnet18-f37072fd.pth",
            47,
            "BSD-3-Clause",
            RESNET,
        ),
        "f37072fd",
    ),
    prefixed(
        entry(
            "resnet34",
            "resnet34-b627a593.pth",
            TORCH,
            "resnet34-b627a593.pth",
            87,
            "BSD-3-Clause",
            RESNET,
        ),
        "b627a593",
    ),
    prefixed(
        entry(
            "resnet50",
            "resnet50-0676ba61.pth",
            TORCH,
            "resnet50-0676ba61.pth",
            103,
            "BSD-3-Clause",
            RESNET,
        ),
        "0676ba61",
    ),
    entry(
        "r3m-18",
        "r3m_18.pt",
        TORCH_RL,
        "r3m/r3m_18.pt",
        0,
        "MIT",
        R3M,
    ),
    entry(
        "r3m-34",
        "r3m_34.pt",
        TORCH_RL,
        "r3m/r3m_34.pt",
        0,
        "MIT",
        R3M,
    ),
    entry(
        "r3m-50",
        "r3m_50.pt",
        TORCH_RL,
        "r3m/r3m_50.pt",
        0,
        "MIT",
        R3M,
    ),
    entry(
        "vip",
        "vip.pt",
        TORCH_RL,
        "vip/model.pt",
        0,
        "CC-BY-NC-4.0",
        VIP,
    ),
    entry(
        "vjepa2-large",
        "vjepa2-vitl-fpc64-256.safetensors",
        HUB,
        "facebook/vjepa2-vitl-fpc64-256/resolve/main/model.safetensors",
        0,
        "MIT and Apache-2.0",
        VJEPA2,
    ),
    entry(
        "vjepa2-huge",
        "vjepa2-vith-fpc64-256.safetensors",
        HUB,
        "facebook/vjepa2-vith-fpc64-256/resolve/main/model.safetensors",
        0,
        "MIT and Apache-2.0",
        VJEPA2,
    ),
    entry(
        "vjepa2-giant",
        "vjepa2-vitg-fpc64-256.safetensors",
        HUB,
        "facebook/vjepa2-vitg-fpc64-256/resolve/main/model.safetensors",
        0,
        "MIT and Apache-2.0",
        VJEPA2,
    ),
    entry(
        "vjepa2-giant-384",
        "vjepa2-vitg-fpc64-384.safetensors",
        HUB,
        "facebook/vjepa2-vitg-fpc64-384/resolve/main/model.safetensors",
        0,
        "MIT and Apache-2.0",
        VJEPA2,
    ),
    sim(
        "VC-1+CTRNN_physion.pt",
        "VC-1%2BCTRNN_physion.pt",
        "vc1-large",
        "ctrnn",
        1260,
    ),
    sim(
        "VC-1+CTRNN_k700.pt",
        "VC-1%2BCTRNN_k700.pt",
        "vc1-large",
        "ctrnn",
        1260,
    ),
    sim(
        "VC-1+LSTM_physion.pt",
        "VC-1%2BLSTM_physion.pt",
        "vc1-large",
        "lstm",
        1330,
    ),
    sim(
        "VC-1+LSTM_k700.pt",
        "VC-1%2BLSTM_k700.pt",
        "vc1-large",
        "lstm",
        1330,
    ),
    sim(
        "R3M+CTRNN_physion.pt",
        "R3M%2BCTRNN_physion.pt",
        "r3m-50",
        "ctrnn",
        0,
    ),
    sim(
        "R3M+CTRNN_k700.pt",
        "R3M%2BCTRNN_k700.pt",
        "r3m-50",
        "ctrnn",
        0,
    ),
    sim(
        "R3M+LSTM_physion.pt",
        "R3M%2BLSTM_physion.pt",
        "r3m-50",
        "lstm",
        0,
    ),
    sim(
        "R3M+LSTM_k700.pt",
        "R3M%2BLSTM_k700.pt",
        "r3m-50",
        "lstm",
        0,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::encoders::PublishedEncoder;

    #[test]
    fn every_entry_is_of_a_known_encoder_and_every_encoder_has_one() {
        let names: BTreeSet<&str> = PUBLISHED.iter().map(|p| p.name).collect();
        let files: BTreeSet<&str> = PUBLISHED.iter().map(|p| p.file).collect();
        assert_eq!(
            (names.len(), files.len()),
            (PUBLISHED.len(), PUBLISHED.len())
        );
        for published in &PUBLISHED {
            PublishedEncoder::named(published.encoder).unwrap();
            assert!(published.url().starts_with("https://"));
            assert!(!published.url().contains('+'), "{}", published.url());
            if let Checksum::Sha256(digits) = published.checksum {
                assert_eq!(digits.len(), 64);
            }
            if let Checksum::Sha256Prefix(digits) = published.checksum {
                assert!(published.path.contains(digits));
            }
        }
        for name in PublishedEncoder::NAMES {
            assert!(find(name).is_some(), "{name}");
        }
    }

    // A file cannot be smaller than the values of its network in half precision.
    #[test]
    fn stated_sizes_can_hold_their_networks() {
        for published in &PUBLISHED {
            let values = PublishedEncoder::named(published.encoder).unwrap().values();
            if let Some(bytes) = published.about_bytes {
                assert!(bytes > 2 * values, "{}", published.name);
                assert!(bytes < 8 * values, "{}", published.name);
            }
        }
    }
}
