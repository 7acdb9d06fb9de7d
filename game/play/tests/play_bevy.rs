//! The bevy plugin against the session without a window, and its scene against the rasteriser.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bevy::input::ButtonState;
use bevy::input::InputPlugin;
use bevy::input::gamepad::{
    GamepadConnection, GamepadConnectionEvent, RawGamepadAxisChangedEvent,
    RawGamepadButtonChangedEvent, RawGamepadEvent,
};
use bevy::input::keyboard::{Key, KeyboardFocusLost, KeyboardInput};
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::window::WindowFocused;
use mental_pong_base::{Monitor, Quiet};
use mental_pong_game::frames::{FrameScene, Look, PaddleLook, Preset, Renderer, Rgb};
use mental_pong_game::records::SessionName;
use mental_pong_game::stimuli::{
    Apart, Drawer, Job, Movie, Setting, Shard, StimulusSet, diff, merge, open_set, verify,
    write_set, write_set_with,
};
use mental_pong_game::task::agent::{AgentHands, Hands, KinematicAgent, KinematicKind, Script};
use mental_pong_game::task::headless::play;
use mental_pong_game::task::primate79;
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::session::{Finished, Session, SessionSetup, Stage};
use mental_pong_game::task::trial::{Input, Phase, Shown};
use mental_pong_game::task::{Direction, Law, trajectory};
use mental_pong_play::window::input::EyeTracker;
use mental_pong_play::window::offscreen::{Offscreen, ScenePainter, shown};
use mental_pong_play::window::{
    FixationSource, MentalPongPlugin, PlayClock, PlaySession, PlaySettings, Recording, Seat,
};

fn plan() -> Plan {
    let path = Path::new("schedule.toml");
    Schedule::from_toml(
        "seed = 3\nids = [55062, 29337, 122957]\nblocks = 1\npractice = 1",
        path,
    )
    .unwrap()
    .plan(path)
    .unwrap()
}

fn session(observer: &str, unattended: bool) -> Session {
    let setup = SessionSetup {
        name: SessionName::new("01", "01").unwrap(),
        observer: observer.into(),
        hz: 60.0,
        from: 0,
        unattended,
    };
    Session::new(plan(), setup)
}

/// An app without a renderer, on a clock that counts frames.
fn app(session: Session) -> (App, Arc<Mutex<Vec<Finished>>>) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let taking = done.clone();
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, InputPlugin))
        .add_message::<bevy::window::CursorMoved>()
        .add_message::<bevy::window::WindowFocused>()
        .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_nanos(
            16_666_667,
        )))
        .insert_resource(PlayClock::fixed(60.0))
        .insert_resource(PlaySession::new(session))
        .insert_resource(Recording(Box::new(move |finished| {
            taking.lock().unwrap().push(finished.clone());
            Ok(())
        })))
        .add_plugins(MentalPongPlugin {
            headless: true,
            ..default()
        });
    (app, done)
}

fn run(app: &mut App, done: &Arc<Mutex<Vec<Finished>>>) -> Vec<Finished> {
    for _ in 0..20_000 {
        app.update();
        if app.world().resource::<PlaySession>().session.stage() == Stage::End {
            return done.lock().unwrap().clone();
        }
    }
    panic!("the session does not end");
}

fn pure(hands: &mut dyn Hands) -> Vec<Finished> {
    let mut all = Vec::new();
    play(&mut session(&hands.name(), true), hands, &Quiet, |done| {
        all.push(done);
        Ok(())
    })
    .unwrap();
    all
}

#[test]
fn the_plugin_leaves_the_records_of_the_session_without_a_window() {
    let agent = |kind| AgentHands::new(Box::new(KinematicAgent::new(kind)));
    let mut of_kind = Vec::new();
    for kind in [KinematicKind::Kinematic, KinematicKind::LastSeen] {
        let (mut app, done) = app(session(kind.name(), true));
        app.insert_resource(Seat(Box::new(agent(kind))));
        let bevy = run(&mut app, &done);
        assert_eq!(bevy, pure(&mut agent(kind)));
        of_kind.push(bevy);
    }
    assert_ne!(of_kind[0], of_kind[1]);

    let mut rows: Vec<(u32, f64, Input)> =
        (1..=4).map(|t| (t, 30.0, Input::Fixate(true))).collect();
    rows.push((2, 812.5, Input::Paddle(Direction::Up)));
    rows.push((2, 1203.25, Input::Paddle(Direction::Neutral)));
    let script = Script::new(rows);
    let (mut app, done) = app(session("script", true));
    app.insert_resource(Seat(Box::new(script.clone())));
    assert_eq!(run(&mut app, &done), pure(&mut script.clone()));
}

