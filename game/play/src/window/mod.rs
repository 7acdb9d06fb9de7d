//! The game in a window: the session of [`mental_pong_game::task::session`] as a bevy plugin.
//!
//! [`MentalPongPlugin`] adds the systems to any app; [`app::run`] is the program's own window. The
//! same systems run in a window, in a browser, and headless with a [`PlayClock`] that counts frames.
//!
//! In a frame, in order: the clock is read, the inputs since the last frame are stamped and taken,
//! the session goes on, a finished trial is recorded, the scene is drawn. Nothing of it is put off to
//! another frame.

#![allow(
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    clippy::too_many_arguments,
    reason = "bevy's systems take what they need by value, and queries are tuples"
)]

pub mod angle;
pub mod app;
pub mod input;
pub mod keys;
#[cfg(not(target_family = "wasm"))]
pub mod offscreen;
pub mod palette;
pub mod scene;
pub mod screens;
pub mod timing;

use bevy::prelude::*;

use mental_pong_game::error::{Error, Result};
use mental_pong_game::records::{Other, TrialRow};
use mental_pong_game::task::agent::Hands;
use mental_pong_game::task::companion::Companion;
use mental_pong_game::task::headless::fixed_ms;
use mental_pong_game::task::session::{Finished, FrameInput, FrameOutput, Session, Stage};
use mental_pong_game::task::trial::Shown;

pub use angle::ScreenGeometry;
pub use input::{FixationSource, Frame};
pub use keys::Keys;
pub use palette::{Colors, Palette};
pub use scene::View;

/// Plays the session of a [`PlaySession`] resource.
///
/// The app needs bevy's default plugins, or headless the ones that update time and input. Without a
/// [`PlaySession`] it does nothing, so that a user's own app can insert one when it wants to.
///
/// A [`Recording`] resource takes the finished trials; without one they are dropped.
#[derive(Clone, Debug, Default)]
pub struct MentalPongPlugin {
    /// How it looks and is steered.
    pub settings: PlaySettings,
    /// Draws nothing: for a headless app without a renderer.
    pub headless: bool,
    /// The app has a camera of its own that shows ±12° around the origin; a degree is a world unit.
    pub own_camera: bool,
}

/// How the game looks and is steered.
#[derive(Clone, Debug, Default, PartialEq, Resource, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlaySettings {
    /// The colours.
    pub palette: Palette,
    /// The occluder fades as feedback instead of vanishing in one frame, and no photodiode square
    /// flickers.
    pub reduced_flash: bool,
    /// A square in the lower left corner, white while the ball moves, for a photodiode.
    pub photodiode: bool,
    /// The keys.
    pub keys: Keys,
    /// The screen's size and distance, for degrees of visual angle.
    pub screen: ScreenGeometry,
}

/// The session that is played, with what it has left so far.
#[derive(Resource, Debug)]
pub struct PlaySession {
    /// The session.
    pub session: Session,
    /// The trials that are done, those of earlier runs among them, for the last screen.
    pub done: Vec<TrialRow>,
    /// Other observers on the same trials, for the last screen.
    pub others: Vec<Other>,
    /// What the last frame gave.
    pub output: Option<FrameOutput>,
    /// An observer that plays the same trials; its paddle is shown as feedback.
    pub beside: Option<Companion>,
    /// What the companion's screen shows.
    pub beside_shown: Option<Shown>,
    /// The companion's trials.
    pub beside_done: Vec<TrialRow>,
    /// A line for the person, shown when no trial runs.
    pub notice: Option<String>,
}

impl PlaySession {
    /// Plays a session.
    #[must_use]
    pub const fn new(session: Session) -> Self {
        Self {
            session,
            done: Vec::new(),
            others: Vec::new(),
            output: None,
            beside: None,
            beside_shown: None,
            beside_done: Vec::new(),
            notice: None,
        }
    }
}

/// What takes the finished trials.
#[derive(Resource)]
pub struct Recording(pub Box<dyn FnMut(&Finished) -> Result<()> + Send + Sync>);

/// Why a trial could not be recorded. The app has to end: see [`app::run`].
#[derive(Resource, Debug)]
pub struct RecordingFailed(pub Option<Error>);

/// Who plays instead of a person.
#[derive(Resource)]
pub struct Seat(pub Box<dyn Hands + Send + Sync>);

