//! What is compared with what: condition sets with bins, truth and splits, and a row for every system.

mod lines;
mod networks;
mod recorded;
mod rows;

pub use networks::BUNDLED;
pub(crate) use networks::Networks;
pub(crate) use recorded::{Fitted, in_layout, units_of};
pub use rows::Row;
pub(crate) use rows::Source;

use std::ops::Deref;

use mental_pong_base::Monitor;
use mental_pong_game::task::{
    BinAxis, ConditionSet, Epoch, Law, SetCondition, group_shuffle_split,
};
use mental_pong_predictor::latents::Cache;

use self::lines::{recorded_rows, task_rows};
use self::recorded::{in_its_file, names_of, population_of, recorded_ends, recorded_layout};
use crate::analysis::Need;
use crate::card::{RowCard, RowKind, SetCard};
use crate::config::StudyConfig;
use crate::error::{Error, Result};
use crate::inputs::{Inputs, Model};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{ConditionRows, Layout, Split};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::recordings::{FEWEST_CONDITIONS, sample};
use mental_pong_eval::rsa::StepAxis;

/// Published read-out of the end point, and of features of equal number.
pub(crate) const FIFTY: Readout = Readout::Pca { k: 50 };

/// Classes of conditions by their bounce, in the order of the tables.
pub(crate) const BOUNCES: [&str; 4] = ["all", "none", "visible", "hidden"];

/// What all sets of a study share.
pub(crate) struct Common<'a> {
    pub(crate) inputs: &'a Inputs,
    pub(crate) config: &'a StudyConfig,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) networks: Networks<'a>,
}

impl<'a> Common<'a> {
    pub(crate) fn new(
        inputs: &'a Inputs,
        config: &'a StudyConfig,
        cache: &'a Cache,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            inputs,
            config,
            monitor,
            networks: Networks {
                context_frames: config.context_frames,
                cache,
                monitor,
            },
        }
    }

    pub(crate) fn stop_if_asked(&self) -> Result<()> {
        if self.monitor.stopped() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

/// One condition set with its rows.
pub struct Stage<'a> {
    pub(crate) common: &'a Common<'a>,
    /// Whether it is the study's own set.
    pub(crate) main: bool,
    pub(crate) name: String,
    /// The conditions.
    pub set: ConditionSet,
    /// The bins: the recording's, else of 50 ms.
    pub axis: BinAxis,
    /// Targets x and y, degrees, and where the truth is computed dx and dy, in the bins of `start_end`.
    pub layout: Layout,
    /// Splits by condition, places in the set's order.
    pub splits: Vec<Split>,
    /// `[condition]`, end height, degrees: the recording's, or under the set's law.
    pub ends: Vec<f64>,
    /// `[condition]`, class of bounce: `none`, `visible`, `hidden`.
    pub bounce: Vec<&'static str>,
    /// Heights at which the ball turns, where walls are known.
    pub(crate) walls: Option<(f64, f64)>,
    /// Why its conditions cannot be shown to a network, if so.
    pub(crate) unseen: Option<String>,
    /// Models, the recording, references, controls.
    pub rows: Vec<Row>,
}

