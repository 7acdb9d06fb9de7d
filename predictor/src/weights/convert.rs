//! Published weight files (PyTorch's `.pth` and `.pt`, or safetensors with its authors' names) read
//! as data and turned into safetensors with canonical names.
//!
//! Nothing in a file is executed. Names, shapes and counts must be exactly those of the network;
//! parts that are known to stand beside it (see [`Checkpoint::convert`]) are left out and listed.

mod header;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use mental_pong_base::files::{sha256_file, sha256_hex};
use mental_pong_formats::torch::{self, Object, Objects};
use serde::Serialize;

use self::header::{Safetensors, Span};
use super::recognise::foreign;
use super::{Loaded, Metadata, from_bytes, to_bytes};
use crate::encoders::{Encoder, PublishedEncoder};
use crate::{Error, Result};

/// Keys under which published files keep their tensors; a file without any of them is flat.
const KEYS: [&str; 4] = ["state_dict", "model", "r3m", "vip"];

/// What is wrong with a file, in words.
type Refused = String;

/// Tensors of one network in a file.
#[derive(Clone, Debug)]
pub struct Part {
    from: String,
    entries: Vec<Entry>,
    beside: Vec<String>,
}

/// A tensor under its canonical name, and the tensors of the file that it is put together from, one
/// above the other along the first axis.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    sources: Vec<(String, Vec<usize>)>,
}

impl Part {
    /// The tensors `shapes` (canonical names), found in the file under `from` followed by the name.
    /// Prefixes of wrappers that all names of a file have (`module.`, `_orig_mod.`) are not part of `from`.
    pub fn new<N: Into<String>>(
        from: impl Into<String>,
        shapes: impl IntoIterator<Item = (N, Vec<usize>)>,
    ) -> Self {
        Self::renamed(from, shapes, |name| vec![name.to_string()])
    }

    /// Like [`Part::new`] for a file with other names: `names` gives those that stand for a
    /// canonical one, several where the canonical tensor is them one above the other in equal parts.
    pub fn renamed<N: Into<String>>(
        from: impl Into<String>,
        shapes: impl IntoIterator<Item = (N, Vec<usize>)>,
        names: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let entry = |(name, shape): (N, Vec<usize>)| {
            let name = name.into();
            let names = names(&name);
            let mut part = shape;
            if let Some(rows) = part.first_mut() {
                *rows /= names.len().max(1);
            }
            let sources = names.into_iter().map(|n| (n, part.clone())).collect();
            Entry { name, sources }
        };
        Self {
            from: from.into(),
            entries: shapes.into_iter().map(entry).collect(),
            beside: Vec::new(),
        }
    }

    /// Names (after `from`, or after what `from` stands in) that may stand beside the network in its
    /// authors' file: a tensor of that name, or any below it.
    #[must_use]
    pub fn beside(mut self, names: &[&str]) -> Self {
        self.beside.extend(names.iter().map(ToString::to_string));
        self
    }

    /// Whether the file has the first tensor of this part.
    pub(crate) fn begins_in(&self, checkpoint: &Checkpoint) -> bool {
        let first = self.entries.first().and_then(|e| e.sources.first());
        first.is_some_and(|(name, _)| {
            let full = format!("{}{name}", self.from);
            checkpoint.tensors.contains_key(&full)
        })
    }

    /// The first tensor of this part that the file lacks or has in another shape, by its name there.
    pub(crate) fn first_missing(&self, checkpoint: &Checkpoint) -> Option<String> {
        let sources = self.entries.iter().flat_map(|e| &e.sources);
        sources
            .map(|(name, shape)| (format!("{}{name}", self.from), shape))
            .find(|(full, shape)| checkpoint.shape(full) != Some(shape.as_slice()))
            .map(|(full, _)| full)
    }

    /// `name` relative to this part, or to what this part stands in.
    fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inside = self.from.trim_end_matches('.');
        let parent = inside.rfind('.').map_or("", |end| &self.from[..=end]);
        name.strip_prefix(self.from.as_str())
            .or_else(|| name.strip_prefix(parent))
    }

    /// Whether `rest`, relative to this part, was named by [`Part::beside`].
    fn has_beside(&self, rest: &str) -> bool {
        self.beside.iter().any(|known| {
            let after = rest.strip_prefix(known.as_str());
            after.is_some_and(|after| after.is_empty() || after.starts_with('.'))
        })
    }
}

