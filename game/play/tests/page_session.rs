//! A session as a web page plays it, against the one that writes files: without a browser.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod native_session;

use mental_pong_game::records::{Kept, SessionName, SessionTexts, TrialTexts};
use mental_pong_game::task::headless::fixed_ms;
use mental_pong_game::task::session::{FrameInput, Stage};
use mental_pong_play::page::{NamedText, Opened, Request};
use native_session::native;
use proptest::prelude::*;

const SCHEDULE: &str = "ids = [55062, 29337, 122957, 328386]\nblocks = 2\npractice = 1\n\
                        [rules]\nfeedback_ms = 200.0\npause_ms = 250.0\n";

fn request(seed: u64, agent: &str) -> Request {
    let fields = [
        ("seed", seed.to_string()),
        ("agent", agent.to_owned()),
        ("clock", "fixed".to_owned()),
    ];
    Request {
        query: fields.map(|(k, v)| (k.to_owned(), v)).into(),
        schedule: Some(NamedText {
            name: "schedule.toml".into(),
            text: SCHEDULE.into(),
        }),
        ..Request::default()
    }
}

/// What a browser keeps.
#[derive(Default)]
struct Browser {
    session: SessionTexts,
    trials: Vec<TrialTexts>,
}

impl Browser {
    fn file(&self, header: &str, of: fn(&TrialTexts) -> &str) -> String {
        self.trials
            .iter()
            .fold(header.to_owned(), |text, trial| text + of(trial))
    }

    fn beh(&self) -> String {
        self.file(&self.session.trials_header, |t| &t.trial)
    }

    fn frames(&self) -> String {
        self.file(&self.session.frames_header, |t| &t.frames)
    }

    /// Plays `most` trials at most as the page does: storing takes `frames` frames, in which the clock
    /// stands.
    fn play(&mut self, request: &Request, most: usize, frames: u32) {
        let mut request = request.clone();
        if !self.trials.is_empty() {
            request.kept = Some(Kept {
                beh_json: self.session.beh_json.clone(),
                trials: self.beh(),
            });
        }
        let opened: Opened = request.open().unwrap();
        let (mut session, keeper) = (opened.session, opened.keeper);
        let (mut hands, hz) = (opened.hands.unwrap(), opened.fixed_hz.unwrap());
        self.session = keeper.session().unwrap();
        let (mut n, mut shown, mut begun, mut left, mut played) = (0, None, None, 0, 0);
        while session.stage() != Stage::End && played < most {
            if session.waiting() {
                left -= 1;
                if left == 0 {
                    session.stored();
                }
            } else {
                n += 1;
            }
            let at_ms = fixed_ms(n - 1, hz);
            let inputs = shown.map_or_else(Vec::new, |shown| hands.inputs(&shown, at_ms));
            let output = session.frame(
                at_ms,
                &FrameInput {
                    inputs: &inputs,
                    ..FrameInput::default()
                },
            );
            shown = output.shown;
            if let Some(finished) = output.finished {
                self.trials.push(keeper.trial(&finished).unwrap());
                assert!(session.waiting() && shown.is_none());
                (left, played) = (frames, played + 1);
            }
            if let (Some((number, begun_ms)), Some(trial)) =
                (session.trial_begun(), session.trial())
                && begun != Some(number)
            {
                begun = Some(number);
                hands.begin(number, begun_ms, trial.spec(), trial.rules());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_page_that_is_left_after_any_trial_leaves_the_bytes_of_the_native_session(
        seed in any::<u64>(),
        stop in 1_usize..=4,
        frames in 1_u32..20,
        agent in prop::sample::select(vec!["kinematic", "last-seen", "still"]),
    ) {
        let request = request(seed, agent);
        let mut browser = Browser::default();
        browser.play(&request, stop, frames);
        prop_assert_eq!(browser.trials.len(), stop);
        let before = browser.beh();
        browser.play(&request, usize::MAX, frames);
        prop_assert_eq!(browser.trials.len(), 5);
        prop_assert!(browser.beh().starts_with(&before));

        let name = SessionName::new("01", "01").unwrap();
        let plan = request.open().unwrap().session.plan().clone();
        let native = native(&plan, &name, &|| request.open().unwrap().hands.unwrap(), &[stop]);
        prop_assert_eq!(&browser.beh(), &native["beh.tsv"]);
        prop_assert_eq!(&browser.frames(), &native["frames.tsv"]);
        prop_assert_eq!(&browser.session.schedule, &native["schedule.tsv"]);
        prop_assert_eq!(&browser.session.beh_json, &native["beh.json"]);
        prop_assert_eq!(&browser.session.frames_json, &native["frames.json"]);
    }
}

#[test]
fn what_is_kept_of_another_schedule_or_in_another_order_is_refused() {
    let asked = request(3, "still");
    let mut browser = Browser::default();
    browser.play(&asked, 2, 1);
    let kept = |beh_json: &str, trials: &str| Request {
        kept: Some(Kept {
            beh_json: beh_json.to_owned(),
            trials: trials.to_owned(),
        }),
        ..asked.clone()
    };
    let message = |request: Request| request.open().err().unwrap().to_string();
    let (json, beh) = (&browser.session.beh_json, browser.beh());
    assert_eq!(kept(json, &beh).open().unwrap().keeper.done().len(), 2);

    let mut other = kept(json, &beh);
    other.query.insert("seed".into(), "4".into());
    assert!(message(other).contains("another schedule"));
    let lines: Vec<&str> = beh.lines().collect();
    let second_only = format!("{}\n{}\n", lines[0], lines[2]);
    assert!(message(kept(json, &second_only)).contains("in their order"));
    assert!(message(kept("{}", &beh)).contains("which schedule"));
    let damaged = beh.replacen("practice", "practise", 1);
    let words = message(kept(json, &damaged));
    assert!(
        words.contains("practice") && words.contains("beh.tsv"),
        "{words}"
    );
}