impl Stage<'_> {
    /// Rows of a kind.
    pub fn of_kind(&self, kind: RowKind) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |s| s.kind == kind)
    }

    /// The row of that name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Places of the conditions of a class of bounce.
    #[must_use]
    pub fn class(&self, bounce: &str) -> Vec<usize> {
        (0..self.n_conditions())
            .filter(|&c| bounce == "all" || self.bounce[c] == bounce)
            .collect()
    }

    /// Number of conditions.
    #[must_use]
    pub fn n_conditions(&self) -> usize {
        self.layout.conditions().len()
    }

    /// So many bins of the study as there are in this time, at least one.
    pub(crate) fn bins_in(&self, ms: f64) -> usize {
        ((ms / self.axis.bin_ms).round() as usize).max(1)
    }

    /// A condition whose ball is never hidden, by its id: what is about hidden balls has nothing to say of it.
    pub(crate) fn never_hidden(&self) -> Option<&str> {
        let mut all = self.layout.conditions().iter();
        all.find(|c| !c.hidden.contains(&true))
            .map(|c| c.id.as_str())
    }

    /// `[condition][bin, (x, y)]`, where the ball is, degrees.
    #[must_use]
    pub fn ball(&self) -> Vec<Array2> {
        self.layout
            .conditions()
            .iter()
            .map(|c| Array2::from_fn(c.targets.rows(), 2, |row, t| c.targets.get(row, t)))
            .collect()
    }

    /// Rows of the layout in which the ball is seen and nothing of it hidden yet, and their places.
    pub(crate) fn seen_layout(&self) -> Result<(Layout, Vec<Vec<usize>>)> {
        let mut places = Vec::new();
        let rows = self
            .layout
            .conditions()
            .iter()
            .map(|c| {
                let kept: Vec<usize> = (0..c.bins.len())
                    .filter(|&row| c.visible[row] && !c.hidden[row])
                    .collect();
                let rows = ConditionRows {
                    id: c.id.clone(),
                    bins: kept.iter().map(|&row| c.bins[row]).collect(),
                    targets: Array2::from_fn(kept.len(), c.targets.cols(), |i, t| {
                        c.targets.get(kept[i], t)
                    }),
                    visible: vec![true; kept.len()],
                    hidden: vec![false; kept.len()],
                };
                places.push(kept);
                rows
            })
            .collect();
        let names = self.layout.target_names().to_vec();
        Ok((Layout::new(names, self.layout.bin_ms(), rows)?, places))
    }

    /// The step axis of the geometry in bins of motion, occlusion first hidden. Every condition has to have a hidden bin.
    pub(crate) fn steps(&self) -> Result<StepAxis> {
        let conditions = self.layout.conditions();
        let steps: Vec<usize> = conditions.iter().map(|c| c.bins.len()).collect();
        let occlusion: Vec<usize> = conditions
            .iter()
            .map(|c| c.hidden.iter().position(|&h| h).unwrap_or(c.bins.len()))
            .collect();
        Ok(StepAxis::published(&steps, &occlusion)?)
    }

    pub(crate) fn n_bins(&self) -> usize {
        self.layout.conditions().iter().map(|c| c.bins.len()).sum()
    }

    pub(crate) fn card(&self) -> SetCard {
        SetCard {
            name: self.name.clone(),
            sha256: self.set.sha256().into(),
            n_conditions: self.n_conditions(),
            n_bins: self.n_bins(),
            looked_at: looked_at(&self.name).into(),
        }
    }

    /// Splits that a read-out is fitted and tested on.
    fn split(config: &StudyConfig, n: usize) -> Result<Vec<Split>> {
        let splits = group_shuffle_split(n, config.splits, config.train, config.split_seed)?;
        Ok(splits
            .into_iter()
            .map(|s| Split {
                train: s.train,
                test: s.test,
            })
            .collect())
    }

    /// A set beside the study's own, with the models and their nulls.
    pub(crate) fn beside<'a>(common: &'a Common<'a>, name: &str) -> Result<Stage<'a>> {
        let ground = Ground::of(&ConditionSet::open(name)?)?;
        let mut stage = ground.stage(common, false)?;
        stage.name = name.into();
        stage.rows = task_rows(common.inputs, &stage)?;
        Ok(stage)
    }
}

/// What looked at a set, as far as this program's own models are concerned.
fn looked_at(name: &str) -> &'static str {
    match name {
        "primate79" => {
            "the bundled models were not trained on these conditions; the objective of the first bundled encoder was chosen with a view to them; reported here"
        }
        "fresh400" => {
            "400 trials of the published validation set outside of the 79; no training looked at them; the first recipe of room-gru was run on them once, and the bundled one was looked for because of what that showed; reported here"
        }
        _ => {
            "not used for training or choice of the bundled models, as far as this program knows; reported here"
        }
    }
}

/// An error with a guess for a set that is not there.
pub(crate) fn check_set(spec: &str) -> Result<()> {
    Ok(sample::condition_set(spec).map(drop)?)
}

/// An error with a guess for a model that is not there.
pub(crate) fn check_model(name: &str) -> Result<()> {
    networks::spec(name).map(drop)
}

/// The condition set that inputs are about: the recording's, else what was asked for.
pub(crate) fn condition_set(inputs: &Inputs) -> Result<ConditionSet> {
    match inputs.recording.as_ref().and_then(Recording::set) {
        Some(set) => Ok(set.clone()),
        None => inputs.asked_set(),
    }
}

