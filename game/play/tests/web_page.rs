//! The web page in a real Chromium without a screen: `.ci/web` builds the page and runs this.
//!
//! `MENTAL_PONG_PAGE` is the folder of the page, `MENTAL_PONG_BROWSER` the browser (`chromium` without
//! it), `MENTAL_PONG_PHOTOS` a folder for photographs of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a step that fails is a test that fails; a JSON is written where it is used"
)]

mod native_session;
#[path = "web_support/mod.rs"]
mod web_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mental_pong_game::records::{
    FrameRow, SessionName, Sidecar, TrialRow, parse_frames, parse_trials,
};
use mental_pong_game::task::Direction;
use mental_pong_game::task::agent::{AgentHands, Hands, KinematicAgent, KinematicKind, Script};
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::trial::{Outcome, Phase};
use native_session::{FILES, native};
use serde_json::{Value, json};
use web_support::{Browser, Tab, serve};

/// Five trials that are over soon.
const SCHEDULE: &str = "seed = 3\nids = [55062, 29337, 122957, 328386]\nblocks = 2\npractice = 1\n\
                        visible_share = 0.5\n[rules]\nfeedback_ms = 200.0\npause_ms = 250.0\n";
/// One trial.
const ONE: &str =
    "ids = [55062]\nblocks = 1\npractice = 0\n[rules]\nfeedback_ms = 100.0\npause_ms = 100.0\n";
/// Three trials for keys, mouse and finger: the ball waits long enough for a slow computer.
const THREE: &str = "seed = 5\nids = [55062, 29337, 122957]\nblocks = 1\npractice = 0\n\
                     [rules]\nstill_ms = 3000.0\nfeedback_ms = 300.0\npause_ms = 500.0\n";

fn script() -> String {
    let mut text = "trial\tms\tinput\n".to_owned();
    for trial in 1..=5 {
        let late = f64::from(trial) * 13.7;
        text += &format!(
            "{trial}\t50\tfixate\n{trial}\t{}\tup\n{trial}\t{}\tdown\n{trial}\t{}\tneutral\n",
            700.0 + late,
            1100.0 + 3.0 * late,
            1300.0 + 9.0 * late
        );
    }
    text
}

fn plan(text: &str) -> Plan {
    let path = Path::new("schedule.toml");
    Schedule::from_toml(text, path).unwrap().plan(path).unwrap()
}

struct Page {
    browser: Browser,
    tab: Tab,
    address: String,
    photos: PathBuf,
    _folder: tempfile::TempDir,
}

/// A fresh browser that keeps nothing yet, with the page at `address`.
fn page() -> Page {
    let folder = PathBuf::from(std::env::var_os("MENTAL_PONG_PAGE").unwrap());
    assert!(
        folder.join("game_bg.wasm").exists(),
        "{}: build the page first",
        folder.display()
    );
    let given = BTreeMap::from([
        ("schedule.toml", SCHEDULE.to_owned()),
        ("one.toml", ONE.to_owned()),
        ("three.toml", THREE.to_owned()),
        ("script.tsv", script()),
    ]);
    let address = serve(&folder, given);
    let temporary = tempfile::tempdir().unwrap();
    let program = std::env::var("MENTAL_PONG_BROWSER").unwrap_or_else(|_| "chromium".into());
    let mut browser = Browser::start(&program, temporary.path());
    let photos = std::env::var_os("MENTAL_PONG_PHOTOS")
        .map_or_else(|| temporary.path().to_path_buf(), PathBuf::from);
    std::fs::create_dir_all(&photos).unwrap();
    let tab = browser.tab();
    Page {
        browser,
        tab,
        address,
        photos,
        _folder: temporary,
    }
}

impl Page {
    fn go(&mut self, query: &str) {
        let address = format!("{}{query}", self.address);
        self.tab.go(&mut self.browser, &address);
        self.wait(30, "mentalPong && document.readyState === 'complete'");
    }

    fn wait(&mut self, seconds: u64, expression: &str) {
        self.tab.wait(&mut self.browser, seconds, expression);
    }

    fn wait_stage(&mut self, seconds: u64, stage: &str) {
        self.wait(seconds, &format!("mentalPong.state().stage === '{stage}'"));
    }

