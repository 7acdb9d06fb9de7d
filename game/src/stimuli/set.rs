//! A stimulus set as a value: conditions and a setting, and the frames that follow from them.

use std::path::Path;

use crate::error::{Error, Result};
use crate::frames::Renderer;
use crate::stimuli::drawer::Drawn;
use crate::stimuli::movie::{Movie, Setting};
use crate::stimuli::truth::Truth;
use crate::task::condition::Condition;
use crate::task::table::write_csv;
use mental_pong_base::files::sha256_hex;

/// Conditions and how they are drawn. Nothing is stored: [`frames`](Self::frames) draws each frame
/// when it is asked for, at hundreds of thousands a second, so that a set of 570 GB need not be on
/// a disk.
///
/// ```
/// use mental_pong_game::frames::Preset;
/// use mental_pong_game::stimuli::{Setting, StimulusSet};
/// use mental_pong_game::task::{Law, primate79};
///
/// let setting = Setting::new(Law::Design, Preset::Rnn100);
/// let set = StimulusSet::new(primate79(), setting)?;
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
    conditions: Vec<Condition>,
    setting: Setting,
    renderer: Renderer,
    drawn: Drawn,
}

impl StimulusSet {
    /// A set of some conditions.
    ///
    /// # Errors
    /// [`Error::BadValue`] for no condition at all or a setting that cannot be,
    /// [`Error::DuplicateCondition`].
    pub fn new(conditions: Vec<Condition>, setting: Setting) -> Result<Self> {
        let mut ids: Vec<u32> = conditions.iter().map(|c| c.id).collect();
        if ids.is_empty() {
            return Err(Error::BadValue {
                field: "conditions",
                expected: "at least one".into(),
                found: "none".into(),
            });
        }
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::DuplicateCondition { id: pair[0] });
        }
        Ok(Self {
            renderer: setting.renderer()?,
            conditions,
            setting,
            drawn: Drawn::default(),
        })
    }

    /// The same set with frames that something else drew.
    pub(crate) fn with_drawn(&self, drawn: Drawn) -> Self {
        Self {
            drawn,
            ..self.clone()
        }
    }

    /// The conditions, in their order.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// How they are drawn.
    #[must_use]
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// The frames of one condition.
    #[must_use]
    pub fn movie(&self, condition: &Condition) -> Movie {
        Movie::with_renderer(condition, self.setting, self.renderer.clone())
            .drawn(self.drawn.clone())
    }

    /// Every frame of every condition, in order, drawn when asked for. Iterators over parts of the
    /// set, for threads of your own, come from sets of parts of the conditions.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        Frames {
            movie: self.conditions.first().map(|first| self.movie(first)),
            rest: self.conditions.get(1..).unwrap_or_default(),
            frame: 0,
        }
    }

    /// The truth of every frame, in order, without drawing any.
    pub fn truth(&self) -> impl Iterator<Item = Truth> + '_ {
        self.conditions.iter().flat_map(|condition| {
            let movie = self.movie(condition);
            (0..movie.n_frames()).map_while(move |n| movie.truth(n))
        })
    }

    /// `[condition]`: number of frames.
    #[must_use]
    pub fn n_frames(&self) -> Vec<usize> {
        let Some(first) = self.conditions.first() else {
            return Vec::new();
        };
        let mut movie = self.movie(first);
        self.conditions
            .iter()
            .map(|condition| {
                movie.turn_to(condition);
                movie.n_frames()
            })
            .collect()
    }

    /// The conditions as a CSV whose numbers read back to the same bits.
    pub(crate) fn conditions_csv(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        write_csv(&self.conditions, &mut bytes).map_err(Error::io("write", path))?;
        Ok(bytes)
    }

    /// What names the set: the SHA-256 of its conditions and its setting.
    ///
    /// # Errors
    /// None in practice: writing to memory does not fail.
    pub fn sha256(&self) -> Result<String> {
        let path = Path::new("conditions.csv");
        let mut bytes = self.conditions_csv(path)?;
        let setting = serde_json::to_vec(&self.setting)
            .map_err(|source| Error::io("write", path)(source.into()))?;
        bytes.extend(setting);
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
    rest: &'a [Condition],
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
