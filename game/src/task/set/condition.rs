//! One condition of a set: what flies in it, and what can be seen of it.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::FrameScene;
use crate::task::clock::{SAME_MS, frame_ms};
use crate::task::condition::Condition;
use crate::task::epochs::FrameStatus;
use crate::task::geometry::Geometry;
use crate::task::law::{Law, Trajectory, named, path_in};
use crate::task::table::{BounceEpoch, bounce_epoch};

use super::pictures::Pictures;

/// What the paths of a condition follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetLaw {
    /// 24 Hz, mirrored at the walls: [`Law::Design`].
    Design,
    /// 60 Hz, turned beyond the walls: [`Law::Display`].
    Display,
    /// The path itself is given, frame by frame.
    Recorded,
}

impl SetLaw {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Design, Self::Display, Self::Recorded];

    /// The law's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Design => "design",
            Self::Display => "display",
            Self::Recorded => "recorded",
        }
    }

    /// The law of motion; none where the path was recorded.
    #[must_use]
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Design => Some(Law::Design),
            Self::Display => Some(Law::Display),
            Self::Recorded => None,
        }
    }
}

impl From<Law> for SetLaw {
    fn from(law: Law) -> Self {
        match law {
            Law::Design => Self::Design,
            Law::Display => Self::Display,
        }
    }
}

impl std::fmt::Display for SetLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SetLaw {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("law", name, &Self::ALL, Self::name)
    }
}

/// When the ball bounces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bounce {
    /// Not at all.
    None,
    /// While it can be seen, each time.
    Visible,
    /// Behind an occluder, at least once.
    Hidden,
}

impl Bounce {
    /// All three.
    pub const ALL: [Self; 3] = [Self::None, Self::Visible, Self::Hidden];

    /// The class's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visible => "visible",
            Self::Hidden => "hidden",
        }
    }
}

impl std::fmt::Display for Bounce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The truth of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruthFrame {
    /// Milliseconds from motion onset.
    pub time_ms: f64,
    /// Horizontal position of the ball's centre, degrees.
    pub x_deg: f64,
    /// Height of the ball's centre, degrees.
    pub y_deg: f64,
    /// How much of the ball no occluder covers, 0 to 1.
    pub visible: f64,
}

/// How a ball leaves its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Launch {
    /// Start, degrees.
    pub x0_deg: f64,
    /// Start, degrees.
    pub y0_deg: f64,
    /// First heading, degrees of angle, 0 = right, up positive.
    pub heading_deg: f64,
    /// Speed, degrees per second.
    pub speed_deg_per_s: f64,
}

/// A path that was given frame by frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) frames: Vec<TruthFrame>,
    /// Height at the interception plane, degrees, where it was given.
    pub(crate) end_y_deg: Option<f64>,
}

/// A condition of a [`ConditionSet`](super::ConditionSet).
#[derive(Clone, Debug, PartialEq)]
pub struct SetCondition {
    id: String,
    start: Option<Condition>,
    geometry: Arc<Geometry>,
    law: SetLaw,
    rate_hz: f64,
    recorded: Option<Arc<Recorded>>,
    published: bool,
    pictures: Option<Arc<Pictures>>,
}

impl SetCondition {
    /// A trial of the published table.
    pub(crate) fn published(trial: Condition, law: Law, rate_hz: f64) -> Self {
        Self {
            id: trial.id.to_string(),
            rate_hz,
            published: true,
            ..Self::own(String::new(), trial, law)
        }
    }

    /// A trial of one's own in the published geometry, at the law's frame rate.
    #[must_use]
    pub fn own(id: String, start: Condition, law: Law) -> Self {
        Self {
            id,
            start: Some(start),
            geometry: Geometry::published(),
            law: law.into(),
            rate_hz: law.hz(),
            recorded: None,
            published: false,
            pictures: None,
        }
    }

    /// The condition in another geometry. `start` has to be flown in it: see
    /// [`Track`](super::Track).
    #[must_use]
    pub fn with_geometry(self, geometry: Arc<Geometry>) -> Self {
        Self { geometry, ..self }
    }