    /// Waits until every trial is done and kept.
    fn wait_end(&mut self) {
        self.wait_stage(400, "end");
        self.wait(30, "mentalPong.state().stored === mentalPong.state().total");
    }

    /// Does something again and again until so many trials are kept.
    fn follow(&mut self, stored: u32, act: impl Fn(&mut Self, u32)) {
        for n in 0..600 {
            if self.value("mentalPong.state().stored") == json!(stored) {
                return;
            }
            act(self, n);
            self.sleep(100);
        }
        panic!("trial {stored} does not end");
    }

    fn value(&mut self, expression: &str) -> Value {
        self.tab.value(&mut self.browser, expression)
    }

    fn sleep(&mut self, ms: u64) {
        self.browser.listen(Duration::from_millis(ms));
    }

    fn download(&mut self, key: &str, suffix: &str) -> String {
        self.tab.download(&mut self.browser, key, suffix)
    }

    fn photograph(&mut self, name: &str) -> Vec<u8> {
        let path = self.photos.join(name);
        self.tab.photograph(&mut self.browser, &path)
    }

    fn press(&mut self, key: &str, code: &str, number: u32) {
        self.tab.key(&mut self.browser, true, key, code, number);
    }

    fn let_go(&mut self, key: &str, code: &str, number: u32) {
        self.tab.key(&mut self.browser, false, key, code, number);
    }

    fn no_errors(&mut self) {
        self.sleep(100);
        assert_eq!(self.browser.errors(), Vec::<String>::new());
    }
}

fn trials(text: &str) -> Vec<TrialRow> {
    let read = parse_trials(text, Path::new("beh.tsv")).unwrap();
    assert_eq!(read.torn, None);
    read.rows
}

fn frames(text: &str) -> Vec<FrameRow> {
    let read = parse_frames(text, Path::new("frames.tsv")).unwrap();
    assert_eq!(read.torn, None);
    read.rows
}

/// Whether a PNG has a pixel of the occluder's red.
fn has_red(png: &[u8]) -> bool {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    bytes[..info.buffer_size()]
        .chunks(info.color_type.samples())
        .any(|pixel| pixel[0] > 200 && pixel[1] < 50 && pixel[2] < 50)
}