/// Why a set cannot be shown to a network, if so: what is drawn has to be what its truth says.
fn unseen(set: &ConditionSet) -> Option<String> {
    // Of a share near a half nobody can say which it is.
    const UNSURE: f64 = 0.4;
    let of = |c: &SetCondition| {
        if c.pictures().is_some() || c.start().is_some() {
            return None;
        }
        let (geometry, radius) = (c.geometry(), c.geometry().radius_deg());
        let other = c.truth().into_iter().position(|f| {
            let drawn = geometry.visible_share((f.x_deg, f.y_deg), radius);
            (drawn - f.visible).abs() > 1.0 - UNSURE
        })?;
        Some(format!(
            "the set {} says of frame {other} of condition {} how much of the ball is visible, and its occluders say otherwise: without imported pictures nobody knows what was seen",
            set.name(),
            c.id()
        ))
    };
    set.conditions().iter().find_map(of)
}

/// Bins, epochs and truth of a set; targets x and y in degrees, dx and dy in degrees per bin.
fn layout(set: &ConditionSet, axis: &BinAxis) -> Result<Layout> {
    let rows = set
        .conditions()
        .iter()
        .map(|condition| {
            let binned = condition.binned(axis);
            let bins = binned.bins(Epoch::All).to_vec();
            let targets: Vec<[f64; 4]> = bins
                .iter()
                .map(|&b| {
                    [
                        binned.x_deg[b],
                        binned.y_deg[b],
                        binned.dx_deg_per_bin[b],
                        binned.dy_deg_per_bin[b],
                    ]
                })
                .collect();
            let inside = |epoch: Epoch| -> Vec<bool> {
                let those = binned.bins(epoch);
                bins.iter().map(|b| those.contains(b)).collect()
            };
            Ok(ConditionRows {
                id: condition.id().into(),
                targets: Array2::from_rows(&targets)?,
                visible: inside(Epoch::Visible),
                hidden: inside(Epoch::Hidden),
                bins,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let names = ["x", "y", "dx", "dy"].map(String::from).to_vec();
    Ok(Layout::new(names, axis.bin_ms, rows)?)
}

/// Heights at which the ball of all conditions turns; `None` where they differ, or where a recorded ball turns elsewhere.
fn walls(set: &ConditionSet) -> Option<(f64, f64)> {
    /// Farther from a wall than this no ball turns, degrees.
    const NEAR: f64 = 1.0;
    let of = |c: &SetCondition| {
        c.geometry()
            .turns_deg(c.law().law().unwrap_or(Law::Display))
    };
    let first = set.conditions().first().map(of)?;
    let there = |c: &SetCondition| {
        let track = c.track();
        c.law().law().is_some()
            || track.bounces_ms().iter().all(|ms| {
                let frame = (ms * c.rate_hz() / 1000.0).round() as usize;
                let y = track.ball_deg(frame).map_or(f64::NAN, |ball| ball.1);
                first.iter().any(|wall| (y - wall).abs() < NEAR)
            })
    };
    let alike = set.conditions().iter().all(|c| of(c) == first && there(c));
    alike.then_some((first[0], first[1]))
}

/// Everything that the analyses share.
pub struct Scene<'a> {
    stage: Stage<'a>,
    /// Sets on which the models are held against their nulls as well.
    pub(crate) beside: Vec<Stage<'a>>,
    /// How it is done.
    pub config: &'a StudyConfig,
    /// What was read.
    pub inputs: &'a Inputs,
    /// Asked for a stop, told of progress.
    pub monitor: &'a dyn Monitor,
    /// Name of the recording's row.
    pub(crate) brain: &'static str,
    /// Name of the animals' row.
    pub(crate) animals: &'static str,
    pub(crate) recording: Option<&'a Recording>,
    /// The decoded population of the recording in words; empty without one.
    pub(crate) population: String,
    /// Halves of the recording whose factors were fitted here.
    fitted: Vec<Half>,
    /// Why the recording is not of the task's stimuli, if it is not.
    pub(crate) other_task: Option<String>,
}

impl<'a> Deref for Scene<'a> {
    type Target = Stage<'a>;

    fn deref(&self) -> &Stage<'a> {
        &self.stage
    }
}

/// What a set is, before any work.
pub(crate) struct Ground {
    name: String,
    set: ConditionSet,
    axis: BinAxis,
    layout: Layout,
    ends: Vec<f64>,
    bounce: Vec<&'static str>,
    walls: Option<(f64, f64)>,
    unseen: Option<String>,
    other_task: Option<String>,
}

impl Ground {
    /// A set as it is.
    fn of(set: &ConditionSet) -> Result<Self> {
        if set.len() < FEWEST_CONDITIONS {
            return Err(Error::too_few(
                "conditions, to fit on some and test on others",
                FEWEST_CONDITIONS,
                set.len(),
            ));
        }
        let (conditions, axis) = (set.conditions(), set.axis());
        Ok(Self {
            name: set.name().into(),
            set: set.clone(),
            axis,
            layout: layout(set, &axis)?,
            ends: conditions
                .iter()
                .map(SetCondition::end_height_deg)
                .collect(),
            bounce: conditions.iter().map(|c| c.bounce().name()).collect(),
            walls: walls(set),
            unseen: unseen(set),
            other_task: None,
        })
    }

    /// The study's own: of the set that was asked for or that the recording names, with the recording's own bins and ball.
    pub(crate) fn new(inputs: &Inputs) -> Result<Self> {
        let mut ground = match &inputs.recording {
            Some(recording) => Self::of_recording(inputs, recording)?,
            None => Self::of(&condition_set(inputs)?)?,
        };
        let why = ground.other_task.as_ref().map(|why| {
            format!("{why}; models that saw the set's stimuli cannot be compared with it")
        });
        if let (Some(why), false) = (&why, inputs.models.is_empty()) {
            return Err(Error::invalid("models", why));
        }
        let named = |model: &Model| matches!(model, Model::Named(_));
        if let (Some(why), true) = (&ground.unseen, inputs.models.iter().any(named)) {
            return Err(Error::invalid("models", why));
        }
        ground.unseen = ground.unseen.or(why);
        Ok(ground)
    }

    fn of_recording(inputs: &Inputs, recording: &Recording) -> Result<Self> {
        let ids = &inputs.asked.ids;
        let narrower = !ids.is_empty() && recording.condition_ids() != Some(ids.as_slice());
        if narrower && recording.set().is_some() {
            return Err(Error::invalid(
                "--ids",
                "they narrow a set of conditions; a recording is taken with the conditions that it has",
            ));
        }
        let set = condition_set(inputs)?;
        let of_file = |e: Error| in_its_file(recording, e);
        let mut ground = Self::of(&set).map_err(of_file)?;
        ground.axis = recording.axis();
        let (layout, other_task) = recorded_layout(recording, &set).map_err(of_file)?;
        if other_task.is_some() {
            ground.bounce = layout.conditions().iter().map(bend).collect();
            ground.walls = None;
            ground.name = format!("conditions of {}", inputs.recording_name);
        }
        ground.ends = recorded_ends(recording, &layout);
        ground.layout = layout;
        ground.other_task = other_task;
        Ok(ground)
    }

    /// The stage of it, without rows.
    fn stage<'a>(self, common: &'a Common<'a>, main: bool) -> Result<Stage<'a>> {
        Ok(Stage {
            common,
            main,
            splits: Stage::split(common.config, self.layout.conditions().len())?,
            name: self.name,
            set: self.set,
            axis: self.axis,
            layout: self.layout,
            ends: self.ends,
            bounce: self.bounce,
            walls: self.walls,
            unseen: self.unseen,
            rows: Vec::new(),
        })
    }
}

/// Class of bounce of a recorded path, by where its height turns.
fn bend(rows: &ConditionRows) -> &'static str {
    let y = |row: usize| rows.targets.get(row, 1);
    let turn = (2..rows.bins.len()).find(|&row| {
        let (before, after) = (y(row - 1) - y(row - 2), y(row) - y(row - 1));
        before * after < 0.0 && before.abs() > 1e-3 && after.abs() > 1e-3
    });
    match turn {
        None => "none",
        Some(row) if rows.hidden[row - 1] => "hidden",
        Some(_) => "visible",
    }
}

impl<'a> Scene<'a> {
    /// Rows by name and kind; nothing of them is computed.
    pub(crate) fn new(
        common: &'a Common<'a>,
        ground: Ground,
        recording: Option<&'a Fitted>,
    ) -> Result<Self> {
        let fitted = recording.map_or_else(Vec::new, |r| r.halves.clone());
        let recording = recording.map(|r| &r.recording);
        let (brain, animals) = names_of(recording);
        let inputs = common.inputs;
        let other_task = ground.other_task.clone();
        let mut scene = Self {
            stage: ground.stage(common, true)?,
            beside: Vec::new(),
            config: common.config,
            inputs,
            monitor: common.monitor,
            brain,
            animals,
            recording,
            population: String::new(),
            fitted,
            other_task,
        };
        let mut rows = if scene.other_task.is_some() {
            recorded_rows()
        } else {
            task_rows(inputs, &scene.stage)?
        };
        if let Some(recording) = recording {
            let (features, what) = scene.recorded(recording, Half::Full)?;
            let place = rows
                .iter()
                .position(|r| r.kind != RowKind::Model)
                .unwrap_or(rows.len());
            let row = Row::new(
                brain,
                RowKind::Published,
                format!("the recording: {what}"),
                Source::Ready,
            );
            let _ = row.features.set(features);
            // Places of the nulls move by one.
            for model in &mut rows {
                if let Some(at) = &mut model.inertia {
                    *at += usize::from(*at >= place);
                }
            }
            rows.insert(place, row);
            scene.population = what;
        }
        for (at, row) in rows.iter().enumerate() {
            if rows[..at].iter().any(|s| s.name == row.name) {
                return Err(Error::invalid(
                    format!("row `{}`", row.name),
                    "the name is taken; give the latents another one",
                ));
            }
        }
        scene.stage.rows = rows;
        for name in &common.config.also {
            if *name != scene.stage.name {
                scene.beside.push(Stage::beside(common, name)?);
            }
        }
        Ok(scene)
    }

    pub(crate) fn stop_if_asked(&self) -> Result<()> {
        self.common.stop_if_asked()
    }

    /// The study's own set and those beside it.
    pub(crate) fn stages(&self) -> impl Iterator<Item = &Stage<'a>> {
        std::iter::once(&self.stage).chain(&self.beside)
    }

    /// The model that the answer is about.
    pub(crate) fn headline(&self) -> Option<&Row> {
        self.row(&self.config.headline)
            .or_else(|| self.of_kind(RowKind::Model).next())
    }

    /// What is decoded and compared of a recording.
    pub(crate) fn population_of(&self, recording: &Recording, half: Half) -> Population {
        population_of(recording, self.config.factors, half)
    }

    /// The same in the bins of the study, `[condition][bin, unit]`, and what it is in words.
    pub(crate) fn recorded(
        &self,
        recording: &Recording,
        half: Half,
    ) -> Result<(Vec<Array2>, String)> {
        let population = self.population_of(recording, half);
        let responses = recording.responses(TrialType::Occ, population, half)?;
        let of = match units_of(recording) {
            Population::Reliable => "the reliable units",
            _ => "all units",
        };
        let what = match population {
            Population::Factors(k) if self.fitted.contains(&half) => {
                let n = recording.responses(TrialType::Occ, units_of(recording), half)?;
                format!(
                    "{k} factors of {of} (n = {}), fitted here (factor analysis, as published)",
                    n.units()
                )
            }
            Population::Factors(k) => format!("{k} factors, as stored in the file"),
            Population::Reliable => format!("{} reliable units", responses.units()),
            Population::All => format!("{} units", responses.units()),
        };
        Ok((in_layout(&self.layout, &responses), what))
    }

    /// What of the study is real.
    pub(crate) fn data_statement(&self) -> String {
        let name = &self.inputs.recording_name;
        let mut text = match self.recording {
            None => "No recording was read: brain data do not enter these numbers. Figures of DMFC, monkeys and people are quoted from the literature.".to_owned(),
            Some(recording) => match recording.synthetic() {
                Some(true) => format!(
                    "SYNTHETIC DATA. The recording {name} says of itself that it is synthetic or simulated: nothing here is about a brain."
                ),
                _ => format!("Recording: {name}. It does not say of itself that it is synthetic."),
            },
        };
        if let Some(why) = &self.other_task {
            text.push_str(&format!(
                " The recording is not of the set's own stimuli ({why}), so models and controls that saw those are left out."
            ));
        }
        text.push(' ');
        text.push_str(&self.set_statement());
        text.extend(self.cut_off());
        let notes = self.recording.map_or(&[][..], Recording::notes);
        for note in notes.iter().chain(&self.inputs.notices) {
            text.push_str(&format!(" {note}."));
        }
        text
    }

    /// What of the trials is beyond the bins, if something is.
    fn cut_off(&self) -> Option<String> {
        let end_ms = self.axis.start_ms(self.axis.n_bins);
        let ends = self.set.conditions().iter().map(|c| c.track().end().0);
        let beyond = ends.filter(|ms| *ms > end_ms).count();
        (beyond > 0).then(|| {
            format!(
                " CUT OFF: the bins end {end_ms} ms after motion onset, and {beyond} of {} conditions last longer.",
                self.set.len()
            )
        })
    }

    /// Whose conditions these are, and what is theirs alone.
    fn set_statement(&self) -> String {
        let set = &self.set;
        if set.is_published() {
            return "Stimuli and controls are computed from the published rules; the bundled models are this program's own.".into();
        }
        let mut text = format!(
            "NOT the published conditions: {} of the set {} ({} law); truth, epochs and controls are computed from it, in bins of {} ms.",
            set.len(),
            set.identity(),
            set.law(),
            self.axis.bin_ms
        );
        if let Some(why) = self.unseen.as_ref().filter(|_| self.other_task.is_none()) {
            text.push_str(&format!(" No network saw them: {why}."));
        }
        text.push_str(" Published figures are of other conditions.");
        text
    }

    /// The rows that were made, and those of observers whose trials were read.
    pub(crate) fn row_cards(&self) -> Result<Vec<RowCard>> {
        let mut cards = Vec::new();
        for row in &self.rows {
            let units = row.features.get().map(|f| match &row.source {
                // Features of a wide layer are those of its rows' space.
                Source::Given(layer) => layer.units(),
                _ => f.first().map_or(0, Array2::cols),
            });
            if units.is_none() && row.kind != RowKind::Model {
                continue;
            }
            let facts = match &row.source {
                Source::Net(net) if row.kind == RowKind::Model && units.is_some() => {
                    self.common.networks.facts(net)?
                }
                _ => Vec::new(),
            };
            cards.push(RowCard {
                name: row.name.clone(),
                kind: row.kind,
                description: row.description.clone(),
                units,
                facts,
            });
        }
        let mut observer = |name: &str, description: String, kind| {
            cards.push(RowCard {
                name: name.into(),
                kind,
                description,
                units: None,
                facts: Vec::new(),
            });
        };
        if self.recording.is_some() {
            let what = "the paddle of the animals in the recording".to_owned();
            observer(self.animals, what, RowKind::Published);
        }
        for (name, trials) in &self.inputs.trials {
            let what = format!("the paddle in the trials of {}", trials.provenance.source);
            observer(name, what, RowKind::Published);
        }
        if self.inputs.other.is_some() {
            for name in ["other animal, one-to-one", "other animal, pooled"] {
                let what = "the other recording in the model's place, as a ceiling".to_owned();
                observer(name, what, RowKind::Reference);
            }
        }
        Ok(cards)
    }
}

/// Why an analysis cannot be done with these inputs, if it cannot.
pub(crate) fn lacks(inputs: &Inputs, needs: &[Need]) -> Option<&'static str> {
    let recording = inputs.recording.as_ref();
    let halves = |recording: &Recording| {
        [Half::Sh1, Half::Sh2]
            .iter()
            .all(|&half| recording.has(TrialType::Occ, Population::All, half))
    };
    needs
        .iter()
        .find(|need| match need {
            Need::Recording => recording.is_none(),
            Need::Halves => !recording.is_some_and(halves),
            Need::Contact => inputs.contact.is_none(),
            Need::Attributes => inputs.attributes.is_none(),
            Need::Model => inputs.models_of_study().is_empty(),
            Need::Occlusion | Need::Rows => false,
        })
        .map(|need| need.missing())
}