    /// A condition whose path was recorded. `visible` of a frame is what was recorded of it.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a rate outside 1 to 1000 Hz, less than two frames, a first frame that does not stand at 0 ms, times
    /// that do not follow `rate_hz` to half a frame, a place that is not finite, or a share outside 0
    /// to 1.
    pub fn recorded(
        id: String,
        frames: Vec<TruthFrame>,
        end_y_deg: Option<f64>,
        rate_hz: f64,
        geometry: Arc<Geometry>,
    ) -> Result<Self> {
        let bad = |field, expected: String, found: String| {
            Err(Error::BadValue {
                field,
                expected,
                found: format!("{found} in condition {id}"),
            })
        };
        if !(1.0..=1000.0).contains(&rate_hz) {
            let expected = "1 to 1000 frames per second, times in milliseconds".into();
            return bad("rate_hz", expected, rate_hz.to_string());
        }
        if frames.len() < 2 {
            return bad("frames", "at least two".into(), frames.len().to_string());
        }
        for (n, frame) in frames.iter().enumerate() {
            let at = frame_ms(n, rate_hz);
            // False for NaN too.
            let near = (frame.time_ms - at).abs() <= 500.0 / rate_hz;
            if !near {
                let expected = format!("{at:.3} ms, frame {n} at {rate_hz} Hz from motion onset");
                return bad("time_ms", expected, frame.time_ms.to_string());
            }
            for (field, value) in [("x_deg", frame.x_deg), ("y_deg", frame.y_deg)] {
                let possible = value.abs() <= 1e4;
                if !possible {
                    return bad(field, "degrees".into(), value.to_string());
                }
            }
            if !(0.0..=1.0).contains(&frame.visible) {
                return bad("visible", "0 to 1".into(), frame.visible.to_string());
            }
        }
        Ok(Self {
            id,
            start: None,
            geometry,
            law: SetLaw::Recorded,
            rate_hz,
            recorded: Some(Arc::new(Recorded { frames, end_y_deg })),
            published: false,
            pictures: None,
        })
    }

    /// The id within the set; of a published set the row of the published table.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the ball starts and how it flies, with what the design law makes of it; none where the
    /// path was recorded. Its own `id` means nothing but in a published set.
    #[must_use]
    pub fn start(&self) -> Option<&Condition> {
        self.start.as_ref()
    }

    /// What stands in the field.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(super) fn geometry_arc(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    /// What the path follows.
    #[must_use]
    pub fn law(&self) -> SetLaw {
        self.law
    }

    /// Frames per second.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    /// The frames that were imported with the condition: the occluded video, as many as its truth has.
    /// Where there are some, they and no drawn ones are what the condition shows.
    #[must_use]
    pub fn pictures(&self) -> Option<&Pictures> {
        self.pictures.as_deref()
    }

    #[cfg(not(target_family = "wasm"))]
    pub(super) fn with_pictures(self, pictures: Pictures) -> Self {
        Self {
            pictures: Some(Arc::new(pictures)),
            ..self
        }
    }

