//! What is compared with what: conditions, bins, truth, splits, and a row for every system.

use std::cell::OnceCell;

use mental_pong_base::Monitor;
use mental_pong_game::task::{Condition, Law, Masks, Set, group_shuffle_split, select, trajectory};
use mental_pong_predictor::latents::{Cache, ContextRule};
use mental_pong_predictor::weights::{Bundled, bundled};

use super::attributes::Attributes;
use super::latents::Layer;
use super::touching::Contact;
use super::{Analysis, StudyConfig};
use crate::card::{NamedText, RowKind};
use crate::chain;
use crate::chain::rows::{FeatureSet, Maker};
use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{ConditionRows, Layout, OnlineDecoder, OnlineResult, Split};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, Responses, TrialType};
use mental_pong_eval::recordings::trials::Trials;
use mental_pong_eval::rsa::StepAxis;

/// A model under test.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// A bundled one: `ctrnn` or `lstm`.
    Bundled(String),
    /// Latents from a file: a name for the tables, and the layer.
    Latents {
        /// Name for the tables.
        name: String,
        /// The latents.
        layer: Layer,
    },
}

/// What was read for a study.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The recording, if there is one.
    pub recording: Option<Recording>,
    /// Name of its file, for the report.
    pub recording_name: String,
    /// Models under test, in the order of the tables.
    pub models: Vec<Model>,
    /// Whether the bundled models stand in where `models` is empty and the recording, if any, is of the task's stimuli.
    pub bundled_by_default: bool,
    /// Trials of people or animals, by name.
    pub trials: Vec<(String, Trials)>,
    /// Recording of another animal on the same conditions, as a ceiling of the maps.
    pub other: Option<Recording>,
    /// Clips of object contact.
    pub contact: Option<Contact>,
    /// Attributes of rows.
    pub attributes: Option<Attributes>,
    /// sha256 of every file that was read.
    pub hashes: Vec<NamedText>,
}

/// One row of the comparisons.
pub(crate) struct System {
    pub(crate) name: String,
    pub(crate) kind: RowKind,
    /// What it is, for a reader of the page.
    pub(crate) description: String,
    /// `[condition][bin of start_end, unit]`.
    pub(crate) features: Vec<Array2>,
    /// Whether it is drawn over time.
    pub(crate) drawn: bool,
    /// Its read-out, once an analysis has asked for it; see [`Scene::online`].
    pub(crate) online: OnceCell<OnlineResult>,
}

/// Everything that the analyses share.
pub(crate) struct Scene<'a> {
    pub(crate) config: &'a StudyConfig,
    /// Name of the recording's row.
    pub(crate) brain: &'static str,
    /// Name of the animals' row.
    pub(crate) animals: &'static str,
    pub(crate) inputs: &'a Inputs,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) recording: Option<&'a Recording>,
    pub(crate) conditions: Vec<Condition>,
    /// Targets x and y, degrees, in the bins of `start_end`.
    pub(crate) layout: Layout,
    pub(crate) splits: Vec<Split>,
    /// `[condition]`, end height, degrees: the recording's, or under the display law.
    pub(crate) ends: Vec<f64>,
    /// Models, the recording, references, controls.
    pub(crate) systems: Vec<System>,
    /// Name of the decoded population of the recording, for the text.
    pub(crate) population: String,
    /// Halves of the recording whose factors were fitted here.
    fitted: Vec<Half>,
    /// Why the recording is not of the task's 79 conditions, if it is not.
    pub(crate) other_task: Option<String>,
    recording_name: String,
    bundle: Bundled,
}

/// A recording with factors, and the halves whose factors were fitted here.
pub(crate) struct Fitted {
    pub(crate) recording: Recording,
    pub(crate) halves: Vec<Half>,
}

impl Fitted {
    /// Fits the factors that the analyses take, which may be none: it takes long.
    pub(super) fn new(recording: &Recording, config: &StudyConfig) -> Result<Self> {
        let asked = |which: &[Analysis]| which.iter().any(|&a| config.takes(a));
        let halves: &[Half] = if asked(&[Analysis::Rsa]) {
            &Half::ALL
        } else if asked(&[
            Analysis::Decode,
            Analysis::Variables,
            Analysis::Endpoint,
            Analysis::Comparison,
        ]) {
            &[Half::Full]
        } else {
            &[]
        };
        let (recording, halves) = recording.with_factors(TrialType::Occ, config.factors, halves)?;
        Ok(Self { recording, halves })
    }
}