#[test]
fn keys_play_a_session_from_the_first_screen_to_the_last() {
    let (mut app, done) = app(session("person", false));
    app.update();
    let stage = |app: &App| app.world().resource::<PlaySession>().session.stage();
    assert_eq!(stage(&app), Stage::Welcome);
    // Nothing happens by itself.
    for _ in 0..100 {
        app.update();
    }
    assert_eq!(stage(&app), Stage::Welcome);
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    app.update();
    assert_eq!(stage(&app), Stage::Running);
    // Gaze is held by the space bar; W holds the paddle up for half a second.
    key(&mut app, KeyCode::Space, ButtonState::Pressed);
    for _ in 0..40 {
        app.update();
    }
    key(&mut app, KeyCode::KeyW, ButtonState::Pressed);
    for _ in 0..30 {
        app.update();
    }
    key(&mut app, KeyCode::KeyW, ButtonState::Released);
    key(&mut app, KeyCode::KeyP, ButtonState::Pressed);
    for _ in 0..400 {
        app.update();
    }
    assert!(matches!(
        stage(&app),
        Stage::Rest { block: 1 } | Stage::Paused
    ));
    let trials = done.lock().unwrap().clone();
    assert_eq!(trials.len(), 1);
    let trial = &trials[0].trial;
    // 30 frames of 16.67 ms at 0.01°/ms.
    assert!((trial.paddle_y_deg.unwrap() - 5.0).abs() < 1e-9);
    assert!(trial.paddle_moved && trial.observer == "person");
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    let all = run(&mut app, &done);
    assert_eq!(all.len(), 4);
}

/// Holds or releases the space bar, which stands for gaze.
fn gaze(app: &mut App, state: ButtonState) {
    key(app, KeyCode::Space, state);
}

fn key(app: &mut App, key_code: KeyCode, state: ButtonState) {
    app.world_mut().write_message(KeyboardInput {
        key_code,
        logical_key: Key::Enter,
        state,
        text: None,
        repeat: false,
        window: Entity::PLACEHOLDER,
    });
}

fn shown_now(app: &App) -> Option<Shown> {
    let play = app.world().resource::<PlaySession>();
    play.output.as_ref().and_then(|output| output.shown)
}

/// Updates until a trial is in a phase.
fn until(app: &mut App, phase: Phase) {
    for _ in 0..2000 {
        app.update();
        if shown_now(app).is_some_and(|shown| shown.phase == phase) {
            return;
        }
    }
    panic!("{phase:?} does not come");
}

/// A pad comes or goes, as a gamepad library says it: once by itself, once among the raw events.
fn linked(app: &mut App, pad: Entity, connection: GamepadConnection) {
    let event = GamepadConnectionEvent::new(pad, connection);
    app.world_mut().write_message(event.clone());
    app.world_mut()
        .write_message(RawGamepadEvent::Connection(event));
}

fn connect(app: &mut App) -> Entity {
    let pad = app.world_mut().spawn_empty().id();
    linked(
        app,
        pad,
        GamepadConnection::Connected {
            name: "a pad".into(),
            vendor_id: None,
            product_id: None,
        },
    );
    // One update hears of it, the next makes the pad, the third opens its sticks.
    for _ in 0..3 {
        app.update();
    }
    pad
}

fn axis(app: &mut App, pad: Entity, value: f32) {
    let event = RawGamepadAxisChangedEvent::new(pad, GamepadAxis::LeftStickY, value);
    app.world_mut().write_message(RawGamepadEvent::Axis(event));
}

fn button(app: &mut App, pad: Entity, button: GamepadButton, value: f32) {
    let event = RawGamepadButtonChangedEvent::new(pad, button, value);
    app.world_mut()
        .write_message(RawGamepadEvent::Button(event));
}