    /// Whether it is a trial of the published table, in a published set.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.published
    }

    pub(super) fn with_law(&self, law: Law) -> Result<Self> {
        if self.start.is_none() {
            return Err(Error::BadValue {
                field: "law",
                expected: "recorded: the path is given, and no law makes another of it".into(),
                found: format!("{law} for condition {}", self.id),
            });
        }
        Ok(Self {
            law: law.into(),
            rate_hz: law.hz(),
            ..self.clone()
        })
    }

    pub(super) fn with_rate(&self, rate_hz: f64) -> Result<Self> {
        if self.start.is_none() && rate_hz != self.rate_hz {
            return Err(Error::BadValue {
                field: "rate_hz",
                expected: format!("{}, as the path was recorded", self.rate_hz),
                found: format!("{rate_hz} for condition {}", self.id),
            });
        }
        Ok(Self {
            rate_hz,
            ..self.clone()
        })
    }

    /// The ball on the set's clock.
    #[must_use]
    pub fn track(&self) -> Track {
        Track::of(self)
    }

    /// `[frame]`: the truth at the set's rate, from the ball at rest to the end of the trial.
    #[must_use]
    pub fn truth(&self) -> Vec<TruthFrame> {
        let track = self.track();
        (0..track.n_frames())
            .map_while(|n| track.frame(n))
            .collect()
    }

    /// The ball's height at the interception plane, degrees: between frames by a straight line, where
    /// none was given.
    #[must_use]
    pub fn end_height_deg(&self) -> f64 {
        self.track().end().1
    }

    /// How the ball leaves its start; of a recorded path by its first two frames.
    #[must_use]
    pub fn launch(&self) -> Launch {
        if let Some(start) = &self.start {
            return Launch {
                x0_deg: start.x0_deg(),
                y0_deg: start.y0_deg(),
                heading_deg: start.heading0_deg(),
                speed_deg_per_s: start.speed_deg_per_s(),
            };
        }
        let track = self.track();
        let (x0_deg, y0_deg) = track.ball_deg(0).unwrap_or_default();
        let (vx, vy) = track.velocity_deg_per_s(0);
        Launch {
            x0_deg,
            y0_deg,
            heading_deg: libm::atan2(vy, vx).to_degrees(),
            speed_deg_per_s: libm::hypot(vx, vy),
        }
    }

    /// The height at the interception plane that was given with a recorded path, degrees.
    pub(crate) fn given_end_deg(&self) -> Option<f64> {
        self.recorded.as_ref()?.end_y_deg
    }

    /// When the ball bounces: of a published condition by the published rule, of others by the path
    /// under their law, of a recorded one where its vertical motion turns.
    #[must_use]
    pub fn bounce(&self) -> Bounce {
        if let (true, Some(start)) = (self.published, &self.start) {
            return match bounce_epoch(start) {
                None => Bounce::None,
                Some(BounceEpoch::Vis) => Bounce::Visible,
                Some(BounceEpoch::Occ) => Bounce::Hidden,
            };
        }
        let track = self.track();
        let at = track.bounces_ms();
        if at.is_empty() {
            Bounce::None
        } else if at.iter().any(|&ms| track.is_hidden(ms)) {
            Bounce::Hidden
        } else {
            Bounce::Visible
        }
    }

    /// The condition under another law and at another rate; nothing is changed where both are its own.
    ///
    /// # Errors
    /// [`Error::BadValue`] where the path was recorded, and follows neither.
    pub(crate) fn shown(&self, law: SetLaw, rate_hz: f64) -> Result<Self> {
        match law.law() {
            Some(law) if SetLaw::from(law) != self.law => self.with_law(law)?.with_rate(rate_hz),
            _ => self.with_rate(rate_hz),
        }
    }

    /// What the set's hash is made of.
    pub(super) fn write_identity(&self, out: &mut Vec<u8>) {
        let text = |out: &mut Vec<u8>, text: &[u8]| {
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text);
        };
        text(out, self.id.as_bytes());
        text(out, self.law.name().as_bytes());
        if self.geometry.is_published() {
            text(out, b"");
        } else {
            text(
                out,
                &serde_json::to_vec(&*self.geometry).unwrap_or_default(),
            );
        }
        let numbers = |out: &mut Vec<u8>, numbers: &[f64]| {
            for number in numbers {
                // One zero.
                out.extend((number + 0.0).to_bits().to_le_bytes());
            }
        };
        if let Some(start) = &self.start {
            numbers(out, &[start.x0, start.y0, start.heading0_rad, start.speed0]);
        }
        if let Some(recorded) = &self.recorded {
            text(out, b"recorded");
            numbers(out, &[self.rate_hz, recorded.end_y_deg.unwrap_or(f64::MAX)]);
            numbers(out, &[recorded.frames.len() as f64]);
            for f in &recorded.frames {
                numbers(out, &[f.time_ms, f.x_deg, f.y_deg, f.visible]);
            }
        }
    }
}

/// The ball of one condition on the set's clock. Beyond the end of the trial it flies on by its law; a
/// recorded path ends with its last frame.
#[derive(Clone, Debug)]
pub struct Track {
    geometry: Arc<Geometry>,
    rate_hz: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Law {
        start: Condition,
        law: Law,
        path: Trajectory,
    },
    Recorded(Arc<Recorded>),
}

impl Track {
    fn of(condition: &SetCondition) -> Self {
        let kind = match (&condition.start, condition.law.law(), &condition.recorded) {
            (Some(start), Some(law), _) => Kind::Law {
                start: *start,
                law,
                path: path_in(start, law, &condition.geometry, 0),
            },
            (_, _, Some(recorded)) => Kind::Recorded(Arc::clone(recorded)),
            // One of the two is always there.
            _ => Kind::Recorded(Arc::new(Recorded {
                frames: Vec::new(),
                end_y_deg: None,
            })),
        };
        Self {
            geometry: Arc::clone(&condition.geometry),
            rate_hz: condition.rate_hz,
            kind,
        }
    }

