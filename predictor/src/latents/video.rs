use std::borrow::Cow;
use std::sync::Arc;

use mental_pong_game::frames::{Preset, Renderer};
use mental_pong_game::task::epochs::FrameStatus;
use mental_pong_game::task::set::Pictures;
use mental_pong_game::task::{Epoch, Law, SetCondition, SetLaw};
use serde::{Deserialize, Serialize};

use super::{Status, Step};
use crate::encoders::{FRAME_SIZE, Picture, Preprocess};
use crate::{Error, Result};

/// Which video of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// The trial as the animals saw it: the ball disappears.
    Occluded,
    /// The same flight without the occluder.
    Visible,
}

/// Which frames of a trial a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The middle frame of each bin of 50 ms, from motion onset on (this project's models).
    Bins,
    /// Every frame of the set, from the ball at rest to the first beyond the interception plane; of the
    /// published sets all of the display's at 60 Hz (the published evaluation, whose videos have up to
    /// 217 frames).
    Display,
    /// Every step of the design law at 24 Hz, preset `rnn100` (Rajalingham et al. 2022).
    Design,
}

impl Clock {
    /// Length of a bin of [`Clock::Bins`], ms.
    pub const BIN_MS: f64 = 50.0;

    /// The clock's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bins => "bins",
            Self::Display => "display",
            Self::Design => "design",
        }
    }

    /// Time from one of its frames to the next in a set of `rate_hz`, ms.
    #[must_use]
    pub fn step_ms(self, rate_hz: f64) -> f64 {
        match self {
            Self::Bins => Self::BIN_MS,
            Self::Display => 1000.0 / rate_hz,
            Self::Design => Law::Design.frame_ms(1),
        }
    }
}

/// When the frames of one trial stand and what can be seen in them; no picture is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// `[frame]`: its place in time and what can be seen.
    pub steps: Vec<Step>,
    /// The first frame in which the ball is fully behind the occluder (`occ_frame_start`).
    pub occ_frame_start: usize,
    /// The last frame in which all of the ball is in view (`vis_frame_end`), if there is one.
    pub vis_frame_end: Option<usize>,
    /// `[frame]`: the ball's centre, degrees.
    pub ball_deg: Vec<(f64, f64)>,
}

/// The condition under the law whose frames `clock` takes.
fn shown_under(condition: &SetCondition, clock: Clock) -> Result<Cow<'_, SetCondition>> {
    if clock != Clock::Design || condition.law() == SetLaw::Design {
        return Ok(Cow::Borrowed(condition));
    }
    let Some(start) = condition.start() else {
        return Err(Error::Config {
            place: format!("condition {}", condition.id()),
            field: "law".into(),
            expected: "a start that the design law can fly; the model takes its frames alone"
                .into(),
            found: condition.law().name().into(),
        });
    };
    let design = SetCondition::own(condition.id().into(), *start, Law::Design);
    let geometry = Arc::new(condition.geometry().clone());
    Ok(Cow::Owned(design.with_geometry(geometry)))
}

/// The middle frame of each bin of 50 ms that has one, from motion onset to the end.
fn middle_frames(condition: &SetCondition) -> Vec<usize> {
    let rate = condition.rate_hz();
    let axis = condition.axis();
    let binned = condition.binned(&axis);
    let frames = binned
        .bins(Epoch::All)
        .iter()
        .map(|bin| axis.frames_of(*bin, rate));
    let middle = |frames: std::ops::Range<usize>| frames.start + frames.len() / 2;
    frames.filter(|f| !f.is_empty()).map(middle).collect()
}

