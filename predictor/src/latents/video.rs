use mental_pong_game::frames::{FrameScene, Preset, Renderer};
use mental_pong_game::task::epochs::{
    FrameStatus, bin_of_display_frame, display_frame_ms, frame_status,
};
use mental_pong_game::task::geometry::BALL_RADIUS_DISPLAY_DEG;
use mental_pong_game::task::{Condition, Law, trajectory};
use serde::{Deserialize, Serialize};

use super::{Clip, Shown, Status, Step};
use crate::encoders::{FRAME_SIZE, Preprocess};

/// Which frames of a trial a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The middle frame of each bin of 50 ms, from motion onset on (this project's models).
    Bins,
    /// Every display frame at 60 Hz, from the ball at rest to the first with x ≥ 10° (the published
    /// evaluation, whose videos have up to 217 frames).
    Display,
    /// Every step of the design law at 24 Hz, preset `rnn100` (Rajalingham et al. 2022).
    Design,
}

/// The frames of one trial: preset `model224` under the display law, or `rnn100` under the design law
/// ([`Clock::Design`]).
#[derive(Clone, Debug)]
pub struct Video {
    /// A frame before the first step, for encoders of video; under [`Clock::Bins`] the ball at rest.
    pub lead: Option<Vec<u8>>,
    /// `[frame]`: `[y, x, channel]` u8.
    pub frames: Vec<Vec<u8>>,
    /// `[frame]`: its place in time and what can be seen.
    pub steps: Vec<Step>,
    /// The first frame in which the ball is fully behind the occluder (`occ_frame_start`).
    pub occ_frame_start: usize,
    /// The last frame in which all of the ball is in view (`vis_frame_end`), if there is one.
    pub vis_frame_end: Option<usize>,
    /// `[frame]`: the ball's centre, degrees.
    pub ball_deg: Vec<(f64, f64)>,
}

impl Video {
    /// Renders a condition, display law.
    #[must_use]
    pub fn of(condition: &Condition, shown: Shown, clock: Clock) -> Self {
        let (lead, frames, steps) = match clock {
            Clock::Bins => {
                let Clip { steps, mut frames } = Clip::of(condition, shown);
                let lead = frames.remove(0);
                (Some(lead), frames, steps)
            }
            Clock::Display => every_frame(condition, shown, Law::Display),
            Clock::Design => every_frame(condition, shown, Law::Design),
        };
        let (law, radius) = match clock {
            Clock::Design => (Law::Design, Preset::Rnn100.ball_radius_deg()),
            _ => (Law::Display, BALL_RADIUS_DISPLAY_DEG),
        };
        let last = steps.last().map_or(0, |s| s.frame);
        let path = mental_pong_game::task::trajectory_until(condition, law, last + 1);
        let ball_deg: Vec<(f64, f64)> = steps
            .iter()
            .map(|s| (path.x_deg[s.frame], path.y_deg[s.frame]))
            .collect();
        let seen: Vec<FrameStatus> = ball_deg
            .iter()
            .map(|(x, _)| frame_status(*x, radius))
            .collect();
        let hidden = seen.iter().position(|s| *s == FrameStatus::Hidden);
        Self {
            lead,
            occ_frame_start: hidden.unwrap_or(frames.len()),
            vis_frame_end: seen.iter().rposition(|s| *s == FrameStatus::Visible),
            frames,
            steps,
            ball_deg,
        }
    }

    /// Frames with some of the ball in view in which a crop cuts off a part of it.
    #[must_use]
    pub fn cut_off_by(&self, preprocess: &Preprocess) -> usize {
        let radius = Preset::Model224.ball_radius_deg();
        let kept = |x: f64, y: f64| {
            let (column, row) = Preset::Model224.px_from_deg((x, y));
            preprocess.keeps(FRAME_SIZE, FRAME_SIZE, column, row)
        };
        let steps = self.steps.iter().zip(&self.ball_deg);
        let visible = steps.take(self.occ_frame_start).map(|(_, ball)| ball);
        visible
            .filter(|(x, y)| {
                let ends = [(-radius, 0.0), (radius, 0.0), (0.0, -radius), (0.0, radius)];
                !ends.iter().all(|(dx, dy)| kept(x + dx, y + dy))
            })
            .count()
    }
}

