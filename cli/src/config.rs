//! Settings from a TOML file and `--set`, checked against what there is.

use mental_pong_base::table::read_text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::args::ConfigArgs;
use crate::failure::Failure;

/// Longest file of settings, bytes.
const SETTINGS_BYTES: u64 = 1 << 20;

/// `base`, overridden by the file and then by each `--set`.
pub(crate) fn load<C: Serialize + DeserializeOwned>(
    base: &C,
    args: &ConfigArgs,
) -> Result<C, Failure> {
    let known = Table::try_from(base).map_err(|e| Failure::Internal(e.to_string()))?;
    let mut settings = known.clone();
    if let Some(path) = &args.config {
        let text = read_text(path, SETTINGS_BYTES)?;
        let file: Table = text
            .parse()
            .map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
        merge(&mut settings, file, &known, "", &path.display().to_string())?;
    }
    for set in &args.sets {
        let (key, value) = set.split_once('=').ok_or_else(|| {
            Failure::Usage(format!("--set {set}: expected KEY=VALUE, found no `=`"))
        })?;
        let mut table = Table::new();
        // What is no TOML value is a bare word.
        let value = format!("v = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut t| t.remove("v"))
            .unwrap_or_else(|| Value::String(value.into()));
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or(key);
        table.insert(last.into(), value);
        for part in parts.into_iter().rev() {
            table = Table::from_iter([(part.to_string(), Value::Table(table))]);
        }
        merge(&mut settings, table, &known, "", &format!("--set {set}"))?;
    }
    settings
        .try_into()
        .map_err(|e: toml::de::Error| Failure::Usage(format!("settings: {}", e.message())))
}

fn merge(
    into: &mut Table,
    from: Table,
    known: &Table,
    prefix: &str,
    place: &str,
) -> Result<(), Failure> {
    for (key, value) in from {
        let Some(model) = known.get(&key) else {
            let near = known
                .keys()
                .map(|k| (strsim::damerau_levenshtein(k, &key), k))
                .min();
            let hint = match near {
                Some((distance, k)) if distance <= 3 => format!("; did you mean `{prefix}{k}`?"),
                _ => {
                    let all: Vec<&str> = known.keys().map(String::as_str).collect();
                    format!("; there are: {}", all.join(", "))
                }
            };
            return Err(Failure::Usage(format!(
                "{place}: unknown setting `{prefix}{key}`{hint}"
            )));
        };
        match (into.get_mut(&key), value, model) {
            (Some(Value::Table(inner)), Value::Table(from), Value::Table(known)) => {
                merge(inner, from, known, &format!("{prefix}{key}."), place)?;
            }
            (_, value, model) => {
                // A whole number is a fine value for a setting with a fraction.
                let value = match (value, model) {
                    (Value::Integer(i), Value::Float(_)) => Value::Float(i as f64),
                    (value, _) => value,
                };
                if value.type_str() != model.type_str() {
                    return Err(Failure::Usage(format!(
                        "{place}: setting `{prefix}{key}`: expected {}, found {} `{value}`",
                        model.type_str(),
                        value.type_str()
                    )));
                }
                into.insert(key, value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_study::StudyConfig;

    fn with(sets: &[&str]) -> Result<StudyConfig, Failure> {
        let args = ConfigArgs {
            config: None,
            sets: sets.iter().map(ToString::to_string).collect(),
        };
        load(&StudyConfig::default(), &args)
    }

    #[test]
    fn a_setting_overrides_its_default_alone() {
        let config = with(&["splits=7", "headline=lstm", "train=1"]).unwrap();
        let expected = StudyConfig {
            splits: 7,
            headline: "lstm".into(),
            train: 1.0,
            ..StudyConfig::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn an_unknown_setting_is_refused_with_a_guess() {
        let message = with(&["split=7"]).unwrap_err().to_string();
        assert!(message.contains("did you mean `splits`"), "{message}");
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let message = with(&["splits=many"]).unwrap_err().to_string();
        assert!(message.contains("expected integer"), "{message}");
    }
}