impl Timeline {
    /// The frames that `clock` takes of a condition. In the last bin of [`Clock::Bins`] the ball flies on
    /// beyond the trial's end, where its law says how.
    ///
    /// # Errors
    /// [`Error::Config`] for [`Clock::Design`] of a recorded path, and for a trial without a frame.
    pub fn of(condition: &SetCondition, clock: Clock) -> Result<Self> {
        let condition = shown_under(condition, clock)?;
        let mut track = condition.track();
        let frames: Vec<usize> = match clock {
            Clock::Bins => middle_frames(&condition),
            Clock::Display | Clock::Design => (0..track.n_frames()).collect(),
        };
        track.fly_to(frames.last().copied().unwrap_or(0));
        let geometry = condition.geometry();
        let mut timeline = Self {
            steps: Vec::with_capacity(frames.len()),
            occ_frame_start: frames.len(),
            vis_frame_end: None,
            ball_deg: Vec::with_capacity(frames.len()),
        };
        for frame in frames {
            // A recorded path ends with its last frame.
            let Some(ball) = track.ball_deg(frame) else {
                break;
            };
            let status = match clock {
                Clock::Design => {
                    let radius = geometry.ball_radius_deg;
                    let radius = radius.unwrap_or_else(|| Preset::Rnn100.ball_radius_deg());
                    Some(geometry.status(ball, radius))
                }
                _ => track.status(frame),
            };
            let place = timeline.steps.len();
            let status = match status {
                Some(FrameStatus::Hidden) => {
                    timeline.occ_frame_start = timeline.occ_frame_start.min(place);
                    Status::Hidden
                }
                Some(FrameStatus::Visible) => {
                    timeline.vis_frame_end = Some(place);
                    Status::Visible
                }
                _ => Status::Visible,
            };
            timeline.steps.push(Step {
                frame,
                time_ms: track.frame_ms(frame),
                status,
            });
            timeline.ball_deg.push(ball);
        }
        timeline.occ_frame_start = timeline.occ_frame_start.min(timeline.steps.len());
        if timeline.steps.is_empty() {
            return Err(Error::Config {
                place: format!("condition {}", condition.id()),
                field: "frames".into(),
                expected: format!("at least one frame of the clock {}", clock.name()),
                found: format!("none at {} Hz", condition.rate_hz()),
            });
        }
        Ok(timeline)
    }

    /// Frames with some of the ball in view in which a crop cuts off a part of it.
    #[must_use]
    pub fn cut_off_by(&self, preprocess: &Preprocess) -> usize {
        let radius = Preset::Model224.ball_radius_deg();
        let kept = |x: f64, y: f64| {
            let (column, row) = Preset::Model224.px_from_deg((x, y));
            preprocess.keeps(FRAME_SIZE, FRAME_SIZE, column, row)
        };
        let visible = self.ball_deg.iter().take(self.occ_frame_start);
        visible
            .filter(|(x, y)| {
                let ends = [(-radius, 0.0), (radius, 0.0), (0.0, -radius), (0.0, radius)];
                !ends.iter().all(|(dx, dy)| kept(x + dx, y + dy))
            })
            .count()
    }
}

/// The frames of one trial: preset `model224` under the display law, or `rnn100` under the design law
/// ([`Clock::Design`]).
#[derive(Clone, Debug)]
pub struct Video {
    /// A frame before the first step, for encoders of video; under [`Clock::Bins`] the ball at rest.
    pub lead: Option<Vec<u8>>,
    /// `[frame]`: `[y, x, channel]` u8.
    pub frames: Vec<Vec<u8>>,
    /// `[height, width]` of imported frames of another size than [`FRAME_SIZE`] squared, which an encoder fits to what it takes:
    /// see [`Encoder::encode_pictures`](crate::encoders::Encoder::encode_pictures).
    pub fitted: Option<[usize; 2]>,
    /// `[frame]`: when it stands and what can be seen.
    pub timeline: Timeline,
}

impl Video {
    /// Renders a condition.
    ///
    /// # Errors
    /// As [`Timeline::of`].
    pub fn of(condition: &SetCondition, shown: Shown, clock: Clock) -> Result<Self> {
        let timeline = Timeline::of(condition, clock)?;
        if let Some(pictures) = condition.pictures() {
            return Self::stored(condition, pictures, timeline, shown, clock);
        }
        let condition = shown_under(condition, clock)?;
        let mut track = condition.track();
        let last = timeline.steps.last().map_or(0, |step| step.frame);
        track.fly_to(last);
        let preset = match clock {
            Clock::Design => Preset::Rnn100,
            Clock::Bins | Clock::Display => Preset::Model224,
        };
        let mut renderer = Renderer::new(preset);
        renderer.set_geometry(condition.geometry());
        let mut draw = |frame: usize| {
            let mut out = Vec::new();
            renderer.render_into(&track.scene(frame, shown == Shown::Occluded), &mut out);
            out
        };
        let lead = (clock == Clock::Bins).then(|| draw(0));
        Ok(Self {
            lead,
            frames: timeline.steps.iter().map(|step| draw(step.frame)).collect(),
            fitted: None,
            timeline,
        })
    }

    /// A frame as a picture.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size than the video's.
    pub fn picture(&self, frame: &[u8]) -> Result<Picture> {
        let [height, width] = self.fitted.unwrap_or([FRAME_SIZE; 2]);
        Picture::new(width, height, frame.to_vec())
    }

