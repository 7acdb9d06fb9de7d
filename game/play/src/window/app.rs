//! The program's own window.

use std::sync::{Arc, Mutex, PoisonError};

use bevy::log::LogPlugin;
use bevy::platform::time::Instant;
use bevy::prelude::*;
use bevy::render::renderer::RenderAdapterInfo;
use bevy::window::{
    Monitor, MonitorSelection, PresentMode, PrimaryMonitor, PrimaryWindow, WindowMode,
    WindowResolution,
};
use bevy::winit::{UpdateMode, WinitSettings};

use super::input::Frame;
use super::scene::View;
use super::{
    MentalPongPlugin, PlayClock, PlaySession, PlaySettings, PlaySystems, Recording,
    RecordingFailed, Seat,
};
use mental_pong_game::error::{Error, Result};
use mental_pong_game::records::{Display, Other, TrialRow};
use mental_pong_game::task::agent::Hands;
use mental_pong_game::task::companion::Companion;
use mental_pong_game::task::session::{Finished, Session, Stage};

/// The window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Width, physical pixels.
    pub width_px: u32,
    /// Height, physical pixels.
    pub height_px: u32,
    /// The whole screen instead.
    pub fullscreen: bool,
}

impl Default for WindowSize {
    fn default() -> Self {
        Self {
            width_px: 1000,
            height_px: 1000,
            fullscreen: false,
        }
    }
}

/// Takes what a session leaves.
pub trait Sink: Send + Sync {
    /// A trial is done.
    ///
    /// # Errors
    /// Ends the app, with what was recorded kept.
    fn trial(&mut self, finished: &Finished) -> Result<()>;

    /// What shows the task, as soon as it is known: before the first trial of the run.
    ///
    /// # Errors
    /// Ends the app.
    fn display(&mut self, display: &Display) -> Result<()> {
        let _ = display;
        Ok(())
    }
}

/// A session to play in a window.
pub struct Game {
    /// The session.
    pub session: Session,
    /// The trials of earlier runs, for the last screen.
    pub done: Vec<TrialRow>,
    /// Other observers on the same trials.
    pub others: Vec<Other>,
    /// Looks and keys.
    pub settings: PlaySettings,
    /// The window.
    pub window: WindowSize,
    /// An observer that plays the same trials beside a person.
    pub beside: Option<Companion>,
    /// Who plays instead of a person.
    pub seat: Option<Box<dyn Hands + Send + Sync>>,
    /// Takes the finished trials.
    pub sink: Box<dyn Sink>,
    /// Close the window when the last trial is done.
    pub leave_at_end: bool,
    /// Asked once a frame: whether to close the window now, for Ctrl-C.
    pub stopped: Box<dyn Fn() -> bool + Send + Sync>,
}

/// When the program was asked for a window.
#[derive(Resource)]
struct Begun(Instant);

/// Whether somebody outside asks the app to end.
#[derive(Resource)]
struct Stopped(Box<dyn Fn() -> bool + Send + Sync>);

/// How a game ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The trials that are done, those of earlier runs among them.
    pub done: Vec<TrialRow>,
    /// Whether every trial is.
    pub whole: bool,
    /// From the call to the moment when the first frame had been handed over, milliseconds; nothing
    /// where there was none.
    pub first_frame_ms: Option<f64>,
}

type Shared<T> = Arc<Mutex<T>>;

