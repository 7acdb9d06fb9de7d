//! Scenes to bytes, doing again only what moved.

use sha2::{Digest, Sha256};

use crate::frames::canvas::{Canvas, PxBox};
use crate::frames::rnn100::{GreyStyle, Rnn100};
use crate::frames::screen::ScreenStyle;
use crate::frames::{FrameScene, Preset};
use crate::task::geometry::{Geometry, Rect};

/// One frame: `[y, x]` of `rnn100`, `[y, x, channel]` of the others, u8.
#[must_use]
pub fn render(preset: Preset, scene: &FrameScene) -> Vec<u8> {
    let mut out = Vec::new();
    Renderer::new(preset).render_into(scene, &mut out);
    out
}

/// Draws frame after frame. What does not move is painted once; a frame costs the pixels around the
/// ball before and after.
#[derive(Clone, Debug)]
pub struct Renderer {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Grey(Box<Rnn100>),
    Screen(Box<Screen>),
}

/// The last scene without its ball and the picture of it, and the picture that is being drawn.
#[derive(Clone, Debug)]
struct Screen {
    style: ScreenStyle,
    /// Radius of the ball where the geometry gives none.
    radius_deg: f64,
    canvas: Canvas,
    backdrop: Option<(FrameScene, Canvas)>,
    /// Where `canvas` is not the backdrop.
    dirty: Option<PxBox>,
}

/// Tells most pictures of one setting apart without drawing them: equal keys, equal pictures. Two
/// keys may be of one picture: a ball that moved by next to nothing, or of which next to nothing is
/// seen. [`Renderer::digest`] tells those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PictureKey([u64; 2]);

impl PictureKey {
    /// No ball is seen.
    const BARE: Self = Self([u64::MAX; 2]);
}

impl Renderer {
    /// A renderer of a preset.
    #[must_use]
    pub fn new(preset: Preset) -> Self {
        match preset.style() {
            None => Self::with_grey_style(GreyStyle::default()),
            Some(style) => Self::with_style(style),
        }
    }

    /// A renderer of a screen with colours and sizes of your own.
    #[must_use]
    pub fn with_style(style: ScreenStyle) -> Self {
        Self {
            kind: Kind::Screen(Box::new(Screen::new(style))),
        }
    }

    /// A renderer of `rnn100` with greys and a size of your own.
    #[must_use]
    pub fn with_grey_style(style: GreyStyle) -> Self {
        Self {
            kind: Kind::Grey(Box::new(Rnn100::new(style))),
        }
    }

    /// Draws what comes next in another geometry.
    pub fn set_geometry(&mut self, geometry: &Geometry) {
        match &mut self.kind {
            Kind::Grey(grey) => grey.set_geometry(geometry),
            Kind::Screen(screen) => screen.set_geometry(geometry),
        }
    }

    /// Draws a frame and lends it: `[y, x]` of `rnn100`, `[y, x, channel]` of the others, u8.
    pub fn draw(&mut self, scene: &FrameScene) -> &[u8] {
        match &mut self.kind {
            Kind::Grey(grey) => grey.draw(scene),
            Kind::Screen(screen) => screen.draw(scene),
        }
    }

    /// Draws a frame into `out`, which becomes as long as the frame.
    pub fn render_into(&mut self, scene: &FrameScene, out: &mut Vec<u8>) {
        let frame = self.draw(scene);
        out.clear();
        out.extend_from_slice(frame);
    }

    /// The key of a scene's picture among those with the same occluder, paddle and fixation point.
    pub(crate) fn key(&self, scene: &FrameScene) -> PictureKey {
        match &self.kind {
            Kind::Grey(grey) => grey.key(scene).map_or(PictureKey::BARE, PictureKey),
            Kind::Screen(screen) => screen.key(scene),
        }
    }

