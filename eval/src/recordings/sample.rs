//! The 200 conditions of the 2022 paper, `valid_meta_sample_full.pkl`.
//!
//! They were drawn once and cannot be drawn again, so the file is needed for analyses of 2022. Its rows are in no order that
//! means anything: rows are found by `meta_index`, the row in the published table of 472,225 conditions.

use std::path::Path;

use mental_pong_game::task::{Condition, ConditionSet, Law, Set, select};
use serde::Serialize;

use crate::error::{Error, Result};

use super::file::{Format, detect, read_value};
use mental_pong_formats::limits::Limits;
use mental_pong_formats::table::Table;

/// The set of conditions that a name, a folder, a CSV or the file of this module means.
///
/// Errors as [`ConditionSet::open`] and [`MetaSample::open`].
pub fn condition_set(spec: &str) -> Result<ConditionSet> {
    let path = Path::new(spec);
    let pickled = path.is_file()
        && detect(path).is_ok_and(|format| matches!(format, Format::Pickle | Format::PickleGz));
    if pickled {
        return MetaSample::open(path, &Limits::default())?.set();
    }
    Ok(ConditionSet::open(spec)?)
}

/// The table of the file.
#[derive(Debug, Clone)]
pub struct MetaSample {
    table: Table,
    ids: Vec<u32>,
}

/// Largest differences of a [`MetaSample`] from this program's generator, over the conditions both have. NaN where the file
/// lacks the column.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Conditions compared.
    pub conditions: usize,
    /// `x0`, units of the 32 x 32 field.
    pub x0: f64,
    /// `y0`, units.
    pub y0: f64,
    /// `heading0`, radians.
    pub heading0: f64,
    /// `speed0`, units per step.
    pub speed0: f64,
    /// `t_occ`, steps.
    pub t_occ: f64,
    /// `t_f`, steps.
    pub t_f: f64,
    /// `n_bounce_correct`, or `n_bounce` where that is missing.
    pub n_bounce: f64,
}

impl MetaSample {
    /// Open the file: a data frame with a column `meta_index`, from any of the formats that are read.
    ///
    /// [`Error::Io`] if it cannot be opened; inside [`Error::InFile`], [`Error::Field`] if it is no such table or an id is no
    /// whole number or is there twice.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let table = match read_value(path, limits) {
            Ok((_, value)) => Table::from_value(&value)
                .ok_or_else(|| Error::field("the file", "a data frame", value.describe())),
            Err(error) => Err(error),
        };
        table
            .and_then(Self::from_table)
            .map_err(|error| error.in_file(path))
    }

    /// From a table. [`Error::Field`] as in [`MetaSample::open`].
    pub fn from_table(table: Table) -> Result<Self> {
        let ids = table.numbers("meta_index").ok_or_else(|| {
            let have: Vec<&str> = table.columns.iter().map(|(name, _)| &**name).collect();
            let found = format!("only {}", have.join(", "));
            Error::field("meta_index", "a column of ids", found)
        })?;
        let ids: Vec<u32> = ids
            .iter()
            .enumerate()
            .map(|(row, &id)| {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked"
                )]
                (id.fract() == 0.0 && (0.0..4e9).contains(&id))
                    .then_some(id as u32)
                    .ok_or_else(|| {
                        let found = format!("row {}: {id}", row + 1);
                        Error::field("meta_index", "whole numbers", found)
                    })
            })
            .collect::<Result<_>>()?;
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let found = format!("{} twice", pair[0]);
            return Err(Error::field("meta_index", "each id once", found));
        }
        Ok(Self { table, ids })
    }

    /// `[row]`, ids, in the order of the file.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Every column, in the order of the file.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The rows of these ids, in their order. [`Error::Field`] for one that the file lacks.
    pub fn rows_of(&self, ids: &[u32]) -> Result<Vec<usize>> {
        ids.iter()
            .map(|id| {
                self.ids.iter().position(|have| have == id).ok_or_else(|| {
                    Error::field("meta_index", format!("condition {id}"), "no such row")
                })
            })
            .collect()
    }

    /// `[id]`, a column for these ids, in their order. [`Error::Field`] if the file lacks one or the column.
    pub fn numbers(&self, column: &str, ids: &[u32]) -> Result<Vec<f64>> {
        let values = self
            .table
            .numbers(column)
            .ok_or_else(|| Error::field(column, "a column of numbers", "no such column"))?;
        Ok(self
            .rows_of(ids)?
            .into_iter()
            .map(|row| values[row])
            .collect())
    }

    /// The conditions of the file as part of the published table, in its order. [`Error::Game`] for an id that the task does
    /// not have.
    pub fn set(&self) -> Result<ConditionSet> {
        let ids: Vec<String> = self.ids.iter().map(u32::to_string).collect();
        let all = ConditionSet::published(Set::All, Law::Display);
        Ok(all.narrowed(&ids)?.named("valid_meta_sample_full"))
    }

    /// The task's own conditions of the file, in its order. [`Error::Game`] for an id that the task does not have.
    pub fn conditions(&self) -> Result<Vec<Condition>> {
        Ok(select(&self.ids)?)
    }

    /// How far the file is from this program's generator: 0 throughout if both made the same conditions. [`Error::Game`] as in
    /// [`MetaSample::conditions`].
    pub fn agreement(&self) -> Result<Agreement> {
        let conditions = self.conditions()?;
        let largest = |names: &[&str], of: &dyn Fn(&Condition) -> f64| {
            let column = names.iter().find_map(|name| self.table.numbers(name));
            column.map_or(f64::NAN, |values| {
                values
                    .iter()
                    .zip(&conditions)
                    .map(|(value, condition)| (value - of(condition)).abs())
                    // Unlike `max`, this keeps a NaN.
                    .fold(0.0, |a: f64, b| if a >= b || a.is_nan() { a } else { b })
            })
        };
        Ok(Agreement {
            conditions: conditions.len(),
            x0: largest(&["x0"], &|c| c.x0),
            y0: largest(&["y0"], &|c| c.y0),
            heading0: largest(&["heading0"], &|c| c.heading0_rad),
            speed0: largest(&["speed0"], &|c| c.speed0),
            t_occ: largest(&["t_occ"], &|c| c.t_occ.into()),
            t_f: largest(&["t_f"], &|c| c.t_end.into()),
            n_bounce: largest(&["n_bounce_correct", "n_bounce"], &|c| c.n_bounce.into()),
        })
    }
}
