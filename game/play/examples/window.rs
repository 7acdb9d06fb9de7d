//! The game's own window over a few trials, without records:
//! `cargo run --release -p mental-pong-game --features play --example window -- [kinematic] [high-contrast]`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::path::Path;

use mental_pong_game::Result;
use mental_pong_game::records::SessionName;
use mental_pong_game::task::agent::{AgentHands, Hands, KinematicAgent, KinematicKind};
use mental_pong_game::task::companion::Companion;
use mental_pong_game::task::schedule::Schedule;
use mental_pong_game::task::session::{Finished, Session, SessionSetup};
use mental_pong_play::window::app::{Game, Sink, WindowSize, run};
use mental_pong_play::window::{Palette, PlaySettings};

struct Printed;

impl Sink for Printed {
    fn trial(&mut self, finished: &Finished) -> Result<()> {
        let trial = &finished.trial;
        println!(
            "{}: {}, late frames {} of {}",
            trial.trial,
            trial.outcome.name(),
            trial.n_late,
            trial.n_frames
        );
        Ok(())
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let agent = |name: &str| -> Result<AgentHands> {
        let kind: KinematicKind = name.parse()?;
        Ok(AgentHands::new(Box::new(KinematicAgent::new(kind))))
    };
    let seat = args.first().map(|name| agent(name)).transpose()?;
    let palette = args.get(1).map_or(Ok(Palette::default()), |p| p.parse())?;
    let schedule = Schedule {
        ids: ["29337", "55062", "122957", "328386", "93053", "105802"]
            .map(String::from)
            .to_vec(),
        practice: 1,
        blocks: 2,
        ..Schedule::default()
    };
    let session = Session::new(
        schedule.plan(Path::new("schedule"))?,
        SessionSetup {
            name: SessionName::new("me", "1")?,
            observer: match &seat {
                Some(seat) => seat.name(),
                None => "person".into(),
            },
            hz: 60.0,
            from: 0,
            unattended: seat.is_some(),
        },
    );
    let ended = run(Game {
        session,
        done: Vec::new(),
        others: Vec::new(),
        settings: PlaySettings {
            palette,
            ..PlaySettings::default()
        },
        window: WindowSize::default(),
        beside: Some(Companion::new(agent("last-seen")?)),
        seat: seat.map(|seat| Box::new(seat) as Box<dyn Hands + Send + Sync>),
        sink: Box::new(Printed),
        leave_at_end: false,
        stopped: Box::new(|| false),
    })?;
    println!("{} trials, whole: {}", ended.done.len(), ended.whole);
    Ok(())
}
