//! The session that writes files, which the page's is held against.

use std::collections::BTreeMap;

use mental_pong_base::Quiet;
use mental_pong_game::Error;
use mental_pong_game::records::{Display, Recorder, Run, SessionName};
use mental_pong_game::task::agent::Hands;
use mental_pong_game::task::headless::play;
use mental_pong_game::task::schedule::Plan;
use mental_pong_game::task::session::{Session, SessionSetup};

/// The ends of the names of a session's files.
pub(crate) const FILES: [&str; 5] = [
    "beh.tsv",
    "frames.tsv",
    "beh.json",
    "frames.json",
    "schedule.tsv",
];

/// The records that a native session without a window leaves, with a run for each number of trials in
/// `runs` and a last one to the end: the texts by [`FILES`].
pub(crate) fn native(
    plan: &Plan,
    name: &SessionName,
    hands: &dyn Fn() -> Box<dyn Hands + Send + Sync>,
    runs: &[usize],
) -> BTreeMap<&'static str, String> {
    let out = tempfile::tempdir().unwrap();
    for most in runs.iter().copied().chain([usize::MAX]) {
        let mut hands = hands();
        let run = Run {
            from_trial: 1,
            software_version: env!("CARGO_PKG_VERSION").into(),
            observer: hands.name(),
            display: Display::headless(60.0),
            started: None,
        };
        let mut recorder = Recorder::open(out.path(), name, plan, run).unwrap();
        let setup = SessionSetup {
            name: name.clone(),
            observer: hands.name(),
            hz: 60.0,
            from: recorder.done().len(),
            unattended: true,
        };
        let mut session = Session::new(plan.clone(), setup);
        let mut n = 0;
        let played = play(&mut session, &mut *hands, &Quiet, |done| {
            if n == most {
                return Err(Error::Interrupted { done: 0, total: 0 });
            }
            n += 1;
            recorder.record(&done)
        });
        assert!(matches!(played, Ok(()) | Err(Error::Interrupted { .. })));
    }
    let folder = name.folder(out.path());
    FILES
        .into_iter()
        .map(|suffix| {
            let text = std::fs::read_to_string(folder.join(name.file(suffix))).unwrap();
            (suffix, text)
        })
        .collect()
}
