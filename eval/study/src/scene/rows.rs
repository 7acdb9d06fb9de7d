//! The rows of a study, each made when an analysis first asks for it.

use std::cell::OnceCell;

use mental_pong_predictor::observers::Observer;

use super::Stage;
use super::networks::Net;
use crate::card::RowKind;
use crate::error::{Error, Result};
use crate::latents::Layer;
use mental_pong_eval::array::Array2;
use mental_pong_eval::controls::{constant_features, derangement, shuffle_conditions};
use mental_pong_eval::decode::{HeldOut, OnlineDecoder, OnlineResult};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::nulls::{self, Paths};

/// Where a row's features come from.
pub(crate) enum Source {
    /// A network.
    Net(Net),
    /// A layer of latents that were given.
    Given(Layer),
    /// Features that are there already: the recording's.
    Ready,
    /// A reference observer of the task's own stimuli.
    Observer(Observer),
    /// The true place of the ball.
    Truth,
    /// The true place, held from the moment it is hidden.
    HeldTruth,
    /// One constant.
    Constant,
    /// Features of another condition, same bin, of the network.
    Shuffled(Net),
    /// The model's own features (by the row's place), going on with their smoothed velocity.
    InertiaOf(usize),
}

/// One row of the comparisons.
pub struct Row {
    /// Name, unique within a study.
    pub name: String,
    /// What it is.
    pub kind: RowKind,
    pub(crate) description: String,
    /// Whether it is drawn over time.
    pub(crate) drawn: bool,
    pub(crate) source: Source,
    /// Place of the row that is this model's inertia.
    pub(crate) inertia: Option<usize>,
    pub(crate) features: OnceCell<Vec<Array2>>,
    online: OnceCell<OnlineResult>,
    reduced: OnceCell<OnlineResult>,
    visible: OnceCell<Paths>,
}

impl Row {
    pub(crate) fn new(
        name: impl Into<String>,
        kind: RowKind,
        description: impl Into<String>,
        source: Source,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            description: description.into(),
            drawn: true,
            source,
            inertia: None,
            features: OnceCell::new(),
            online: OnceCell::new(),
            reduced: OnceCell::new(),
            visible: OnceCell::new(),
        }
    }

    /// Whether an analysis has read it out.
    pub(crate) fn read_out(&self) -> bool {
        self.online.get().is_some()
    }

    pub(crate) fn not_drawn(mut self) -> Self {
        self.drawn = false;
        self
    }

    /// Whether it is a model, or stands for a brain or for people.
    pub(crate) fn tested(&self) -> bool {
        matches!(self.kind, RowKind::Model | RowKind::Published)
    }
}

/// Share of the newest change in a velocity that latents go on with, in bins of 50 ms.
const INERTIA_SHARE: f64 = 0.1;

