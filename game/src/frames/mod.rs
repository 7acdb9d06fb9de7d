//! The CPU rasteriser of the task: the only source of stimuli.
//!
//! A frame is a pure function of its [`FrameScene`] and [`Preset`], the same bytes on every
//! platform.

pub mod canvas;
pub mod display;
pub mod look;
pub mod model224;
pub mod preset;
pub mod renderer;
pub mod rnn100;
pub mod screen;

pub use canvas::{Canvas, Rgb};
pub use look::Look;
pub use preset::Preset;
pub(crate) use renderer::PictureKey;
pub use renderer::{Renderer, render};
pub use rnn100::GreyStyle;
pub use screen::ScreenStyle;

/// How the paddle looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaddleLook {
    /// Before the first movement: a small transparent square.
    Waiting,
    /// After it: the full paddle.
    Full,
}

/// What stands on the screen in one frame. Positions in degrees, x right, y up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameScene {
    /// Centre of the ball, `(x, y)`. Nothing is drawn for one that is not finite.
    pub ball: Option<(f64, f64)>,
    /// Opacity of the occluder, 0 to 1; it is drawn over the ball.
    pub occluder: Option<f64>,
    /// Height of the paddle's centre and its look. Only preset `display` has a paddle.
    pub paddle: Option<(f64, PaddleLook)>,
    /// Whether the fixation point is shown. Only preset `display` has one.
    pub fixation: bool,
}
