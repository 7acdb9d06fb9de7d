//! What people said: the published tables of Physion, and answers of single participants.
//!
//! Two tables are public. `human_accuracy-<scenario>….csv` has a row for each clip: `stim_ID`, `correct` (share of right
//! answers, 0 to 1) and, optionally, `c` (answers). `stimulus_names_and_labels.csv` has `stim_ID`, `scenario`, `label` (`True`: contact) for
//! all 1,200 clips. Names are not unique over scenarios, so everything is joined on (scenario, name). Other columns are
//! ignored.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Scenario, clip_name};
use crate::error::{Error, Result};

/// Scenario and name: what identifies a clip.
pub type ClipKey = (Scenario, String);

/// The true outcome of each clip.
pub type Labels = BTreeMap<ClipKey, bool>;

/// What people said of one clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HumanClip {
    /// Scenario.
    pub scenario: Scenario,
    /// Name without the suffixes of either side, see [`clip_name`].
    pub name: String,
    /// Whether the objects touch, from the table of labels.
    pub label: bool,
    /// Share of right answers.
    pub correct: f64,
    /// Share of "yes": `correct` where the label is contact, `1 - correct` where it is not.
    pub p_yes: f64,
    /// Answers behind the shares, if the table tells.
    pub answers: Option<u32>,
}

/// Which clips to leave out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exclusions {
    /// Clips with "ledge" in their names, which people did not see in Roll.
    pub ledges: bool,
    /// Clips by name, for example the glitchy ones that the publication lists.
    pub listed: Vec<ClipKey>,
}

/// How many clips were left out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExcludedClips {
    /// For "ledge".
    pub ledges: usize,
    /// Listed by the caller.
    pub listed: usize,
}

/// People's answers, one entry for each clip, ascending by (scenario, name).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct People {
    /// The clips.
    pub clips: Vec<HumanClip>,
    /// Clips of the tables that were left out.
    pub excluded: ExcludedClips,
}

/// One line of a table of accuracies.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyRow {
    /// Scenario and name.
    pub key: ClipKey,
    /// Share of right answers.
    pub correct: f64,
    /// Answers.
    pub answers: Option<u32>,
    /// Where it stands: table and line.
    pub place: (String, u64),
}

/// Read the published files. The scenario of a table of accuracies comes from its file name.
///
/// [`Error::Io`]; [`Error::Table`] with file, line and column for anything in a table that is not right, for a clip that is
/// there twice, and for one without a label.
pub fn read_files(
    labels: &Path,
    accuracies: &[impl AsRef<Path>],
    exclude: &Exclusions,
) -> Result<People> {
    let name = |path: &Path| path.display().to_string();
    let known = read_labels(open(labels)?, &name(labels))?;
    let mut rows = Vec::new();
    for path in accuracies {
        let path = path.as_ref();
        let file = path.file_name().map(|f| f.to_string_lossy().into_owned());
        let scenario = Scenario::of_file(&file.unwrap_or_default()).map_err(|e| e.in_file(path))?;
        rows.extend(read_accuracy(open(path)?, &name(path), scenario)?);
    }
    join(&known, &rows, exclude)
}

fn open(path: &Path) -> Result<std::fs::File> {
    std::fs::File::open(path).map_err(|source| Error::Io {
        path: path.display().to_string(),
        source,
    })
}

/// The table of labels. `table` names it in errors.
///
/// [`Error::Table`] for a missing column, a value that cannot be read, or a clip that is there twice.
pub fn read_labels(source: impl Read, table: &str) -> Result<Labels> {
    let mut reader = Table::new(source, table, &["stim_ID", "scenario", "label"], &[])?;
    let mut labels = Labels::new();
    while let Some(row) = reader.next()? {
        let scenario = row.scenario("scenario", 1)?;
        let key = (scenario, row.clip("stim_ID", 0)?);
        let label = row.truth("label", 2)?;
        if labels.insert(key.clone(), label).is_some() {
            return Err(row.bad(
                "stim_ID",
                &format!("{} is there twice in {}", key.1, key.0.name()),
            ));
        }
    }
    Ok(labels)
}