    /// The SHA-256 of what the ball changes in a scene's picture: equal digests, equal pictures,
    /// among those with the same occluder, paddle and fixation point.
    pub(crate) fn digest(&mut self, scene: &FrameScene) -> [u8; 32] {
        let mut hash = Sha256::new();
        let take = |at: usize, pixel: &[u8]| {
            hash.update((at as u64).to_le_bytes());
            hash.update(pixel);
        };
        match &mut self.kind {
            Kind::Grey(grey) => grey.changes(scene, take),
            Kind::Screen(screen) => screen.changes(scene, take),
        }
        hash.finalize().into()
    }
}

impl Screen {
    fn new(style: ScreenStyle) -> Self {
        Self {
            canvas: Canvas::new(style.size_px, style.size_px, style.background),
            radius_deg: style.ball_radius_deg,
            style,
            backdrop: None,
            dirty: None,
        }
    }

    fn set_geometry(&mut self, geometry: &Geometry) {
        if self.style.geometry != *geometry {
            self.style.ball_radius_deg = geometry.ball_radius_deg.unwrap_or(self.radius_deg);
            self.style.geometry = geometry.clone();
            self.backdrop = None;
        }
    }

    fn draw(&mut self, scene: &FrameScene) -> &[u8] {
        let still = FrameScene {
            ball: None,
            ..*scene
        };
        let backdrop = match self.backdrop.take() {
            Some((of, backdrop)) if of == still => {
                if let Some(part) = self.dirty.take() {
                    self.canvas.copy_box(&backdrop, part);
                }
                backdrop
            }
            _ => {
                self.dirty = None;
                self.style.paint(&still, &mut self.canvas);
                self.canvas.clone()
            }
        };
        self.backdrop = Some((still, backdrop));
        if let Some((column, row, r)) = self.disc(scene) {
            let part = self.canvas.disc_box(column, row, r);
            let style = &self.style;
            self.canvas
                .clipped(part, |canvas| style.paint(scene, canvas));
            self.dirty = Some(part);
        }
        self.canvas.rgb()
    }

    /// Centre and radius of the ball, pixels.
    fn disc(&self, scene: &FrameScene) -> Option<(f64, f64, f64)> {
        let (column, row) = self.style.px_from_deg(scene.ball?);
        let r = self.style.ball_radius_deg * self.style.px_per_deg();
        (column.is_finite() && row.is_finite()).then_some((column, row, r))
    }

    fn key(&self, scene: &FrameScene) -> PictureKey {
        let Some((column, row, r)) = self.disc(scene) else {
            return PictureKey::BARE;
        };
        let part = self.canvas.disc_box(column, row, r);
        let nothing = part.x0 >= part.x1 || part.y0 >= part.y1;
        if nothing || self.covered(part, scene) {
            return PictureKey::BARE;
        }
        // Order of the bits is no order of numbers, which nothing asks for.
        PictureKey([column.to_bits(), row.to_bits()])
    }

    /// Draws a frame and hands on each pixel that is not as without the ball.
    fn changes(&mut self, scene: &FrameScene, mut take: impl FnMut(usize, &[u8])) {
        self.draw(scene);
        let (Some(part), Some((_, backdrop))) = (self.dirty, &self.backdrop) else {
            return;
        };
        let width = self.canvas.width();
        let (new, old) = (self.canvas.rgb(), backdrop.rgb());
        for y in part.y0..part.y1 {
            for at in y * width + part.x0..y * width + part.x1 {
                let pixel = &new[3 * at..3 * at + 3];
                if *pixel != old[3 * at..3 * at + 3] {
                    take(at, pixel);
                }
            }
        }
    }

    /// Whether an opaque occluder stands before all of a box.
    fn covered(&self, part: PxBox, scene: &FrameScene) -> bool {
        let before = |rect: &Rect| {
            let (left, bottom) = self.style.px_from_deg((rect.x0_deg, rect.y0_deg));
            let (right, top) = self.style.px_from_deg((rect.x1_deg, rect.y1_deg));
            // The first column of the box is beyond the soft edge.
            (part.x0 + 1) as f64 >= left
                && part.x1 as f64 <= right
                && part.y0 as f64 >= top
                && part.y1 as f64 <= bottom
        };
        scene.occluder.is_some_and(|alpha| alpha >= 1.0)
            && self.style.geometry.occluders.iter().any(before)
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
