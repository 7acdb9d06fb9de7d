//! Sessions of play and what they leave on the disk.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use mental_pong_base::Quiet;
use mental_pong_game::Error;
use mental_pong_game::records::{
    Display, FRAME_COLUMNS, FrameRow, Other, Recorder, Run, SessionName, Summary, TRIAL_COLUMNS,
    TrialRow, read_frames, read_trials,
};
use mental_pong_game::task::agent::{
    AgentHands, Hands, KinematicAgent, KinematicKind, PlannedAgent, Script,
};
use mental_pong_game::task::headless::play;
use mental_pong_game::task::schedule::{Plan, Schedule};
use mental_pong_game::task::session::{Finished, FrameInput, Session, SessionSetup, Stage};
use mental_pong_game::task::set::TableRules;
use mental_pong_game::task::trial::{Input, Motion, Outcome, Phase, Stamped};
use mental_pong_game::task::{ConditionSet, Direction, Law, TrialKind, TrialRules};

fn plan(text: &str) -> Plan {
    let path = Path::new("schedule.toml");
    Schedule::from_toml(text, path).unwrap().plan(path).unwrap()
}

fn small(seed: u64) -> Plan {
    plan(&format!(
        "seed = {seed}\nids = [55062, 29337, 122957, 328386]\nblocks = 2\npractice = 1\nvisible_share = 0.5"
    ))
}

fn name() -> SessionName {
    SessionName::new("01", "01").unwrap()
}

fn setup(observer: &str, from: usize) -> SessionSetup {
    SessionSetup {
        name: name(),
        observer: observer.into(),
        hz: 60.0,
        from,
        unattended: true,
    }
}

fn run(observer: &str) -> Run {
    Run {
        from_trial: 1,
        software_version: env!("CARGO_PKG_VERSION").into(),
        observer: observer.into(),
        display: Display::headless(60.0),
        started: None,
    }
}

fn agent(kind: KinematicKind) -> AgentHands {
    AgentHands::new(Box::new(KinematicAgent::new(kind)))
}

/// Presses for every trial, written down beforehand.
fn script() -> Script {
    let mut rows = Vec::new();
    for trial in 1..=90 {
        let late = f64::from(trial % 7) * 13.7;
        rows.push((trial, 50.0, Input::Fixate(true)));
        rows.push((trial, 900.0 + late, Input::Paddle(Direction::Up)));
        rows.push((trial, 1100.0 + 3.0 * late, Input::Paddle(Direction::Down)));
        rows.push((
            trial,
            1300.0 + 9.0 * late,
            Input::Paddle(Direction::Neutral),
        ));
    }
    Script::new(rows)
}

fn finished(plan: &Plan, hands: &mut dyn Hands) -> Vec<Finished> {
    let mut session = Session::new(plan.clone(), setup(&hands.name(), 0));
    let mut all = Vec::new();
    play(&mut session, hands, &Quiet, |done| {
        all.push(done);
        Ok(())
    })
    .unwrap();
    all
}

fn trials(plan: &Plan, hands: &mut dyn Hands) -> Vec<TrialRow> {
    finished(plan, hands).into_iter().map(|f| f.trial).collect()
}

/// Plays into a folder, up to `most` trials.
fn record(out: &Path, plan: &Plan, hands: &mut dyn Hands, most: usize) -> Recorder {
    let mut recorder = Recorder::replayed(out, &name(), plan, run(&hands.name())).unwrap();
    let mut session = Session::new(plan.clone(), setup(&hands.name(), 0));
    let mut n = 0;
    let _ = play(&mut session, hands, &Quiet, |done| {
        if n == most {
            return Err(Error::Interrupted { done: 0, total: 0 });
        }
        n += 1;
        recorder.record(&done)
    });
    recorder
}

fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = name().folder(out);
    std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .map(|p| {
            (
                PathBuf::from(p.file_name().unwrap()),
                std::fs::read(&p).unwrap(),
            )
        })
        .collect()
}

