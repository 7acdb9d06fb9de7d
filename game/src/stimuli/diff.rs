//! What two stimulus sets differ in, by their manifests and tables.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::stimuli::manifest::{FileEntry, Manifest};
use crate::stimuli::write::set_of;
use crate::task::set::SetCondition;

/// One thing that two sets differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is: a field of the manifest, `condition ID`, or `file PATH`.
    pub what: String,
    /// In the first set.
    pub first: String,
    /// In the second set.
    pub second: String,
}

/// Everything that the sets of two folders differ in: fields of the manifests, conditions, and files
/// by their SHA-256. Files are not read but for the condition tables; [`verify`](super::verify())
/// does that. Nothing where the sets are the same.
///
/// # Errors
/// As [`open_set`](super::open_set), but for imported frames.
pub fn diff(first: impl AsRef<Path>, second: impl AsRef<Path>) -> Result<Vec<Difference>> {
    let read = |folder: &Path| {
        let manifest = Manifest::read(folder)?;
        let set = set_of(folder, &manifest)?;
        Ok::<_, crate::Error>((manifest, set))
    };
    let (a, set_a) = read(first.as_ref())?;
    let (b, set_b) = read(second.as_ref())?;
    let mut found = Vec::new();
    let mut note = |what: String, first: Option<String>, second: Option<String>| {
        if first != second {
            let say = |side: Option<String>| side.unwrap_or_else(|| "absent".into());
            found.push(Difference {
                what,
                first: say(first),
                second: say(second),
            });
        }
    };
    let (fields_a, fields_b) = (fields(&a), fields(&b));
    for (name, value) in &fields_a {
        note(
            name.clone(),
            Some(value.clone()),
            fields_b.get(name).cloned(),
        );
    }
    for (name, value) in &fields_b {
        if !fields_a.contains_key(name) {
            note(name.clone(), None, Some(value.clone()));
        }
    }
    let by_id = |of: &[SetCondition]| -> BTreeMap<String, String> {
        of.iter().map(|c| (c.id().to_owned(), about(c))).collect()
    };
    let (a_ids, b_ids) = (by_id(set_a.conditions()), by_id(set_b.conditions()));
    for id in union(a_ids.keys(), b_ids.keys()) {
        note(
            format!("condition {id}"),
            a_ids.get(id).cloned(),
            b_ids.get(id).cloned(),
        );
    }
    let order =
        |of: &[SetCondition]| -> Vec<String> { of.iter().map(|c| c.id().to_owned()).collect() };
    let (a_order, b_order) = (order(set_a.conditions()), order(set_b.conditions()));
    if a_order != b_order && a_ids == b_ids {
        let say = |order: &[String]| Some(format!("{:?} …", &order[..order.len().min(4)]));
        note("order of conditions".into(), say(&a_order), say(&b_order));
    }
    let by_path = |files: &[FileEntry]| -> BTreeMap<String, String> {
        files
            .iter()
            .map(|f| (f.path.clone(), f.sha256.clone()))
            .collect()
    };
    let (a_files, b_files) = (by_path(&a.files), by_path(&b.files));
    for path in union(a_files.keys(), b_files.keys()) {
        note(
            format!("file {path}"),
            a_files.get(path).cloned(),
            b_files.get(path).cloned(),
        );
    }
    Ok(found)
}

fn union<'a, T: Ord>(
    a: impl Iterator<Item = &'a T>,
    b: impl Iterator<Item = &'a T>,
) -> std::collections::BTreeSet<&'a T> {
    a.chain(b).collect()
}

fn about(condition: &SetCondition) -> String {
    let start = condition.start().map_or_else(
        || {
            let truth = condition.truth();
            let last = truth.last().map_or((0.0, 0.0), |f| (f.x_deg, f.y_deg));
            format!("{} recorded frames to {last:?} deg", truth.len())
        },
        |c| {
            format!(
                "x0 {} y0 {} heading {} deg, {} deg/s",
                c.x0_deg(),
                c.y0_deg(),
                c.heading0_deg(),
                c.speed_deg_per_s()
            )
        },
    );
    match condition.geometry() {
        published if published.is_published() => start,
        own => format!("{start}, {own:?}"),
    }
}

/// The manifest's fields but for the files, as text.
fn fields(manifest: &Manifest) -> BTreeMap<String, String> {
    let head = Manifest {
        files: Vec::new(),
        ..manifest.clone()
    };
    match serde_json::to_value(head) {
        Ok(serde_json::Value::Object(map)) => map
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect(),
        _ => BTreeMap::new(),
    }
}
