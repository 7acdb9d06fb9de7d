//! The bevy plugin against the session without a window, and its scene against the rasteriser.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bevy::input::ButtonState;
use bevy::input::InputPlugin;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use mental_pong_game::Quiet;
use mental_pong_game::frames::{FrameScene, PaddleLook, Preset, Renderer};
use mental_pong_game::play::offscreen::{Offscreen, difference, shown};
use mental_pong_game::play::{
    MentalPongPlugin, PlayClock, PlaySession, PlaySettings, Recording, Seat,
};
use mental_pong_game::records::SessionName;
use mental_pong_game::task::agent::{AgentHands, Hands, KinematicAgent, KinematicKind, Script};
use mental_pong_game::task::headless::play;
use mental_pong_game::task::primate79;
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::session::{Finished, Session, SessionSetup, Stage};
use mental_pong_game::task::trial::Input;
use mental_pong_game::task::{Direction, Law, trajectory};

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
    let window = app.world_mut().spawn_empty().id();
    let press = |app: &mut App, key_code: KeyCode, state: ButtonState| {
        app.world_mut().write_message(KeyboardInput {
            key_code,
            logical_key: Key::Enter,
            state,
            text: None,
            repeat: false,
            window,
        });
    };
    app.update();
    let stage = |app: &App| app.world().resource::<PlaySession>().session.stage();
    assert_eq!(stage(&app), Stage::Welcome);
    // Nothing happens by itself.
    for _ in 0..100 {
        app.update();
    }
    assert_eq!(stage(&app), Stage::Welcome);
    press(&mut app, KeyCode::Enter, ButtonState::Pressed);
    app.update();
    assert_eq!(stage(&app), Stage::Running);
    // Gaze is held by the space bar; W holds the paddle up for half a second.
    press(&mut app, KeyCode::Space, ButtonState::Pressed);
    for _ in 0..40 {
        app.update();
    }
    press(&mut app, KeyCode::KeyW, ButtonState::Pressed);
    for _ in 0..30 {
        app.update();
    }
    press(&mut app, KeyCode::KeyW, ButtonState::Released);
    press(&mut app, KeyCode::KeyP, ButtonState::Pressed);
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
    press(&mut app, KeyCode::Enter, ButtonState::Pressed);
    let all = run(&mut app, &done);
    assert_eq!(all.len(), 4);
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
        let apart = difference(&drawn, &expected);
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
    assert!(difference(&drawn, &without).share_above_2 > 0.001);
}
