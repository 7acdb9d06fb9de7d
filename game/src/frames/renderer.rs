//! Scenes to bytes, doing again only what moved.

use crate::frames::canvas::Canvas;
use crate::frames::screen::{ScreenStyle, occluder_corners};
use crate::frames::{FrameScene, Preset, rnn100};
use crate::task::geometry::INTERCEPT_X_DEG;

/// One frame: `[y, x]` of `rnn100`, `[y, x, channel]` of the others, u8.
#[must_use]
pub fn render(preset: Preset, scene: &FrameScene) -> Vec<u8> {
    let mut out = Vec::new();
    Renderer::new(preset).render_into(scene, &mut out);
    out
}

/// Draws frame after frame. What does not move is painted once.
#[derive(Clone, Debug)]
pub struct Renderer {
    screen: Option<Screen>,
}

#[derive(Clone, Debug)]
struct Screen {
    style: ScreenStyle,
    canvas: Canvas,
    /// The last scene without its ball, painted.
    backdrop: Option<(FrameScene, Canvas)>,
}

impl Renderer {
    /// A renderer of a preset.
    #[must_use]
    pub fn new(preset: Preset) -> Self {
        Self {
            screen: preset.style().map(Screen::new),
        }
    }

    /// A renderer of a screen with colours and sizes of your own.
    #[must_use]
    pub fn with_style(style: ScreenStyle) -> Self {
        Self {
            screen: Some(Screen::new(style)),
        }
    }

    /// Draws a frame into `out`, which becomes as long as the frame.
    pub fn render_into(&mut self, scene: &FrameScene, out: &mut Vec<u8>) {
        match &mut self.screen {
            None => rnn100::render_into(scene, out),
            Some(screen) => {
                let rgb = screen.render(scene);
                out.clear();
                out.extend_from_slice(rgb);
            }
        }
    }
}

/// Where the ball stands among the things in front of it.
enum Place {
    Free,
    Covered,
    Between,
}

impl Screen {
    fn new(style: ScreenStyle) -> Self {
        Self {
            canvas: Canvas::new(style.size_px, style.size_px, style.background),
            style,
            backdrop: None,
        }
    }

    fn render(&mut self, scene: &FrameScene) -> &[u8] {
        let still = FrameScene {
            ball: None,
            ..*scene
        };
        let fresh = self.backdrop.as_ref().is_none_or(|(of, _)| *of != still);
        if fresh {
            let mut canvas = self.canvas.clone();
            self.style.paint(&still, &mut canvas);
            self.backdrop = Some((still, canvas));
        }
        match (&self.backdrop, scene.ball) {
            (Some((_, backdrop)), Some(ball)) => match self.place(ball, scene) {
                Place::Free => {
                    self.canvas.copy_from(backdrop);
                    self.style.paint_ball(ball, &mut self.canvas);
                }
                Place::Covered => self.canvas.copy_from(backdrop),
                Place::Between => self.style.paint(scene, &mut self.canvas),
            },
            (Some((_, backdrop)), None) => self.canvas.copy_from(backdrop),
            (None, _) => self.style.paint(scene, &mut self.canvas),
        }
        self.canvas.rgb()
    }

