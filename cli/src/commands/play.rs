use std::path::{Path, PathBuf};

use mental_pong_base::Quiet;
use mental_pong_game::records::{Display, Other, Recorder, Run, SessionName, Summary, read_trials};
use mental_pong_game::task::agent::{
    AgentHands, Hands, KinematicAgent, KinematicKind, PlannedAgent, Script,
};
use mental_pong_game::task::headless;
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::session::{Session, SessionSetup};
use mental_pong_game::task::{ConditionSet, Law};
use serde::Serialize;

use super::{output, output_json};
use crate::Done;
use crate::args::PlayArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// What the command tells of a session.
#[derive(Serialize)]
struct Told {
    records: PathBuf,
    trials: usize,
    done: usize,
    schedule_sha256: String,
    summary: Summary,
    /// From the command to the window's first frame, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_frame_ms: Option<f64>,
}

pub(crate) fn play(args: &PlayArgs, progress: &Progress) -> Done {
    if let Some(frames) = args.timing_test {
        return window::timing_test(args, frames);
    }
    let plan = plan(args)?;
    let name = SessionName::new(&args.subject, &args.session)?;
    let hands = hands(args, &plan, progress)?;
    if args.headless {
        let hands = hands.ok_or_else(|| {
            Failure::Usage(
                "--headless needs somebody who plays: --agent, --ends or --script".into(),
            )
        })?;
        return play_headless(args, &plan, &name, hands, progress);
    }
    window::play(args, &plan, &name, hands, progress)
}

fn plan(args: &PlayArgs) -> Result<Plan, Failure> {
    let mut schedule = match &args.schedule {
        Some(path) => Schedule::read(path)?,
        None => Schedule::default(),
    };
    if let Some(seed) = args.seed {
        schedule.seed = seed;
    }
    let path = args.schedule.as_deref().unwrap_or(Path::new("schedule"));
    if let Some(spec) = &args.conditions {
        let mut set = ConditionSet::chosen(Some(spec), &args.ids)?;
        if let Some(law) = args.law {
            set = set.shown(law.into(), law.hz())?;
        }
        return Ok(schedule.plan_of(&set, path)?);
    }
    if let Some(law) = args.law {
        schedule.law = law;
    }
    Ok(schedule.plan(path)?)
}