/// A table of accuracies of one scenario. `table` names it in errors.
///
/// [`Error::Table`] for a missing column or a value that cannot be read; a share has to be in [0, 1].
pub fn read_accuracy(
    source: impl Read,
    table: &str,
    scenario: Scenario,
) -> Result<Vec<AccuracyRow>> {
    let mut reader = Table::new(source, table, &["stim_ID", "correct"], &["c"])?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        let text = row.text(1);
        let correct = text.parse::<f64>().ok().filter(|v| (0.0..=1.0).contains(v));
        let correct = correct
            .ok_or_else(|| row.bad("correct", &format!("{text:?} is no share from 0 to 1")))?;
        let answers = match row.text(2) {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_| row.bad("c", &format!("{text:?} is no number of answers")))?,
            ),
        };
        rows.push(AccuracyRow {
            key: (scenario, row.clip("stim_ID", 0)?),
            correct,
            answers,
            place: (table.into(), row.line),
        });
    }
    Ok(rows)
}

/// Accuracies with their labels.
///
/// [`Error::Table`] for a clip that is there twice or has no label; [`Error::Invalid`] if an excluded clip has no label: its
/// name is wrong.
pub fn join(labels: &Labels, rows: &[AccuracyRow], exclude: &Exclusions) -> Result<People> {
    for (scenario, name) in &exclude.listed {
        if !labels.contains_key(&(*scenario, clip_name(name))) {
            return Err(Error::invalid(
                "excluded clips",
                format!("{name} of {} is in no table", scenario.name()),
            ));
        }
    }
    let listed: std::collections::BTreeSet<ClipKey> = exclude
        .listed
        .iter()
        .map(|(scenario, name)| (*scenario, clip_name(name)))
        .collect();
    let mut clips: BTreeMap<ClipKey, HumanClip> = BTreeMap::new();
    let mut seen: BTreeMap<ClipKey, &(String, u64)> = BTreeMap::new();
    let mut excluded = ExcludedClips::default();
    for row in rows {
        let (scenario, name) = &row.key;
        let bad = |why: String| Error::Table {
            table: row.place.0.clone(),
            line: row.place.1,
            why: format!("column stim_ID: {name} of {} {why}", scenario.name()),
        };
        if let Some((table, line)) = seen.insert(row.key.clone(), &row.place) {
            return Err(bad(format!(
                "is there twice, first in {table}, line {line}"
            )));
        }
        let Some(&label) = labels.get(&row.key) else {
            return Err(bad("has no row in the table of labels".into()));
        };
        if exclude.ledges && name.contains("ledge") {
            excluded.ledges += 1;
        } else if listed.contains(&row.key) {
            excluded.listed += 1;
        } else {
            let p_yes = if label {
                row.correct
            } else {
                1.0 - row.correct
            };
            clips.insert(
                row.key.clone(),
                HumanClip {
                    scenario: *scenario,
                    name: name.clone(),
                    label,
                    correct: row.correct,
                    p_yes,
                    answers: row.answers,
                },
            );
        }
    }
    Ok(People {
        clips: clips.into_values().collect(),
        excluded,
    })
}

/// Answers of single participants to the clips of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Responses {
    /// Scenario.
    pub scenario: Scenario,
    /// `[clip]`, ascending.
    pub clips: Vec<String>,
    /// `[participant]`, ascending.
    pub participants: Vec<String>,
    /// `[participant][clip]`, true for "yes"; `None` where there is no answer.
    pub answers: Vec<Vec<Option<bool>>>,
}

