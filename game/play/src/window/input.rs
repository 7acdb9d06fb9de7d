//! Keyboard, mouse, touch and gamepad to the inputs of a session.
//!
//! Bevy hands events over once a frame without their times, so an event is stamped with the frame in
//! which it arrives: the resolution of an input is one frame, and the records say so.

use bevy::ecs::message::MessageReader;
use bevy::input::gamepad::{
    AxisSettings, GamepadConnection, GamepadConnectionEvent, GamepadSettings,
};
use bevy::input::keyboard::{KeyboardFocusLost, KeyboardInput};
use bevy::input::mouse::MouseButtonInput;
use bevy::input::touch::{TouchInput, TouchPhase};
use bevy::prelude::*;
use bevy::window::{CursorMoved, PrimaryWindow, WindowFocused};

use super::keys::KeyCodes;
use super::scene::View;
use super::{PlaySession, PlaySettings};
use mental_pong_game::task::paddle::Direction;
use mental_pong_game::task::trial::{Input, Phase, Stamped};

/// What came in since the last frame.
#[derive(Resource, Clone, Debug, Default)]
pub struct Frame {
    /// The time of this frame, milliseconds on the session's clock.
    pub at_ms: f64,
    /// Paddle and fixation.
    pub inputs: Vec<Stamped>,
    /// Go on.
    pub go: bool,
    /// Stop after this trial.
    pub pause: bool,
    /// Leave.
    pub quit: bool,
    /// Whether the window is without the focus.
    pub unfocused: bool,
    /// Whether a controller was unplugged.
    pub unplugged: bool,
    /// Something to tell the person.
    pub notice: Option<String>,
}

impl Frame {
    pub(super) fn clear(&mut self) {
        self.inputs.clear();
        (self.go, self.pause, self.quit) = (false, false, false);
        self.unplugged = false;
        self.notice = None;
    }
}

/// Says whether the subject fixates: an eye tracker. Without one, a key or a click stands for gaze.
pub trait FixationSource: Send + Sync {
    /// Whether gaze has been within a window of `window_deg` across around the fixation point since
    /// the last call; nothing where it cannot tell. Called once a frame.
    fn fixating(&mut self, at_ms: f64, window_deg: f64) -> Option<bool>;
}

/// The eye tracker of an app.
#[derive(Resource)]
pub struct EyeTracker(pub Box<dyn FixationSource>);

/// What is held down.
#[derive(Resource, Default)]
pub(super) struct Held {
    up: Vec<KeyCode>,
    down: Vec<KeyCode>,
    fixate: Vec<KeyCode>,
    button: bool,
    finger: Option<u64>,
    /// Height that the pointer, a finger or the mouse, asks for, degrees.
    pointer: Option<f64>,
    stick: Direction,
    pad_fixates: bool,
    codes: KeyCodes,
    asked: Option<Input>,
    fixating: bool,
}

pub(super) fn build(app: &mut App) {
    app.init_resource::<Held>()
        .add_message::<KeyboardInput>()
        .add_message::<KeyboardFocusLost>()
        .add_message::<MouseButtonInput>()
        .add_message::<TouchInput>()
        .add_message::<CursorMoved>()
        .add_message::<WindowFocused>()
        .add_message::<GamepadConnectionEvent>()
        .add_systems(Startup, read_keys)
        .add_systems(First, open_sticks);
}

/// A new controller's sticks are read as they are: the three states have the published thresholds,
/// which bevy's own dead zone would move.
fn open_sticks(mut pads: Query<&mut GamepadSettings, Added<GamepadSettings>>) {
    for mut settings in &mut pads {
        if let Ok(open) = AxisSettings::new(-1.0, 0.0, 0.0, 1.0, 0.0) {
            settings.default_axis_settings = open;
        }
    }
}

fn read_keys(settings: Res<PlaySettings>, mut held: ResMut<Held>) {
    held.codes = settings.keys.codes();
}

/// The messages of the devices.
#[derive(bevy::ecs::system::SystemParam)]
pub(super) struct Devices<'w, 's> {
    keys: MessageReader<'w, 's, KeyboardInput>,
    focus_lost: MessageReader<'w, 's, KeyboardFocusLost>,
    buttons: MessageReader<'w, 's, MouseButtonInput>,
    touches: MessageReader<'w, 's, TouchInput>,
    cursor: MessageReader<'w, 's, CursorMoved>,
    focus: MessageReader<'w, 's, WindowFocused>,
    connections: MessageReader<'w, 's, GamepadConnectionEvent>,
    pads: Query<'w, 's, &'static Gamepad>,
    windows: Query<'w, 's, &'static Window, With<PrimaryWindow>>,
}