/// Names of the rows of the recording and of the animals in it; what is invented is called so in every table.
fn names_of(recording: Option<&Recording>) -> (&'static str, &'static str) {
    match recording.and_then(Recording::synthetic) {
        Some(true) => ("DMFC (synthetic)", "animals (synthetic)"),
        _ => ("DMFC", "animals"),
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        inputs: &'a Inputs,
        recording: Option<&'a Fitted>,
        config: &'a StudyConfig,
        cache: &Cache,
        monitor: &'a dyn Monitor,
    ) -> Result<Self> {
        let fitted = recording.map_or_else(Vec::new, |r| r.halves.clone());
        let recording = recording.map(|r| &r.recording);
        if let Some(recording) = recording {
            check_axes(recording).map_err(|e| in_its_file(recording, e))?;
        }
        let conditions = match recording.and_then(Recording::condition_ids) {
            Some(ids) => {
                let ids: Vec<u32> = ids
                    .iter()
                    .map(|id| {
                        id.parse().map_err(|_| {
                            let expected = "rows of the published table";
                            Error::field("meta, condition id", expected, id.clone())
                        })
                    })
                    .collect::<Result<_>>()?;
                select(&ids)?
            }
            None => Set::Primate79.conditions()?,
        };
        let (layout, other_task) = match recording {
            Some(recording) => {
                recorded_layout(recording, &conditions).map_err(|e| in_its_file(recording, e))?
            }
            None => (chain::layout(&conditions)?, None),
        };
        if let (Some(why), false) = (&other_task, inputs.models.is_empty()) {
            return Err(Error::invalid(
                "models",
                format!("{why}; models that saw the task's stimuli cannot be compared with it"),
            ));
        }
        let splits = group_shuffle_split(
            conditions.len(),
            config.splits,
            config.train,
            config.split_seed,
        )?
        .into_iter()
        .map(|s| Split {
            train: s.train,
            test: s.test,
        })
        .collect();
        let ends = match recording {
            Some(recording) => recorded_ends(recording, &layout),
            None => conditions
                .iter()
                .map(|c| trajectory(c, Law::Display).y_x10_deg())
                .collect(),
        };
        let (brain, animals) = names_of(recording);
        let mut scene = Self {
            config,
            brain,
            animals,
            inputs,
            monitor,
            recording,
            conditions,
            layout,
            splits,
            ends,
            systems: Vec::new(),
            population: String::new(),
            fitted,
            other_task,
            recording_name: inputs.recording_name.clone(),
            bundle: bundled()?,
        };
        let bundled_rows = if scene.other_task.is_some() {
            Vec::new()
        } else {
            Maker {
                conditions: &scene.conditions,
                bundle: &scene.bundle,
                context: ContextRule::OccFrameStart,
                seed: config.seed,
                cache,
                monitor,
            }
            .all()?
        };
        let mut systems = Vec::new();
        let bins: Vec<Vec<usize>> = scene
            .layout
            .conditions()
            .iter()
            .map(|c| c.bins.clone())
            .collect();
        let mut models = inputs.models.clone();
        if models.is_empty() && inputs.bundled_by_default && scene.other_task.is_none() {
            models.extend(["ctrnn", "lstm"].map(|name| Model::Bundled(name.into())));
        }
        for model in &models {
            systems.push(match model {
                Model::Bundled(name) => {
                    let found = bundled_rows
                        .iter()
                        .find(|s| s.kind == RowKind::Model && s.name == name)
                        .ok_or_else(|| {
                            Error::invalid(
                                format!("model `{name}`"),
                                "not bundled; bundled are ctrnn, lstm",
                            )
                        })?;
                    System {
                        name: name.clone(),
                        kind: RowKind::Model,
                        description: found.description.clone(),
                        features: found.features.clone(),
                        drawn: true,
                        online: OnceCell::new(),
                    }
                }
                Model::Latents { name, layer } => System {
                    name: name.clone(),
                    kind: RowKind::Model,
                    description: format!("layer {} of the latents that were given", layer.name),
                    features: layer.in_bins(&bins)?,
                    drawn: true,
                    online: OnceCell::new(),
                },
            });
        }
        if let Some(recording) = recording {
            let (features, what) = scene.recorded(recording, TrialType::Occ, Half::Full)?;
            scene.population = what;
            systems.push(System {
                name: scene.brain.into(),
                kind: RowKind::Published,
                description: format!("the recording: {}", scene.population),
                features,
                drawn: true,
                online: OnceCell::new(),
            });
        }
        systems.extend(
            bundled_rows
                .into_iter()
                .filter(|s| s.kind != RowKind::Model)
                .map(System::from),
        );
        if scene.other_task.is_some() {
            systems.extend(recorded_controls(&scene.layout));
        }
        systems.sort_by_key(|s| super::page::kind_rank(s.kind));
        for (at, system) in systems.iter().enumerate() {
            if systems[..at].iter().any(|s| s.name == system.name) {
                return Err(Error::invalid(
                    format!("row `{}`", system.name),
                    "the name is taken; give the latents another one",
                ));
            }
        }
        scene.systems = systems;
        Ok(scene)
    }

    /// `[condition][bin, (x, y)]`, where the ball is, degrees.
    pub(crate) fn ball(&self) -> Vec<Array2> {
        self.layout
            .conditions()
            .iter()
            .map(|c| Array2::from_fn(c.targets.rows(), 2, |row, t| c.targets.get(row, t)))
            .collect()
    }

    /// Online decoding of a system from all its units, done once for all analyses that need it.
    pub(crate) fn online<'s>(&self, system: &'s System) -> Result<&'s OnlineResult> {
        if let Some(done) = system.online.get() {
            return Ok(done);
        }
        self.stop_if_asked()?;
        let result =
            OnlineDecoder::new(&self.layout, &system.features)?.run(&self.splits, Readout::Full)?;
        Ok(system.online.get_or_init(|| result))
    }

    pub(crate) fn stop_if_asked(&self) -> Result<()> {
        if self.monitor.stopped() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Why an analysis cannot be done with these inputs.
    pub(super) fn lacks(&self, analysis: Analysis) -> Option<&'static str> {
        let needs_recording = matches!(
            analysis,
            Analysis::Reliability
                | Analysis::Dimensionality
                | Analysis::Rsa
                | Analysis::Predictivity
                | Analysis::Encoding
                | Analysis::Variables
        );
        if needs_recording && self.recording.is_none() {
            return Some("needs a recording (--dmfc)");
        }
        let needs_halves = matches!(
            analysis,
            Analysis::Reliability | Analysis::Rsa | Analysis::Predictivity
        );
        let halves = |recording: &&Recording| {
            [Half::Sh1, Half::Sh2]
                .iter()
                .all(|&half| recording.has(TrialType::Occ, Population::All, half))
        };
        if needs_halves && !self.recording.as_ref().is_some_and(halves) {
            return Some(
                "needs both halves of the recording's trials: without them noise is not known",
            );
        }
        if analysis == Analysis::Contact && self.inputs.contact.is_none() {
            return Some("needs features of clips (--contact)");
        }
        if analysis == Analysis::Attributes && self.inputs.attributes.is_none() {
            return Some("needs attributes of the rows (--attributes)");
        }
        None
    }

    /// The systems of a kind.
    pub(crate) fn of_kind(&self, kind: RowKind) -> impl Iterator<Item = &System> {
        self.systems.iter().filter(move |s| s.kind == kind)
    }

    /// The bins of each condition as steps, with the published parts.
    pub(crate) fn axis(&self) -> Result<StepAxis> {
        let rows = self.layout.conditions();
        let steps: Vec<usize> = rows.iter().map(|c| c.bins.len()).collect();
        let occlusion: Vec<usize> = rows
            .iter()
            .map(|c| c.hidden.iter().position(|&h| h).unwrap_or(0))
            .collect();
        Ok(StepAxis::published(&steps, &occlusion)?)
    }

    /// What is decoded and compared: the factors asked for, else reliable units, else all.
    pub(crate) fn population_of(
        &self,
        recording: &Recording,
        trials: TrialType,
        half: Half,
    ) -> Population {
        [
            Population::Factors(self.config.factors),
            Population::Reliable,
            Population::All,
        ]
        .into_iter()
        .find(|&p| recording.has(trials, p, half))
        .unwrap_or(Population::All)
    }

    /// What [`Scene::population_of`] says of the recording, in the bins of the study: `[condition][bin, unit]`.
    pub(crate) fn recorded(
        &self,
        recording: &Recording,
        trials: TrialType,
        half: Half,
    ) -> Result<(Vec<Array2>, String)> {
        let population = self.population_of(recording, trials, half);
        let responses = recording.responses(trials, population, half)?;
        let what = match population {
            Population::Factors(k) if self.fitted.contains(&half) => {
                format!(
                    "{k} factors of the reliable units, fitted here (factor analysis, as published)"
                )
            }
            Population::Factors(k) => format!("{k} factors of the reliable units, as stored"),
            Population::Reliable => format!("{} reliable units", responses.units()),
            Population::All => format!("{} units", responses.units()),
        };
        Ok((in_layout(&self.layout, &responses), what))
    }

    pub(super) fn data_statement(&self) -> String {
        let mut text = match self.recording {
            None => "No recording was read: brain data do not enter these numbers.".to_owned(),
            Some(recording) => match recording.synthetic() {
                Some(true) => format!(
                    "SYNTHETIC DATA. The recording {} says of itself that it is synthetic or simulated: nothing here is about a brain.",
                    self.recording_name
                ),
                _ => format!(
                    "Recording: {}. It does not say of itself that it is synthetic.",
                    self.recording_name
                ),
            },
        };
        if let Some(why) = &self.other_task {
            text.push_str(&format!(
                " The recording is not of the task's own stimuli ({why}), so models and controls that saw those are left out."
            ));
            return text;
        }
        text.push_str(
            " Stimuli and controls are computed from the published rules; the bundled models are this program's own.",
        );
        text
    }

    /// What each row is: systems, and those whose trials were read.
    pub(super) fn rows(&self) -> Vec<NamedText> {
        let mut rows: Vec<NamedText> = self
            .systems
            .iter()
            .map(|s| NamedText::new(s.name.clone(), s.description.clone()))
            .collect();
        if self.recording.is_some() {
            let what = "the paddle of the animals in the recording";
            rows.push(NamedText::new(self.animals, what));
        }
        for (name, trials) in &self.inputs.trials {
            let what = format!("the paddle in the trials of {}", trials.provenance.source);
            rows.push(NamedText::new(name.clone(), what));
        }
        if self.inputs.other.is_some() {
            for name in ["other animal, one-to-one", "other animal, pooled"] {
                let what = "the other recording in the model's place, as a ceiling";
                rows.push(NamedText::new(name, what));
            }
        }
        rows
    }

    pub(super) fn hashes(&self) -> Vec<NamedText> {
        [
            ("bundled encoder weights", &self.bundle.encoder.sha256),
            ("bundled ctrnn weights", &self.bundle.ctrnn.sha256),
            ("bundled lstm weights", &self.bundle.lstm.sha256),
        ]
        .map(|(name, hash)| NamedText::new(name, hash.clone()))
        .to_vec()
    }
}

