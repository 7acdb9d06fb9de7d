//! What a laboratory's file calls what this program asks for: one small TOML file for NWB, `.npz`, MAT, NetCDF, Zarr and
//! Parquet alike.
//!
//! [`EXAMPLE`] is a whole one, with what each entry means.

use std::collections::BTreeMap;
use std::path::Path;

use mental_pong_base::table::read_text;
use mental_pong_formats::table::Table;
use mental_pong_formats::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::arrays::RateUnit;
use super::dmfc::TrialType;

/// A mapping with every entry.
pub const EXAMPLE: &str = include_str!("mapping.toml");

/// Longest mapping, bytes.
const LONGEST: u64 = 1 << 20;

/// What may have another name in a file; [`EXAMPLE`] says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the names are the documentation; see the example"
)]
pub enum Item {
    Condition,
    Onset,
    Kind,
    Outcome,
    Exclude,
    Paddle,
    Responses,
    ResponsesSh1,
    ResponsesSh2,
    TrialResponses,
    SpikeTimes,
    Unit,
    Bin,
    Half,
    Animal,
    Session,
    BinMs,
    FirstBinMs,
    ResponseUnit,
}

impl Item {
    /// Its name in a laboratory's arrays; `trials` where they are single trials.
    fn of_arrays(self, trials: bool) -> Option<&'static str> {
        Some(match self {
            Self::Condition if trials => "trial_condition_ids",
            Self::Condition => "condition_ids",
            Self::Kind => "trial_types",
            Self::Responses => "responses",
            Self::ResponsesSh1 => "responses_sh1",
            Self::ResponsesSh2 => "responses_sh2",
            Self::TrialResponses => "trial_responses",
            Self::Animal => "unit_animal",
            Self::Session => "unit_session",
            Self::BinMs => "bin_ms",
            Self::FirstBinMs => "first_bin_ms",
            Self::ResponseUnit => "response_unit",
            _ => return None,
        })
    }

    /// Its name in a long table.
    fn of_table(self) -> Option<&'static str> {
        Some(match self {
            Self::Condition => "condition",
            Self::Kind => "trial_type",
            Self::Responses => "value",
            Self::Unit => "unit",
            Self::Bin => "bin",
            Self::Half => "half",
            Self::BinMs => "bin_ms",
            Self::FirstBinMs => "first_bin_ms",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Item {
    /// As it stands in a mapping.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// Names and values that a file does not have as this program asks for them. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Length of a bin, ms.
    pub bin_ms: Option<f64>,
    /// Left edge of bin 0, ms after the ball starts to move.
    pub first_bin_ms: Option<f64>,
    /// Number of bins that spikes are counted in.
    pub bins: Option<usize>,
    /// Unit of the responses.
    pub response_unit: Option<RateUnit>,
    /// The axes of responses in the order of the file: `unit`, `condition` (or `trial`), `bin`.
    pub axes: Option<Vec<String>>,
    /// Conditions that are read, and their order; those of the file without it.
    pub order: Option<Vec<String>>,
    /// Names in the file.
    pub names: BTreeMap<Item, String>,
    /// Ids of the set for what the file has in their place.
    pub conditions: BTreeMap<String, String>,
    /// Kinds of trials for what the file has in their place.
    pub kinds: BTreeMap<String, TrialType>,
    /// `hit`, `miss` or `ignored` for what the file has in their place.
    pub outcomes: BTreeMap<String, String>,
}

impl Mapping {
    /// Read a file. [`Error::File`] where there is none or one that is too long; inside [`Error::InFile`], what [`Mapping::parse`] says.
    pub fn open(path: &Path) -> Result<Self> {
        let text = read_text(path, LONGEST)?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }

    /// From text. [`Error::Invalid`] with the line, and the entries that there are, for another one.
    pub fn parse(text: &str) -> Result<Self> {
        let said: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            Error::invalid(format!("mapping, line {line}"), error.message().to_owned())
        })?;
        for (name, value) in [
            (
                "bin_ms",
                said.bin_ms.filter(|v| !(*v > 0.0 && v.is_finite())),
            ),
            ("first_bin_ms", said.first_bin_ms.filter(|v| !v.is_finite())),
        ] {
            if let Some(value) = value {
                return Err(Error::field(
                    name,
                    "finite ms, a length above 0",
                    value.to_string(),
                ));
            }
        }
        Ok(said)
    }

    /// The name that the file has for something, where it is another one.
    #[must_use]
    pub fn name(&self, item: Item) -> Option<&str> {
        self.names.get(&item).map(String::as_str)
    }

    /// The id that a text of the file stands for.
    #[must_use]
    pub fn id(&self, text: &str) -> String {
        let text = text.trim();
        self.conditions
            .get(text)
            .map_or(text, String::as_str)
            .to_owned()
    }

    /// The kind of trial that a text of the file stands for: a name, or an opacity of the occluder (1 is occluded).
    #[must_use]
    pub fn kind(&self, text: &str) -> Option<TrialType> {
        let text = text.trim();
        let said = self.kinds.get(text).copied();
        said.or_else(|| TrialType::named(text))
            .or_else(|| match text.parse() {
                Ok(1.0) => Some(TrialType::Occ),
                Ok(alpha) if (0.0..1.0).contains(&alpha) => Some(TrialType::Vis),
                _ => None,
            })
    }

    /// Gives a laboratory's arrays the names that are asked for. [`Error::Field`] for one that is not there.
    pub(super) fn rename_arrays(&self, arrays: &mut BTreeMap<String, Value>) -> Result<()> {
        let trials = self.names.contains_key(&Item::TrialResponses)
            || arrays.contains_key("trial_responses") && !self.names.contains_key(&Item::Responses);
        // All are taken out first: a name may stand for another's.
        let mut taken = Vec::new();
        for (item, name) in &self.names {
            let Some(to) = item.of_arrays(trials) else {
                continue;
            };
            let value = arrays.get(name).cloned();
            taken.push((
                to,
                name,
                value.ok_or_else(|| lacks(to, name, arrays.keys()))?,
            ));
        }
        for (_, name, _) in &taken {
            arrays.remove(*name);
        }
        arrays.extend(
            taken
                .into_iter()
                .map(|(to, _, value)| (to.to_owned(), value)),
        );
        Ok(())
    }

    /// Gives the columns of a long table the names that are asked for. [`Error::Field`] for one that is not there.
    pub(super) fn rename_table(&self, table: &mut Table) -> Result<()> {
        let mut places = Vec::new();
        for (item, name) in &self.names {
            let Some(to) = item.of_table() else { continue };
            let columns = &table.columns;
            let place = columns.iter().position(|(column, _)| column == name);
            let names = columns.iter().map(|(column, _)| column);
            places.push((place.ok_or_else(|| lacks(to, name, names))?, to));
        }
        for &(place, to) in &places {
            // What had the name before means something else.
            let before = table.columns.iter_mut().enumerate();
            for (_, (column, _)) in before.filter(|(at, (column, _))| *at != place && column == to)
            {
                column.insert(0, '_');
            }
            table.columns[place].0 = to.to_owned();
        }
        Ok(())
    }
}

/// A name of the mapping that the file does not have.
pub(super) fn lacks<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a String>) -> Error {
    let names: Vec<&str> = names.map(String::as_str).take(40).collect();
    let expected = format!("`{name}`, which the mapping names for it");
    Error::field(what, expected, format!("only {}", names.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read_and_names_everything() {
        let example = Mapping::parse(EXAMPLE).unwrap();
        assert_eq!(example.names.len(), Item::ResponseUnit as usize + 1);
        assert_eq!(example.kind("masked"), Some(TrialType::Occ));
        assert_eq!(example.kind("0.5"), Some(TrialType::Vis));
        assert_eq!(example.id(" slow-left "), "0");
        let again = toml::to_string(&example).unwrap();
        assert_eq!(Mapping::parse(&again).unwrap(), example);
    }

    #[test]
    fn an_unknown_entry_is_named_with_its_line_and_those_there_are() {
        let error = Mapping::parse("bin_ms = 20.0\n[names]\nonsett = \"go\"\n").unwrap_err();
        let text = error.to_string();
        for word in ["line 3", "onsett", "`onset`"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
        assert!(Mapping::parse("bin_ms = 0.0").is_err());
    }
}
