//! A real window on a virtual screen, played by injected keys and photographed.
//!
//! `cargo test --release -p mental-pong-game --features play --test play_window -- --ignored`, with Xvfb,
//! xdotool, ImageMagick and a Vulkan driver (lavapipe is enough). The test starts itself a second time
//! as the game: a window needs a process's main thread, which the usual harness keeps for itself.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mental_pong_game::Result;
use mental_pong_game::frames::{FrameScene, PaddleLook, Preset, render};
use mental_pong_game::records::{
    Display, Recorder, Run, SessionName, Sidecar, read_frames, read_trials,
};
use mental_pong_game::stimuli::Apart;
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::session::{Finished, Session, SessionSetup};
use mental_pong_game::task::trial::{Outcome, Phase, TrialRules};
use mental_pong_game::task::{Law, primate79, trajectory};
use mental_pong_play::window::PlaySettings;
use mental_pong_play::window::app::{Game, Sink, WindowSize, run};

/// The folder of the records, for the process that is the game.
const GAME: &str = "MENTAL_PONG_TEST_WINDOW";
/// Where the photographs are kept, for who wants to look at them.
const PHOTOS: &str = "MENTAL_PONG_TEST_PHOTOS";

fn main() {
    if let Some(out) = std::env::var_os(GAME) {
        game(Path::new(&out)).unwrap();
        return;
    }
    let asked = std::env::args().any(|a| a == "--ignored" || a == "--include-ignored");
    if asked {
        a_window_is_played_by_keys_and_looks_like_the_rasteriser();
        println!("test a_window_is_played_by_keys_and_looks_like_the_rasteriser ... ok");
    } else {
        println!("ignored: needs Xvfb, xdotool, ImageMagick and a Vulkan driver");
    }
}

fn plan() -> Plan {
    let schedule = Schedule {
        ids: ["55062"].map(String::from).to_vec(),
        visible_share: 0.0,
        practice: 0,
        blocks: 1,
        rules: TrialRules {
            // A ball that stands still long enough to be photographed.
            still_ms: 8000.0,
            ..TrialRules::default()
        },
        ..Schedule::default()
    };
    schedule.plan(Path::new("schedule")).unwrap()
}

struct ToRecords(Recorder);

impl Sink for ToRecords {
    fn trial(&mut self, finished: &Finished) -> Result<()> {
        self.0.record(finished)
    }

    fn display(&mut self, display: &Display) -> Result<()> {
        self.0.describe(display)
    }
}

fn game(out: &Path) -> Result<()> {
    let name = SessionName::new("01", "01")?;
    let recorder = Recorder::open(
        out,
        &name,
        &plan(),
        Run {
            from_trial: 1,
            software_version: env!("CARGO_PKG_VERSION").into(),
            observer: "person".into(),
            display: Display::headless(60.0),
            started: None,
        },
    )?;
    let setup = SessionSetup {
        name,
        observer: "person".into(),
        hz: 60.0,
        from: 0,
        unattended: false,
    };
    run(Game {
        session: Session::new(plan(), setup),
        done: Vec::new(),
        others: Vec::new(),
        settings: PlaySettings::default(),
        window: WindowSize {
            width_px: 480,
            height_px: 480,
            fullscreen: false,
        },
        beside: None,
        seat: None,
        sink: Box::new(ToRecords(recorder)),
        leave_at_end: false,
        stopped: Box::new(|| false),
    })?;
    Ok(())
}

/// Ends the process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A virtual screen, and its name.
fn screen() -> (Running, String) {
    let mut child = Command::new("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1200x1100x24",
            "-nolisten",
            "tcp",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Running(child), format!(":{}", line.trim()))
}