    /// The frames that were imported with a condition; grey ones in three equal channels.
    fn stored(
        condition: &SetCondition,
        pictures: &Pictures,
        timeline: Timeline,
        shown: Shown,
        clock: Clock,
    ) -> Result<Self> {
        let bad = |field: &str, expected: &str, found: String| Error::Config {
            place: pictures.path().display().to_string(),
            field: field.into(),
            expected: expected.into(),
            found,
        };
        let [height, width, channels] = pictures.size();
        if shown == Shown::Visible {
            let found = "the video without the occluder".into();
            return Err(bad("frames", "the imported video as it is", found));
        }
        let rate_hz = shown_under(condition, clock)?.rate_hz();
        if rate_hz != condition.rate_hz() {
            let expected = format!("{} Hz, as the imported frames", condition.rate_hz());
            return Err(bad("clock", &expected, format!("{rate_hz} Hz")));
        }
        let frame = |n: usize| {
            let frame = pictures.frame(n)?;
            Ok(match channels {
                1 => frame.iter().flat_map(|grey| [*grey; 3]).collect(),
                _ => frame,
            })
        };
        Ok(Self {
            lead: (clock == Clock::Bins).then(|| frame(0)).transpose()?,
            frames: timeline
                .steps
                .iter()
                .map(|step| frame(step.frame))
                .collect::<Result<_>>()?,
            fitted: Some([height, width]).filter(|size| *size != [FRAME_SIZE; 2]),
            timeline,
        })
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::ConditionSet;

    use super::*;

    fn primate79() -> ConditionSet {
        ConditionSet::open("primate79").unwrap()
    }

    // The published videos of the 79 conditions have up to 217 frames; ours end with the trial.
    #[test]
    fn every_display_frame_of_the_79_is_there_once() {
        let mut longest = 0;
        for condition in primate79().conditions().iter().step_by(6) {
            let timeline = Timeline::of(condition, Clock::Display).unwrap();
            longest = longest.max(timeline.steps.len());
            assert!(timeline.steps.iter().enumerate().all(|(k, s)| s.frame == k));
            let hidden = timeline.occ_frame_start;
            assert!(timeline.steps[hidden].status == Status::Hidden);
            assert!(timeline.steps[hidden - 1].status == Status::Visible);
            // A ball of finite size goes in over several frames.
            assert!(timeline.vis_frame_end.unwrap() + 1 < hidden);
        }
        assert!((80..=217).contains(&longest), "{longest}");
    }

    #[test]
    fn a_step_stands_in_the_middle_of_its_bin() {
        for condition in primate79().conditions().iter().take(5) {
            let video = Video::of(condition, Shown::Occluded, Clock::Bins).unwrap();
            assert_eq!(video.frames.len(), video.timeline.steps.len());
            for (k, step) in video.timeline.steps.iter().enumerate() {
                let middle = k as f64 * 50.0 + 25.0;
                assert!((step.time_ms - middle).abs() < 9.0, "{step:?}");
            }
        }
    }

    #[test]
    fn a_hidden_ball_leaves_no_trace_in_the_frames() {
        let set = primate79();
        let condition = &set.conditions()[0];
        let video = Video::of(condition, Shown::Occluded, Clock::Bins).unwrap();
        let hidden: Vec<&Vec<u8>> = video
            .timeline
            .steps
            .iter()
            .zip(&video.frames)
            .filter(|(s, _)| s.status == Status::Hidden)
            .map(|(_, f)| f)
            .collect();
        assert!(hidden.len() > 10);
        assert!(hidden.windows(2).all(|w| w[0] == w[1]));
        let open = Video::of(condition, Shown::Visible, Clock::Bins).unwrap();
        assert_ne!(open.frames[39], open.frames[40]);
    }

    #[test]
    fn a_crop_cuts_off_balls_near_the_wall_and_a_whole_frame_none() {
        let mut cut = 0;
        for condition in primate79().conditions().iter().step_by(8) {
            let video = Video::of(condition, Shown::Occluded, Clock::Bins).unwrap();
            let timeline = &video.timeline;
            assert_eq!(timeline.cut_off_by(&Preprocess::whole_frame()), 0);
            cut += timeline.cut_off_by(&Preprocess::bicubic_256());
            // By the pixels themselves: what differs from the frame with the ball hidden is ball.
            let preprocess = Preprocess {
                crop: 196,
                ..Preprocess::whole_frame()
            };
            let empty = &video.frames[timeline.occ_frame_start];
            let outside = |k: usize| !(14..210).contains(&k);
            let lost = video.frames[..timeline.occ_frame_start]
                .iter()
                .filter(|frame| {
                    (0..FRAME_SIZE * FRAME_SIZE).any(|at| {
                        (outside(at / FRAME_SIZE) || outside(at % FRAME_SIZE))
                            && frame[3 * at..3 * at + 3] != empty[3 * at..3 * at + 3]
                    })
                });
            let (lost, said) = (lost.count(), timeline.cut_off_by(&preprocess));
            // Up to half a pixel of a disc's edge shows no colour.
            assert!(lost <= said && said <= lost + 1, "{lost} {said}");
        }
        assert!(cut > 0);
    }
}