#[test]
fn a_pad_plays_with_the_three_states_of_the_published_joystick() {
    let (mut app, done) = app(session("person", false));
    let pad = connect(&mut app);
    let stage = |app: &App| app.world().resource::<PlaySession>().session.stage();
    // The lower button begins, and held it stands for gaze.
    button(&mut app, pad, GamepadButton::South, 1.0);
    app.update();
    assert_eq!(stage(&app), Stage::Running);
    until(&mut app, Phase::Visible);
    // 0 to 5 V: up from 3 V, down to 2 V; no dead zone of anybody else's moves that.
    for (volts, expected) in [
        (5.0, Direction::Up),
        (3.01, Direction::Up),
        (2.99, Direction::Neutral),
        (2.5, Direction::Neutral),
        (2.01, Direction::Neutral),
        (1.99, Direction::Down),
        (0.0, Direction::Down),
        (2.5, Direction::Neutral),
    ] {
        axis(&mut app, pad, (volts - 2.5) / 2.5);
        app.update();
        let before = shown_now(&app).unwrap();
        assert_eq!(before.direction, expected, "{volts} V");
        app.update();
        let moved = shown_now(&app).unwrap().paddle_y_deg - before.paddle_y_deg;
        let speed = 0.01 * 1000.0 / 60.0;
        assert!((moved - expected.sign() * speed).abs() < 1e-9, "{volts} V");
    }
    // The cross does as well.
    for (which, expected) in [
        (GamepadButton::DPadDown, Direction::Down),
        (GamepadButton::DPadUp, Direction::Up),
    ] {
        button(&mut app, pad, which, 1.0);
        app.update();
        assert_eq!(shown_now(&app).unwrap().direction, expected);
        button(&mut app, pad, which, 0.0);
        app.update();
        assert_eq!(shown_now(&app).unwrap().direction, Direction::Neutral);
    }
    until(&mut app, Phase::Pause);
    for _ in 0..60 {
        app.update();
    }
    let trial = done.lock().unwrap()[0].trial.clone();
    assert!(trial.paddle_moved && !trial.controller_lost);
}

#[test]
fn a_pad_unplugged_in_a_trial_marks_it_stops_the_paddle_and_loses_nothing() {
    let (mut app, done) = app(session("person", false));
    let pad = connect(&mut app);
    button(&mut app, pad, GamepadButton::South, 1.0);
    until(&mut app, Phase::Visible);
    axis(&mut app, pad, 1.0);
    app.update();
    app.update();
    linked(&mut app, pad, GamepadConnection::Disconnected);
    app.update();
    let shown = shown_now(&app).unwrap();
    // The trial goes on; a stick that is gone no longer pulls.
    assert_eq!(shown.direction, Direction::Neutral);
    assert_eq!(shown.phase, Phase::Visible);
    let stood = shown.paddle_y_deg;
    assert!(stood > 0.1);
    for _ in 0..400 {
        app.update();
    }
    let stage = app.world().resource::<PlaySession>().session.stage();
    assert!(
        matches!(stage, Stage::Rest { .. } | Stage::Paused),
        "{stage:?}"
    );
    let notice = app.world().resource::<PlaySession>().notice.clone();
    assert!(notice.unwrap().contains("controller was unplugged"));
    {
        let trials = done.lock().unwrap();
        assert_eq!(trials.len(), 1);
        assert!(trials[0].trial.controller_lost && !trials[0].trial.focus_lost);
        assert!((trials[0].trial.paddle_y_deg.unwrap() - stood).abs() < 1e-9);
    }
    // Keys go on with it; only the trial that was broken is marked, and the notice is gone.
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    gaze(&mut app, ButtonState::Pressed);
    app.update();
    assert_eq!(app.world().resource::<PlaySession>().notice, None);
    let all = run(&mut app, &done);
    let marked: Vec<bool> = all.iter().map(|f| f.trial.controller_lost).collect();
    assert_eq!(marked, [true, false, false, false]);
}

#[test]
fn a_window_that_loses_the_focus_marks_the_trial_and_lets_go_of_keys() {
    let (mut app, done) = app(session("person", false));
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    gaze(&mut app, ButtonState::Pressed);
    until(&mut app, Phase::Visible);
    key(&mut app, KeyCode::ArrowUp, ButtonState::Pressed);
    app.update();
    assert_eq!(shown_now(&app).unwrap().direction, Direction::Up);
    let focus = |app: &mut App, focused| {
        app.world_mut().write_message(WindowFocused {
            window: Entity::PLACEHOLDER,
            focused,
        });
    };
    focus(&mut app, false);
    app.world_mut().write_message(KeyboardFocusLost);
    app.update();
    assert_eq!(shown_now(&app).unwrap().direction, Direction::Neutral);
    focus(&mut app, true);
    gaze(&mut app, ButtonState::Released);
    for _ in 0..400 {
        app.update();
    }
    gaze(&mut app, ButtonState::Pressed);
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    let all = run(&mut app, &done);
    let lost: Vec<bool> = all.iter().map(|f| f.trial.focus_lost).collect();
    assert_eq!(lost, [true, false, false, false]);
}