/// Who plays instead of a person.
fn hands(
    args: &PlayArgs,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<Box<dyn Hands + Send + Sync>>, Failure> {
    if let Some(path) = &args.script {
        return Ok(Some(Box::new(Script::read(path)?)));
    }
    if let Some(path) = &args.ends {
        let name = args.agent.clone().unwrap_or_else(|| "ends".into());
        let agent = PlannedAgent::read(name, path)?;
        covered(&agent, plan, path, progress)?;
        return Ok(Some(Box::new(AgentHands::new(Box::new(agent)))));
    }
    let Some(name) = &args.agent else {
        return Ok(None);
    };
    let kind: KinematicKind = name.parse()?;
    Ok(Some(Box::new(AgentHands::new(Box::new(
        KinematicAgent::new(kind),
    )))))
}

/// Whether the ends are of the conditions that are played.
fn covered(agent: &PlannedAgent, plan: &Plan, path: &Path, progress: &Progress) -> Done {
    let ids = plan.trials.iter().map(|t| t.spec.condition.id());
    let ids: std::collections::BTreeSet<&str> = ids.collect();
    let there = ids
        .iter()
        .filter(|id| agent.ends_deg().contains_key(**id))
        .count();
    let (all, file) = (ids.len(), path.display());
    if there == 0 {
        let of = agent
            .ends_deg()
            .keys()
            .next()
            .map_or("none", String::as_str);
        return Err(Failure::Usage(format!(
            "{file}: has ends for none of the {all} conditions that are played (its first is {of}): whose are they?"
        )));
    }
    if there < all {
        progress.note(&format!(
            "{file}: ends for {there} of the {all} conditions that are played; in the others the paddle stays"
        ));
    }
    Ok(())
}

fn run(observer: &str, hz: f64, started: Option<String>) -> Run {
    Run {
        from_trial: 1,
        software_version: env!("CARGO_PKG_VERSION").into(),
        observer: observer.into(),
        display: Display::headless(hz),
        started,
    }
}

fn setup(name: &SessionName, observer: &str, hz: f64, from: usize) -> SessionSetup {
    SessionSetup {
        name: name.clone(),
        observer: observer.into(),
        hz,
        from,
        unattended: true,
    }
}

/// A refresh rate that can be.
fn checked_hz(hz: f64) -> Result<f64, Failure> {
    if (10.0..=1000.0).contains(&hz) {
        Ok(hz)
    } else {
        Err(Failure::Usage(format!("--hz is {hz}: expected 10 to 1000")))
    }
}

fn play_headless(
    args: &PlayArgs,
    plan: &Plan,
    name: &SessionName,
    mut hands: Box<dyn Hands + Send + Sync>,
    progress: &Progress,
) -> Done {
    let hz = checked_hz(args.hz)?;
    let observer = hands.name();
    // No date: the same command gives the same bytes.
    let mut recorder = Recorder::replayed(&args.out, name, plan, run(&observer, hz, None))?;
    warn_torn(&recorder);
    // Nothing is left to play of a session that is whole.
    let whole = recorder.done().len() == plan.trials.len();
    let from = if whole { plan.trials.len() } else { 0 };
    let mut session = Session::new(plan.clone(), setup(name, &observer, hz, from));
    let played = headless::play(&mut session, &mut *hands, progress, |done| {
        recorder.record(&done)
    });
    if let Err(error) = played {
        recorder.finish(args.frames_parquet)?;
        return Err(match error {
            mental_pong_game::Error::Interrupted { total, .. } => {
                let done = recorder.done().len() as u64;
                mental_pong_game::Error::Interrupted { done, total }
            }
            other => other,
        }
        .into());
    }
    tell(args, plan, &recorder, None)
}

/// Says what a killed run had left.
fn warn_torn(recorder: &Recorder) {
    use std::io::Write as _;
    if recorder.torn().is_some() {
        let _ = writeln!(
            std::io::stderr(),
            "The last run was killed while it wrote: trial {} comes again.",
            recorder.done().len() + 1
        );
    }
}

fn tell(args: &PlayArgs, plan: &Plan, recorder: &Recorder, first_frame_ms: Option<f64>) -> Done {
    recorder.finish(args.frames_parquet)?;
    let told = Told {
        records: recorder.trials_path().to_path_buf(),
        trials: plan.trials.len(),
        done: recorder.done().len(),
        schedule_sha256: plan.sha256(),
        summary: Summary::of(recorder.done()),
        first_frame_ms,
    };
    if args.json {
        return output_json(&told);
    }
    let summary = &told.summary;
    output(|out| {
        writeln!(
            out,
            "{}: {} of {} trials",
            told.records.display(),
            told.done,
            told.trials
        )?;
        writeln!(out, "balls met: {} of {}", summary.n_hit, summary.n)?;
        if let Some(mae) = summary.mae_occluded_deg {
            let n = summary.n_occluded;
            writeln!(
                out,
                "mean absolute error, hidden: {mae:.3} deg ({n} trials)"
            )?;
        }
        if let Some(mae) = summary.mae_visible_deg {
            let n = summary.n_visible;
            writeln!(
                out,
                "mean absolute error, visible: {mae:.3} deg ({n} trials)"
            )?;
        }
        writeln!(
            out,
            "late frames: {} of {}, at most {:.1} ms",
            summary.n_late, summary.n_frames, summary.max_late_ms
        )
    })
}

/// Mean absolute error of others on hidden balls, degrees: of records that the user has, and of the
/// simple observers on this plan.
#[cfg_attr(
    not(feature = "play"),
    allow(dead_code, reason = "only the window's last screen shows it")
)]
fn others(plan: &Plan, name: &SessionName, against: &[PathBuf]) -> Result<Vec<Other>, Failure> {
    let mut all = Vec::new();
    for path in against {
        let rows = read_trials(path)?.rows;
        if let Some(row) = rows.first() {
            let name = format!("{} {}", row.subject, row.observer);
            all.extend(Other::of(name, &rows, true));
        }
    }
    for kind in [KinematicKind::LastSeen, KinematicKind::Kinematic] {
        let mut hands = AgentHands::new(Box::new(KinematicAgent::new(kind)));
        let hz = Law::Display.hz();
        let mut session = Session::new(plan.clone(), setup(name, kind.name(), hz, 0));
        let mut rows = Vec::new();
        headless::play(&mut session, &mut hands, &Quiet, |done| {
            rows.push(done.trial);
            Ok(())
        })?;
        all.extend(Other::of(kind.name().to_owned(), &rows, false));
    }
    Ok(all)
}