fn lock<T>(shared: &Shared<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the app hands back when it is over.
#[derive(Resource, Clone)]
struct Outbox(Shared<Out>);

#[derive(Default)]
struct Out {
    done: Vec<TrialRow>,
    whole: bool,
    failed: Option<Error>,
    frames: u32,
    first_frame_ms: Option<f64>,
}

#[derive(Resource, Clone)]
struct SharedSink(Shared<Box<dyn Sink>>);

/// Whether the display has been told of, and the refresh rate that was measured.
#[derive(Resource, Default)]
struct Told {
    done: bool,
    intervals_ms: Vec<f64>,
    last_ms: Option<f64>,
    leave_at_end: bool,
}

/// Plays a session in a window until it is closed, and says how far it came.
///
/// # Errors
/// What the sink says, when a trial could not be recorded.
pub fn run(game: Game) -> Result<Ended> {
    let mut app = build(game);
    let outbox = app.world().get_resource::<Outbox>().cloned();
    app.run();
    let Some(outbox) = outbox else {
        return Ok(Ended::default());
    };
    let out = std::mem::take(&mut *lock(&outbox.0));
    match out.failed {
        Some(error) => Err(error),
        None => Ok(Ended {
            done: out.done,
            whole: out.whole,
            first_frame_ms: out.first_frame_ms,
        }),
    }
}

/// The app that [`run`] runs, for who adds to it.
pub fn build(game: Game) -> App {
    let begun = Instant::now();
    let outbox = Outbox(Arc::new(Mutex::new(Out {
        done: game.done.clone(),
        ..Out::default()
    })));
    let sink = SharedSink(Arc::new(Mutex::new(game.sink)));
    let mut app = App::new();
    app.add_plugins(plugins("Mental-Pong", game.window))
        .insert_resource(WinitSettings {
            focused_mode: UpdateMode::Continuous,
            unfocused_mode: UpdateMode::Continuous,
        })
        .add_plugins(MentalPongPlugin {
            settings: game.settings,
            ..default()
        })
        .insert_resource(PlaySession {
            done: game.done,
            others: game.others,
            beside: game.beside,
            ..PlaySession::new(game.session)
        })
        .insert_resource(Told {
            leave_at_end: game.leave_at_end,
            ..default()
        })
        .insert_resource(Begun(begun))
        .insert_resource(Stopped(game.stopped))
        .insert_resource(outbox)
        .insert_resource(sink.clone())
        .add_systems(
            Update,
            (
                describe
                    .after(PlaySystems::Input)
                    .before(PlaySystems::Session),
                leave.after(PlaySystems::Draw),
            ),
        );
    let taking = sink;
    app.insert_resource(Recording(Box::new(move |finished| {
        lock(&taking.0).trial(finished)
    })));
    if let Some(seat) = game.seat {
        app.insert_resource(Seat(seat));
    }
    app
}

/// Bevy's plugins with a window.
pub(super) fn plugins(title: &str, size: WindowSize) -> bevy::app::PluginGroupBuilder {
    let group = DefaultPlugins
        .set(LogPlugin {
            filter: "warn,wgpu=error,naga=error,winit=error".into(),
            ..default()
        })
        .set(WindowPlugin {
            primary_window: Some(Window {
                title: title.to_owned(),
                // A pixel of the window is a pixel of the screen, whatever the system's scaling.
                resolution: WindowResolution::new(size.width_px, size.height_px)
                    .with_scale_factor_override(1.0),
                present_mode: PresentMode::AutoVsync,
                mode: if size.fullscreen {
                    WindowMode::BorderlessFullscreen(MonitorSelection::Primary)
                } else {
                    WindowMode::Windowed
                },
                canvas: Some("#mental-pong".to_owned()),
                fit_canvas_to_parent: true,
                ..default()
            }),
            ..default()
        });
    // Whoever has the terminal listens to it: see `Game::stopped`.
    #[cfg(any(unix, windows))]
    let group = group.disable::<bevy::app::TerminalCtrlCHandlerPlugin>();
    group
}

/// Measures the refresh rate before the first trial, and tells of the display when it begins.
fn describe(
    frame: Res<Frame>,
    mut play: ResMut<PlaySession>,
    mut told: ResMut<Told>,
    sink: Res<SharedSink>,
    screen: (Res<View>, Res<PlaySettings>, Res<PlayClock>),
    windows: Query<&Window, With<PrimaryWindow>>,
    monitors: Query<&Monitor, With<PrimaryMonitor>>,
    adapter: Option<Res<RenderAdapterInfo>>,
    mut failed: ResMut<RecordingFailed>,
) {
    if told.done {
        return;
    }
    if let Some(last) = told.last_ms.replace(frame.at_ms) {
        // A person may read for an hour.
        if told.intervals_ms.len() >= 1200 {
            told.intervals_ms.drain(..600);
        }
        told.intervals_ms.push(frame.at_ms - last);
    }
    let waits = play.session.stage() == Stage::Welcome && !frame.go;
    // Nobody waits for an agent: it gives its window a second.
    // The view is known after the first frame, in a session that goes on too.
    if waits || told.intervals_ms.len() < 2 {
        return;
    }
    told.done = true;
    let monitor = monitors.iter().next();
    let named_hz = monitor
        .and_then(|m| m.refresh_rate_millihertz)
        .map(|mhz| f64::from(mhz) / 1000.0);
    // The first frames load what the others use.
    let hz = measured_hz(told.intervals_ms.get(10..).unwrap_or_default())
        .or(named_hz)
        .unwrap_or(play.session.setup().hz);
    play.session.set_hz(hz);
    let (view, settings, clock) = screen;
    let display = Display {
        width_px: view.size_px.0,
        height_px: view.size_px.1,
        px_per_deg: view.px_per_deg,
        calibrated: view.calibrated,
        screen_width_cm: settings.screen.width_cm,
        screen_width_px: settings
            .screen
            .width_px
            .or(monitor.map(|m| m.physical_width)),
        distance_cm: settings.screen.distance_cm,
        refresh_hz: hz,
        clock: match *clock {
            PlayClock::Real => "real".into(),
            PlayClock::Fixed { .. } => "fixed".into(),
        },
        renderer: adapter.map_or_else(
            || "unknown".into(),
            |a| format!("{} ({:?})", a.name, a.backend),
        ),
        present_mode: windows
            .iter()
            .next()
            .map_or_else(|| "none".into(), |w| format!("{:?}", w.present_mode)),
        palette: settings.palette.name().into(),
        reduced_flash: settings.reduced_flash,
    };
    if let Err(error) = lock(&sink.0).display(&display) {
        failed.0 = Some(error);
    }
}

/// The refresh rate behind some intervals: their median, where there are enough of them.
#[must_use]
pub fn measured_hz(intervals_ms: &[f64]) -> Option<f64> {
    let mut sorted = intervals_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = *sorted.get(sorted.len() / 2)?;
    (sorted.len() >= 60 && (2.0..50.0).contains(&median)).then(|| 1000.0 / median)
}

/// Ends the app when the person leaves, the records fail, or all is done and nobody looks.
fn leave(
    frame: Res<Frame>,
    play: Res<PlaySession>,
    told: Res<Told>,
    stopped: Res<Stopped>,
    begun: Res<Begun>,
    outbox: Res<Outbox>,
    mut failed: ResMut<RecordingFailed>,
    mut exit: MessageWriter<AppExit>,
) {
    let whole = play.session.stage() == Stage::End;
    {
        let mut out = lock(&outbox.0);
        // The second frame begins when the first has been handed over.
        out.frames = out.frames.saturating_add(1);
        if out.frames == 2 {
            out.first_frame_ms = Some(begun.0.elapsed().as_secs_f64() * 1000.0);
        }
        if out.done.len() != play.done.len() {
            out.done.clone_from(&play.done);
        }
        out.whole = whole;
        if let Some(error) = failed.0.take() {
            out.failed = Some(error);
            exit.write(AppExit::Success);
        }
    }
    if frame.quit || (whole && told.leave_at_end) || (stopped.0)() {
        exit.write(AppExit::Success);
    }
}