/// Parts that stand beside an encoder in published files: MAE's decoder input, R3M's language parts,
/// classifiers, CLIP's text tower.
const EXTRAS: [&str; 8] = [
    "mask_token",
    "lang_enc",
    "lang_rew",
    "head",
    "fc",
    "text_model",
    "text_projection",
    "logit_scale",
];

/// Whether a tensor is of a known part that a network's encoder does without.
fn known_extra(parts: &[Part], name: &str) -> bool {
    if name.ends_with(".num_batches_tracked") || name.ends_with(".position_ids") {
        return true;
    }
    parts.iter().any(|part| {
        let Some(rest) = part.relative(name) else {
            return false;
        };
        let first = rest.split('.').next().unwrap_or_default();
        first.starts_with("decoder_")
            || rest.starts_with("classifier.6.")
            || EXTRAS.contains(&first)
            || part.has_beside(rest)
    })
}

/// A published file, opened: its names and shapes are known, its values not yet read.
pub struct Checkpoint {
    path: PathBuf,
    store: Store,
    key: Option<String>,
    tensors: BTreeMap<String, Held>,
    beside: Vec<String>,
    metadata: Metadata,
}

/// Where the values stand.
enum Store {
    Torch(Box<torch::File>),
    Safetensors(Safetensors),
}

/// A tensor of the file.
#[derive(Clone, Debug)]
enum Held {
    Torch(torch::Tensor),
    Safetensors(Span),
}

impl Held {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Torch(stored) => &stored.shape,
            Self::Safetensors(span) => &span.shape,
        }
    }
}

/// What [`Checkpoint::convert`] gives.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The tensors of each part, in the order asked for, by canonical name; f32.
    pub parts: Vec<BTreeMap<String, Tensor>>,
    /// What the file also holds and was left out: names of tensors, and of objects with their class.
    pub dropped: Vec<String>,
    /// The file's name without its folder.
    pub source_file: String,
    /// SHA-256 of the file.
    pub source_sha256: String,
    /// The key the tensors stood under, if the file is not flat.
    pub source_key: Option<String>,
}

