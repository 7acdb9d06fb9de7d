//! Units of several files, of other animals or sessions, as one recording of the same conditions.

use mental_pong_game::task::ConditionSet;
use std::collections::BTreeMap;
use std::sync::Arc;

use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::Array;

use crate::error::{Error, Result};

use super::dmfc::{Half, Opening, Population, Recording, TrialType};

/// Joins recordings of one set of conditions in the same bins, each with a name: units one file after the other, conditions in the
/// order of the first. A unit's `animal` is the file's name where its file does not say. Kinds of trials and halves that a file
/// lacks, tables of trials and behaviour that differs are left out, and said so. Reliable units are found anew by the published criterion.
///
/// Units of different files were not recorded together: means over trials can be put beside one another, single trials cannot.
///
/// # Errors
/// [`Error::Invalid`] for fewer than two; [`Error::Field`] naming the file whose set, conditions or bins are others; and as
/// [`Recording::open`].
pub fn join(parts: &[(String, Recording)]) -> Result<Recording> {
    let [(_, first), .., _] = parts else {
        return Err(Error::invalid("recordings", "two or more to join"));
    };
    let set = first
        .set()
        .ok_or_else(|| Error::field("conditions", "a set", "none"))?;
    let ids = first
        .ids
        .clone()
        .ok_or_else(|| Error::field("condition_ids", "ids", "none"))?;
    // `[part][condition]`: its place in the part.
    let mut orders = Vec::new();
    for (name, part) in parts {
        let wrong = |field: &str, expected: String, found: String| {
            Error::field(format!("{name}: {field}"), expected, found)
        };
        let identity = part.set().map(ConditionSet::identity);
        match &identity {
            Some(other) if other.same_as(&set.identity()) => {}
            other => {
                let found = other.as_ref().map_or("none".into(), ToString::to_string);
                return Err(wrong("set", set.identity().to_string(), found));
            }
        }
        if part.axis() != first.axis() {
            return Err(wrong(
                "bins",
                first.axis().to_string(),
                part.axis().to_string(),
            ));
        }
        let own = part.ids.as_deref().unwrap_or_default();
        let place = |id: &String| own.iter().position(|other| other == id);
        let order: Option<Vec<usize>> = ids.iter().map(place).collect();
        match order.filter(|order| order.len() == own.len()) {
            Some(order) => orders.push(order),
            None => {
                let expected = format!("the {} conditions of the first file", ids.len());
                return Err(wrong(
                    "conditions",
                    expected,
                    format!("{} others", own.len()),
                ));
            }
        }
    }
    let all = |part: &Recording| {
        let key = (TrialType::Occ, Population::All, Half::Full);
        part.responses.get(&key).map(Arc::clone)
    };
    for (at, (name, part)) in parts.iter().enumerate() {
        let twin = parts[..at]
            .iter()
            .find(|(_, other)| all(other).is_some() && all(other) == all(part));
        if let Some((other, _)) = twin {
            let expected = format!("other units than {other}");
            return Err(Error::field(
                format!("{name}: responses"),
                expected,
                "the same values",
            ));
        }
    }
    let mut joined = first.clone();
    joined.path = None;
    joined.released = false;
    joined.stated = Some(set.identity());
    joined.reliable.clear();
    joined.criteria.clear();
    joined.unit_ids.clear();
    joined.notes.clear();
    joined.synthetic = parts
        .iter()
        .filter_map(|(_, part)| part.synthetic)
        .reduce(|a, b| a || b);
    joined.responses = responses(parts, &orders, &mut joined.notes)?;
    joined.behaviors.retain(|(kind, name, values)| {
        parts.iter().zip(&orders).all(|((_, part), order)| {
            let same =
                |other: &&(TrialType, String, Arc<Array>)| other.0 == *kind && other.1 == *name;
            let ordered = order.iter().enumerate().all(|(at, place)| at == *place);
            part.behaviors
                .iter()
                .find(same)
                .is_some_and(|other| ordered && other.2 == *values)
        })
    });
    joined.tables.remove("trial_meta");
    joined.trials.clear();
    let of: Vec<&str> = parts.iter().map(|(name, _)| &**name).collect();
    joined.notes.push(format!(
        "joined of {}; behaviour that differs and tables of trials are left out",
        of.join(", ")
    ));
    let units = units(parts);
    joined.tables.insert("neural_meta", units);
    joined.finished(&Opening {
        conditions: Some(set.clone()),
        ..Opening::default()
    })
}

type Joined = BTreeMap<(TrialType, Population, Half), Arc<Array>>;