    /// Whether painting the ball last, or not at all, gives the same picture as painting in order.
    fn place(&self, ball: (f64, f64), scene: &FrameScene) -> Place {
        let style = &self.style;
        let (column, row) = style.px_from_deg(ball);
        let reach = style.ball_radius_deg * style.px_per_deg() + 1.0;
        let (low, high) = occluder_corners();
        let (left, bottom) = style.px_from_deg(low);
        let (right, top) = style.px_from_deg(high);
        let paddle_left = match (&style.paddle, scene.paddle) {
            (Some(paddle), Some(_)) => {
                let x = INTERCEPT_X_DEG - 0.5 * paddle.width_deg;
                style.px_from_deg((x, 0.0)).0.floor()
            }
            _ => f64::INFINITY,
        };
        let occluder_left = scene.occluder.map_or(f64::INFINITY, |_| left.floor());
        if (column + reach).ceil() <= paddle_left.min(occluder_left) {
            return Place::Free;
        }
        let covered = scene.occluder.is_some_and(|alpha| alpha >= 1.0)
            && (column - reach).floor() >= left.ceil()
            && (column + reach).ceil() <= right.floor()
            && (row - reach).floor() >= top.ceil()
            && (row + reach).ceil() <= bottom.floor();
        if covered {
            Place::Covered
        } else {
            Place::Between
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::PaddleLook;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_short_way_gives_the_same_bytes(
            balls in prop::collection::vec((-11.0..13.0_f64, -11.0..11.0_f64), 8),
            occluder in prop::sample::select(vec![None, Some(1.0), Some(0.95), Some(0.0)]),
            paddle in prop::sample::select(vec![
                None, Some((3.0, PaddleLook::Full)), Some((-9.0, PaddleLook::Waiting)),
            ]),
            preset in prop::sample::select(vec![Preset::Model224, Preset::Display]),
            fixation: bool,
        ) {
            let mut renderer = Renderer::new(preset);
            let style = preset.style().unwrap();
            let mut whole = Canvas::new(style.size_px, style.size_px, style.background);
            let mut frame = Vec::new();
            for ball in balls {
                let scene = FrameScene { ball: Some(ball), occluder, paddle, fixation };
                renderer.render_into(&scene, &mut frame);
                style.paint(&scene, &mut whole);
                prop_assert!(frame == whole.rgb());
            }
        }
    }

    fn pixel(preset: Preset, frame: &[u8], at_deg: (f64, f64)) -> [u8; 3] {
        let (column, row) = preset.px_from_deg(at_deg);
        let at = (row as usize * preset.size() + column as usize) * 3;
        [frame[at], frame[at + 1], frame[at + 2]]
    }

    #[test]
    fn the_occluder_hides_the_ball_and_its_absence_shows_it() {
        for preset in [Preset::Model224, Preset::Display] {
            let scene = FrameScene {
                ball: Some((7.0, 3.0)),
                occluder: Some(1.0),
                ..FrameScene::default()
            };
            let hidden = render(preset, &scene);
            assert_eq!(pixel(preset, &hidden, (7.0, 3.0)), [255, 0, 0]);
            let without = render(
                preset,
                &FrameScene {
                    ball: None,
                    ..scene
                },
            );
            assert_eq!(hidden, without);
            let shown = render(
                preset,
                &FrameScene {
                    occluder: None,
                    ..scene
                },
            );
            assert_eq!(pixel(preset, &shown, (7.0, 3.0)), [255; 3]);
            assert_eq!(pixel(preset, &shown, (7.0, -3.0)), [0; 3]);
        }
    }

    #[test]
    fn model224_has_no_paddle_and_display_has_both_looks() {
        let bare = FrameScene {
            occluder: Some(1.0),
            ..FrameScene::default()
        };
        let with = |look| FrameScene {
            paddle: Some((0.0, look)),
            fixation: true,
            ..bare
        };
        let full = with(PaddleLook::Full);
        assert_eq!(
            render(Preset::Model224, &full),
            render(Preset::Model224, &bare)
        );
        let frame = render(Preset::Display, &full);
        assert_eq!(pixel(Preset::Display, &frame, (10.1, 1.1)), [0, 255, 0]);
        assert_eq!(pixel(Preset::Display, &frame, (0.0, 0.0)), [255; 3]);
        let frame = render(Preset::Display, &with(PaddleLook::Waiting));
        assert_eq!(pixel(Preset::Display, &frame, (9.9, 1.1)), [255, 0, 0]);
        assert_eq!(pixel(Preset::Display, &frame, (9.9, 0.1)), [128, 128, 0]);
    }

    #[test]
    fn frames_have_the_size_their_preset_says() {
        for preset in Preset::ALL {
            let frame = render(preset, &FrameScene::default());
            assert_eq!(frame.len(), preset.frame_len());
            assert_eq!(frame.len(), preset.shape(1).iter().product::<usize>());
        }
    }
}
