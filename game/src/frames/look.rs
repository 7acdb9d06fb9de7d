//! What may be changed about a preset's pictures.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::canvas::Rgb;
use crate::frames::preset::Preset;
use crate::frames::renderer::Renderer;
use crate::frames::rnn100::GreyStyle;
use crate::frames::screen::{PaddleStyle, ScreenStyle};

/// Largest width and height of a picture, pixels.
pub const MAX_SIZE_PX: usize = 4096;

/// Changes to a preset; what is left out stays as the preset has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Look {
    /// Width and height, pixels: 16 to 4096, of `rnn100` a multiple of four. What is shown stays
    /// the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_px: Option<usize>,
    /// Colour of the background; of `rnn100` a grey, as all of its colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Rgb>,
    /// Colour of the ball.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ball: Option<Rgb>,
    /// Colour of the occluder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occluder: Option<Rgb>,
    /// Opacity of the occluder where there is one, 0 to 1, instead of that of the occlusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// With or without a paddle, which waits at height 0. In `model224`, whose right edge is the
    /// field's, half of it is seen; `rnn100` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paddle: Option<bool>,
    /// With or without a fixation point; `rnn100` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixation: Option<bool>,
    /// Without the ball: the background alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_ball: bool,
}

impl Look {
    /// A renderer of a preset with these changes.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a size, colour or opacity that the preset cannot have.
    pub fn renderer(&self, preset: Preset) -> Result<Renderer> {
        let bad = |field, expected: &str, found: String| Error::BadValue {
            field,
            expected: expected.to_owned(),
            found,
        };
        if let Some(size) = self.size_px
            && !(16..=MAX_SIZE_PX).contains(&size)
        {
            return Err(bad("size_px", "16 to 4096", size.to_string()));
        }
        if let Some(opacity) = self.opacity
            && !(0.0..=1.0).contains(&opacity)
        {
            return Err(bad("opacity", "0 to 1", opacity.to_string()));
        }
        let Some(style) = self.style(preset) else {
            let mut style = GreyStyle::default();
            if let Some(size) = self.size_px {
                if !size.is_multiple_of(4) {
                    return Err(bad(
                        "size_px",
                        "a multiple of 4 for rnn100",
                        size.to_string(),
                    ));
                }
                style.size_px = size;
            }
            for (field, from, to) in [
                ("background", self.background, &mut style.background),
                ("ball", self.ball, &mut style.ball),
                ("occluder", self.occluder, &mut style.occluder),
            ] {
                if let Some(Rgb(r, g, b)) = from {
                    if r != g || g != b {
                        return Err(bad(field, "a grey for rnn100", format!("{r}, {g}, {b}")));
                    }
                    *to = r;
                }
            }
            for (field, asked) in [("paddle", self.paddle), ("fixation", self.fixation)] {
                if asked == Some(true) {
                    return Err(bad(field, "none for rnn100, which has none", "on".into()));
                }
            }
            return Ok(Renderer::with_grey_style(style));
        };
        Ok(Renderer::with_style(style))
    }

    /// The colours and sizes of an RGB preset with these changes; none for `rnn100`. They are not
    /// checked: see [`Self::renderer`].
    #[must_use]
    pub fn style(&self, preset: Preset) -> Option<ScreenStyle> {
        let mut style = preset.style()?;
        style.size_px = self.size_px.unwrap_or(style.size_px);
        style.background = self.background.unwrap_or(style.background);
        style.ball = self.ball.unwrap_or(style.ball);
        style.occluder = self.occluder.unwrap_or(style.occluder);
        match self.paddle {
            Some(true) => style.paddle = Some(style.paddle.unwrap_or_default()),
            Some(false) => style.paddle = None::<PaddleStyle>,
            None => {}
        }
        match self.fixation {
            Some(true) => style.fixation = Some(style.fixation.unwrap_or(Rgb::grey(255))),
            Some(false) => style.fixation = None,
            None => {}
        }
        Some(style)
    }

    /// Width and height of a preset's pictures with these changes.
    #[must_use]
    pub fn size_px(&self, preset: Preset) -> usize {
        self.size_px.unwrap_or_else(|| preset.size())
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{FrameScene, render};

    #[test]
    fn no_change_is_the_preset() {
        let scene = FrameScene {
            ball: Some((1.0, 2.0)),
            occluder: Some(1.0),
            fixation: true,
            ..FrameScene::default()
        };
        for preset in Preset::ALL {
            let mut renderer = Look::default().renderer(preset).unwrap();
            assert!(renderer.draw(&scene) == render(preset, &scene));
        }
    }

    #[test]
    fn changes_are_seen_and_impossible_ones_refused() {
        let scene = FrameScene {
            ball: Some((0.0, 0.0)),
            occluder: Some(1.0),
            ..FrameScene::default()
        };
        let look = Look {
            size_px: Some(64),
            background: Some(Rgb::grey(10)),
            ball: Some(Rgb::grey(200)),
            occluder: Some(Rgb::grey(90)),
            ..Look::default()
        };
        for preset in Preset::ALL {
            let mut renderer = look.renderer(preset).unwrap();
            let frame = renderer.draw(&scene);
            let c = preset.channels();
            assert_eq!(frame.len(), 64 * 64 * c);
            let px = |x: usize, y: usize| frame[(y * 64 + x) * c];
            assert_eq!([px(10, 10), px(52, 20)], [10, 90], "{preset}");
            // On a screen of 64 pixels the ball covers no pixel wholly.
            let lit = if preset == Preset::Rnn100 { 200 } else { 60 };
            assert!((lit..=200).contains(&px(32, 32)), "{preset}");
        }
        for (preset, look, says) in [
            (
                Preset::Rnn100,
                Look {
                    size_px: Some(50),
                    ..Look::default()
                },
                "multiple of 4",
            ),
            (
                Preset::Display,
                Look {
                    size_px: Some(8),
                    ..Look::default()
                },
                "16 to 4096",
            ),
            (
                Preset::Rnn100,
                Look {
                    ball: Some(Rgb(1, 2, 3)),
                    ..Look::default()
                },
                "a grey",
            ),
            (
                Preset::Rnn100,
                Look {
                    paddle: Some(true),
                    ..Look::default()
                },
                "paddle",
            ),
            (
                Preset::Display,
                Look {
                    opacity: Some(1.5),
                    ..Look::default()
                },
                "0 to 1",
            ),
        ] {
            let message = look.renderer(preset).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
