//! The colours of the game.

use serde::{Deserialize, Serialize};

use mental_pong_game::error::Error;
use mental_pong_game::frames::Rgb;
use mental_pong_game::task::law::named;

/// A choice of colours. Nothing is told by colour alone in any of them: paddle, ball, occluder and
/// fixation point differ in shape and place, and hit and miss in the ball's motion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Palette {
    /// Red occluder and green paddle, as published; the rest as the preset `display`.
    #[default]
    Published,
    /// Blue and amber on black: far apart in lightness, and with any kind of colour vision.
    HighContrast,
}

impl Palette {
    /// Every palette.
    pub const ALL: [Self; 2] = [Self::Published, Self::HighContrast];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::HighContrast => "high-contrast",
        }
    }

    /// Its colours.
    #[must_use]
    pub const fn colors(self) -> Colors {
        let published = Colors {
            background: Rgb::grey(0),
            ball: Rgb::grey(255),
            occluder: Rgb(255, 0, 0),
            paddle: Rgb(0, 255, 0),
            waiting_alpha: 0.5,
            fixation: Rgb::grey(255),
            frame: Rgb::grey(128),
            text: Rgb::grey(222),
            accent: Rgb(120, 190, 255),
            faint: Rgb::grey(128),
        };
        match self {
            Self::Published => published,
            Self::HighContrast => Colors {
                occluder: Rgb(0, 90, 181),
                paddle: Rgb(255, 194, 10),
                waiting_alpha: 0.7,
                frame: Rgb::grey(255),
                text: Rgb::grey(255),
                accent: Rgb(255, 194, 10),
                faint: Rgb::grey(190),
                ..published
            },
        }
    }
}

impl std::str::FromStr for Palette {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        named("palette", name, &Self::ALL, Self::name)
    }
}

/// The colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colors {
    /// Behind everything.
    pub background: Rgb,
    /// The ball.
    pub ball: Rgb,
    /// The occluder.
    pub occluder: Rgb,
    /// The paddle.
    pub paddle: Rgb,
    /// Opacity of the paddle before its first movement.
    pub waiting_alpha: f32,
    /// The fixation point.
    pub fixation: Rgb,
    /// The line around the field.
    pub frame: Rgb,
    /// Text.
    pub text: Rgb,
    /// Headings and occluded trials in the picture of errors.
    pub accent: Rgb,
    /// Hints, axes.
    pub faint: Rgb,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_game::frames::{Preset, ScreenStyle};

    #[test]
    fn the_published_palette_is_that_of_the_rasteriser() {
        let style: ScreenStyle = Preset::Display.style().unwrap();
        let colors = Palette::Published.colors();
        let paddle = style.paddle.unwrap();
        assert_eq!(
            (
                colors.background,
                colors.ball,
                colors.occluder,
                colors.paddle
            ),
            (style.background, style.ball, style.occluder, paddle.color)
        );
        assert_eq!(f64::from(colors.waiting_alpha), paddle.waiting_alpha);
        assert_eq!(Some(colors.fixation), style.fixation);
        assert_eq!(colors.frame, style.frame.unwrap().color);
    }

    /// Contrast of two colours after WCAG 2, 1 to 21.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |c: Rgb| {
            let linear = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.04045 {
                    v / 12.92
                } else {
                    libm::pow((v + 0.055) / 1.055, 2.4)
                }
            };
            0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2)
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn what_has_to_be_told_apart_differs_in_lightness() {
        // WCAG asks 3 of graphics and 4.5 of text.
        for palette in Palette::ALL {
            let c = palette.colors();
            assert!(contrast(c.ball, c.background) > 15.0);
            assert!(contrast(c.text, c.background) > 7.0);
            assert!(contrast(c.faint, c.background) > 4.5);
            assert!(contrast(c.ball, c.occluder) > 3.0);
            assert!(contrast(c.paddle, c.background) > 3.0);
        }
        let c = Palette::HighContrast.colors();
        assert!(contrast(c.paddle, c.occluder) > 3.0);
        assert!(contrast(c.frame, c.background) > 7.0);
    }
}