#[test]
fn a_scripted_session_survives_a_reload_and_leaves_the_bytes_of_the_native_one() {
    let mut page = page();
    let query = "?schedule=given/schedule.toml&script=given/script.tsv&clock=fixed";
    page.go(&format!("{query}&start=1"));
    page.wait(300, "mentalPong.state().stored >= 2");
    // In the middle of a trial the page is left and comes again, as it is and then to play.
    page.go(query);
    page.wait(30, "document.querySelector('[data-file]')");
    assert_eq!(page.value("mentalPong.state().stage"), json!(""));
    let before = page.download("sub-01_ses-01", "beh.tsv");
    let frames_before = page.download("sub-01_ses-01", "frames.tsv");
    let done = trials(&before);
    assert!((2..=4).contains(&done.len()), "{}", done.len());
    page.photograph("start.png");
    page.go(&format!("{query}&start=1"));
    page.wait_end();
    assert_eq!(page.value("mentalPong.state().stored"), json!(5));
    page.sleep(1000);
    page.photograph("end.png");
    let after: BTreeMap<&str, String> = FILES
        .into_iter()
        .map(|suffix| (suffix, page.download("sub-01_ses-01", suffix)))
        .collect();
    page.no_errors();
    println!("{} trials before the reload, 5 after it", done.len());

    assert!(after["beh.tsv"].starts_with(&before));
    assert!(after["frames.tsv"].starts_with(&frames_before));
    let all = trials(&after["beh.tsv"]);
    assert_eq!((all.len(), &all[..done.len()]), (5, &done[..]));
    assert!(
        all.iter()
            .all(|row| row.paddle_moved && row.observer == "script")
    );
    let shown = frames(&after["frames.tsv"]);
    for row in &all {
        let n = shown.iter().filter(|f| f.trial == row.trial).count();
        assert_eq!(n as u32, row.n_frames);
    }

    // Stopped after as many trials, a session without a window leaves the same bytes, times among them.
    let name = SessionName::new("01", "01").unwrap();
    let script = || -> Box<dyn Hands + Send + Sync> {
        Box::new(Script::from_tsv(&script(), Path::new("script.tsv")).unwrap())
    };
    let native_records = native(&plan(SCHEDULE), &name, &script, &[done.len()]);
    for suffix in ["beh.tsv", "frames.tsv", "schedule.tsv"] {
        assert!(after[suffix] == native_records[suffix], "{suffix} differs");
    }
    // The JSON beside them differs in what the runs were shown by, and when.
    let parsed = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    for suffix in ["beh.json", "frames.json"] {
        let (mut ours, mut theirs) = (parsed(&after[suffix]), parsed(&native_records[suffix]));
        let runs = Sidecar::from_json(&ours).unwrap().runs;
        let from: Vec<u32> = runs.iter().map(|run| run.from_trial).collect();
        assert_eq!(from, [1, done.len() as u32 + 1]);
        for run in &runs {
            assert_eq!(run.display.clock, "fixed");
            assert_eq!((run.display.width_px, run.display.height_px), (640, 640));
            assert!(run.started.as_ref().is_some_and(|s| s.ends_with('Z')));
            println!("drawn by {}", run.display.renderer);
        }
        ours["Runs"] = json!([]);
        theirs["Runs"] = json!([]);
        assert_eq!(ours, theirs);
    }
    // A control: another script leaves other bytes.
    let other = || -> Box<dyn Hands + Send + Sync> {
        Box::new(AgentHands::new(Box::new(KinematicAgent::new(
            KinematicKind::LastSeen,
        ))))
    };
    let others = native(&plan(SCHEDULE), &name, &other, &[done.len()]);
    assert_ne!(after["beh.tsv"], others["beh.tsv"]);

    // Whole, the session has nothing more to play; with another seed it is refused.
    page.go(&format!("{query}&start=1"));
    page.wait_end();
    assert_eq!(page.download("sub-01_ses-01", "beh.tsv"), after["beh.tsv"]);
    page.go(&format!("{query}&seed=4&start=1"));
    page.wait(60, "!document.querySelector('#alert').hidden");
    let words = page.value("document.querySelector('#alert').innerText");
    assert!(
        words.as_str().unwrap().contains("another schedule"),
        "{words}"
    );
    page.no_errors();
}

#[test]
fn an_observer_plays_by_the_real_clock() {
    let mut page = page();
    page.go("?subject=02&schedule=given/schedule.toml&agent=kinematic&start=1");
    page.wait(120, "mentalPong.state().stage === 'running'");
    // Between two trials the screen is empty.
    let drawn = (0..30).any(|_| {
        page.sleep(500);
        has_red(&page.photograph("running.png"))
    });
    assert!(drawn, "no occluder is drawn");
    page.wait_end();
    let ours = trials(&page.download("sub-02_ses-01", "beh.tsv"));
    let shown = frames(&page.download("sub-02_ses-01", "frames.tsv"));
    page.no_errors();
    let agent = || -> Box<dyn Hands + Send + Sync> {
        Box::new(AgentHands::new(Box::new(KinematicAgent::new(
            KinematicKind::Kinematic,
        ))))
    };
    let name = SessionName::new("02", "01").unwrap();
    let theirs = trials(&native(&plan(SCHEDULE), &name, &agent, &[])["beh.tsv"]);
    // Everything that no clock has a part in.
    let fixed = |row: &TrialRow| TrialRow {
        paddle_y_deg: None,
        error_deg: None,
        outcome: Outcome::Hit,
        rt_ms: None,
        n_frames: 0,
        n_late: 0,
        max_late_ms: 0.0,
        focus_lost: false,
        // Between long frames an observer may find the paddle in its place.
        paddle_moved: true,
        begun_ms: 0.0,
        still_on_ms: None,
        motion_on_ms: None,
        ..row.clone()
    };
    assert_eq!(
        ours.iter().map(fixed).collect::<Vec<_>>(),
        theirs.iter().map(fixed).collect::<Vec<_>>()
    );
    for row in &ours {
        let of: Vec<&FrameRow> = shown.iter().filter(|f| f.trial == row.trial).collect();
        assert_eq!(of.len() as u32, row.n_frames);
        assert!(of.windows(2).all(|f| f[0].intended_ms < f[1].intended_ms));
        assert!(row.motion_on_ms > row.still_on_ms && row.still_on_ms > Some(row.begun_ms));
        let (paddle, error) = (row.paddle_y_deg.unwrap(), row.error_deg.unwrap());
        assert_eq!(error, paddle - row.y_true_deg);
        let ms = of.last().unwrap().intended_ms - row.begun_ms;
        println!(
            "trial {}: {} frames, {:.1} a second, error {error:.3} deg",
            row.trial,
            of.len(),
            1000.0 * of.len() as f64 / ms
        );
    }
}