/// An eye tracker whose gaze a test moves.
struct Gaze(Arc<Mutex<Option<bool>>>);

impl FixationSource for Gaze {
    fn fixating(&mut self, _at_ms: f64, window_deg: f64) -> Option<bool> {
        assert_eq!(window_deg, 4.0);
        *self.0.lock().unwrap()
    }
}

#[test]
fn an_eye_tracker_stands_in_the_place_of_the_key() {
    let (mut app, done) = app(session("person", false));
    let eye = Arc::new(Mutex::new(Some(false)));
    app.insert_resource(EyeTracker(Box::new(Gaze(eye.clone()))));
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    // The key says yes, the eye says no: the trial waits for the eye.
    gaze(&mut app, ButtonState::Pressed);
    for _ in 0..120 {
        app.update();
    }
    let shown = shown_now(&app).unwrap();
    assert_eq!((shown.phase, shown.fixating), (Phase::Fixation, false));
    // A look that is broken off has to be held again: 200 ms are 12 frames.
    *eye.lock().unwrap() = Some(true);
    for _ in 0..8 {
        app.update();
    }
    *eye.lock().unwrap() = Some(false);
    app.update();
    *eye.lock().unwrap() = Some(true);
    let mut held = 0;
    while shown_now(&app).unwrap().phase == Phase::Fixation {
        app.update();
        held += 1;
    }
    assert_eq!(held, 13);
    // Where the tracker cannot tell, the key does.
    *eye.lock().unwrap() = None;
    for _ in 0..400 {
        app.update();
    }
    key(&mut app, KeyCode::Enter, ButtonState::Pressed);
    let all = run(&mut app, &done);
    assert_eq!(all.len(), 4);
    assert!(all[1].frames.iter().all(|frame| frame.fixating));
}

/// Needs a GPU or a software driver: `cargo test … -- --ignored the_scene`.
#[test]
#[ignore = "needs a Vulkan driver, lavapipe for one"]
fn the_scene_is_the_rasterisers_within_its_tolerance() {
    let side = Preset::Display.size() as u32;
    let mut renderer = Renderer::new(Preset::Display);
    let mut offscreen = Offscreen::new(side, PlaySettings::default()).unwrap();
    let path = trajectory(&primate79()[1], Law::Display);
    let mut scenes = vec![FrameScene {
        fixation: true,
        ..FrameScene::default()
    }];
    for n in (0..path.len()).step_by(17) {
        for (occluder, look) in [
            (Some(1.0), PaddleLook::Full),
            (Some(0.95), PaddleLook::Waiting),
            (None, PaddleLook::Full),
        ] {
            scenes.push(FrameScene {
                ball: Some((path.x_deg[n], path.y_deg[n])),
                occluder,
                paddle: Some((0.07 * n as f64 - 4.0, look)),
                fixation: false,
            });
        }
    }
    let mut worst = (0.0_f64, 0.0_f64);
    for scene in &scenes {
        let mut expected = Vec::new();
        renderer.render_into(scene, &mut expected);
        let drawn = offscreen.draw(&shown(scene, true)).unwrap();
        let apart = Apart::of(&drawn, &expected);
        worst = (worst.0.max(apart.mean), worst.1.max(apart.share_above_2));
        // Edges only: MSAA counts four samples where the rasteriser has the exact area.
        assert!(
            apart.mean < 0.02 && apart.share_above_2 < 0.001,
            "{scene:?}: {apart:?}"
        );
    }
    println!(
        "worst mean {:.4} levels, share above 2 levels {:.5}",
        worst.0, worst.1
    );
    // A control: another scene is not within the tolerance.
    let scene = &scenes[1];
    let drawn = offscreen.draw(&shown(scene, true)).unwrap();
    let mut without = Vec::new();
    renderer.render_into(
        &FrameScene {
            paddle: None,
            ..*scene
        },
        &mut without,
    );
    assert!(Apart::of(&drawn, &without).share_above_2 > 0.001);
}

