//! Object contact (Physion): a read-out of the user's features, beside people.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::scene::Scene;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::{Error, Result};
use crate::report::plot::{Dot, dots};
use mental_pong_eval::array::Array2;
use mental_pong_eval::contact::kappa::{model_with_people, people_with_people};
use mental_pong_eval::contact::people::{
    Exclusions, People, Responses, read_files, read_responses,
};
use mental_pong_eval::contact::{
    ContactModel, ContactSettings, Prediction, Scenario, Unmatched, against_people, clip_name,
    per_scenario_accuracy,
};
use mental_pong_eval::stats::bootstrap::Bootstrap;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::npz;
use mental_pong_formats::value::Value;

/// One clip of a table that goes with features, in the order of their rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactClip {
    /// Scenario.
    pub scenario: Scenario,
    /// Name as in the table.
    pub name: String,
    /// Whether the objects touch.
    pub label: bool,
}

/// Features of clips and what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSet {
    /// `[clip, feature]`.
    pub features: Array2,
    /// `[clip]`.
    pub clips: Vec<ContactClip>,
}

/// What the analysis reads.
#[derive(Debug, Clone)]
pub struct Contact {
    /// Name of the model, for the tables.
    pub name: String,
    /// Clips to fit on.
    pub train: ContactSet,
    /// Clips to score on.
    pub test: ContactSet,
    /// People's shares of right answers, if the folder has them.
    pub people: Option<People>,
    /// Answers of single participants, if the folder has them.
    pub answers: Vec<Responses>,
}

impl Contact {
    /// Reads a folder: `train.npy` and `test.npy` `[clip, feature]`, `train.csv` and `test.csv` with `stim_ID`, `scenario`,
    /// `label` in the order of the rows; and, where there are people, `people/stimulus_names_and_labels.csv`,
    /// `people/human_accuracy-*.csv` and `people/responses.csv`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Table`] naming the file; [`Error::InFile`] for features of another shape.
    pub fn read(folder: &Path) -> Result<Self> {
        let people = folder.join("people");
        let labels = people.join("stimulus_names_and_labels.csv");
        let answers = people.join("responses.csv");
        Ok(Self {
            name: folder
                .file_name()
                .map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned()),
            train: read_set(folder, "train")?,
            test: read_set(folder, "test")?,
            people: if labels.exists() {
                Some(read_files(
                    &labels,
                    &accuracies(&people)?,
                    &Exclusions::default(),
                )?)
            } else {
                None
            },
            answers: if answers.exists() {
                let file = open(&answers)?;
                read_responses(file, &answers.display().to_string())?
            } else {
                Vec::new()
            },
        })
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::io(path, source))
}