#[cfg(not(feature = "play"))]
mod window {
    use super::*;

    const MISSING: &str = "this mpong was built without the window. Build it with it (bevy takes \
                           about a quarter of an hour): cargo run --release --features play -- play. \
                           Without a window, --headless plays with --agent, --ends or --script";

    pub(super) fn play(
        _args: &PlayArgs,
        _plan: &Plan,
        _name: &SessionName,
        _hands: Option<Box<dyn Hands + Send + Sync>>,
        _progress: &Progress,
    ) -> Done {
        Err(Failure::Usage(MISSING.into()))
    }

    pub(super) fn timing_test(_args: &PlayArgs, _frames: usize) -> Done {
        Err(Failure::Usage(MISSING.into()))
    }
}

#[cfg(feature = "play")]
mod window {
    use std::io::{BufRead, IsTerminal, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use mental_pong_base::Monitor;
    use mental_pong_base::files::{create_folder, write_atomic};
    use mental_pong_base::table::{MAX_BYTES, read_text};
    use mental_pong_game::task::companion::Companion;
    use mental_pong_game::task::session::Finished;
    use mental_pong_play::window::app::{Game, Sink, WindowSize, run as run_app};
    use mental_pong_play::window::timing::timing_test as measure;
    use mental_pong_play::window::{PlaySettings, ScreenGeometry};

    use super::*;

    struct ToRecords(Arc<Mutex<Recorder>>);

    impl Sink for ToRecords {
        fn trial(&mut self, finished: &Finished) -> mental_pong_game::Result<()> {
            let mut recorder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            recorder.record(finished)
        }

        fn display(&mut self, display: &Display) -> mental_pong_game::Result<()> {
            let mut recorder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            recorder.describe(display)
        }
    }

    pub(super) fn play(
        args: &PlayArgs,
        plan: &Plan,
        name: &SessionName,
        hands: Option<Box<dyn Hands + Send + Sync>>,
        progress: &Progress,
    ) -> Done {
        let settings = settings(args)?;
        let hz = checked_hz(args.hz)?;
        let observer = hands.as_ref().map_or_else(|| "person".into(), |h| h.name());
        let beside = match &args.beside {
            Some(name) => {
                let kind: KinematicKind = name.parse()?;
                Some(Companion::new(AgentHands::new(Box::new(
                    KinematicAgent::new(kind),
                ))))
            }
            None => None,
        };
        let started = Some(utc_now());
        let recorder = Recorder::open(&args.out, name, plan, run(&observer, hz, started))?;
        warn_torn(&recorder);
        let done = recorder.done().to_vec();
        let from = done.len();
        let session = Session::new(
            plan.clone(),
            SessionSetup {
                unattended: hands.is_some(),
                ..setup(name, &observer, hz, from)
            },
        );
        let recorder = Arc::new(Mutex::new(recorder));
        let ended = run_app(Game {
            session,
            done,
            others: others(plan, name, &args.against)?,
            settings,
            window: size(args),
            leave_at_end: args.leave_at_end,
            beside,
            seat: hands,
            sink: Box::new(ToRecords(Arc::clone(&recorder))),
            stopped: Box::new(progress.stopper()),
        })?;
        let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        tell(args, plan, &recorder, ended.first_frame_ms)?;
        if progress.stopped() {
            return Err(Failure::Game(mental_pong_game::Error::Interrupted {
                done: recorder.done().len() as u64,
                total: plan.trials.len() as u64,
            }));
        }
        Ok(())
    }

    pub(super) fn timing_test(args: &PlayArgs, frames: usize) -> Done {
        let report = measure(frames, size(args))?;
        if args.json {
            return output_json(&report);
        }
        output(|out| {
            writeln!(out, "renderer: {}", report.renderer)?;
            writeln!(out, "first frame after {:.0} ms", report.first_frame_ms)?;
            let named = report
                .named_hz
                .map_or_else(|| "not named".into(), |hz| format!("{hz:.3} Hz"));
            writeln!(out, "refresh rate by the system: {named}")?;
            writeln!(
                out,
                "intervals: {}, median {:.3} ms ({:.3} Hz), mean {:.3}, SD {:.3}",
                report.n, report.median_ms, report.median_hz, report.mean_ms, report.sd_ms
            )?;
            writeln!(
                out,
                "range: {:.3} to {:.3} ms; 1 % {:.3}, 99 % {:.3}",
                report.min_ms, report.max_ms, report.p01_ms, report.p99_ms
            )?;
            writeln!(out, "late (more than 1.5 medians): {}", report.n_late)?;
            writeln!(
                out,
                "Times at which frames were handed over, as the program saw them; light was not measured."
            )
        })
    }

    fn size(args: &PlayArgs) -> WindowSize {
        WindowSize {
            width_px: args.window,
            height_px: args.window,
            fullscreen: args.fullscreen,
        }
    }

    /// The settings of the file, and of the flags over them. Screen size and distance are asked for
    /// once, where there is somebody to answer.
    fn settings(args: &PlayArgs) -> Result<PlaySettings, Failure> {
        let path = args.settings.clone().or_else(default_path);
        if let Some(path) = &args.settings
            && !path.exists()
        {
            return Err(Failure::Usage(format!("{} is not there", path.display())));
        }
        let somebody = args.agent.is_none()
            && args.ends.is_none()
            && args.script.is_none()
            && std::io::stdin().is_terminal();
        let mut stdin = std::io::stdin().lock();
        let answers = somebody.then_some(&mut stdin as &mut dyn BufRead);
        settings_of(args, path.as_deref(), answers)
    }

    /// The settings of the file at `path`, and of the flags over them. Whoever gives `answers` is
    /// asked for what the file does not say about the screen, and is not asked again.
    fn settings_of(
        args: &PlayArgs,
        path: Option<&Path>,
        answers: Option<&mut dyn BufRead>,
    ) -> Result<PlaySettings, Failure> {
        let text = match path.filter(|path| path.exists()) {
            Some(path) => read_text(path, MAX_BYTES).map_err(|e| Failure::Usage(e.to_string()))?,
            None => String::new(),
        };
        let bad = |e: toml::de::Error| {
            let path = path.unwrap_or(Path::new("settings"));
            Failure::Usage(format!("{}: {e}", path.display()))
        };
        let mut settings: PlaySettings = toml::from_str(&text).map_err(bad)?;
        let known = toml::from_str::<toml::Table>(&text)
            .map_err(bad)?
            .contains_key("screen");
        let given = args.screen_cm.is_some() || args.distance_cm.is_some();
        settings.screen.width_cm = args.screen_cm.or(settings.screen.width_cm);
        settings.screen.distance_cm = args.distance_cm.or(settings.screen.distance_cm);
        let mut asked = false;
        if let (Some(answers), false, false) = (answers, known, given) {
            settings.screen = ask(settings.screen, answers)?;
            asked = true;
        }
        settings.screen.check()?;
        settings.keys.check()?;
        if let Some(path) = path.filter(|_| given || asked) {
            if let Some(folder) = path.parent() {
                create_folder(folder)?;
            }
            let text = toml::to_string(&settings).map_err(|e| Failure::Internal(e.to_string()))?;
            write_atomic(path, |out| out.write_all(text.as_bytes()))?;
        }
        if let Some(palette) = args.palette.as_deref() {
            settings.palette = palette.parse()?;
        }
        settings.reduced_flash |= args.reduced_flash;
        settings.photodiode |= args.photodiode;
        Ok(settings)
    }

    fn default_path() -> Option<PathBuf> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let base = folder("XDG_CONFIG_HOME")
            .or_else(|| folder("APPDATA"))
            .or_else(|| Some(folder("HOME")?.join(".config")))?;
        Some(base.join("mental-pong").join("play.toml"))
    }