impl From<FeatureSet> for System {
    fn from(set: FeatureSet) -> Self {
        Self {
            name: set.name.into(),
            kind: set.kind,
            description: set.description,
            features: set.features,
            drawn: set.drawn,
            online: OnceCell::new(),
        }
    }
}

fn in_its_file(recording: &Recording, error: Error) -> Error {
    match error {
        Error::Eval(e) => Error::Eval(recording.in_its_file(e)),
        other => other,
    }
}

/// Fewest conditions that are divided into those to fit and those to test on.
const FEWEST_CONDITIONS: usize = 10;

/// The analyses are about the published bins: times in their texts and tables, epochs and ceilings all depend on them.
fn check_axes(recording: &Recording) -> Result<()> {
    let expected = recording.expected();
    if (expected.bin_ms - 50.0).abs() > 1e-9 || (recording.first_bin_ms() + 300.0).abs() > 1e-9 {
        return Err(Error::field(
            "axes",
            "bins of 50 ms from -300 ms, as published",
            format!(
                "bins of {} ms from {} ms",
                expected.bin_ms,
                recording.first_bin_ms()
            ),
        ));
    }
    if expected.conditions < FEWEST_CONDITIONS {
        return Err(Error::too_few(
            "conditions, to fit on some and test on others",
            FEWEST_CONDITIONS,
            expected.conditions,
        ));
    }
    Ok(())
}