fn accuracies(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::io(folder, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("human_accuracy")
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn read_set(folder: &Path, name: &str) -> Result<ContactSet> {
    let clips = read_clips(&folder.join(format!("{name}.csv")))?;
    let path = folder.join(format!("{name}.npy"));
    let features = read_features(&path, clips.len()).map_err(|e| e.in_file(&path))?;
    Ok(ContactSet { features, clips })
}

fn read_features(path: &Path, clips: usize) -> Result<Array2> {
    let value = npz::read_npy(open(path)?, "features", &Limits::default())?;
    let Value::Array(array) = value else {
        return Err(Error::field("features", "numbers", value.describe()));
    };
    let &[n, dim] = array.shape() else {
        let found = format!("{:?}", array.shape());
        return Err(Error::field("features", "[clip, feature]", found));
    };
    if n != clips {
        return Err(Error::field(
            "features",
            format!("{clips} clips, as the table beside them"),
            format!("{n}"),
        ));
    }
    let values = array.to_f64().ok_or_else(|| {
        let found = format!("elements of type {}", array.dtype());
        Error::field("features", "numbers", found)
    })?;
    Ok(Array2::new(n, dim, values)?)
}

fn read_clips(path: &Path) -> Result<Vec<ContactClip>> {
    let table = path.display().to_string();
    let bad = |line: u64, why: String| Error::table(table.clone(), line, why);
    let mut reader = csv::Reader::from_reader(open(path)?);
    let header = reader.headers().map_err(|e| bad(1, e.to_string()))?.clone();
    let column = |name: &str| {
        header.iter().position(|h| h == name).ok_or_else(|| {
            bad(
                1,
                format!(
                    "no column {name}; there are {}",
                    header.iter().collect::<Vec<_>>().join(", ")
                ),
            )
        })
    };
    let (id, scenario, label) = (column("stim_ID")?, column("scenario")?, column("label")?);
    let mut clips = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|e| bad(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or_default().trim();
        clips.push(ContactClip {
            scenario: Scenario::parse(cell(scenario))
                .map_err(|e| bad(line, format!("column scenario: {e}")))?,
            name: clip_name(cell(id)),
            label: match cell(label).to_ascii_lowercase().as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                other => {
                    return Err(bad(
                        line,
                        format!("column label: expected True or False, found {other:?}"),
                    ));
                }
            },
        });
    }
    Ok(clips)
}

pub(super) fn contact(scene: &Scene, inputs: &Contact, out: &mut Out) -> Result<()> {
    let labels: Vec<bool> = inputs.train.clips.iter().map(|c| c.label).collect();
    let model = ContactModel::train(&inputs.train.features, &labels, &ContactSettings::default())?;
    let p = model.probabilities(&inputs.test.features)?;
    let predictions: Vec<Prediction> = inputs
        .test
        .clips
        .iter()
        .zip(&p)
        .map(|(clip, &p_contact)| Prediction {
            scenario: clip.scenario,
            name: clip.name.clone(),
            label: clip.label,
            p_contact,
        })
        .collect();
    let accuracy = per_scenario_accuracy(&predictions)?;
    let (row, kind) = (inputs.name.as_str(), RowKind::Model);
    let mut scores = vec![
        Score::new(
            row,
            kind,
            "accuracy, all scenarios",
            "",
            accuracy.overall,
            format!("{} clips", accuracy.n),
        ),
        Score::new(
            row,
            kind,
            "training accuracy (no measure of the model)",
            "",
            model.train_accuracy,
            format!("{} clips", model.n_train),
        )
        .noting(format!("chosen C = {:e}", model.c)),
    ];
    for s in &accuracy.scenarios {
        scores.push(Score::new(
            row,
            kind,
            &format!("accuracy, {}", s.scenario.name()),
            "",
            s.accuracy,
            format!("{} clips", s.n),
        ));
    }
    let bootstrap = Bootstrap {
        resamples: scene.config.resamples,
        seed: scene.config.seed,
        ..Bootstrap::default()
    };
    let mut warnings = Vec::new();
    let mut pictures = Vec::new();
    if let Some(people) = &inputs.people {
        let found = against_people(&predictions, people, Unmatched::Count, &bootstrap)?;
        for s in &found.scenarios {
            let n = format!("{} clips", s.n);
            let name = s.scenario.name();
            scores.push(
                Score::new(
                    row,
                    kind,
                    &format!("r with people, {name}"),
                    "",
                    s.r.estimate,
                    n.clone(),
                )
                .between(s.r.low, s.r.high, "95 % bootstrap over clips"),
            );
            scores.push(Score::new(
                "people",
                RowKind::Published,
                &format!("accuracy, {name}"),
                "",
                s.people_accuracy,
                n,
            ));
            pictures.push(Dot {
                group: "r with people".into(),
                name: name.into(),
                value: s.r.estimate,
                interval: Some((s.r.low, s.r.high)),
                filled: true,
            });
        }
        scores.push(Score::new(
            row,
            kind,
            "mean r with people over scenarios",
            "",
            found.mean_r,
            format!("{} scenarios", found.scenarios.len()),
        ));
        for (count, what) in [
            (found.without_people, "clips that people have not"),
            (
                found.without_prediction,
                "clips of people without a prediction",
            ),
            (
                found.label_disagrees,
                "clips whose outcome the two tables disagree on",
            ),
        ] {
            if count > 0 {
                warnings.push(format!("{count} {what} are left out."));
            }
        }
    }
    for responses in &inputs.answers {
        let decided: Vec<Option<bool>> = responses
            .clips
            .iter()
            .map(|name| {
                predictions
                    .iter()
                    .find(|p| p.scenario == responses.scenario && p.name == *name)
                    .map(|p| p.p_contact > 0.5)
            })
            .collect();
        if decided.iter().any(Option::is_none) {
            warnings.push(format!(
                "κ of {} is left out: participants answered clips without a prediction.",
                responses.scenario.name()
            ));
            continue;
        }
        let decided: Vec<bool> = decided.into_iter().flatten().collect();
        let name = responses.scenario.name();
        for (who, kind, kappa) in [
            (
                row,
                kind,
                Some(model_with_people(&decided, &responses.answers)?),
            ),
            (
                "people",
                RowKind::Published,
                people_with_people(&responses.answers).ok(),
            ),
        ] {
            if let Some(k) = kappa {
                scores.push(
                    Score::new(who, kind, &format!("Cohen's κ with participants, {name}"), "", k.median, format!("{} participants or pairs", k.n))
                        .between(k.p025, k.p975, "2.5th to 97.5th percentile over participants or pairs: a range, no interval of the median"),
                );
            }
        }
    }
    let rows: Vec<Vec<String>> = predictions
        .iter()
        .map(|p| {
            vec![
                p.scenario.name().into(),
                p.name.clone(),
                p.label.to_string(),
                digits(p.p_contact),
            ]
        })
        .collect();
    out.table(
        "contact",
        &["scenario", "stim_ID", "label", "p_contact"],
        &rows,
    )?;
    if pictures.is_empty() {
        pictures.extend(accuracy.scenarios.iter().map(|s| Dot {
            group: "accuracy".into(),
            name: s.scenario.name().into(),
            value: s.accuracy,
            interval: None,
            filled: true,
        }));
    }
    out.figure(
        "contact",
        "contact",
        "Contact by scenario",
        "Correlation of the read-out's probability of contact with the share of people who said yes; bars: 95 % bootstrap over clips. Without people: accuracy.",
        dots("Object contact by scenario", "by scenario", &pictures, &[]),
    );
    out.sections.push(Section {
        analysis: "contact".into(),
        question: "Do the features tell whether two objects will touch, and is it wrong where people are wrong?".into(),
        method: "Features standardised, logistic regression with an L2 penalty, C from 1e-8 to 1e8 by five stratified folds (seed 42), refitted on all training clips, one classifier for all scenarios (Nayebi et al. 2023); joined with people on scenario and name (Bear et al. 2021).".into(),
        scores,
        warnings,
    });
    Ok(())
}
