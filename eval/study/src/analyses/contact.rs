//! Object contact (Physion): a read-out of the user's features, beside people.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::{Error, Result};
use crate::report::plot::{Dot, dots};
use crate::scene::Scene;
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
    /// [`Error::Io`](mental_pong_eval::error::Error::Io) and [`Error::Table`](mental_pong_eval::error::Error::Table) naming the file; [`Error::InFile`](mental_pong_eval::error::Error::InFile) for features of another shape.
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

/// Will the objects touch?
pub(crate) struct ObjectContact;

impl Analysis for ObjectContact {
    fn id(&self) -> &'static str {
        "contact"
    }
    fn chapter(&self) -> &'static str {
        "howto/contact"
    }

    fn title(&self) -> &'static str {
        "Will the objects touch?"
    }

    fn question(&self) -> &'static str {
        "Do the features tell whether two objects will touch, and is it wrong where people are wrong?"
    }

    fn does_not_show(&self) -> &'static str {
        "A read-out that is fitted to the outcome may use whatever goes with it in these clips."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Contact]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(inputs) = &scene.inputs.contact else {
            return Ok(());
        };
        let labels: Vec<bool> = inputs.train.clips.iter().map(|c| c.label).collect();
        let model =
            ContactModel::train(&inputs.train.features, &labels, &ContactSettings::default())?;
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
        let mut pictures = accuracies_of(inputs, &model, &predictions, out)?;
        if let Some(people) = &inputs.people {
            let found = with_people(scene, inputs, people, &predictions, out)?;
            if !found.is_empty() {
                pictures = found;
            }
        }
        kappas(inputs, &predictions, out)?;
        let mut table = Table::new("contact", &["scenario", "stim_ID", "label", "p_contact"]);
        for p in &predictions {
            table.push(cells![p.scenario.name(), &p.name, p.label, p.p_contact]);
        }
        out.tables.push(table);
        out.figure(
            "contact",
            "contact",
            "Contact by scenario",
            "Correlation of the read-out's probability of contact with the share of people who said yes; bars: 95 % bootstrap over clips. Without people: accuracy.",
            dots("Object contact by scenario", "by scenario", &pictures, &[]),
        );
        out.method.push("Features standardised, logistic regression with an L2 penalty, C from 1e-8 to 1e8 by five stratified folds (seed 42), refitted on all training clips, one classifier for all scenarios (Nayebi et al. 2023); joined with people on scenario and name (Bear et al. 2021).".into());
        Ok(())
    }
}

fn accuracies_of(
    inputs: &Contact,
    model: &ContactModel,
    predictions: &[Prediction],
    out: &mut Out,
) -> Result<Vec<Dot>> {
    let accuracy = per_scenario_accuracy(predictions)?;
    let score = |metric: &str, value| Score::of(&inputs.name, RowKind::Model, metric, value);
    out.scores.push(
        score("accuracy", accuracy.overall)
            .target("all scenarios")
            .noting(format!("{} clips", accuracy.n)),
    );
    out.scores.push(
        score("train_accuracy", model.train_accuracy)
            .noting(format!("{} clips, chosen C = {:e}", model.n_train, model.c)),
    );
    for s in &accuracy.scenarios {
        out.scores.push(
            score("accuracy", s.accuracy)
                .target(s.scenario.name())
                .noting(format!("{} clips", s.n)),
        );
    }
    Ok(accuracy
        .scenarios
        .iter()
        .map(|s| Dot {
            group: "accuracy".into(),
            name: s.scenario.name().into(),
            value: s.accuracy,
            interval: None,
            filled: true,
        })
        .collect())
}

fn with_people(
    scene: &Scene,
    inputs: &Contact,
    people: &People,
    predictions: &[Prediction],
    out: &mut Out,
) -> Result<Vec<Dot>> {
    let bootstrap = Bootstrap {
        resamples: scene.config.resamples,
        seed: scene.config.seed,
        ..Bootstrap::default()
    };
    let found = against_people(predictions, people, Unmatched::Count, &bootstrap)?;
    let mut pictures = Vec::new();
    for s in &found.scenarios {
        let n = format!("{} clips", s.n);
        let name = s.scenario.name();
        out.scores.push(
            Score::of(&inputs.name, RowKind::Model, "r_people", s.r.estimate)
                .target(name)
                .noting(n.clone())
                .between(s.r.low, s.r.high, interval::CLIPS),
        );
        out.scores.push(
            Score::of("people", RowKind::Published, "accuracy", s.people_accuracy)
                .target(name)
                .noting(n),
        );
        pictures.push(Dot {
            group: "r with people".into(),
            name: name.into(),
            value: s.r.estimate,
            interval: Some((s.r.low, s.r.high)),
            filled: true,
        });
    }
    out.scores.push(
        Score::of(&inputs.name, RowKind::Model, "mean_r_people", found.mean_r)
            .noting(format!("{} scenarios", found.scenarios.len())),
    );
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
            out.warnings.push(format!("{count} {what} are left out."));
        }
    }
    Ok(pictures)
}

fn kappas(inputs: &Contact, predictions: &[Prediction], out: &mut Out) -> Result<()> {
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
        let name = responses.scenario.name();
        if decided.iter().any(Option::is_none) {
            out.warnings.push(format!(
                "κ of {name} is left out: participants answered clips without a prediction."
            ));
            continue;
        }
        let decided: Vec<bool> = decided.into_iter().flatten().collect();
        for (who, kind, kappa) in [
            (
                inputs.name.as_str(),
                RowKind::Model,
                Some(model_with_people(&decided, &responses.answers)?),
            ),
            (
                "people",
                RowKind::Published,
                people_with_people(&responses.answers).ok(),
            ),
        ] {
            if let Some(k) = kappa {
                out.scores.push(
                    Score::of(who, kind, "kappa", k.median)
                        .target(name)
                        .noting(format!("{} participants or pairs", k.n))
                        .between(k.p025, k.p975, interval::RANGE),
                );
            }
        }
    }
    Ok(())
}