/// Answers of single participants, one line each: `scenario`, `stim_ID`, `participant`, `response` (`True`/`False`, `YES`/`NO`
/// or 1/0). They are not part of the public tables. Scenarios in their order.
///
/// [`Error::Table`] for a missing column, a value that cannot be read, or a second answer of one participant to a clip.
pub fn read_responses(source: impl Read, table: &str) -> Result<Vec<Responses>> {
    let columns = ["scenario", "stim_ID", "participant", "response"];
    let mut reader = Table::new(source, table, &columns, &[])?;
    let mut all: BTreeMap<Scenario, BTreeMap<(String, String), bool>> = BTreeMap::new();
    while let Some(row) = reader.next()? {
        let clip = row.clip("stim_ID", 1)?;
        let who = match row.text(2) {
            "" => return Err(row.bad("participant", "it is empty")),
            who => who.to_string(),
        };
        let answer = row.truth("response", 3)?;
        let answers = all.entry(row.scenario("scenario", 0)?).or_default();
        let again = answers.insert((who.clone(), clip.clone()), answer);
        if again.is_some() {
            return Err(row.bad("participant", &format!("{who} answers {clip} twice")));
        }
    }
    Ok(all
        .into_iter()
        .map(|(scenario, answers)| {
            let sorted = |names: std::collections::BTreeSet<&String>| -> Vec<String> {
                names.into_iter().cloned().collect()
            };
            let participants = sorted(answers.keys().map(|(who, _)| who).collect());
            let clips = sorted(answers.keys().map(|(_, clip)| clip).collect());
            let answers = participants
                .iter()
                .map(|who| {
                    let of = |clip: &String| answers.get(&(who.clone(), clip.clone())).copied();
                    clips.iter().map(of).collect()
                })
                .collect();
            Responses {
                scenario,
                clips,
                participants,
                answers,
            }
        })
        .collect())
}

/// A CSV table read by the names of its columns.
struct Table<R> {
    reader: csv::Reader<R>,
    name: String,
    /// Place of each wanted column.
    columns: Vec<Option<usize>>,
    record: csv::StringRecord,
}

struct Row<'a> {
    table: &'a str,
    line: u64,
    columns: &'a [Option<usize>],
    record: &'a csv::StringRecord,
}

impl<R: Read> Table<R> {
    fn new(source: R, name: &str, needed: &[&str], optional: &[&str]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(source);
        let bad = |line: u64, why: String| Error::Table {
            table: name.into(),
            line,
            why,
        };
        let header = reader.headers().map_err(|e| bad(1, e.to_string()))?.clone();
        let mut columns = Vec::new();
        for wanted in needed.iter().chain(optional) {
            let places: Vec<usize> = (0..header.len())
                .filter(|&i| &header[i] == *wanted)
                .collect();
            match places[..] {
                [place] => columns.push(Some(place)),
                [] if optional.contains(wanted) => columns.push(None),
                [] => {
                    let found: Vec<&str> = header.iter().collect();
                    return Err(bad(
                        1,
                        format!("no column {wanted}; found {}", found.join(", ")),
                    ));
                }
                _ => {
                    return Err(bad(
                        1,
                        format!("column {wanted} is there {} times", places.len()),
                    ));
                }
            }
        }
        Ok(Self {
            reader,
            name: name.into(),
            columns,
            record: csv::StringRecord::new(),
        })
    }

    fn next(&mut self) -> Result<Option<Row<'_>>> {
        let more = self.reader.read_record(&mut self.record);
        let more = more.map_err(|e| Error::Table {
            table: self.name.clone(),
            line: e.position().map_or(0, csv::Position::line),
            why: e.to_string(),
        })?;
        Ok(more.then(|| Row {
            table: &self.name,
            line: self.record.position().map_or(0, csv::Position::line),
            columns: &self.columns,
            record: &self.record,
        }))
    }
}

impl Row<'_> {
    /// A field by its place among the wanted columns; empty where the table lacks the column.
    fn text(&self, wanted: usize) -> &str {
        self.columns[wanted].map_or("", |place| &self.record[place])
    }

    fn bad(&self, column: &str, why: &str) -> Error {
        Error::Table {
            table: self.table.into(),
            line: self.line,
            why: format!("column {column}: {why}"),
        }
    }

    fn clip(&self, column: &str, wanted: usize) -> Result<String> {
        match clip_name(self.text(wanted)) {
            name if name.is_empty() => Err(self.bad(column, "it is empty")),
            name => Ok(name),
        }
    }

    fn scenario(&self, column: &str, wanted: usize) -> Result<Scenario> {
        Scenario::parse(self.text(wanted)).map_err(|e| self.bad(column, &e.to_string()))
    }

    fn truth(&self, column: &str, wanted: usize) -> Result<bool> {
        match self.text(wanted).to_lowercase().as_str() {
            "true" | "yes" | "1" | "1.0" => Ok(true),
            "false" | "no" | "0" | "0.0" => Ok(false),
            other => Err(self.bad(column, &format!("{other:?} is neither true nor false"))),
        }
    }
}
