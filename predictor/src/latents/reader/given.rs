//! Latents that a program holds in memory, checked as those of a file are.

use std::path::Path;
use std::sync::Arc;

use mental_pong_formats::arrays::{Arrays, Held, RowOf, Rows};
use mental_pong_game::task::{ConditionSet, SetIdentity};

use super::source::{numbers, wrong};
use super::{LatentsFile, unread};
use crate::Result;
use crate::latents::{Latents, LayerInfo};

/// Layers `[condition, step, unit]` that the caller holds, and what they are of.
pub struct GivenLatents {
    /// What errors call them.
    pub name: String,
    /// Conditions and steps.
    pub shape: [usize; 2],
    /// Each layer, and what gives a condition's `[step, unit]` of it, row-major, padding with it.
    pub layers: Vec<(LayerInfo, Arc<RowOf>)>,
    /// `[condition]`: the ids; those of the set, in its order, without them.
    pub ids: Option<Vec<String>>,
    /// By the names that files have for them, `[condition, step]`: `time_ms` (ms from motion onset, NaN where a step is
    /// padding), `frame`, `bin`, `status`. Without a time the steps are the set's frames.
    pub per_step: Vec<(&'static str, Vec<f64>)>,
    /// `[condition]`: steps that are no padding.
    pub n_steps: Option<Vec<usize>>,
    /// The set that they are said to be of.
    pub set: Option<SetIdentity>,
}

impl LatentsFile {
    /// Latents that the caller holds; nothing of them is copied but the condition that is being looked at.
    ///
    /// # Errors
    /// As [`LatentsFile::open`], naming [`GivenLatents::name`] in place of a file.
    pub fn given(given: GivenLatents, set: Option<&ConditionSet>) -> Result<Self> {
        let path = Path::new(&given.name);
        let [conditions, steps] = given.shape;
        let units: Vec<usize> = given.layers.iter().map(|(info, _)| info.units).collect();
        if given.shape.contains(&0) || units.contains(&0) || units.is_empty() {
            let expected = "at least one condition, step and unit";
            let found = format!("{conditions} conditions, {steps} steps, {units:?} units");
            return Err(wrong(path, "array", expected, found));
        }
        let mut arrays = Arrays::of("array");
        if let Some(ids) = &given.ids {
            let text = serde_json::to_string(ids).unwrap_or_default();
            arrays.notes.insert("id".to_owned(), text);
        }
        if let Some(set) = &given.set {
            let notes = &mut arrays.notes;
            notes.insert("set_name".to_owned(), set.name.clone());
            notes.insert("set_sha256".to_owned(), set.sha256.clone());
        }
        for (name, values) in &given.per_step {
            if values.len() != conditions * steps {
                let expected = format!("[{conditions} conditions, {steps} steps]");
                let found = format!("{} numbers", values.len());
                return Err(wrong(path, name, &expected, found));
            }
            let held = numbers(vec![conditions, steps], values).map_err(|e| unread(path, e))?;
            arrays.held.insert((*name).to_owned(), held);
        }
        if let Some(counts) = &given.n_steps {
            let counts: Vec<f64> = counts.iter().map(|n| *n as f64).collect();
            let held = numbers(vec![counts.len()], &counts).map_err(|e| unread(path, e))?;
            arrays.held.insert("n_steps".to_owned(), held);
        }
        for (info, rows) in given.layers {
            let held = Held::with_caller(vec![conditions, steps, info.units], Rows(rows));
            arrays.held.insert(info.name, held);
        }
        Self::of(path, arrays, None, set)
    }

