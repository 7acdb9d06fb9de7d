//! safetensors: a header of JSON, then the elements.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

use super::{Arrays, Held, Place, wrong};
use crate::error::{Result, quoted};
use crate::value::{ByteOrder, Dtype};

/// Longest header, bytes.
const LONGEST: u64 = 16 << 20;

/// Refuses a header that names a tensor twice: of the two, readers take either.
///
/// # Errors
/// The name, or what is wrong with the header.
pub fn once_each(header: &[u8]) -> std::result::Result<(), String> {
    struct Once;
    impl<'de> Visitor<'de> for Once {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("an object of tensors")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
            let mut seen = BTreeSet::new();
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                if let Some(name) = seen.replace(name) {
                    return Err(serde::de::Error::custom(format!("the tensor {name} twice")));
                }
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(Once).map_err(|e| e.to_string())
}

pub(super) fn open(mut file: File) -> Result<Arrays> {
    let failed = |error: std::io::Error| wrong(error.to_string());
    let whole = file.metadata().map_err(failed)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(failed)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST || length + 8 > whole {
        let why = format!("a header of {length} bytes in a file of {whole}");
        return Err(wrong(why));
    }
    let mut head = Vec::new();
    file.by_ref()
        .take(length)
        .read_to_end(&mut head)
        .map_err(failed)?;
    once_each(&head).map_err(wrong)?;
    let header: Json = serde_json::from_slice(&head).map_err(|e| wrong(e.to_string()))?;
    let mut arrays = Arrays::of("safetensors");
    for (name, about) in header.as_object().into_iter().flatten() {
        if name == "__metadata__" {
            let texts = about.as_object().into_iter().flatten();
            let texts = texts.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
            arrays.notes.extend(texts);
            continue;
        }
        let descr = match about["dtype"].as_str() {
            Some("F64") => "<f8",
            Some("F32") => "<f4",
            Some("F16") => "<f2",
            Some("BF16") => "<u2",
            Some("I64") => "<i8",
            Some("I32") => "<i4",
            Some("I16") => "<i2",
            Some("I8") => "|i1",
            Some("U8") => "|u1",
            Some("BOOL") => "|b1",
            other => {
                let what = format!("elements of type {}", other.unwrap_or("unknown"));
                arrays.left_out.push((name.clone(), what));
                continue;
            }
        };
        let lengths = |key: &str| -> Option<Vec<u64>> {
            about[key].as_array()?.iter().map(Json::as_u64).collect()
        };
        let shape = lengths("shape").and_then(|shape| {
            let lengths = shape.into_iter().map(|n| usize::try_from(n).ok());
            lengths.collect::<Option<Vec<_>>>()
        });
        let (Some(shape), Some(dtype)) = (shape, Dtype::parse(descr)) else {
            return Err(wrong(format!("{}: a false shape", quoted(name))));
        };
        let mut held = Held {
            shape,
            axes: Vec::new(),
            dtype,
            place: Place::At(0),
        };
        let span = lengths("data_offsets");
        let (Some(&[from, to]), Some(bytes)) = (span.as_deref(), held.bytes()) else {
            return Err(wrong(format!("{}: a false place", quoted(name))));
        };
        let end = to.checked_add(8 + length);
        if to.checked_sub(from) != Some(bytes) || end.is_none_or(|end| end > whole) {
            let found = format!("bytes {from} to {to} for shape {:?}", held.shape);
            return Err(wrong(format!("{}: {found}", quoted(name))));
        }
        held.place = Place::At(8 + length + from);
        if about["dtype"] == "BF16" {
            held = widened(&mut file, &held, 8 + length + from, bytes)?;
        }
        arrays.held.insert(name.clone(), held);
    }
    arrays.file = Some(file);
    Ok(arrays)
}

/// bfloat16 as f32, in memory.
fn widened(file: &mut File, held: &Held, from: u64, bytes: u64) -> Result<Held> {
    let failed = |error: std::io::Error| wrong(error.to_string());
    if bytes > super::MOST_PACKED {
        return Err(wrong("bfloat16 of more than 256 MiB; save it as f32"));
    }
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut narrow = Vec::new();
    file.take(bytes).read_to_end(&mut narrow).map_err(failed)?;
    let pairs = narrow.as_chunks::<2>().0;
    let wide: Vec<u8> = pairs.iter().flat_map(|[a, b]| [0, 0, *a, *b]).collect();
    Ok(Held {
        dtype: super::dtype(crate::value::Kind::Float, 4, ByteOrder::Little),
        place: Place::Memory(Arc::new(wide), false),
        ..held.clone()
    })
}
