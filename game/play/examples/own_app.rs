//! The task in an app of your own:
//! `cargo run --release -p mental-pong-game --features play --example own_app`.
//!
//! The app is a plain bevy app with its own window and its own systems. It adds the plugin, gives it a
//! session, takes the finished trials, and shows the score in the window's title.
#![allow(
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "an example prints, and bevy's systems take their parameters by value"
)]

use std::path::Path;

use bevy::prelude::*;
use mental_pong_game::records::{SessionName, Summary};
use mental_pong_game::task::schedule::Schedule;
use mental_pong_game::task::session::{Session, SessionSetup};
use mental_pong_play::window::{MentalPongPlugin, Palette, PlaySession, PlaySettings, Recording};

fn main() -> Result<(), mental_pong_game::Error> {
    let schedule = Schedule {
        ids: ["29337", "55062", "122957"].map(String::from).to_vec(),
        practice: 1,
        blocks: 1,
        ..Schedule::default()
    };
    let session = Session::new(
        schedule.plan(Path::new("own schedule"))?,
        SessionSetup {
            name: SessionName::new("me", "1")?,
            observer: "person".into(),
            hz: 60.0,
            from: 0,
            unattended: false,
        },
    );
    App::new()
        .add_plugins(DefaultPlugins)
        .add_plugins(MentalPongPlugin {
            settings: PlaySettings {
                palette: Palette::HighContrast,
                ..PlaySettings::default()
            },
            ..MentalPongPlugin::default()
        })
        .insert_resource(PlaySession::new(session))
        .insert_resource(Recording(Box::new(|finished| {
            let trial = &finished.trial;
            println!(
                "trial {}: {}, error {:?} deg",
                trial.trial,
                trial.outcome.name(),
                trial.error_deg
            );
            Ok(())
        })))
        .add_systems(Update, score)
        .run();
    Ok(())
}

fn score(play: Res<PlaySession>, mut windows: Query<&mut Window>) {
    if play.is_changed() {
        let summary = Summary::of(&play.done);
        for mut window in &mut windows {
            let title = format!("{} of {} met", summary.n_hit, summary.n);
            if window.title != title {
                window.title = title;
            }
        }
    }
}