type Frames = (Option<Vec<u8>>, Vec<Vec<u8>>, Vec<Step>);

fn every_frame(condition: &Condition, shown: Shown, law: Law) -> Frames {
    let path = trajectory(condition, law);
    let preset = match law {
        Law::Design => Preset::Rnn100,
        Law::Display => Preset::Model224,
    };
    let radius = match law {
        Law::Design => preset.ball_radius_deg(),
        Law::Display => BALL_RADIUS_DISPLAY_DEG,
    };
    let mut renderer = Renderer::new(preset);
    let mut frames = Vec::with_capacity(path.len());
    let mut steps = Vec::with_capacity(path.len());
    for frame in 0..=path.end_frame {
        let scene = FrameScene {
            ball: Some((path.x_deg[frame], path.y_deg[frame])),
            occluder: (shown == Shown::Occluded).then_some(1.0),
            ..FrameScene::default()
        };
        let mut out = Vec::new();
        renderer.render_into(&scene, &mut out);
        frames.push(out);
        let (time_ms, bin) = match law {
            Law::Display => (display_frame_ms(frame), bin_of_display_frame(frame)),
            Law::Design => {
                let time_ms = MOTION_ONSET_MS + law.frame_ms(frame);
                (time_ms, (time_ms / BIN_MS) as usize)
            }
        };
        steps.push(Step {
            frame,
            time_ms,
            bin,
            status: match frame_status(path.x_deg[frame], radius) {
                FrameStatus::Hidden => Status::Hidden,
                FrameStatus::Visible | FrameStatus::Partial => Status::Visible,
            },
        });
    }
    (None, frames, steps)
}

/// When motion begins on the recordings' axis, ms.
const MOTION_ONSET_MS: f64 = 300.0;
/// Length of a bin, ms.
const BIN_MS: f64 = 50.0;

#[cfg(test)]
mod tests {
    use mental_pong_game::task::primate79;

    use super::*;

    // The published videos of the 79 conditions have up to 217 frames; ours end with the trial.
    #[test]
    fn every_display_frame_of_the_79_is_there_once() {
        let mut longest = 0;
        for condition in primate79().iter().step_by(6) {
            let video = Video::of(condition, Shown::Occluded, Clock::Display);
            longest = longest.max(video.frames.len());
            assert!(video.steps.iter().enumerate().all(|(k, s)| s.frame == k));
            let hidden = video.occ_frame_start;
            assert!(video.steps[hidden].status == Status::Hidden);
            assert!(video.steps[hidden - 1].status == Status::Visible);
            // A ball of finite size goes in over several frames.
            assert!(video.vis_frame_end.unwrap() + 1 < hidden);
        }
        assert!((80..=217).contains(&longest), "{longest}");
    }

    #[test]
    fn a_crop_cuts_off_balls_near_the_wall_and_a_whole_frame_none() {
        let mut cut = 0;
        for condition in primate79().iter().step_by(8) {
            let video = Video::of(condition, Shown::Occluded, Clock::Bins);
            assert_eq!(video.cut_off_by(&Preprocess::whole_frame()), 0);
            cut += video.cut_off_by(&Preprocess::bicubic_256());
            // By the pixels themselves: what differs from the frame with the ball hidden is ball.
            let preprocess = Preprocess {
                crop: 196,
                ..Preprocess::whole_frame()
            };
            let empty = &video.frames[video.occ_frame_start];
            let outside = |k: usize| !(14..210).contains(&k);
            let lost = video.frames[..video.occ_frame_start]
                .iter()
                .filter(|frame| {
                    (0..FRAME_SIZE * FRAME_SIZE).any(|at| {
                        (outside(at / FRAME_SIZE) || outside(at % FRAME_SIZE))
                            && frame[3 * at..3 * at + 3] != empty[3 * at..3 * at + 3]
                    })
                });
            let (lost, said) = (lost.count(), video.cut_off_by(&preprocess));
            // Up to half a pixel of a disc's edge shows no colour.
            assert!(lost <= said && said <= lost + 1, "{lost} {said}");
        }
        assert!(cut > 0);
    }
}