pub(crate) fn refused(
    path: &Path,
    tensor: &str,
    expected: &str,
    found: impl Into<String>,
) -> Error {
    Error::Weights {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

impl Checkpoint {
    /// Opens a file and finds its tensors: in a PyTorch file under `state_dict`, `model`, `r3m` or
    /// `vip`, or flat; a safetensors file is flat.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Weights`] for a file that is damaged, of the format before PyTorch
    /// 1.6 (the message says how to convert it), a `TorchScript` archive, a pickled module instead
    /// of a dict, or one with several such keys.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(path, None)
    }

    /// Opens a file whose tensors stand under `key`.
    ///
    /// # Errors
    /// As [`Checkpoint::open`], and when there is no such key.
    pub fn open_key(path: &Path, key: &str) -> Result<Self> {
        Self::open_at(path, Some(key))
    }

    fn open_at(path: &Path, key: Option<&str>) -> Result<Self> {
        let whole = |found: Refused| refused(path, "*", "a PyTorch or safetensors file", found);
        if let Some(found) = foreign(path) {
            return Err(whole(found));
        }
        if let Some(file) = Safetensors::open(path).map_err(|e| Error::io(path, e))? {
            let mut file = file.map_err(whole)?;
            if let Some(key) = key {
                return Err(whole(format!("no key {key}: a safetensors file is flat")));
            }
            let tensors = std::mem::take(&mut file.tensors);
            let tensors = tensors.into_iter();
            let all = tensors.map(|(name, span)| (name, Held::Safetensors(span)));
            return Ok(Self {
                path: path.to_path_buf(),
                tensors: unwrapped(all.collect()),
                metadata: std::mem::take(&mut file.metadata),
                store: Store::Safetensors(file),
                key: None,
                beside: Vec::new(),
            });
        }
        let (file, objects) = torch::File::open(path).map_err(|error| match error {
            mental_pong_formats::Error::Io(error) => Error::io(path, error.source),
            other => whole(other.to_string()),
        })?;
        let mut checkpoint = Self {
            path: path.to_path_buf(),
            store: Store::Torch(Box::new(file)),
            key: None,
            tensors: BTreeMap::new(),
            beside: Vec::new(),
            metadata: Metadata::new(),
        };
        checkpoint.find(&objects, key).map_err(whole)?;
        Ok(checkpoint)
    }

    fn find(&mut self, objects: &Objects, key: Option<&str>) -> std::result::Result<(), Refused> {
        let top = objects.root();
        if let (Some(tensor), None) = (top.tensor(), key) {
            let tensor = Held::Torch(tensor.clone());
            self.tensors.insert("latents".into(), tensor);
            return Ok(());
        }
        let root = entries(top)?;
        let mut found = Vec::new();
        for &(name, value) in &root {
            let Some(name) = name.text() else {
                continue;
            };
            let wanted = key.map_or(KEYS.contains(&name), |key| key == name);
            if wanted && value.entries().is_some() {
                found.push((name, value));
            }
        }
        let state = match (found.as_slice(), key) {
            (&[(name, state)], _) => {
                self.key = Some(name.to_owned());
                state
            }
            ([], None) => top,
            (many, _) => {
                let names: Vec<&str> = root.iter().filter_map(|(n, _)| n.text()).collect();
                return Err(format!(
                    "{} dicts under {}; the file's keys are {names:?}",
                    many.len(),
                    key.unwrap_or("the keys known"),
                ));
            }
        };
        if state != top {
            for (name, value) in root.iter().filter(|(_, value)| *value != state) {
                let name = name.text().unwrap_or("?");
                self.beside.push(format!("{name} ({})", value.kind()));
            }
        }
        let mut all = BTreeMap::new();
        for (name, value) in entries(state)? {
            let wrong = || format!("a {} as the name of an entry", name.kind());
            let name = name.text().ok_or_else(wrong)?;
            let wrong = || format!("a {} as {name}, not a tensor", value.kind());
            let tensor = value.tensor().ok_or_else(wrong)?;
            if all
                .insert(name.to_owned(), Held::Torch(tensor.clone()))
                .is_some()
            {
                return Err(format!("the tensor {name} twice"));
            }
        }
        if all.is_empty() {
            return Err("no tensors".into());
        }
        self.tensors = unwrapped(all);
        Ok(())
    }

    /// The note that [`to_bytes`] left in a safetensors file; empty for others.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The keys that a PyTorch file holds beside its tensors, with their kinds.
    #[must_use]
    pub fn beside(&self) -> &[String] {
        &self.beside
    }

    /// The shape of a tensor, or nothing where there is no such.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Held::shape)
    }

    /// Names and shapes of the tensors, in name order; prefixes of wrappers (`module.`, `_orig_mod.`) that all
    /// names begin with are taken off.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, t)| (name.as_str(), t.shape()))
    }

    /// What the file holds, in words: the number of its tensors, their first names, and the prefix that all share.
    #[must_use]
    pub fn described(&self) -> String {
        let names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        let (Some(first), Some(last)) = (names.first(), names.last()) else {
            return "no tensors".into();
        };
        let shared = first
            .bytes()
            .zip(last.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let prefix = first
            .get(..shared)
            .and_then(|p| p.rfind('.').map(|dot| &p[..=dot]));
        let more = if names.len() > SHOWN { ", …" } else { "" };
        let shown = names[..names.len().min(SHOWN)].join(", ");
        let prefix = prefix.map_or(String::new(), |p| format!("; all names begin with {p}"));
        format!("{} tensors ({shown}{more}){prefix}", names.len())
    }

    /// Reads the tensors of `parts`, which together must be all that the file holds but for what is
    /// known to stand beside them: MAE's `decoder_*` and `mask_token`, R3M's `lang_enc` and
    /// `lang_rew`, a classifier (`head`, `fc`, `classifier.6`) when the network has none, CLIP's text
    /// tower, and counters (`num_batches_tracked`, `position_ids`). Values of 16 or 64 bits become f32.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the first tensor that is missing, unexpected, of another shape or
    /// type, damaged, or holds a value that is not finite.
    pub fn convert(mut self, parts: &[Part]) -> Result<Converted> {
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for part in parts {
            let sources = part.entries.iter().flat_map(|e| &e.sources);
            for (name, shape) in sources {
                let full = format!("{}{name}", part.from);
                let expected = format!("shape {shape:?}");
                match self.tensors.get(&full).map(Held::shape) {
                    None => {
                        let found = format!("nothing; the file has {}", self.described());
                        return Err(refused(&self.path, &full, &expected, found));
                    }
                    Some(found) if found != shape.as_slice() => {
                        let found = format!("shape {found:?}");
                        return Err(refused(&self.path, &full, &expected, found));
                    }
                    Some(_) => {}
                }
                wanted.insert(full);
            }
        }
        let mut dropped = std::mem::take(&mut self.beside);
        for (name, tensor) in &self.tensors {
            if wanted.contains(name) {
                continue;
            }
            if !known_extra(parts, name) {
                let found = format!("a tensor of shape {:?}", tensor.shape());
                return Err(refused(&self.path, name, "no such tensor", found));
            }
            dropped.push(name.clone());
        }
        let source_sha256 = sha256_file(&self.path)?;
        let parts = parts
            .iter()
            .map(|part| {
                part.entries
                    .iter()
                    .map(|entry| {
                        let mut pieces = Vec::with_capacity(entry.sources.len());
                        for (name, _) in &entry.sources {
                            pieces.push(self.read(&format!("{}{name}", part.from))?);
                        }
                        let whole = match pieces.len() {
                            1 => pieces.remove(0),
                            _ => Tensor::cat(&pieces, 0)?,
                        };
                        Ok((entry.name.clone(), whole))
                    })
                    .collect()
            })
            .collect::<Result<_>>()?;
        Ok(Converted {
            parts,
            dropped,
            source_file: self
                .path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            source_sha256,
            source_key: self.key,
        })
    }

    fn read(&mut self, name: &str) -> Result<Tensor> {
        let values = self.values(name)?;
        let shape = self.shape(name).unwrap_or_default();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Reads a tensor's values, row-major.
    ///
    /// # Errors
    /// [`Error::Weights`] for one that is not there, damaged, of another type than floats, or not finite.
    pub fn values(&mut self, name: &str) -> Result<Vec<f32>> {
        let held = self.tensors.get(name).cloned();
        let held = held.ok_or_else(|| refused(&self.path, name, "a tensor", "nothing"))?;
        let values = match (&mut self.store, &held) {
            (Store::Torch(file), Held::Torch(tensor)) => {
                file.values(tensor).map_err(|error| error.to_string())
            }
            (Store::Safetensors(file), Held::Safetensors(span)) => file.values(span),
            _ => Err("a tensor of another file".into()),
        }
        .map_err(|found| refused(&self.path, name, "a readable tensor", found))?;
        if let Some(v) = values.iter().find(|v| !v.is_finite()) {
            return Err(refused(&self.path, name, "finite values", v.to_string()));
        }
        Ok(values)
    }
}

/// The pairs of a dict that should hold tensors.
fn entries<'a>(object: Object<'a>) -> std::result::Result<Vec<(Object<'a>, Object<'a>)>, Refused> {
    let wrong = || format!("a {} where a dict of tensors should be", object.kind());
    Ok(object.entries().ok_or_else(wrong)?.collect())
}

