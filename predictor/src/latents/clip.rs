use mental_pong_game::frames::{FrameScene, Preset, Renderer};
use mental_pong_game::task::epochs::{
    FrameStatus, display_frame_ms, display_frames_of_bin, frame_status,
};
use mental_pong_game::task::geometry::BALL_RADIUS_DISPLAY_DEG;
use mental_pong_game::task::{Condition, Law, Masks, trajectory_until};
use serde::{Deserialize, Serialize};

/// Which video of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// The trial as the animals saw it: the ball disappears.
    Occluded,
    /// The same flight without the occluder.
    Visible,
}

/// What a step's latent was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// An encoded frame that the forecast started from.
    Context,
    /// A frame with the ball in view that is no context.
    Visible,
    /// A frame with the ball fully behind the occluder.
    Hidden,
}

/// A step of a model: the middle one of the three display frames of a 50 ms bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Display frame (60 Hz), 0 being the ball at rest.
    pub frame: usize,
    /// Its place on the recordings' axis, ms.
    pub time_ms: f64,
    /// The bin it stands for.
    pub bin: usize,
    /// What its latent is made from.
    pub status: Status,
}

/// The frames that a model takes from a condition, display law, preset `model224`.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The model's steps, one for each bin of `start_end`.
    pub steps: Vec<Step>,
    /// The ball at rest, then the frame of each step, `[y, x, channel]`.
    pub frames: Vec<Vec<u8>>,
}

impl Clip {
    /// Renders the clip of a condition. In the last bin the ball flies on beyond the trial's end.
    #[must_use]
    pub fn of(condition: &Condition, shown: Shown) -> Self {
        let bins = Masks::of(condition).start_end;
        let middle = |bin: usize| display_frames_of_bin(bin).start + 1;
        let path = trajectory_until(condition, Law::Display, middle(bins.end) + 1);
        let mut renderer = Renderer::new(Preset::Model224);
        let mut draw = |frame: usize| {
            let scene = FrameScene {
                ball: Some((path.x_deg[frame], path.y_deg[frame])),
                occluder: (shown == Shown::Occluded).then_some(1.0),
                ..FrameScene::default()
            };
            let mut out = Vec::new();
            renderer.render_into(&scene, &mut out);
            out
        };
        let mut frames = vec![draw(0)];
        let steps = bins
            .map(|bin| {
                let frame = middle(bin);
                frames.push(draw(frame));
                let seen = frame_status(path.x_deg[frame], BALL_RADIUS_DISPLAY_DEG);
                Step {
                    frame,
                    time_ms: display_frame_ms(frame),
                    bin,
                    status: match seen {
                        FrameStatus::Hidden => Status::Hidden,
                        FrameStatus::Visible | FrameStatus::Partial => Status::Visible,
                    },
                }
            })
            .collect();
        Self { steps, frames }
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::primate79;

    use super::*;

    #[test]
    fn a_step_stands_in_the_middle_of_its_bin() {
        for condition in primate79().iter().take(5) {
            let clip = Clip::of(condition, Shown::Occluded);
            assert_eq!(clip.frames.len(), clip.steps.len() + 1);
            for step in &clip.steps {
                let middle = step.bin as f64 * 50.0 + 25.0;
                assert!((step.time_ms - middle).abs() < 9.0, "{step:?}");
            }
        }
    }

    #[test]
    fn a_hidden_ball_leaves_no_trace_in_the_frames() {
        let condition = &primate79()[0];
        let clip = Clip::of(condition, Shown::Occluded);
        let hidden: Vec<&Vec<u8>> = clip
            .steps
            .iter()
            .zip(&clip.frames[1..])
            .filter(|(s, _)| s.status == Status::Hidden)
            .map(|(_, f)| f)
            .collect();
        assert!(hidden.len() > 10);
        assert!(hidden.windows(2).all(|w| w[0] == w[1]));
        let open = Clip::of(condition, Shown::Visible);
        assert_ne!(open.frames[40], open.frames[41]);
    }
}