fn tool(display: &str, name: &str, args: &[&str]) -> String {
    let output = Command::new(name)
        .args(args)
        .env("DISPLAY", display)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The window's left upper corner as RGB bytes.
fn photograph(display: &str, side: usize, path: &Path) -> Vec<u8> {
    let crop = format!("{side}x{side}+0+0");
    let file = path.to_str().unwrap();
    tool(
        display,
        "import",
        &[
            "-window", "root", "-crop", &crop, "+repage", "-depth", "8", file,
        ],
    );
    let text = tool(display, "convert", &[file, "-depth", "8", "txt:-"]);
    let mut rgb = vec![0; side * side * 3];
    // x,y: (r,g,b) …
    for line in text.lines().skip(1) {
        let (place, rest) = line.split_once(": (").unwrap();
        let (x, y) = place.split_once(',').unwrap();
        let at = (y.parse::<usize>().unwrap() * side + x.parse::<usize>().unwrap()) * 3;
        let values = rest.split(')').next().unwrap();
        for (channel, value) in values.split(',').take(3).enumerate() {
            rgb[at + channel] = value.trim().parse::<f64>().unwrap() as u8;
        }
    }
    rgb
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let start = Instant::now();
    while !until() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what} does not come"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn a_window_is_played_by_keys_and_looks_like_the_rasteriser() {
    let (_server, display) = screen();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("records");
    let mut game = Running(
        Command::new(std::env::current_exe().unwrap())
            .env(GAME, &out)
            .env("DISPLAY", &display)
            .spawn()
            .unwrap(),
    );
    let mut window = String::new();
    wait("the window", || {
        window = tool(&display, "xdotool", &["search", "--name", "^Mental-Pong$"]);
        !window.is_empty()
    });
    let key = |action: &str, key: &str| tool(&display, "xdotool", &[action, key]);
    tool(&display, "xdotool", &["windowmove", &window, "0", "0"]);
    tool(&display, "xdotool", &["windowfocus", &window]);
    std::thread::sleep(Duration::from_secs(3));
    let photos =
        std::env::var_os(PHOTOS).map_or_else(|| folder.path().to_path_buf(), PathBuf::from);
    let welcome = photograph(&display, 480, &photos.join("welcome.png"));
    let lit = welcome.chunks(3).filter(|px| px[0] > 60).count();
    assert!(
        lit > 3000,
        "the instructions are not there: {lit} lit pixels"
    );

    key("key", "Return");
    key("keydown", "space");
    std::thread::sleep(Duration::from_secs(3));
    let still = photograph(&display, 480, &photos.join("still.png"));
    let condition = primate79()[1];
    let expected = render(
        Preset::Display,
        &FrameScene {
            ball: Some((condition.x0_deg(), condition.y0_deg())),
            occluder: Some(1.0),
            paddle: Some((0.0, PaddleLook::Waiting)),
            fixation: false,
        },
    );
    let apart = Apart::of(&still, &expected);
    println!("{apart:?}");
    assert!(
        apart.mean < 0.02 && apart.share_above_2 < 0.001,
        "{apart:?}"
    );
    assert!(Apart::of(&welcome, &expected).share_above_2 > 0.2);

    // Down for about half a second of the flight, then the end.
    std::thread::sleep(Duration::from_secs(5));
    key("keydown", "Down");
    std::thread::sleep(Duration::from_millis(500));
    key("keyup", "Down");
    let trials = out.join("sub-01/ses-01/beh/sub-01_ses-01_task-mentalpong_beh.tsv");
    wait("the trial's row", || {
        read_trials(&trials).is_ok_and(|read| read.rows.len() == 1)
    });
    std::thread::sleep(Duration::from_secs(2));
    photograph(&display, 480, &photos.join("end.png"));
    key("key", "Escape");
    wait("the end", || game.0.try_wait().unwrap().is_some());
    assert!(game.0.wait().unwrap().success());

    let row = read_trials(&trials).unwrap().rows.remove(0);
    assert_eq!(row.observer, "person");
    assert_ne!(row.outcome, Outcome::Ignore);
    assert!(row.paddle_moved && row.paddle_y_deg.unwrap() < -2.0);
    let truth = trajectory(&condition, Law::Display).y_x10_deg();
    assert_eq!(row.y_true_deg, truth);
    let frames =
        read_frames(trials.with_file_name("sub-01_ses-01_task-mentalpong_frames.tsv")).unwrap();
    assert_eq!(frames.rows.len(), row.n_frames as usize);
    assert!(frames.rows.iter().any(|f| f.phase == Phase::Occluded));
    // What showed the task is told.
    let about = std::fs::read(trials.with_extension("json")).unwrap();
    let about = Sidecar::from_json(&serde_json::from_slice(&about).unwrap()).unwrap();
    let shown_by = &about.runs[0].display;
    assert_eq!((shown_by.width_px, shown_by.height_px), (480, 480));
    assert_eq!((shown_by.px_per_deg, shown_by.calibrated), (20.0, false));
    assert_eq!(
        (shown_by.clock.as_str(), shown_by.palette.as_str()),
        ("real", "published")
    );
    assert!(!shown_by.renderer.is_empty() && shown_by.renderer != "none");
}