/// What wrappers put before every name: data-parallel training, and compilation.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// Takes wrappers' prefixes off that all names begin with, in whatever order and as often as they stand there.
fn unwrapped(mut all: BTreeMap<String, Held>) -> BTreeMap<String, Held> {
    while let Some(wrapper) = WRAPPERS.into_iter().find(|wrapper| {
        let mut names = all.keys();
        !all.is_empty() && names.all(|name| name.len() > wrapper.len() && name.starts_with(wrapper))
    }) {
        let inner = |(name, tensor): (String, Held)| (name[wrapper.len()..].to_string(), tensor);
        all = all.into_iter().map(inner).collect();
    }
    all
}

/// Names that a refusal shows.
const SHOWN: usize = 3;

impl Converted {
    /// One part as a safetensors file that says what network it is of (`network`, JSON) and where it
    /// comes from (`source_file`, `source_sha256`, `source_key`, `dropped`).
    ///
    /// # Errors
    /// [`Error::Config`] for a part that is not there or a network that cannot be written as JSON.
    pub fn to_bytes(&self, part: usize, network: &impl Serialize) -> Result<Vec<u8>> {
        let bad = |field: &str, found: String| Error::Config {
            place: "conversion".into(),
            field: field.into(),
            expected: "a part of the file and its network".into(),
            found,
        };
        let tensors = self
            .parts
            .get(part)
            .ok_or_else(|| bad("part", part.to_string()))?;
        let network = serde_json::to_string(network).map_err(|e| bad("network", e.to_string()))?;
        let mut notes = self.notes();
        // A network that its names and shapes tell needs no description.
        if network != "null" {
            notes.push(("network", network));
        }
        let notes: Vec<(&str, &str)> = notes.iter().map(|(k, v)| (*k, v.as_str())).collect();
        to_bytes(tensors, &notes)
    }