fn tsv(out: &Path, suffix: &str) -> PathBuf {
    name().folder(out).join(name().file(suffix))
}

#[test]
fn same_schedule_seed_and_script_same_bytes_and_any_other_not() {
    let bytes = |plan: &Plan, script: &Script| {
        let out = tempfile::tempdir().unwrap();
        record(out.path(), plan, &mut script.clone(), usize::MAX);
        files(out.path())
    };
    let one = bytes(&small(3), &script());
    assert_eq!(one.len(), 5, "{:?}", one.keys());
    assert!(one == bytes(&small(3), &script()));
    // Controls: each of the three changes the records.
    let trials_of = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files[Path::new("sub-01_ses-01_task-mentalpong_beh.tsv")].clone()
    };
    assert_ne!(trials_of(&one), trials_of(&bytes(&small(4), &script())));
    let mut later = small(3);
    later.rules.still_ms = 316.0;
    assert_ne!(trials_of(&one), trials_of(&bytes(&later, &script())));
    let other = Script::new(vec![
        (1, 50.0, Input::Fixate(true)),
        (2, 700.0, Input::Paddle(Direction::Up)),
    ]);
    let mut rows: Vec<(u32, f64, Input)> =
        (1..=9).map(|t| (t, 50.0, Input::Fixate(true))).collect();
    rows.push((2, 700.0, Input::Paddle(Direction::Up)));
    assert_ne!(other, script());
    assert_ne!(
        trials_of(&one),
        trials_of(&bytes(&small(3), &Script::new(rows)))
    );
}

#[test]
fn a_resumed_session_equals_an_uninterrupted_one() {
    let plan = small(3);
    let whole = tempfile::tempdir().unwrap();
    record(
        whole.path(),
        &plan,
        &mut agent(KinematicKind::Kinematic),
        usize::MAX,
    );
    let parts = tempfile::tempdir().unwrap();
    record(parts.path(), &plan, &mut agent(KinematicKind::Kinematic), 2);
    assert_eq!(
        read_trials(tsv(parts.path(), "beh.tsv"))
            .unwrap()
            .rows
            .len(),
        2
    );
    record(
        parts.path(),
        &plan,
        &mut agent(KinematicKind::Kinematic),
        usize::MAX,
    );
    assert_eq!(files(whole.path()), files(parts.path()));
}

#[test]
fn a_session_is_not_continued_by_another_observer_or_otherwise() {
    let plan = small(3);
    let out = tempfile::tempdir().unwrap();
    drop(record(
        out.path(),
        &plan,
        &mut agent(KinematicKind::Kinematic),
        2,
    ));
    let other = Recorder::open(out.path(), &name(), &plan, run("person")).unwrap_err();
    assert!(
        other.to_string().contains("person cannot go on with them"),
        "{other}"
    );
    // The same observer on another clock ends elsewhere.
    let path = tsv(out.path(), "beh.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\thit\t", "\tmiss\t", 1)).unwrap();
    let mut hands = agent(KinematicKind::Kinematic);
    let mut recorder = Recorder::replayed(out.path(), &name(), &plan, run(&hands.name())).unwrap();
    let mut session = Session::new(plan, setup(&hands.name(), 0));
    let error = play(&mut session, &mut hands, &Quiet, |done| {
        recorder.record(&done)
    })
    .unwrap_err();
    assert!(error.to_string().contains("trial 1 is not what"), "{error}");
    drop(recorder);
    assert!(
        files(out.path())
            .keys()
            .all(|f| !f.to_string_lossy().ends_with(".lock"))
    );
}