pub(super) fn gather(
    mut devices: Devices,
    mut held: ResMut<Held>,
    mut frame: ResMut<Frame>,
    play: Res<PlaySession>,
    view: Option<Res<View>>,
    tracker: Option<ResMut<EyeTracker>>,
) {
    let held = &mut *held;
    keyboard(&mut devices, held, &mut frame);
    pointer(&mut devices, held, &mut frame, view.as_deref());
    gamepad(&mut devices, held, &mut frame);
    for event in devices.focus.read() {
        frame.unfocused = !event.focused;
    }

    let shown = play.output.as_ref().and_then(|o| o.shown.as_ref());
    // A mouse that lies where it lies asks for nothing: it has to move in this trial.
    let flies = |phase| matches!(phase, Phase::Still | Phase::Visible | Phase::Occluded);
    if !shown.is_some_and(|s| flies(s.phase)) {
        held.pointer = None;
    }
    let asked = if !held.up.is_empty() || !held.down.is_empty() {
        held.pointer = None;
        Input::Paddle(Direction::of_buttons(
            !held.up.is_empty(),
            !held.down.is_empty(),
        ))
    } else if held.stick != Direction::Neutral {
        held.pointer = None;
        Input::Paddle(held.stick)
    } else {
        held.pointer
            .map_or(Input::Paddle(Direction::Neutral), Input::Point)
    };
    let at_ms = frame.at_ms;
    if asked != held.asked.unwrap_or(Input::Paddle(Direction::Neutral)) {
        held.asked = Some(asked);
        frame.inputs.push(Stamped {
            at_ms,
            input: asked,
        });
    }
    let tracked = tracker.and_then(|mut tracker| {
        let window_deg = play.session.plan().rules.fixation_window_deg;
        tracker.0.fixating(at_ms, window_deg)
    });
    let fixating = tracked.unwrap_or(
        !held.fixate.is_empty() || held.button || held.finger.is_some() || held.pad_fixates,
    );
    if fixating != held.fixating {
        held.fixating = fixating;
        frame.inputs.push(Stamped {
            at_ms,
            input: Input::Fixate(fixating),
        });
    }
}

fn keyboard(devices: &mut Devices, held: &mut Held, frame: &mut Frame) {
    for event in devices.keys.read().filter(|event| !event.repeat) {
        let key = event.key_code;
        if event.state.is_pressed() {
            for (codes, down) in [
                (&held.codes.up, &mut held.up),
                (&held.codes.down, &mut held.down),
                (&held.codes.fixate, &mut held.fixate),
            ] {
                if codes.contains(&key) && !down.contains(&key) {
                    down.push(key);
                }
            }
            frame.go |= held.codes.go.contains(&key);
            frame.pause |= held.codes.pause.contains(&key);
            frame.quit |= held.codes.quit.contains(&key);
        } else {
            for down in [&mut held.up, &mut held.down, &mut held.fixate] {
                down.retain(|k| *k != key);
            }
        }
    }
    // A key that is let go in another window would be held for ever.
    if devices.focus_lost.read().count() > 0 {
        held.up.clear();
        held.down.clear();
        held.fixate.clear();
        held.button = false;
        held.pointer = None;
    }
}

fn pointer(devices: &mut Devices, held: &mut Held, frame: &mut Frame, view: Option<&View>) {
    let height = devices.windows.iter().next().map(|w| f64::from(w.height()));
    let height_deg = |at: Vec2| {
        let (view, height) = (view?, height?);
        Some((0.5 * height - f64::from(at.y)) / view.logical_px_per_deg)
    };
    for event in devices.buttons.read() {
        if event.button == MouseButton::Left {
            held.button = event.state.is_pressed();
            frame.go |= held.button;
        }
    }
    for event in devices.cursor.read() {
        if let Some(y_deg) = height_deg(event.position) {
            held.pointer = Some(y_deg);
        }
    }
    for event in devices.touches.read() {
        match event.phase {
            TouchPhase::Started | TouchPhase::Moved => {
                if event.phase == TouchPhase::Started {
                    frame.go = true;
                    held.finger.get_or_insert(event.id);
                }
                if held.finger == Some(event.id)
                    && let Some(y_deg) = height_deg(event.position)
                {
                    held.pointer = Some(y_deg);
                }
            }
            TouchPhase::Ended | TouchPhase::Canceled => {
                if held.finger == Some(event.id) {
                    held.finger = None;
                    // A finger that is lifted no longer pulls.
                    held.pointer = None;
                }
            }
        }
    }
}

fn gamepad(devices: &mut Devices, held: &mut Held, frame: &mut Frame) {
    for event in devices.connections.read() {
        if matches!(event.connection, GamepadConnection::Disconnected) {
            held.stick = Direction::Neutral;
            held.pad_fixates = false;
            frame.pause = true;
            frame.unplugged = true;
            frame.notice = Some(
                "The controller was unplugged. Plug it in again, or go on with the keys."
                    .to_owned(),
            );
        }
    }
    let mut stick = Direction::Neutral;
    let mut fixates = false;
    for pad in &devices.pads {
        let along = Direction::of_stick(f64::from(pad.left_stick().y));
        let buttons = Direction::of_buttons(
            pad.pressed(GamepadButton::DPadUp),
            pad.pressed(GamepadButton::DPadDown),
        );
        if along != Direction::Neutral {
            stick = along;
        } else if buttons != Direction::Neutral {
            stick = buttons;
        }
        fixates |= pad.pressed(GamepadButton::South);
        frame.go |= pad.just_pressed(GamepadButton::South);
        frame.pause |= pad.just_pressed(GamepadButton::Start);
    }
    held.stick = stick;
    held.pad_fixates = fixates;
}