    /// Where the tensors come from.
    fn notes(&self) -> Vec<(&'static str, String)> {
        let mut notes = vec![
            ("source_file", self.source_file.clone()),
            ("source_sha256", self.source_sha256.clone()),
            ("dropped", self.dropped.join("\n")),
        ];
        notes.extend(self.source_key.clone().map(|key| ("source_key", key)));
        notes
    }
}

impl Converted {
    /// Encoder (the first part) and dynamics (the second) as one safetensors file: the encoder's tensors under
    /// `encoder.net.` with its description in the note `encoder_network`, the dynamics' under their own names.
    ///
    /// # Errors
    /// As [`Converted::to_bytes`].
    pub fn to_combined_bytes(&self, encoder: &PublishedEncoder) -> Result<Vec<u8>> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.parts.iter().flatten() {
            let dynamics = name.starts_with("dynamics.");
            let full = if dynamics {
                name.clone()
            } else {
                format!("{COMBINED}{name}")
            };
            tensors.insert(full, tensor.clone());
        }
        let network = serde_json::to_string(encoder).unwrap_or_default();
        let mut notes = self.notes();
        notes.push((ENCODER_NETWORK, network));
        let notes: Vec<(&str, &str)> = notes.iter().map(|(k, v)| (*k, v.as_str())).collect();
        to_bytes(&tensors, &notes)
    }
}

/// Where the encoder stands in a file of [`Converted::to_combined_bytes`], and the note that describes it.
pub(super) const COMBINED: &str = "encoder.net.";
pub(super) const ENCODER_NETWORK: &str = "encoder_network";

/// Reads an encoder that was converted to safetensors ([`Converted::to_bytes`] with a
/// [`PublishedEncoder`] as its network).
///
/// # Errors
/// [`Error::Io`]; [`Error::Weights`] for a damaged file, one without such a `network`, or tensors that
/// are not exactly the network's.
pub fn load_published(path: &Path) -> Result<Loaded<Box<dyn Encoder>>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let sha256 = sha256_hex(&bytes);
    let (tensors, metadata) = from_bytes(path, &bytes)?;
    drop(bytes);
    let network = metadata
        .get("network")
        .map(String::as_str)
        .unwrap_or_default();
    let encoder: PublishedEncoder = serde_json::from_str(network).map_err(|e| {
        let expected = "metadata `network` with a published encoder";
        refused(path, "*", expected, e.to_string())
    })?;
    Ok(Loaded {
        model: encoder.build(&tensors, sha256.clone())?,
        sha256,
        metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_known_by_their_place() {
        let parts = [Part::new(
            "encoder.r3m.module.convnet.",
            Vec::<(String, _)>::new(),
        )];
        assert!(known_extra(
            &parts,
            "encoder.r3m.module.lang_enc.model.weight"
        ));
        assert!(known_extra(&parts, "encoder.r3m.module.convnet.fc.weight"));
        assert!(known_extra(
            &parts,
            "encoder.r3m.module.convnet.bn1.num_batches_tracked"
        ));
        assert!(!known_extra(
            &parts,
            "encoder.r3m.module.convnet.layer1.head.weight"
        ));
        assert!(!known_extra(&parts, "encoder.lang_enc.weight"));
        assert!(!known_extra(&parts, "decoder_embed.weight"));
    }
}