/// Needs a GPU or a software driver: `cargo test … -- --ignored a_set_drawn_by_bevy`.
#[test]
#[ignore = "needs a Vulkan driver, lavapipe for one"]
fn a_set_drawn_by_bevy_says_so_and_how_far_it_is_from_the_rasteriser() {
    let folder = tempfile::tempdir().unwrap();
    let conditions = primate79()[28..30].to_vec();
    let job = Job {
        command: "test",
        ..Job::default()
    };
    for (preset, look) in [
        (Preset::Model224, Look::default()),
        (
            Preset::Display,
            Look {
                // Edges of the field on edges of pixels, as in both presets: between them MSAA's four samples differ
                // from the exact area along every edge.
                size_px: Some(480),
                background: Some(Rgb::grey(40)),
                occluder: Some(Rgb(20, 60, 200)),
                opacity: Some(0.8),
                ..Look::default()
            },
        ),
    ] {
        let setting = Setting {
            look,
            frame_rate_hz: Some(6.0),
            drawn_by: Drawer::Bevy,
            ..Setting::new(Law::Display, preset)
        };
        let set = StimulusSet::of_trials(&conditions, setting).unwrap();
        let out = folder.path().join(preset.name());
        // Without a painter nothing is written that says bevy.
        let refused = write_set(&out, &set, &job, &Quiet).unwrap_err();
        assert!(refused.to_string().contains("renderer is bevy"));
        assert!(!out.join("manifest.json").exists());

        let style = look.style(preset).unwrap();
        let mut painter = ScenePainter::new(style.clone()).unwrap();
        let written = write_set_with(&out, &set, &job, &mut painter, &Quiet).unwrap();
        let painted = written.manifest.painted.clone().unwrap();
        let apart = &painted.difference;
        println!("{preset}: {} on {}", apart, painted.adapter);
        assert!(!painted.adapter.name.is_empty() && painted.adapter.name != "unknown");
        assert_eq!(apart.n_frames, written.manifest.n_frames);
        // Edges alone, as in the game's own scene.
        assert!(
            apart.worst_frame_mean < 0.05 && apart.worst_frame_share_above_2 < 0.002,
            "{apart}"
        );
        assert!(
            apart.max > 0,
            "two ways to draw an edge agree in every byte"
        );
        verify(&out, &Quiet).unwrap();
        assert_eq!(open_set(&out).unwrap().0, written.manifest);

        // The files hold what was painted, and the difference is that of the files.
        let mut apart_of_files = Apart::default();
        for condition in &conditions {
            let bytes = std::fs::read(out.join(format!("{}.npy", condition.id))).unwrap();
            let pixels = npyz::NpyFile::new(&bytes[..])
                .unwrap()
                .into_vec::<u8>()
                .unwrap();
            let exact = Movie::new(condition, setting).unwrap();
            for (frame, exact) in pixels.chunks(setting.frame_len()).zip(exact) {
                apart_of_files.add(&Apart::of(frame, &exact));
            }
        }
        assert_eq!(&apart_of_files, apart);

        // A set of the rasteriser differs in its files and in who drew it.
        let exact = folder.path().join(format!("{preset}-exact"));
        let plain = Setting {
            drawn_by: Drawer::Rasteriser,
            ..setting
        };
        let plain = StimulusSet::of_trials(&conditions, plain).unwrap();
        write_set(&exact, &plain, &job, &Quiet).unwrap();
        let told: Vec<String> = diff(&exact, &out)
            .unwrap()
            .into_iter()
            .map(|d| d.what)
            .collect();
        for what in ["painted", "drawn_by", "stimuli_sha256"] {
            assert!(told.iter().any(|t| t == what), "{what}: {told:?}");
        }
        assert!(write_set_with(&exact, &set, &job, &mut painter, &Quiet).is_err());

        // Stopped and taken up again, and in two shards: the same numbers.
        let stopped = folder.path().join(format!("{preset}-stopped"));
        let stop = StopAfter(AtomicU64::new(3));
        let error = write_set_with(&stopped, &set, &job, &mut painter, &stop).unwrap_err();
        assert!(error.to_string().contains("goes on from there"), "{error}");
        assert!(!stopped.join("manifest.json").exists());
        let again = write_set_with(&stopped, &set, &job, &mut painter, &Quiet).unwrap();
        assert_eq!(again.manifest.painted.as_ref(), Some(&painted));
        let parts = folder.path().join(format!("{preset}-parts"));
        for index in [1, 0] {
            let job = Job {
                shard: Some(Shard { index, of: 2 }),
                ..job
            };
            write_set_with(&parts, &set, &job, &mut painter, &Quiet).unwrap();
        }
        let merged = merge(std::slice::from_ref(&parts), &parts, &Quiet).unwrap();
        assert_eq!(merged.manifest.painted.as_ref(), Some(&painted));
        verify(&parts, &Quiet).unwrap();
    }
}

/// Asks to stop after so many questions.
struct StopAfter(AtomicU64);

impl Monitor for StopAfter {
    fn stopped(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_err()
    }
}