/// Responses of all units of every kind and half that each part has, `[unit, condition, bin]`.
fn responses(
    parts: &[(String, Recording)],
    orders: &[Vec<usize>],
    notes: &mut Vec<String>,
) -> Result<Joined> {
    let mut joined = BTreeMap::new();
    for kind in TrialType::ALL {
        for half in Half::ALL {
            let has = |part: &Recording| part.has(kind, Population::All, half);
            let n = parts.iter().filter(|(_, part)| has(part)).count();
            if n < parts.len() {
                if n > 0 {
                    notes.push(format!(
                        "{} trials, {}: {n} of {} files have them, left out",
                        kind.key(),
                        Population::All.key(half),
                        parts.len()
                    ));
                }
                continue;
            }
            let mut values = Vec::new();
            let (mut units, mut shape) = (0, [0; 2]);
            for ((_, part), order) in parts.iter().zip(orders) {
                let own = part.responses(kind, Population::All, half)?;
                shape = [own.conditions(), own.bins()];
                units += own.units();
                for unit in 0..own.units() {
                    for &c in order {
                        values.extend((0..own.bins()).map(|bin| own.get(unit, c, bin)));
                    }
                }
            }
            let array = Array::from_f64(vec![units, shape[0], shape[1]], &values)?;
            joined.insert((kind, Population::All, half), Arc::new(array));
        }
    }
    Ok(joined)
}

/// `[unit]`: animal, session and file.
fn units(parts: &[(String, Recording)]) -> Table {
    let mut columns: [Vec<Option<String>>; 3] = Default::default();
    for (name, part) in parts {
        let n = (part.responses.iter())
            .filter(|((_, population, _), _)| *population == Population::All)
            .map(|(_, array)| array.shape()[0])
            .next()
            .unwrap_or(0);
        let said = |column: &str| {
            let table = part.table("neural_meta");
            table
                .and_then(|t| t.texts(column))
                .filter(|texts| texts.len() == n)
        };
        let (animal, session) = (said("animal"), said("session"));
        for unit in 0..n {
            let of = |texts: Option<&[Option<String>]>| texts.and_then(|t| t[unit].clone());
            columns[0].push(of(animal).or_else(|| Some(name.clone())));
            columns[1].push(
                of(session).map_or_else(|| Some(name.clone()), |s| Some(format!("{name} {s}"))),
            );
            columns[2].push(Some(name.clone()));
        }
    }
    let rows = columns[0].len();
    let names = ["animal", "session", "file"];
    Table {
        rows,
        has_index: false,
        columns: names
            .into_iter()
            .zip(columns)
            .map(|(name, texts)| (name.to_owned(), Cells::Texts(texts)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_base::Quiet;

    use super::*;
    use crate::recordings::simulate::{Settings, simulate};

    fn recording(seed: u64, units: usize, bin_ms: f64, ids: &[&str]) -> Recording {
        let set = ConditionSet::open("primate79")
            .unwrap()
            .narrowed(ids)
            .unwrap();
        let settings = Settings {
            seed,
            units,
            bin_ms,
            reliability: 0.4,
            ..Settings::default()
        };
        simulate(&settings, &set, &Quiet).unwrap().recording
    }

    #[test]
    fn units_of_two_files_stand_beside_one_another_and_are_named() {
        let set = ConditionSet::open("primate79").unwrap();
        let ids = &set.ids()[..12];
        let backwards: Vec<&str> = ids.iter().rev().copied().collect();
        let parts = [
            ("anna".to_owned(), recording(1, 4, 50.0, ids)),
            ("bela".to_owned(), recording(2, 3, 50.0, &backwards)),
        ];
        let joined = join(&parts).unwrap();
        let of = |r: &Recording| {
            r.responses(TrialType::Occ, Population::All, Half::Sh1)
                .unwrap()
        };
        let (all, anna, bela) = (of(&joined), of(&parts[0].1), of(&parts[1].1));
        assert_eq!((all.units(), joined.ids.as_deref().unwrap().len()), (7, 12));
        for bin in [0, 20, 50] {
            assert_eq!(all.get(2, 3, bin), anna.get(2, 3, bin));
            // Conditions are those of the first file, whatever their order in the second.
            assert_eq!(all.get(5, 3, bin), bela.get(1, 8, bin));
        }
        let notes = joined.notes().join("; ");
        for words in [
            "joined of anna, bela",
            "MIXED UNITS: of 2 animals (anna 4, bela 3)",
        ] {
            assert!(notes.contains(words), "{notes}");
        }
        assert_eq!(joined.synthetic(), Some(true));
    }

    #[test]
    fn files_that_cannot_be_joined_are_named() {
        let set = ConditionSet::open("primate79").unwrap();
        let ids = &set.ids()[..12];
        let fails = |other: Recording, says: &str| {
            let parts = [
                ("anna".to_owned(), recording(1, 3, 50.0, ids)),
                ("bela".to_owned(), other),
            ];
            let message = join(&parts).unwrap_err().to_string();
            assert!(
                message.contains("bela") && message.contains(says),
                "{message}"
            );
        };
        fails(recording(2, 3, 25.0, ids), "25 ms");
        fails(recording(2, 3, 50.0, &set.ids()[..11]), "12 conditions");
        fails(recording(1, 3, 50.0, ids), "the same values");
        assert!(join(&[("anna".to_owned(), recording(1, 3, 50.0, ids))]).is_err());
    }
}