    fn ask(screen: ScreenGeometry, answers: &mut dyn BufRead) -> Result<ScreenGeometry, Failure> {
        let mut number = |question: &str| -> Result<Option<f64>, Failure> {
            let mut line = String::new();
            let mut err = std::io::stderr();
            write!(err, "{question}")
                .and_then(|()| err.flush())
                .and_then(|()| answers.read_line(&mut line).map(|_| ()))
                .map_err(Failure::Output)?;
            let text = line.trim().replace(',', ".");
            if text.is_empty() {
                return Ok(None);
            }
            text.parse()
                .map(Some)
                .map_err(|_| Failure::Usage(format!("expected a number, found `{text}`")))
        };
        Ok(ScreenGeometry {
            width_cm: number("Width of the screen's picture in cm (empty: not known): ")?,
            distance_cm: number("From the eye to the screen in cm (empty: not known): ")?,
            ..screen
        })
    }

    /// Now, as 2025-01-31T12:00:00Z.
    fn utc_now() -> String {
        let seconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        super::utc(seconds)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::args::{Cli, Command};
        use clap::Parser;

        fn args(words: &[&str]) -> PlayArgs {
            let all = ["mpong", "play"].iter().chain(words);
            match Cli::parse_from(all).command {
                Command::Play(args) => args,
                _ => unreachable!("it is `mpong play`"),
            }
        }

        #[test]
        fn the_screen_is_asked_for_once_and_kept() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("deep/play.toml");
            let mut said = std::io::Cursor::new(b"49,5\n67\n".to_vec());
            let first = settings_of(&args(&[]), Some(&path), Some(&mut said)).unwrap();
            assert_eq!(first.screen.width_cm, Some(49.5));
            assert_eq!(first.screen.distance_cm, Some(67.0));
            // Whatever would be said now is not asked for.
            let mut never = std::io::Cursor::new(b"1\n1\n".to_vec());
            let again = settings_of(&args(&[]), Some(&path), Some(&mut never)).unwrap();
            assert_eq!((again, never.position()), (first, 0));
            // A flag is kept too, the rest as it was.
            settings_of(&args(&["--distance-cm", "80"]), Some(&path), None).unwrap();
            let kept = settings_of(&args(&[]), Some(&path), None).unwrap().screen;
            assert_eq!((kept.width_cm, kept.distance_cm), (Some(49.5), Some(80.0)));
        }

