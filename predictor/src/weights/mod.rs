//! Weight files: safetensors, loaded strictly.
//!
//! A file is data: names, shapes and types must be exactly those of the model, values finite, and
//! every length is checked before memory is taken (by the `safetensors` reader).

mod bundled;
pub mod catalogue;
pub mod convert;
pub mod infer;
pub mod load;
mod recognise;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};

pub use bundled::{
    Bundled, Loaded, OwnEncoder, bundled, load_dynamics, load_encoder, load_own_encoder,
    load_roomnet, network_bytes,
};
pub(crate) use mental_pong_formats::arrays::once_each;
pub(crate) use recognise::foreign;

use crate::params::Params;
use crate::{Error, Result};

/// Metadata of a weight file.
pub type Metadata = BTreeMap<String, String>;

/// Serialises f32 tensors with metadata. The same tensors give the same bytes.
///
/// # Errors
/// When a tensor cannot be read back from the library.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>, metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    let raw: Vec<(&String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| {
            let values: Vec<f32> = t.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            Ok((name, t.dims().to_vec(), bytes))
        })
        .collect::<Result<_>>()?;
    let failed = |e: safetensors::SafeTensorError| Error::Weights {
        path: "memory".into(),
        tensor: "*".into(),
        expected: "serialisable tensors".into(),
        found: e.to_string(),
    };
    let mut views = Vec::new();
    for (name, shape, bytes) in &raw {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?;
        views.push((name.as_str(), view));
    }
    // One key: a map of several would be written in hash order.
    let text = serde_json::to_string(&metadata.iter().copied().collect::<BTreeMap<_, _>>())
        .map_err(|e| Error::Weights {
            path: "memory".into(),
            tensor: "*".into(),
            expected: "text metadata".into(),
            found: e.to_string(),
        })?;
    let metadata = Some([("mental-pong".to_string(), text)].into_iter().collect());
    safetensors::serialize(views, metadata).map_err(failed)
}

/// Reads what [`to_bytes`] wrote. `path` is named in errors.
///
/// # Errors
/// [`Error::Weights`] for a damaged file, a type other than f32, or a value that is not finite.
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<(BTreeMap<String, Tensor>, Metadata)> {
    let bad = |tensor: &str, expected: &str, found: String| Error::Weights {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        expected: expected.into(),
        found,
    };
    let whole = |found: String| bad("*", "a safetensors file", found);
    let (_, header) =
        safetensors::SafeTensors::read_metadata(bytes).map_err(|e| whole(e.to_string()))?;
    let length = bytes
        .first_chunk::<8>()
        .map_or(0, |n| u64::from_le_bytes(*n));
    let head = usize::try_from(length)
        .ok()
        .and_then(|n| bytes.get(8..8 + n));
    once_each(head.unwrap_or_default()).map_err(whole)?;
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(|e| whole(e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(&name, "f32", format!("{:?}", view.dtype())));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if let Some(v) = values.iter().find(|v| !v.is_finite()) {
            return Err(bad(&name, "finite values", v.to_string()));
        }
        tensors.insert(name, Tensor::from_vec(values, view.shape(), &Device::Cpu)?);
    }
    let metadata = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get("mental-pong"))
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    Ok((tensors, metadata))
}

/// Checks that `tensors` has exactly the names and shapes of `shapes`, and gives parameters.
///
/// # Errors
/// [`Error::Weights`] naming the first tensor that is missing, unexpected or mis-shaped.
pub fn strict(
    path: &Path,
    tensors: BTreeMap<String, Tensor>,
    shapes: &[(&str, Vec<usize>)],
) -> Result<Params> {
    let bad = |tensor: &str, expected: String, found: String| Error::Weights {
        path: path.to_path_buf(),
        tensor: tensor.into(),
        expected,
        found,
    };
    for (name, shape) in shapes {
        match tensors.get(*name) {
            None => return Err(bad(name, format!("shape {shape:?}"), "nothing".into())),
            Some(t) if t.dims() != shape.as_slice() => {
                return Err(bad(
                    name,
                    format!("shape {shape:?}"),
                    format!("shape {:?}", t.dims()),
                ));
            }
            Some(_) => {}
        }
    }
    let mut params = Params::default();
    for (name, tensor) in tensors {
        if !shapes.iter().any(|(known, _)| *known == name) {
            let found = format!("a tensor of shape {:?}", tensor.dims());
            return Err(bad(&name, "no such tensor".into(), found));
        }
        params.insert(&name, &tensor)?;
    }
    Ok(params)
}