impl Stage<'_> {
    /// `[condition][bin of start_end, unit]` of a row, made once.
    ///
    /// # Errors
    /// Of what it is made from: a network, a file, the recording.
    pub fn features<'s>(&'s self, row: &'s Row) -> Result<&'s [Array2]> {
        if let Some(done) = row.features.get() {
            return Ok(done);
        }
        self.common.stop_if_asked()?;
        let made = self.make(row)?;
        Ok(row.features.get_or_init(|| made))
    }

    fn make(&self, row: &Row) -> Result<Vec<Array2>> {
        let rows = || self.layout.conditions().iter();
        Ok(match &row.source {
            Source::Net(net) => self.networks(net, &row.name)?,
            Source::Given(layer) => {
                let bins: Vec<Vec<usize>> = rows().map(|c| c.bins.clone()).collect();
                layer.in_bins(&self.axis, &bins)?
            }
            Source::Ready => {
                return Err(Error::invalid(
                    format!("row {}", row.name),
                    "has no features",
                ));
            }
            Source::Observer(observer) => self
                .set
                .conditions()
                .iter()
                .map(|c| {
                    let states = observer.states(c, &self.axis)?;
                    Ok(Array2::new(states.len() / 4, 4, states)?)
                })
                .collect::<Result<_>>()?,
            Source::Truth => rows().map(|c| c.targets.clone()).collect(),
            Source::HeldTruth => rows()
                .map(|c| {
                    let seen = c.hidden.iter().position(|&h| h).unwrap_or(0);
                    Array2::from_fn(c.bins.len(), 2, |row, t| {
                        c.targets.get(row.min(seen.saturating_sub(1)), t)
                    })
                })
                .collect(),
            Source::Constant => {
                let bins: Vec<usize> = rows().map(|c| c.bins.len()).collect();
                constant_features(&bins)
            }
            Source::Shuffled(net) => {
                let same = self
                    .rows
                    .iter()
                    .find(|other| matches!(&other.source, Source::Net(n) if n == net));
                let own;
                let features = match same {
                    Some(other) => self.features(other)?,
                    None => {
                        own = self.networks(net, &row.name)?;
                        &own
                    }
                };
                self.shuffled(features)?
            }
            Source::InertiaOf(place) => {
                let features = self.features(&self.rows[*place])?;
                let share = 1.0 - (1.0 - INERTIA_SHARE).powf(self.axis.bin_ms / 50.0);
                rows()
                    .zip(features)
                    .map(|(c, x)| {
                        let onset = c.hidden.iter().position(|&h| h).unwrap_or(c.bins.len());
                        nulls::inertia(x, onset, share)
                    })
                    .collect()
            }
        })
    }

    fn networks(&self, net: &Net, name: &str) -> Result<Vec<Array2>> {
        let name = if self.main {
            name.to_owned()
        } else {
            format!("{name} on {}", self.name)
        };
        self.common
            .networks
            .features(net, &name, &self.set, (&self.axis, &self.layout))
    }

    /// Each condition with the features of another.
    pub(crate) fn shuffled(&self, features: &[Array2]) -> Result<Vec<Array2>> {
        let order = derangement(features.len(), self.common.config.seed)?;
        Ok(shuffle_conditions(features, &order)?)
    }

    /// Online decoding of a row from all its units, done once for all analyses that need it.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn online<'s>(&'s self, row: &'s Row) -> Result<&'s OnlineResult> {
        if let Some(done) = row.online.get() {
            return Ok(done);
        }
        let result = self.decode(row, Readout::Full)?;
        Ok(row.online.get_or_init(|| result))
    }

    /// The same from 50 principal components: features of equal number.
    pub(crate) fn reduced<'s>(&'s self, row: &'s Row) -> Result<&'s OnlineResult> {
        if let Some(done) = row.reduced.get() {
            return Ok(done);
        }
        let result = self.decode(row, super::FIFTY)?;
        Ok(row.reduced.get_or_init(|| result))
    }

    fn decode(&self, row: &Row, readout: Readout) -> Result<OnlineResult> {
        let features = self.features(row)?;
        self.common.stop_if_asked()?;
        Ok(OnlineDecoder::new(&self.layout, features)?.run(&self.splits, readout)?)
    }

    /// What maps that were fitted on visible bins alone find in every bin of held-out conditions.
    fn held_by_visible(&self, features: &[Array2]) -> Result<HeldOut> {
        let (seen, rows) = self.seen_layout()?;
        let x: Vec<Array2> = features
            .iter()
            .zip(&rows)
            .map(|(x, rows)| Array2::from_fn(rows.len(), x.cols(), |i, u| x.get(rows[i], u)))
            .collect();
        let fitted = OnlineDecoder::new(&seen, &x)?;
        let decoder = OnlineDecoder::new(&self.layout, features)?;
        Ok(decoder.held_out_by(&fitted, &self.splits, Readout::Full)?)
    }

    /// Paths of a row read out by a map that was fitted on visible bins alone.
    pub(crate) fn by_visible<'s>(&'s self, row: &'s Row) -> Result<&'s Paths> {
        if let Some(done) = row.visible.get() {
            return Ok(done);
        }
        let held = self.held_by_visible(self.features(row)?)?;
        let paths = Paths::of(&self.layout, &held, |_, path| path)?;
        Ok(row.visible.get_or_init(|| paths))
    }

    /// A model's own read-out of the visible ball, continued in a straight line, perhaps mirrored at the walls.
    pub(crate) fn line(&self, row: &Row, visible_alone: bool, walls: bool) -> Result<Paths> {
        let features = self.features(row)?;
        self.common.stop_if_asked()?;
        let held = if visible_alone {
            self.held_by_visible(features)?
        } else {
            OnlineDecoder::new(&self.layout, features)?.held_out(&self.splits, Readout::Full)?
        };
        let (layout, turns) = (&self.layout, self.walls);
        let bins = self.bins_in(nulls::LINE_MS);
        Ok(Paths::of(layout, &held, |c, path| {
            let rows = &layout.conditions()[c];
            let onset = rows
                .hidden
                .iter()
                .position(|&h| h)
                .unwrap_or(rows.bins.len());
            let line = nulls::straight_line(&path, onset, bins);
            match (walls, turns) {
                (true, Some((low, high))) => nulls::mirrored(&line, low, high),
                _ => line,
            }
        })?)
    }
}