#[test]
fn keys_mouse_and_finger_play_and_a_second_tab_is_refused() {
    let mut page = page();
    page.go("?schedule=given/three.toml");
    page.tab.click(&mut page.browser, "[name=subject]");
    for (key, code, number) in [("0", "Digit0", 48), ("3", "Digit3", 51)] {
        let params = json!({
            "type": "keyDown", "key": key, "text": key, "code": code, "windowsVirtualKeyCode": number
        });
        page.tab
            .call(&mut page.browser, "Input.dispatchKeyEvent", params);
        page.let_go(key, code, number);
    }
    page.tab.click(&mut page.browser, "#start");
    page.wait_stage(60, "welcome");
    page.sleep(1000);
    page.photograph("welcome.png");

    // The same session in another tab is refused; the first one goes on.
    let second = page.browser.tab();
    let address = format!(
        "{}?subject=03&schedule=given/three.toml&start=1",
        page.address
    );
    second.go(&mut page.browser, &address);
    second.wait(
        &mut page.browser,
        30,
        "document.querySelector('#alert').innerText.includes('another tab')",
    );
    page.browser
        .call(None, "Target.closeTarget", json!({"targetId": second.id}));
    page.tab
        .call(&mut page.browser, "Page.bringToFront", json!({}));

    // Trial 1 by keys: gaze by the space bar, then the paddle up.
    page.press("Enter", "Enter", 13);
    page.let_go("Enter", "Enter", 13);
    page.wait_stage(30, "running");
    page.press(" ", "Space", 32);
    page.sleep(2000);
    page.let_go(" ", "Space", 32);
    page.press("ArrowUp", "ArrowUp", 38);
    page.sleep(700);
    page.let_go("ArrowUp", "ArrowUp", 38);
    page.photograph("trial.png");
    page.wait(60, "mentalPong.state().stored === 1");

    // Trial 2 by the mouse: the button for gaze, then down to the lower part of the field.
    page.tab
        .mouse(&mut page.browser, "mouseMoved", 320.0, 320.0);
    page.tab
        .mouse(&mut page.browser, "mousePressed", 320.0, 320.0);
    page.sleep(2000);
    page.tab
        .mouse(&mut page.browser, "mouseReleased", 320.0, 320.0);
    // It asks for a height when it moves while the ball is there: it trembles around 510.
    page.follow(2, |page, n| {
        let y = 509.0 + f64::from(n % 3);
        page.tab.mouse(&mut page.browser, "mouseMoved", 320.0, y);
    });

    // Trial 3 by a finger: it stands for gaze, and the paddle goes to its height.
    page.tab
        .touch(&mut page.browser, "touchStart", Some((320.0, 320.0)));
    page.sleep(2000);
    page.follow(3, |page, n| {
        let at = Some((320.0, 139.0 + f64::from(n % 3)));
        page.tab.touch(&mut page.browser, "touchMove", at);
    });
    page.tab.touch(&mut page.browser, "touchEnd", None);
    page.wait_end();

    let rows = trials(&page.download("sub-03_ses-01", "beh.tsv"));
    let shown = frames(&page.download("sub-03_ses-01", "frames.tsv"));
    page.no_errors();
    assert_eq!(rows.len(), 3);
    let wanted = [Direction::Up, Direction::Down, Direction::Up];
    for (row, wanted) in rows.iter().zip(wanted) {
        println!(
            "trial {}: {:?}, paddle at {:?}, rt {:?}",
            row.trial, row.outcome, row.paddle_y_deg, row.rt_ms
        );
        assert_eq!(row.observer, "person");
        assert_ne!(row.outcome, Outcome::Ignore);
        assert!(row.paddle_moved);
        let of = || shown.iter().filter(|f| f.trial == row.trial);
        assert!(of().any(|f| f.fixating));
        assert!(of().any(|f| f.input == wanted));
    }
    assert!(rows[0].paddle_y_deg > Some(1.0));
    // The pointer asks for a height: 510 and 140 of 640 pixels for 24 degrees. The paddle comes as near as
    // its way in two frames, which is long on a computer without a graphics card.
    for (row, wanted_deg) in rows[1..].iter().zip([-7.125, 6.75]) {
        let flies = |f: &&FrameRow| {
            f.trial == row.trial && matches!(f.phase, Phase::Visible | Phase::Occluded)
        };
        let of: Vec<&FrameRow> = shown.iter().filter(flies).collect();
        let longest_ms = of
            .windows(2)
            .map(|f| f[1].intended_ms - f[0].intended_ms)
            .fold(0.0, f64::max);
        let off = (row.paddle_y_deg.unwrap() - wanted_deg).abs();
        println!("{off:.2} deg off, longest frame {longest_ms:.0} ms");
        assert!(off < 0.2 + 0.02 * longest_ms);
    }
}