/// Bins and masks of the task; targets x and y as the recording has them (`_TRUE` where it can).
///
/// Also says why the recording is not of the task's stimuli, if its masks are others.
fn recorded_layout(
    recording: &Recording,
    conditions: &[Condition],
) -> Result<(Layout, Option<String>)> {
    let occ = TrialType::Occ;
    let either = |name: &str| {
        recording
            .behavior(occ, &format!("{name}_TRUE"))
            .or_else(|_| recording.behavior(occ, name))
    };
    let (x, y) = (either("ball_pos_x")?, either("ball_pos_y")?);
    let inside = recording.mask(occ, "start_end_pad0")?;
    for (name, values) in [("ball_pos_x", &x), ("ball_pos_y", &y)] {
        if let Some((c, b)) = inside
            .cells()
            .into_iter()
            .find(|&(c, b)| !values.get(c, b).is_finite())
        {
            return Err(Error::field(
                format!("behavioral_responses/occ/{name}_TRUE (or {name})"),
                "a value in every cell of start_end_pad0",
                format!("{} at condition {c}, bin {b}", values.get(c, b)),
            ));
        }
    }
    let start_end = recording.mask(occ, "start_end_pad0")?;
    let visible = recording.mask(occ, "start_occ_pad0")?;
    let hidden = recording.mask(occ, "occ_end_pad0")?;
    let mut other_task = None;
    let rows = conditions
        .iter()
        .enumerate()
        .map(|(c, condition)| {
            let bins: Vec<usize> = (0..x.cols())
                .filter(|&b| start_end.contains(c, b))
                .collect();
            let task = Masks::of(condition).start_end;
            if other_task.is_none() && bins != task.clone().collect::<Vec<_>>() {
                other_task = Some(format!(
                    "condition {} moves in {} bins of this recording and in {} of the task",
                    condition.id,
                    bins.len(),
                    task.len()
                ));
            }
            Ok(ConditionRows {
                id: condition.id,
                targets: Array2::from_fn(bins.len(), 2, |row, t| [&x, &y][t].get(c, bins[row])),
                visible: bins.iter().map(|&b| visible.contains(c, b)).collect(),
                hidden: bins.iter().map(|&b| hidden.contains(c, b)).collect(),
                bins,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let layout = Layout::new(vec!["x".into(), "y".into()], 50.0, rows)?;
    Ok((layout, other_task))
}

/// `[condition]`, end height as the recording has it: `ball_final_y`, else the ball's last height in the trial, degrees.
fn recorded_ends(recording: &Recording, layout: &Layout) -> Vec<f64> {
    let stored = recording.behavior(TrialType::Occ, "ball_final_y").ok();
    layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            let stored = stored
                .iter()
                .flat_map(|end| rows.bins.iter().map(|&b| end.get(c, b)))
                .find(|v| v.is_finite());
            let last = || {
                (0..rows.bins.len())
                    .rev()
                    .map(|row| rows.targets.get(row, 1))
                    .find(|v| v.is_finite())
            };
            stored.or_else(last).unwrap_or(f64::NAN)
        })
        .collect()
}

/// Responses in the bins of the layout: `[condition][bin, unit]`.
pub(crate) fn in_layout(layout: &Layout, responses: &Responses) -> Vec<Array2> {
    layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            Array2::from_fn(rows.bins.len(), responses.units(), |row, unit| {
                responses.get(unit, c, rows.bins[row])
            })
        })
        .collect()
}

/// References and controls that need no stimuli, from the recording's own ball.
fn recorded_controls(layout: &Layout) -> Vec<System> {
    let each = |f: &dyn Fn(&ConditionRows) -> Array2| layout.conditions().iter().map(f).collect();
    let held = |rows: &ConditionRows| {
        let seen = rows.hidden.iter().position(|&h| h).unwrap_or(0);
        Array2::from_fn(rows.bins.len(), 2, |row, t| {
            rows.targets.get(row.min(seen.saturating_sub(1)), t)
        })
    };
    let row = |name: &str, kind, description: &str, features| System {
        name: name.into(),
        kind,
        description: description.into(),
        features,
        drawn: true,
        online: OnceCell::new(),
    };
    vec![
        row(
            "oracle",
            RowKind::Reference,
            "the ball's true place throughout",
            each(&|rows| rows.targets.clone()),
        ),
        row(
            "constant",
            RowKind::Control,
            "one constant: the read-out's best guess without features",
            each(&|rows| Array2::filled(rows.bins.len(), 1, 1.0)),
        ),
        row(
            "last-seen",
            RowKind::Control,
            "the ball's true place, held from the moment it is hidden",
            each(&held),
        ),
    ]
}