        #[test]
        fn not_knowing_is_an_answer_and_other_settings_are_no_answer() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("play.toml");
            std::fs::write(&path, "palette = 'high-contrast'\n").unwrap();
            let mut said = std::io::Cursor::new(b"\n\n".to_vec());
            let first = settings_of(&args(&[]), Some(&path), Some(&mut said)).unwrap();
            assert_eq!((first.screen.width_cm, said.position()), (None, 2));
            assert_eq!(first.palette.name(), "high-contrast");
            let mut never = std::io::Cursor::new(b"1\n1\n".to_vec());
            settings_of(&args(&[]), Some(&path), Some(&mut never)).unwrap();
            assert_eq!(never.position(), 0);
            for (said, says) in [("wide\n", "`wide`"), ("-3\n60\n", "width_cm is -3")] {
                let path = folder.path().join("bad.toml");
                let mut said = std::io::Cursor::new(said.as_bytes().to_vec());
                let error = settings_of(&args(&[]), Some(&path), Some(&mut said)).unwrap_err();
                assert!(error.to_string().contains(says), "{error}");
                assert!(!path.exists());
            }
        }
    }
}

/// Seconds since 1970 as 2025-01-31T12:00:00Z (days to a date after Hinnant's `civil_from_days`).
#[cfg_attr(
    not(any(feature = "play", test)),
    allow(dead_code, reason = "only a window has a date")
)]
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(utc(1_771_588_801), "2026-02-20T12:00:01Z");
    }
}