#[test]
fn what_cannot_be_kept_is_told_and_not_lost() {
    let mut page = page();
    // The third trial finds no room.
    let full = "const add = IDBObjectStore.prototype.add; globalThis.full = true; \
                IDBObjectStore.prototype.add = function (row) { \
                  if (globalThis.full && row.number === 3) throw new DOMException('full', 'QuotaExceededError'); \
                  return add.call(this, row) }";
    let added = page.tab.call(
        &mut page.browser,
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": full}),
    );
    page.go("?schedule=given/schedule.toml&agent=still&clock=fixed&hz=15&start=1");
    page.wait(300, "!document.querySelector('#alert').hidden");
    let words = page.value("document.querySelector('#alert').innerText");
    assert!(words.as_str().unwrap().contains("no more room"), "{words}");
    page.sleep(6000);
    page.photograph("full.png");
    // The fourth waits; what was played can be had.
    let state = page.value("mentalPong.state()");
    assert_eq!(
        (&state["stored"], &state["stage"]),
        (&json!(2), &json!("running"))
    );
    assert_eq!(trials(&page.download("sub-01_ses-01", "beh.tsv")).len(), 3);
    page.value("globalThis.full = false; document.querySelector('#alert button').click()");
    page.wait_end();
    let whole = page.download("sub-01_ses-01", "beh.tsv");
    assert_eq!(trials(&whole).len(), 5);
    page.no_errors();
    page.go("?schedule=given/schedule.toml");
    assert_eq!(page.download("sub-01_ses-01", "beh.tsv"), whole);
    let remove = |page: &mut Page, added: &Value| {
        let id = json!({"identifier": added["identifier"]});
        let method = "Page.removeScriptToEvaluateOnNewDocument";
        page.tab.call(&mut page.browser, method, id);
    };
    remove(&mut page, &added);

    // A browser that keeps nothing: the session is played, and said to be in the page only.
    let refused =
        "IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError') }";
    let added = page.tab.call(
        &mut page.browser,
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": refused}),
    );
    page.go("?subject=09&schedule=given/one.toml&agent=still&clock=fixed&hz=15&start=1");
    page.wait(
        30,
        "document.querySelector('#alert').innerText.includes('keeps nothing')",
    );
    page.wait_end();
    assert_eq!(trials(&page.download("sub-09_ses-01", "beh.tsv")).len(), 1);
    remove(&mut page, &added);
    // A browser that cannot draw.
    page.tab.call(
        &mut page.browser,
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": "HTMLCanvasElement.prototype.getContext = () => null"}),
    );
    page.go("");
    page.wait(
        30,
        "document.querySelector('#alert').innerText.includes('WebGL 2')",
    );
    assert_eq!(
        page.value("document.querySelector('#start').disabled"),
        json!(true)
    );
}