#[test]
fn a_run_killed_at_any_byte_loses_at_most_the_running_trial() {
    let plan = small(3);
    let whole = tempfile::tempdir().unwrap();
    record(
        whole.path(),
        &plan,
        &mut agent(KinematicKind::Oracle),
        usize::MAX,
    );
    let bytes = std::fs::read(tsv(whole.path(), "beh.tsv")).unwrap();
    let frames = std::fs::read(tsv(whole.path(), "frames.tsv")).unwrap();
    let all = files(whole.path());
    let header = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
    for end in (header..bytes.len()).step_by(37).chain([0, 5, header]) {
        let out = tempfile::tempdir().unwrap();
        record(out.path(), &plan, &mut agent(KinematicKind::Oracle), 0);
        std::fs::write(tsv(out.path(), "beh.tsv"), &bytes[..end]).unwrap();
        // Frames are written before their trial: any part of them may be there beyond it.
        let frames_end = frames.len() - end % 1000;
        std::fs::write(tsv(out.path(), "frames.tsv"), &frames[..frames_end]).unwrap();
        let read = read_trials(tsv(out.path(), "beh.tsv")).unwrap();
        let whole_lines = bytes[..end]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            .saturating_sub(1);
        assert_eq!(read.rows.len(), whole_lines);
        let torn = end > 0 && bytes[end - 1] != b'\n';
        assert_eq!(read.torn.is_some(), torn);
        let recorder = record(
            out.path(),
            &plan,
            &mut agent(KinematicKind::Oracle),
            usize::MAX,
        );
        assert_eq!(recorder.torn().is_some(), torn);
        drop(recorder);
        let again = read_trials(tsv(out.path(), "beh.tsv")).unwrap();
        assert!(again.torn.is_none());
        assert_eq!(again.rows.len(), plan.trials.len());
        let frames = read_frames(tsv(out.path(), "frames.tsv")).unwrap();
        assert!(frames.torn.is_none());
        for row in &again.rows {
            let n = frames.rows.iter().filter(|f| f.trial == row.trial).count();
            assert_eq!(n, row.n_frames as usize, "trial {} after {end}", row.trial);
        }
        assert_eq!(files(out.path()), all, "after {end}");
    }
}

#[test]
fn damage_in_the_middle_is_an_error_with_row_and_field() {
    let out = tempfile::tempdir().unwrap();
    record(
        out.path(),
        &small(3),
        &mut agent(KinematicKind::Oracle),
        usize::MAX,
    );
    let path = tsv(out.path(), "beh.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\thit\t", "\that\t", 1)).unwrap();
    let message = read_trials(&path).unwrap_err().to_string();
    assert!(
        message.contains("_beh.tsv, row 1, field `outcome`") && message.contains("`hat`"),
        "{message}"
    );
    std::fs::write(&path, text.replacen("outcome", "result", 1)).unwrap();
    let message = read_trials(&path).unwrap_err().to_string();
    assert!(message.contains("row 0, field `outcome`"), "{message}");
}