    /// Latents in memory, as the file that they would be written to; `name` is what errors call them.
    ///
    /// # Errors
    /// As [`LatentsFile::given`].
    pub fn held(name: &str, latents: &Arc<Latents>) -> Result<Self> {
        let (n_steps, longest, per_step) = latents.padded_steps();
        let layers = latents.layers.iter().enumerate().map(|(layer, info)| {
            let (held, whole) = (Arc::clone(latents), longest * info.units);
            let rows: Arc<RowOf> = Arc::new(move |condition| {
                let mut row = held.conditions[condition].layers[layer].clone();
                row.resize(whole, f32::NAN);
                Ok(row)
            });
            (info.clone(), rows)
        });
        let given = GivenLatents {
            name: name.into(),
            shape: [latents.conditions.len(), longest],
            layers: layers.collect(),
            ids: Some(latents.conditions.iter().map(|c| c.id.clone()).collect()),
            per_step,
            n_steps: Some(n_steps),
            set: latents.set.clone(),
        };
        Self::given(given, None)
    }
}

/// Arrays `[condition, step]` by the names that files have for them.
type PerStep = Vec<(&'static str, Vec<f64>)>;

/// A layer of a set in one array, as long as the longest condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Padded {
    /// Conditions, steps and units.
    pub shape: [usize; 3],
    /// `[condition, step, unit]`, row-major; NaN beyond a condition's last step.
    pub values: Vec<f32>,
    /// `[condition]`: steps that are no padding.
    pub n_steps: Vec<usize>,
    /// `time_ms`, `frame` and `status`, `[condition, step]`, as [`GivenLatents::per_step`] has them.
    pub per_step: PerStep,
}

impl Latents {
    /// A layer by its place in one array.
    #[must_use]
    pub fn padded(&self, layer: usize) -> Padded {
        let units = self.layers[layer].units;
        let (n_steps, longest, per_step) = self.padded_steps();
        let n = self.conditions.len();
        let mut values = vec![f32::NAN; n * longest * units];
        for (c, condition) in self.conditions.iter().enumerate() {
            let from = c * longest * units;
            let row = &condition.layers[layer];
            values[from..from + row.len()].copy_from_slice(row);
        }
        Padded {
            shape: [n, longest, units],
            values,
            n_steps,
            per_step,
        }
    }

    /// Steps of each condition, those of the longest, and what is said of each.
    fn padded_steps(&self) -> (Vec<usize>, usize, PerStep) {
        let n_steps: Vec<usize> = self.conditions.iter().map(|c| c.steps.len()).collect();
        let longest = n_steps.iter().copied().max().unwrap_or(0);
        let n = self.conditions.len();
        let [mut times, mut frames, mut status] =
            [f64::NAN, -1.0, 255.0].map(|none| vec![none; n * longest]);
        for (c, condition) in self.conditions.iter().enumerate() {
            for (k, step) in condition.steps.iter().enumerate() {
                let at = c * longest + k;
                times[at] = step.time_ms;
                frames[at] = step.frame as f64;
                status[at] = f64::from(step.status.code());
            }
        }
        let per_step = vec![("time_ms", times), ("frame", frames), ("status", status)];
        (n_steps, longest, per_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latents(time_ms: Vec<f64>, rows: Vec<f32>) -> Result<LatentsFile> {
        let given = GivenLatents {
            name: "the array".into(),
            shape: [2, 3],
            layers: vec![(
                LayerInfo {
                    name: "latents".into(),
                    units: 1,
                },
                Arc::new(move |condition| Ok(rows[condition * 3..condition * 3 + 3].to_vec())),
            )],
            ids: Some(vec!["29337".into(), "55062".into()]),
            per_step: vec![("time_ms", time_ms)],
            n_steps: None,
            set: None,
        };
        LatentsFile::given(given, None)
    }

    #[test]
    fn arrays_in_memory_are_read_and_refused_as_files_are() {
        let times = vec![0.0, 50.0, 100.0, 0.0, 50.0, f64::NAN];
        let rows = vec![1.0, 2.0, 3.0, 4.0, 5.0, f32::NAN];
        let mut file = latents(times.clone(), rows).unwrap();
        assert_eq!(file.ids(), ["29337", "55062"]);
        assert_eq!(file.steps(1).len(), 2);
        assert_eq!(file.read(1, 0).unwrap(), [4.0, 5.0]);
        let mut file = latents(times, vec![1.0, f32::NAN, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let message = file.read(0, 0).unwrap_err().to_string();
        assert!(
            message.starts_with("the array: latents, condition 29337, step 1"),
            "{message}"
        );
        let back = vec![0.0, 50.0, 40.0, 0.0, 50.0, 100.0];
        let message = latents(back, vec![0.0; 6]).err().unwrap().to_string();
        assert!(message.contains("time_ms, condition 29337"), "{message}");
    }
}