/// The session's clock.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub enum PlayClock {
    /// The computer's: when the frame before had been handed to the display.
    #[default]
    Real,
    /// Counts frames: the same inputs give the same records.
    Fixed {
        /// Frames per second.
        hz: f64,
        /// The frame.
        n: u64,
    },
}

impl PlayClock {
    /// A clock that counts frames.
    #[must_use]
    pub const fn fixed(hz: f64) -> Self {
        Self::Fixed { hz, n: 0 }
    }
}

/// When the session's systems run.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaySystems {
    /// The clock and the inputs.
    Input,
    /// The session.
    Session,
    /// What is shown.
    Draw,
}

impl Plugin for MentalPongPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.settings.clone())
            .init_resource::<PlayClock>()
            .init_resource::<Frame>()
            .insert_resource(RecordingFailed(None))
            .configure_sets(
                Update,
                (PlaySystems::Input, PlaySystems::Session, PlaySystems::Draw).chain(),
            )
            .add_systems(
                Update,
                (
                    (tick, input::gather, seat)
                        .chain()
                        .in_set(PlaySystems::Input),
                    play.in_set(PlaySystems::Session),
                )
                    .run_if(resource_exists::<PlaySession>),
            );
        input::build(app);
        if !self.headless {
            scene::build(app, !self.own_camera, &self.settings);
            screens::build(app);
        }
    }
}

/// The time of this frame.
fn tick(
    mut clock: ResMut<PlayClock>,
    time: Option<Res<Time<Real>>>,
    play: Res<PlaySession>,
    mut frame: ResMut<Frame>,
) {
    frame.clear();
    frame.at_ms = match &mut *clock {
        PlayClock::Real => time.map_or(0.0, |time| time.elapsed_secs_f64() * 1000.0),
        // The frame in which a trial ended lasts until the trial is stored.
        PlayClock::Fixed { hz, n } if play.session.waiting() => fixed_ms(n.saturating_sub(1), *hz),
        PlayClock::Fixed { hz, n } => {
            let at_ms = fixed_ms(*n, *hz);
            *n += 1;
            at_ms
        }
    };
}

/// The inputs of whoever plays instead of a person.
fn seat(seat: Option<ResMut<Seat>>, play: Res<PlaySession>, mut frame: ResMut<Frame>) {
    let Some(mut seat) = seat else { return };
    frame.inputs.clear();
    if let Some(shown) = play.output.as_ref().and_then(|o| o.shown.as_ref()) {
        let to_ms = frame.at_ms;
        frame.inputs = seat.0.inputs(shown, to_ms);
    }
}

/// One frame of the session.
fn play(
    mut play: ResMut<PlaySession>,
    frame: Res<Frame>,
    recording: Option<ResMut<Recording>>,
    mut failed: ResMut<RecordingFailed>,
    seat: Option<ResMut<Seat>>,
) {
    if failed.0.is_some() {
        return;
    }
    let begun = play.session.trial_begun();
    let mut output = play.session.frame(
        frame.at_ms,
        &FrameInput {
            inputs: &frame.inputs,
            go: frame.go,
            pause: frame.pause,
            unfocused: frame.unfocused,
            unplugged: frame.unplugged,
        },
    );
    let play = &mut *play;
    if let Some(finished) = &mut output.finished {
        finished.beside = play.beside.as_ref().and_then(|c| c.row(&finished.trial));
        if let Some(mut recording) = recording
            && let Err(error) = (recording.0)(finished)
        {
            failed.0 = Some(error);
        }
        play.done.push(finished.trial.clone());
        play.beside_done.extend(finished.beside.clone());
    }
    if let Some(companion) = &mut play.beside {
        play.beside_shown = companion.frame(&play.session, frame.at_ms);
    }
    if frame.go && output.stage == Stage::Running {
        play.notice = None;
    }
    if let Some(notice) = &frame.notice {
        play.notice = Some(notice.clone());
    }
    let now = play.session.trial_begun();
    if let (Some(mut seat), Some((number, begun_ms)), true) = (seat, now, now != begun)
        && let Some(trial) = play.session.trial()
    {
        seat.0.begin(number, begun_ms, trial.spec(), trial.rules());
    }
    play.output = Some(output);
}