#[test]
fn two_runs_into_one_folder_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let first = Recorder::open(out.path(), &name(), &small(3), run("person")).unwrap();
    let message = Recorder::open(out.path(), &name(), &small(3), run("person"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("another run (process"), "{message}");
    drop(first);
    assert!(Recorder::open(out.path(), &name(), &small(3), run("person")).is_ok());
    // The lock of a process that is gone holds nobody off; another schedule does.
    let message = Recorder::open(out.path(), &name(), &small(4), run("person"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("another schedule"), "{message}");
}

#[test]
fn an_observer_beside_has_a_file_of_its_own_that_resumes_too() {
    let out = tempfile::tempdir().unwrap();
    let plan = small(3);
    let all = finished(&plan, &mut agent(KinematicKind::Oracle));
    let beside = finished(&plan, &mut agent(KinematicKind::LastSeen));
    let with = |n: usize| {
        let mut done = all[n].clone();
        done.beside = Some(beside[n].trial.clone());
        done
    };
    let open = || Recorder::open(out.path(), &name(), &plan, run("oracle")).unwrap();
    let mut recorder = open();
    for n in 0..3 {
        recorder.record(&with(n)).unwrap();
    }
    drop(recorder);
    // Killed after the observer's third trial, before the row beside it.
    let path = tsv(out.path(), "beh.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').take(3).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let mut recorder = open();
    for n in 2..5 {
        recorder.record(&with(n)).unwrap();
    }
    let rows = read_trials(tsv(out.path(), "desc-lastseen_beh.tsv"))
        .unwrap()
        .rows;
    let expected: Vec<TrialRow> = beside.iter().map(|f| f.trial.clone()).collect();
    assert_eq!(rows, expected);
    assert_eq!(read_trials(&path).unwrap().rows.len(), 5);
}

#[test]
fn a_whole_session_is_left_as_it_is() {
    let out = tempfile::tempdir().unwrap();
    let plan = small(3);
    record(
        out.path(),
        &plan,
        &mut agent(KinematicKind::Oracle),
        usize::MAX,
    );
    let before = files(out.path());
    let mut recorder = record(
        out.path(),
        &plan,
        &mut agent(KinematicKind::Oracle),
        usize::MAX,
    );
    recorder.describe(&Display::headless(30.0)).unwrap();
    drop(recorder);
    assert!(before == files(out.path()));
}

#[test]
fn every_column_is_described_and_in_its_place() {
    let out = tempfile::tempdir().unwrap();
    record(
        out.path(),
        &small(3),
        &mut agent(KinematicKind::Still),
        usize::MAX,
    );
    for (suffix, columns) in [("beh", TRIAL_COLUMNS), ("frames", FRAME_COLUMNS)] {
        let text = std::fs::read_to_string(tsv(out.path(), &format!("{suffix}.tsv"))).unwrap();
        let json = std::fs::read_to_string(tsv(out.path(), &format!("{suffix}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let names: Vec<&str> = text.lines().next().unwrap().split('\t').collect();
        assert_eq!(names, columns.iter().map(|c| c.name).collect::<Vec<_>>());
        // The rows' own field names, in the order that they are written.
        let row = if suffix == "beh" {
            serde_json::to_value(&read_trials(tsv(out.path(), "beh.tsv")).unwrap().rows[0]).unwrap()
        } else {
            serde_json::to_value(&read_frames(tsv(out.path(), "frames.tsv")).unwrap().rows[0])
                .unwrap()
        };
        assert_eq!(names, row.as_object().unwrap().keys().collect::<Vec<_>>());
        for column in columns {
            assert!(
                json[column.name]["Description"].is_string(),
                "{}",
                column.name
            );
            // A level that is written is a level that is described.
            let at = names.iter().position(|n| *n == column.name).unwrap();
            if !column.levels.is_empty() {
                for line in text.lines().skip(1) {
                    let value = line.split('\t').nth(at).unwrap();
                    assert!(
                        json[column.name]["Levels"][value].is_string(),
                        "{}: {value}",
                        column.name
                    );
                }
            }
        }
        assert_eq!(json["Schedule"]["Sha256"], small(3).sha256());
        assert_eq!(json["TaskName"], "mentalpong");
    }
}

#[test]
fn the_agents_play_as_their_names_say() {
    // The 79, without a wall between what is seen and the end for the constant velocity.
    let plan = plan("visible_share = 0\npractice = 0\norder = 'listed'\nblocks = 1");
    let mae = |kind| {
        let rows = trials(&plan, &mut agent(kind));
        assert!(
            rows.iter()
                .all(|r| r.trial_type == TrialKind::Occluded && r.observer == kind.name())
        );
        Summary::of(&rows).mae_occluded_deg.unwrap()
    };
    let oracle = mae(KinematicKind::Oracle);
    // A frame moves the paddle by 0.167°; it stops within half of that.
    assert!(oracle < 0.0834, "{oracle}");
    let kinematic = mae(KinematicKind::Kinematic);
    // The law turns by whole degrees and after the wall: up to half a degree at the end.
    assert!(oracle < kinematic && kinematic < 0.3, "{kinematic}");
    let straight = mae(KinematicKind::ConstantVelocity);
    let last_seen = mae(KinematicKind::LastSeen);
    let still = mae(KinematicKind::Still);
    assert!(kinematic < straight && straight < last_seen && last_seen < still);
    // Published: the mean |y| of the 79 is 4.53° (design), within 0.3° of the display's.
    assert!((still - 4.53).abs() < 0.3, "{still}");
}

#[test]
fn an_agent_does_not_see_a_hidden_ball() {
    // With the ball visible to the end, the agent that goes where it last saw it meets it.
    let occluded = plan("visible_share = 0\npractice = 0");
    let visible = plan("visible_share = 1\npractice = 0");
    let hits = |plan: &Plan| Summary::of(&trials(plan, &mut agent(KinematicKind::LastSeen))).n_hit;
    assert_eq!(hits(&visible), 79);
    assert!(hits(&occluded) < 40);
}

#[test]
fn a_planned_agent_ends_where_its_plan_says() {
    let plan = plan("ids = [55062, 29337]\nvisible_share = 0\npractice = 0");
    let ends = BTreeMap::from([("55062".to_owned(), -3.0), ("29337".to_owned(), 4.0)]);
    let mut hands = AgentHands::new(Box::new(PlannedAgent::new("ctrnn".into(), ends.clone())));
    for row in trials(&plan, &mut hands) {
        assert!((row.paddle_y_deg.unwrap() - ends[&row.condition_id]).abs() < 0.09);
        assert_eq!(row.observer, "ctrnn");
    }
}

/// Two occluders, walls at −7 and 6, a plane at x = 8, a ball of 0.5 degrees.
const OWN_GEOMETRY: &str = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,wall_low_deg,wall_high_deg,ball_radius_deg,occluders,intercept_x_deg\n\
     up,-8,0,35,12,-7,6,0.5,-3:-1:-10:10 4:10,8\n\
     down,-6,2,-20,9,-7,6,0.5,-3:-1:-10:10 4:10,8\n";

/// A set of one's own from a table.
fn own_set(text: &str) -> ConditionSet {
    ConditionSet::parse_csv(text.as_bytes(), "own.csv", TableRules::default()).unwrap()
}

/// A path that no law makes: along y = 3 sin(x / 2), 50 frames a second, hidden from 0.8 s to 1.2 s.
fn recorded_set() -> ConditionSet {
    let mut text = String::from("id,time_ms,x_deg,y_deg,visible\n");
    for n in 0..90 {
        let x = -9.0 + 0.2 * f64::from(n);
        let hidden = (40..60).contains(&n);
        let (y, seen) = (3.0 * libm::sin(0.5 * x), u8::from(!hidden));
        text.push_str(&format!("wave,{},{x},{y},{seen}\n", 20 * n));
    }
    own_set(&text)
}

#[test]
fn a_geometry_of_ones_own_is_flown_hidden_and_met_where_it_says() {
    for set in [own_set(OWN_GEOMETRY), recorded_set()] {
        let schedule = Schedule {
            practice: 0,
            visible_share: 0.0,
            rules: TrialRules {
                motion: Motion::Smooth,
                ..TrialRules::default()
            },
            ..Schedule::default()
        };
        let plan = schedule.plan_of(&set, Path::new("none")).unwrap();
        let mut hands = agent(KinematicKind::Oracle);
        let mut done = Vec::new();
        let mut session = Session::new(plan.clone(), setup(&hands.name(), 0));
        play(&mut session, &mut hands, &Quiet, |one| {
            done.push(one);
            Ok(())
        })
        .unwrap();
        assert_eq!(done.len(), set.len());
        for one in &done {
            let row = &one.trial;
            let condition = set.condition(&row.condition_id).unwrap();
            let track = condition.track();
            // The condition's own truth: height and time at its plane.
            assert_eq!(row.y_true_deg, condition.end_height_deg());
            assert_eq!((row.outcome, row.law), (Outcome::Hit, condition.law()));
            let onset = row.motion_on_ms.unwrap();
            let moving = one.frames.iter().filter(|f| {
                let ms = f.intended_ms - onset;
                (0.0..track.end().0).contains(&ms)
            });
            let mut hidden = 0;
            for frame in moving {
                let ms = frame.intended_ms - onset;
                let expected = match track.is_hidden(ms) {
                    true => Phase::Occluded,
                    false => Phase::Visible,
                };
                assert_eq!(frame.phase, expected, "{} at {ms} ms", row.condition_id);
                hidden += usize::from(track.is_hidden(ms));
                // The place between the frames of the set's truth, by a straight line.
                let n = (ms * condition.rate_hz() / 1000.0).floor() as usize;
                let (a, b) = (track.ball_deg(n).unwrap(), track.ball_deg(n + 1));
                let share = ms * condition.rate_hz() / 1000.0 - n as f64;
                let b = b.unwrap_or(a);
                assert!((frame.ball_x_deg.unwrap() - (a.0 + share * (b.0 - a.0))).abs() < 1e-9);
                assert!((frame.ball_y_deg.unwrap() - (a.1 + share * (b.1 - a.1))).abs() < 1e-9);
            }
            assert!(hidden > 10);
        }
        // Another geometry is another schedule, though every start is the same.
        let other = own_set(&OWN_GEOMETRY.replace(" 4:10", " 5:10"));
        let other = schedule.plan_of(&other, Path::new("none")).unwrap();
        assert_ne!(other.sha256(), plan.sha256());
    }
}

#[test]
fn a_schedule_lists_conditions_of_a_set_by_their_ids() {
    let set = own_set(OWN_GEOMETRY);
    let listed = "practice = 0\norder = 'listed'\n[[condition]]\nid = 'down'\nrepeats = 2\n";
    let of = |text: &str| {
        let path = Path::new("s.toml");
        Schedule::from_toml(text, path).unwrap().plan_of(&set, path)
    };
    let plan = of(listed).unwrap();
    let ids: Vec<&str> = plan.trials.iter().map(|t| t.spec.condition.id()).collect();
    assert_eq!(ids, ["down", "down"]);
    for (text, says) in [
        ("ids = ['left']", "left"),
        ("set = 'primate79'", "found a set of its own"),
        (
            "[[condition]]\nx0_deg = 0\ny0_deg = 0\nheading_deg = 0\nspeed_deg_per_s = 9",
            "found a start of its own",
        ),
    ] {
        let message = of(text).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn the_fixed_clock_has_no_late_frame_and_a_real_one_tells_of_them() {
    let plan = small(3);
    for row in trials(&plan, &mut agent(KinematicKind::Oracle)) {
        assert_eq!(
            (row.n_late, row.max_late_ms, row.focus_lost),
            (0, 0.0, false)
        );
    }
    // The same on a clock that drops two frames and trembles below half a period.
    let mut session = Session::new(plan, setup("person", 0));
    let mut at_ms = 0.0;
    let mut done: Option<Finished> = None;
    for n in 0..2000 {
        let step = match n {
            100 => 3.0,
            150 => 2.0,
            _ if n % 2 == 0 => 1.2,
            _ => 0.8,
        };
        at_ms += step * 1000.0 / 60.0;
        let input = FrameInput {
            inputs: &[Stamped {
                at_ms,
                input: Input::Fixate(true),
            }],
            unfocused: n == 120,
            ..FrameInput::default()
        };
        done = session.frame(at_ms, &input).finished;
        if done.is_some() {
            break;
        }
    }
    let done = done.unwrap();
    let row = &done.trial;
    assert_eq!((row.n_late, row.focus_lost), (2, true));
    assert!((row.max_late_ms - 2000.0 / 60.0).abs() < 1e-6);
    let late: Vec<&FrameRow> = done.frames.iter().filter(|f| f.late).collect();
    assert_eq!(late.len(), 2);
    assert!(
        done.frames
            .windows(2)
            .all(|w| w[0].presented_ms <= w[1].intended_ms)
    );
}

#[test]
fn a_session_rests_between_blocks_and_pauses_between_trials() {
    let mut session = Session::new(
        small(3),
        SessionSetup {
            unattended: false,
            ..setup("person", 0)
        },
    );
    let mut hands = agent(KinematicKind::Oracle);
    let mut stages = vec![session.stage()];
    let (mut shown, mut begun, mut since) = (None, None, 0);
    let mut n_done = 0;
    for n in 0..20_000_u64 {
        let at_ms = n as f64 * 1000.0 / 60.0;
        let inputs = shown
            .as_ref()
            .map(|s| hands.inputs(s, at_ms))
            .unwrap_or_default();
        since += 1;
        let output = session.frame(
            at_ms,
            &FrameInput {
                inputs: &inputs,
                go: session.stage() != Stage::Running && since > 60,
                pause: n_done == 3 && since == 30,
                ..FrameInput::default()
            },
        );
        n_done += usize::from(output.finished.is_some());
        if *stages.last().unwrap() != output.stage {
            stages.push(output.stage);
            since = 0;
        }
        shown = output.shown;
        if let (Some((number, ms)), Some(trial)) = (session.trial_begun(), session.trial())
            && begun != Some(number)
        {
            begun = Some(number);
            hands.begin(number, ms, trial.spec(), trial.rules());
            since = 0;
        }
    }
    use Stage::{End, Paused, Rest, Running, Welcome};
    assert_eq!(
        stages,
        [
            Welcome,
            Running,
            Rest { block: 1 },
            Running,
            Rest { block: 2 },
            Running,
            Paused,
            Running,
            End
        ]
    );
    assert_eq!(session.n_done(), 5);
}

#[test]
fn frames_as_parquet_are_the_frames_and_never_stale() {
    let out = tempfile::tempdir().unwrap();
    let (tsv_path, parquet) = (
        tsv(out.path(), "frames.tsv"),
        tsv(out.path(), "frames.parquet"),
    );
    let plan = small(3);
    let hands = || agent(KinematicKind::Kinematic);
    // Nobody asked: none is made. Asked at the end of a part: the part.
    let recorder = record(out.path(), &plan, &mut hands(), 2);
    assert_eq!(recorder.finish(false).unwrap(), None);
    assert!(!parquet.exists());
    assert_eq!(recorder.finish(true).unwrap().as_deref(), Some(&*parquet));
    drop(recorder);
    let read = |path: &Path| read_frames(path).unwrap().rows;
    let part = read(&parquet);
    assert_eq!(part, read(&tsv_path));
    assert!(part.iter().any(|f| f.ball_x_deg.is_none() && f.fixating));
    assert!(part.iter().any(|f| f.input != Direction::Neutral));
    // A run that goes on takes it away, and leaves it anew: a kill in between leaves none.
    let recorder = record(out.path(), &plan, &mut hands(), usize::MAX);
    assert!(!parquet.exists());
    recorder.finish(false).unwrap();
    drop(recorder);
    let whole = read(&parquet);
    assert_eq!(whole, read(&tsv_path));
    assert!(whole.len() > part.len());
    // A finished session is left as it is, and makes one where none is.
    let recorder = record(out.path(), &plan, &mut hands(), usize::MAX);
    let before = std::fs::read(&parquet).unwrap();
    recorder.finish(true).unwrap();
    assert!(std::fs::read(&parquet).unwrap() == before);
    std::fs::remove_file(&parquet).unwrap();
    recorder.finish(true).unwrap();
    assert!(std::fs::read(&parquet).unwrap() == before);
    // Damage is an error, never rows.
    for end in (0..before.len()).step_by(before.len() / 23) {
        std::fs::write(&parquet, &before[..end]).unwrap();
        let message = read_frames(&parquet).unwrap_err().to_string();
        assert!(message.contains("frames.parquet"), "{message}");
    }
}

#[test]
fn another_observer_is_compared_by_its_errors() {
    let plan = plan("visible_share = 0.25\npractice = 2\nblocks = 1");
    let of = |kind| trials(&plan, &mut agent(kind));
    let (still, last_seen) = (of(KinematicKind::Still), of(KinematicKind::LastSeen));
    let visible = still.iter().filter(|r| r.trial_type == TrialKind::Visible);
    assert_eq!(visible.filter(|r| !r.practice).count(), 20);
    let other = Other::of("one".into(), &still, true).unwrap();
    assert_eq!(other.errors_deg.len(), 59);
    let (r, n) = other.alike(&still).unwrap();
    assert!((r - 1.0).abs() < 1e-12 && n == 59);
    // Pearson's r over the same trials, written out.
    let (r, n) = other.alike(&last_seen).unwrap();
    let pairs: Vec<(f64, f64)> = still
        .iter()
        .zip(&last_seen)
        .filter(|(a, _)| !a.practice && a.trial_type == TrialKind::Occluded)
        .map(|(a, b)| (a.error_deg.unwrap(), b.error_deg.unwrap()))
        .collect();
    let mean =
        |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let expected = mean(&|p| (p.0 - x) * (p.1 - y))
        / (mean(&|p| (p.0 - x) * (p.0 - x)) * mean(&|p| (p.1 - y) * (p.1 - y))).sqrt();
    assert!((r - expected).abs() < 1e-12 && n == 59, "{r} {expected}");
    assert!(r < 0.99);
    assert_eq!(other.alike(&[]), None);
    assert_eq!(Other::of("none".into(), &[], true), None);
}

#[test]
fn a_summary_counts_what_was_played() {
    let rows = trials(&small(3), &mut agent(KinematicKind::Still));
    let summary = Summary::of(&rows);
    assert_eq!(
        (summary.n, summary.n_occluded, summary.n_visible),
        (4, 2, 2)
    );
    let hits = rows
        .iter()
        .filter(|r| !r.practice && r.outcome == Outcome::Hit)
        .count();
    assert_eq!(summary.n_hit, hits);
    let truth: f64 = rows
        .iter()
        .filter(|r| !r.practice && r.trial_type == TrialKind::Occluded)
        .map(|r| r.y_true_deg.abs())
        .sum();
    assert!((summary.mae_occluded_deg.unwrap() - truth / 2.0).abs() < 1e-12);
    assert_eq!(Summary::of(&[]), Summary::default());
}

#[test]
fn a_script_is_read_from_a_file_and_refused_by_row() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("script.tsv");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"trial\tms\tinput\n1\t50\tfixate\n1\t900\tup\n1\t1100.5\tneutral\n")
        .unwrap();
    let read = Script::read(&path).unwrap();
    assert_eq!(
        read,
        Script::new(vec![
            (1, 1100.5, Input::Paddle(Direction::Neutral)),
            (1, 50.0, Input::Fixate(true)),
            (1, 900.0, Input::Paddle(Direction::Up)),
        ])
    );
    for (text, part) in [
        (
            "trial\tms\tinput\n1\t50\tjump\n",
            "line 2, column 3 (`input`)",
        ),
        ("trial\tms\tinput\n1\tNaN\tup\n", "line 2, column 2 (`ms`)"),
        ("trial\tms\tinput\n1\t5\n", "line 2"),
        ("a\n", "line 1"),
    ] {
        let message = Script::from_tsv(text, &path).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn both_laws_are_played_and_named() {
    for law in Law::ALL {
        let plan = plan(&format!("law = '{law}'\nids = [55062]\npractice = 0"));
        let rows = trials(&plan, &mut agent(KinematicKind::Oracle));
        assert_eq!(rows[0].law, law.into());
        assert!(rows[0].error_deg.unwrap().abs() < 0.09);
    }
}