    /// Number of frames at the set's rate, from the ball at rest to the last at which it has not yet
    /// passed the first position beyond the interception plane; of a recorded path all.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        match &self.kind {
            Kind::Law { law, path, .. } => {
                (path.end_frame as f64 * self.rate_hz / law.hz()) as usize + 1
            }
            Kind::Recorded(recorded) => recorded.frames.len(),
        }
    }

    /// When frame `n` stands, milliseconds from motion onset.
    #[must_use]
    pub fn frame_ms(&self, n: usize) -> f64 {
        match &self.kind {
            Kind::Law { .. } => frame_ms(n, self.rate_hz),
            Kind::Recorded(recorded) => recorded
                .frames
                .get(n)
                .map_or_else(|| frame_ms(n, self.rate_hz), |f| f.time_ms),
        }
    }

    /// Makes the ball fly on, up to and with frame `n`. A recorded path stays as long as it is.
    pub fn fly_to(&mut self, n: usize) {
        let (rate_hz, geometry) = (self.rate_hz, Arc::clone(&self.geometry));
        if let Kind::Law { start, law, path } = &mut self.kind {
            let needed = (n as f64 * law.hz() / rate_hz).floor() as usize + 2;
            if path.len() < needed {
                *path = path_in(start, *law, &geometry, needed);
            }
        }
    }

    /// Where the ball is in frame `n`, degrees; nothing where the path does not go so far.
    #[must_use]
    pub fn ball_deg(&self, n: usize) -> Option<(f64, f64)> {
        match &self.kind {
            Kind::Law { law, path, .. } => {
                let at = n as f64 * law.hz() / self.rate_hz;
                path.between(at as usize, at - at.floor())
            }
            Kind::Recorded(recorded) => recorded.frames.get(n).map(|f| (f.x_deg, f.y_deg)),
        }
    }

    /// The truth of frame `n`; nothing where the path does not go so far.
    #[must_use]
    pub fn frame(&self, n: usize) -> Option<TruthFrame> {
        if let Kind::Recorded(recorded) = &self.kind {
            return recorded.frames.get(n).copied();
        }
        let (x_deg, y_deg) = self.ball_deg(n)?;
        Some(TruthFrame {
            time_ms: self.frame_ms(n),
            x_deg,
            y_deg,
            visible: self
                .geometry
                .visible_share((x_deg, y_deg), self.geometry.radius_deg()),
        })
    }

    /// What can be seen of the ball in frame `n`; nothing where the path does not go so far.
    #[must_use]
    pub fn status(&self, n: usize) -> Option<FrameStatus> {
        Some(FrameStatus::of_share(self.frame(n)?.visible))
    }

    /// What stands on the screen in frame `n`, with the occluders or without them; without a ball where
    /// the path does not go so far.
    #[must_use]
    pub fn scene(&self, n: usize, occluded: bool) -> FrameScene {
        FrameScene {
            ball: self.ball_deg(n),
            occluder: occluded.then_some(1.0),
            ..FrameScene::default()
        }
    }

    /// The velocity with which the ball leaves frame `n`, of the last frame that with which it came,
    /// `(dx, dy)`, degrees per second: by the law's own frames.
    #[must_use]
    pub fn velocity_deg_per_s(&self, n: usize) -> (f64, f64) {
        match &self.kind {
            Kind::Law { law, path, .. } => {
                let frame = (n as f64 * law.hz() / self.rate_hz) as usize;
                // The move that leads out of the frame; out of the last one, the move into it.
                let to = (frame + 1).min(path.end_frame);
                let from = to.saturating_sub(1);
                let per_s = |of: &[f64]| (of[to] - of[from]) * law.hz();
                (per_s(&path.x_deg), per_s(&path.y_deg))
            }
            Kind::Recorded(recorded) => {
                let to = (n + 1).min(recorded.frames.len().saturating_sub(1));
                let pair = recorded
                    .frames
                    .get(to.saturating_sub(1))
                    .zip(recorded.frames.get(to));
                pair.map_or((0.0, 0.0), |(a, b)| {
                    let s = (b.time_ms - a.time_ms) / 1000.0;
                    ((b.x_deg - a.x_deg) / s, (b.y_deg - a.y_deg) / s)
                })
            }
        }
    }

    /// Whether the ball's centre is behind an occluder in frame `n`; of a recorded path whether less
    /// than half of the ball can be seen.
    #[must_use]
    pub fn is_behind(&self, n: usize) -> bool {
        match &self.kind {
            Kind::Law { .. } => self
                .ball_deg(n)
                .is_some_and(|ball| self.geometry.hides(ball)),
            Kind::Recorded(recorded) => recorded.frames.get(n).is_some_and(|f| f.visible < 0.5),
        }
    }

    /// When the ball is at the interception plane, milliseconds from motion onset, and its height
    /// there, degrees; at its last frame where a recorded path does not reach it.
    #[must_use]
    pub fn end(&self) -> (f64, f64) {
        let plane = self.geometry.intercept_x_deg;
        match &self.kind {
            Kind::Law { path, .. } => path.crossing(path.end_frame, plane),
            Kind::Recorded(recorded) => {
                let frames = &recorded.frames;
                let Some(last) = frames.last() else {
                    return (0.0, 0.0);
                };
                let beyond = frames.iter().position(|f| f.x_deg >= plane);
                let (ms, y) = match beyond {
                    Some(0) => (frames[0].time_ms, frames[0].y_deg),
                    Some(n) => {
                        let (a, b) = (&frames[n - 1], &frames[n]);
                        let part = (plane - a.x_deg) / (b.x_deg - a.x_deg);
                        let on = |a: f64, b: f64| a + part * (b - a);
                        (on(a.time_ms, b.time_ms), on(a.y_deg, b.y_deg))
                    }
                    None => (last.time_ms, last.y_deg),
                };
                (ms, recorded.end_y_deg.unwrap_or(y))
            }
        }
    }

    /// When the ball bounces before the end, milliseconds from motion onset.
    #[must_use]
    pub fn bounces_ms(&self) -> Vec<f64> {
        match &self.kind {
            Kind::Law { law, path, .. } => path.touches.iter().map(|&n| law.frame_ms(n)).collect(),
            Kind::Recorded(recorded) => {
                // Slower than this it does not move, degrees a frame.
                const STILL: f64 = 1e-3;
                let mut last = 0.0;
                let mut at = Vec::new();
                for pair in recorded.frames.windows(2) {
                    let dy = pair[1].y_deg - pair[0].y_deg;
                    if dy.abs() > STILL {
                        if last * dy < 0.0 {
                            at.push(pair[0].time_ms);
                        }
                        last = dy;
                    }
                }
                at
            }
        }
    }

    /// Whether the ball's centre is behind an occluder at a time; of a recorded path whether less than
    /// half of the ball can be seen in the frame there or next before it.
    #[must_use]
    pub fn is_hidden(&self, time_ms: f64) -> bool {
        let spans = self.hidden_ms();
        spans
            .iter()
            .any(|&(from, to)| from - SAME_MS <= time_ms && time_ms < to)
    }

    /// The spans in which the ball's centre is behind an occluder, `(from, to)` in order, milliseconds
    /// from motion onset, up to the end of the trial.
    #[must_use]
    pub fn hidden_ms(&self) -> Vec<(f64, f64)> {
        let (end_ms, _) = self.end();
        let mut spans: Vec<(f64, f64)> = Vec::new();
        let mut add = |from: f64, to: f64| {
            let to = to.min(end_ms);
            if to <= from {
                return;
            }
            match spans.last_mut() {
                Some(last) if from <= last.1 + SAME_MS => last.1 = last.1.max(to),
                _ => spans.push((from, to)),
            }
        };
        match &self.kind {
            Kind::Recorded(recorded) => {
                for pair in recorded.frames.windows(2) {
                    if pair[0].visible < 0.5 {
                        add(pair[0].time_ms, pair[1].time_ms);
                    }
                }
            }
            Kind::Law { law, path, .. } => {
                for n in 0..path.end_frame {
                    let a = (path.x_deg[n], path.y_deg[n]);
                    let b = (path.x_deg[n + 1], path.y_deg[n + 1]);
                    let (from, step) = (law.frame_ms(n), path.step_ms());
                    let mut parts: Vec<(f64, f64)> = self
                        .geometry
                        .occluders
                        .iter()
                        .filter_map(|rect| inside(rect.reach(), a, b))
                        .collect();
                    parts.sort_by(|a, b| a.0.total_cmp(&b.0));
                    for (p, q) in parts {
                        add(from + p * step, from + q * step);
                    }
                }
            }
        }
        spans
    }
}

/// The part of the way from `a` to `b` that lies in a rectangle `[left, right, lower, upper]`, as shares
/// of the way.
fn inside(
    [left, right, lower, upper]: [f64; 4],
    a: (f64, f64),
    b: (f64, f64),
) -> Option<(f64, f64)> {
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for (at, step, low, high) in [
        (a.0, b.0 - a.0, left, right),
        (a.1, b.1 - a.1, lower, upper),
    ] {
        if step == 0.0 {
            if at < low || at > high {
                return None;
            }
            continue;
        }
        let (p, q) = ((low - at) / step, (high - at) / step);
        from = from.max(p.min(q));
        to = to.min(p.max(q));
    }
    (from < to).then_some((from, to))
}
