//! Figures from the literature, each with its exact meaning and source. They are bundled from `data/published/`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const TABLES: [(&str, &str); 5] = [
    (
        "dmfc_online_decoding.csv",
        include_str!("../../../data/published/dmfc_online_decoding.csv"),
    ),
    (
        "dmfc_population.csv",
        include_str!("../../../data/published/dmfc_population.csv"),
    ),
    (
        "dmfc_endpoint_decoding.csv",
        include_str!("../../../data/published/dmfc_endpoint_decoding.csv"),
    ),
    (
        "behaviour.csv",
        include_str!("../../../data/published/behaviour.csv"),
    ),
    ("rnn.csv", include_str!("../../../data/published/rnn.csv")),
];

/// How directly a figure comes from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Printed in the paper.
    Paper,
    /// Printed output of the authors' released code.
    Notebook,
    /// Read from a figure by eye.
    ReadOff,
    /// A re-analysis by others.
    Secondary,
}

impl Status {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Notebook => "authors' notebook",
            Self::ReadOff => "read from a figure",
            Self::Secondary => "secondary re-analysis",
        }
    }
}

/// One published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedValue {
    /// Name, unique over all tables.
    pub id: String,
    /// Who or what was measured.
    pub subject: String,
    /// Quantity: `r`, `mae`, `mae of the mean`, …
    pub quantity: String,
    /// Epoch or time.
    pub epoch: String,
    /// Target.
    pub target: String,
    /// Value in `unit`.
    pub value: f64,
    /// Spread in `unit`, if one is given.
    pub spread: Option<f64>,
    /// What the spread is.
    pub spread_kind: String,
    /// Unit; `1` for none.
    pub unit: String,
    /// What stands behind it.
    pub n: String,
    /// What exactly it is.
    pub meaning: String,
    /// Paper and place.
    pub source: String,
    /// How directly it comes from there.
    pub status: Status,
    /// Why it may stand here.
    pub licence: String,
    /// Identifier of the analysis that gives the number to hold against it.
    pub analysis: String,
}

/// All bundled figures, in file order.
///
/// [`Error::Table`](mental_pong_eval::error::Error::Table) if a bundled table is damaged, which a test of this crate excludes.
pub fn published_values() -> Result<Vec<PublishedValue>> {
    let mut out = Vec::new();
    for (name, text) in TABLES {
        for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            out.push(row.map_err(|e| {
                Error::table(
                    name,
                    e.position().map_or(0, csv::Position::line),
                    e.to_string(),
                )
            })?);
        }
    }
    Ok(out)
}

/// One figure by its id; `None` if there is no such figure.
#[must_use]
pub fn find<'a>(values: &'a [PublishedValue], id: &str) -> Option<&'a PublishedValue> {
    values.iter().find(|v| v.id == id)
}

/// `(name, text)` of the bundled tables, for hashing and for copies in a report.
#[must_use]
pub fn tables() -> &'static [(&'static str, &'static str)] {
    &TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_says_what_it_is_and_where_it_is_from() {
        let values = published_values().unwrap();
        assert!(values.len() > 40);
        let mut ids: Vec<&str> = values.iter().map(|v| v.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), values.len());
        for v in &values {
            assert!(v.value.is_finite(), "{}", v.id);
            assert!(v.meaning.len() > 30, "{}", v.id);
            assert!(v.source.contains("20"), "{}", v.id);
            assert!(!v.licence.is_empty() && !v.unit.is_empty() && !v.n.is_empty());
            assert_eq!(v.spread.is_some(), !v.spread_kind.is_empty(), "{}", v.id);
        }
    }

    /// Specification of the analyses, §5.2: Fig. 3E of 2025.
    #[test]
    fn dmfc_hidden_epoch_has_the_published_numbers() {
        let values = published_values().unwrap();
        for (id, value, spread) in [
            ("dmfc-r-x-hidden", 0.909, 0.021),
            ("dmfc-r-y-hidden", 0.849, 0.036),
            ("dmfc-mae-x-hidden", 0.542, 0.067),
            ("dmfc-mae-y-hidden", 2.165, 0.246),
        ] {
            let v = find(&values, id).unwrap();
            assert_eq!((v.value, v.spread), (value, Some(spread)), "{id}");
        }
    }
}
