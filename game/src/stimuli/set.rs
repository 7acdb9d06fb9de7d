//! A stimulus set as a value: conditions and a setting, and the frames that follow from them.

use std::path::Path;

use crate::error::{Error, Result};
use crate::frames::Renderer;
use crate::stimuli::drawer::{Drawer, Drawn};
use crate::stimuli::movie::{Format, Movie, Setting};
use crate::stimuli::table;
use crate::stimuli::truth::Truth;
use crate::task::condition::Condition;
use crate::task::law::Law;
use crate::task::set::{ConditionSet, SetCondition, SetLaw};
use crate::task::table::write_csv;
use mental_pong_base::files::sha256_hex;

/// Conditions and how they are drawn. Nothing is stored: [`frames`](Self::frames) draws each frame
/// when it is asked for, at hundreds of thousands a second, so that a set of 570 GB need not be on
/// a disk.
///
/// ```
/// use mental_pong_game::frames::Preset;
/// use mental_pong_game::stimuli::{Setting, StimulusSet};
/// use mental_pong_game::task::{ConditionSet, Law};
///
/// let setting = Setting::new(Law::Design, Preset::Rnn100);
/// let set = StimulusSet::new(&ConditionSet::open("primate79")?, setting)?;
/// let mut frames = set.frames();
/// let mut lit = 0_usize;
/// // Lends the pixels, without a copy; `for frame in frames` gives owned ones.
/// while let Some((truth, pixels)) = frames.draw_next() {
///     if truth.ball_visible {
///         lit += pixels.iter().filter(|&&grey| grey == 255).count();
///     }
/// }
/// assert!(lit > 0);
/// # Ok::<(), mental_pong_game::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StimulusSet {
    set: ConditionSet,
    setting: Setting,
    renderer: Renderer,
    drawn: Drawn,
}

impl StimulusSet {
    /// The conditions of a set under the law and at the rate of a setting. Recorded paths have a rate of
    /// their own, which the setting takes over.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a setting that cannot be, a law for recorded paths, or format `pool` for
    /// conditions of different geometries.
    pub fn new(set: &ConditionSet, setting: Setting) -> Result<Self> {
        let mut setting = setting;
        if set.law() == SetLaw::Recorded && setting.law == SetLaw::Recorded {
            setting.frame_rate_hz.get_or_insert(set.rate_hz());
        }
        let renderer = setting.renderer()?;
        let set = set.shown(setting.law, setting.rate_hz())?;
        let several = set.geometry().is_none();
        if setting.format == Format::Pool && several {
            return Err(Error::BadValue {
                field: "format",
                expected: "another than pool, which tells pictures of one geometry apart".into(),
                found: "pool for conditions of several geometries".into(),
            });
        }
        if setting.drawn_by == Drawer::Bevy && set.geometry().is_none_or(|g| !g.is_published()) {
            return Err(Error::BadValue {
                field: "renderer",
                expected: "rasteriser: bevy draws the published geometry".into(),
                found: "bevy for a geometry of one's own".into(),
            });
        }
        Ok(Self {
            renderer,
            set,
            setting,
            drawn: Drawn::default(),
        })
    }

    /// A set of some trials in the published geometry; their ids are their numbers.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`ConditionSet::new`].
    pub fn of_trials(trials: &[Condition], setting: Setting) -> Result<Self> {
        let law = setting.law.law().unwrap_or(Law::Display);
        Self::new(&ConditionSet::of_trials("trials", trials, law)?, setting)
    }

    /// The same set with frames that something else drew.
    pub(crate) fn with_drawn(&self, drawn: Drawn) -> Self {
        Self {
            drawn,
            ..self.clone()
        }
    }

    /// The conditions with their set's name and hash, under the law and at the rate of the setting.
    #[must_use]
    pub fn set(&self) -> &ConditionSet {
        &self.set
    }

    /// The conditions, in their order.
    #[must_use]
    pub fn conditions(&self) -> &[SetCondition] {
        self.set.conditions()
    }

    /// How they are drawn.
    #[must_use]
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// The frames of one condition.
    #[must_use]
    pub fn movie(&self, condition: &SetCondition) -> Movie {
        Movie::with_renderer(condition, self.setting, self.renderer.clone())
            .drawn(self.drawn.clone())
    }

    /// Every frame of every condition, in order, drawn when asked for. Iterators over parts of the
    /// set, for threads of your own, come from sets of parts of the conditions.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        Frames {
            movie: self.conditions().first().map(|first| self.movie(first)),
            rest: self.conditions().get(1..).unwrap_or_default(),
            frame: 0,
        }
    }

    /// The truth of every frame, in order, without drawing any.
    pub fn truth(&self) -> impl Iterator<Item = Truth> + '_ {
        self.conditions().iter().flat_map(|condition| {
            let movie = self.movie(condition);
            (0..movie.n_frames()).map_while(move |n| movie.truth(n))
        })
    }

    /// `[condition]`: number of frames.
    #[must_use]
    pub fn n_frames(&self) -> Vec<usize> {
        let of = |condition: &SetCondition| condition.track().n_frames();
        self.conditions().iter().map(of).collect()
    }

    /// The conditions as a CSV whose numbers read back to the same bits: the table of starts or paths
    /// that [`ConditionSet::read_csv`] reads.
    pub(crate) fn conditions_csv(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match (
            self.set.law(),
            self.set.geometry().is_some_and(|g| g.is_published()),
        ) {
            (SetLaw::Recorded, _) => table::paths(self.conditions(), &mut bytes),
            (_, true) => write_csv(&table::starts(self.conditions()), &mut bytes),
            (_, false) => write_csv(&table::starts_in(self.conditions()), &mut bytes),
        }
        .map_err(Error::io("write", path))?;
        Ok(bytes)
    }

    /// What names the stimuli: the SHA-256 of their conditions, of the set that these are of, and of the
    /// setting.
    ///
    /// # Errors
    /// None in practice: writing to memory does not fail.
    pub fn sha256(&self) -> Result<String> {
        let path = Path::new("conditions.csv");
        let mut bytes = self.conditions_csv(path)?;
        let setting = serde_json::to_vec(&self.setting)
            .map_err(|source| Error::io("write", path)(source.into()))?;
        bytes.extend(setting);
        bytes.extend(self.set.sha256().as_bytes());
        Ok(sha256_hex(&bytes))
    }
}

/// One frame of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Condition, time, and where the ball is.
    pub truth: Truth,
    /// `[y, x]` or `[y, x, channel]`, u8.
    pub pixels: Vec<u8>,
}

/// The frames of a set in order. An iterator of owned frames; [`draw_next`](Self::draw_next) lends
/// them instead.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    movie: Option<Movie>,
    rest: &'a [SetCondition],
    frame: usize,
}

impl Frames<'_> {
    /// Draws the next frame and lends it until the next call.
    pub fn draw_next(&mut self) -> Option<(Truth, &[u8])> {
        let movie = self.movie.as_mut()?;
        if self.frame >= movie.n_frames() {
            let (next, rest) = self.rest.split_first()?;
            movie.turn_to(next);
            (self.rest, self.frame) = (rest, 0);
        }
        let truth = movie.truth(self.frame)?;
        self.frame += 1;
        Some((truth, movie.draw(self.frame - 1)))
    }
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.draw_next().map(|(truth, pixels)| Frame {
            truth,
            pixels: pixels.to_vec(),
        })
    }
}
