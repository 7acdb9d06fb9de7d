//! An observer that plays the same trials beside a person, with a paddle of its own.

use crate::records::TrialRow;
use crate::task::agent::{AgentHands, Hands};
use crate::task::paddle::Direction;
use crate::task::session::Session;
use crate::task::trial::{Phase, Shown, Trial, TrialRules};

/// An observer beside whoever plays. The ball flies for both at the same time; neither touches the
/// other's paddle.
#[derive(Debug)]
pub struct Companion {
    hands: AgentHands,
    /// The number of the person's trial, and the companion's own.
    running: Option<(u32, Trial, Shown)>,
}

impl Companion {
    /// The companion with these hands.
    #[must_use]
    pub const fn new(hands: AgentHands) -> Self {
        Self {
            hands,
            running: None,
        }
    }

    /// Its name in the records.
    #[must_use]
    pub fn name(&self) -> String {
        self.hands.name()
    }

    /// Follows the session to its frame at `at_ms`, after the session's own: what the companion's
    /// screen would show; nothing before the ball appears.
    pub fn frame(&mut self, session: &Session, at_ms: f64) -> Option<Shown> {
        let (number, _) = session.trial_begun()?;
        let trial = session.trial()?;
        if trial.phase() == Phase::Fixation {
            return None;
        }
        if self.running.as_ref().is_none_or(|(of, ..)| *of != number) {
            // It looks where the person looks: the ball has just appeared for both.
            let rules = TrialRules {
                fixation_hold_ms: 0.0,
                ..*trial.rules()
            };
            let mut own = Trial::new(trial.spec().clone(), rules, Direction::Neutral, true);
            let shown = own.frame(at_ms, &[]);
            self.hands.begin(number, at_ms, trial.spec(), &rules);
            self.running = Some((number, own, shown));
            return Some(shown);
        }
        let (_, own, last) = self.running.as_mut()?;
        let inputs = self.hands.inputs(last, at_ms);
        *last = own.frame(at_ms, &inputs);
        Some(*last)
    }

    /// The companion's row beside that of the person's finished trial: the same trial with the
    /// companion's paddle. Nothing for a trial that was ignored.
    #[must_use]
    pub fn row(&self, person: &TrialRow) -> Option<TrialRow> {
        let (number, own, _) = self.running.as_ref()?;
        let result = own.result().filter(|_| *number == person.trial)?;
        Some(TrialRow {
            paddle_y_deg: result.paddle_y_deg,
            error_deg: result.error_deg(),
            outcome: result.outcome,
            rt_ms: result.rt_ms,
            paddle_moved: result.paddle_moved,
            observer: self.name(),
            ..person.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::records::SessionName;
    use crate::task::agent::{KinematicAgent, KinematicKind};
    use crate::task::headless::{fixed_ms, play};
    use crate::task::schedule::Schedule;
    use crate::task::session::{FrameInput, SessionSetup};
    use crate::task::trial::{Input, Stamped};
    use mental_pong_base::Quiet;

    fn session() -> Session {
        let schedule = Schedule {
            ids: ["55062", "29337", "122957"].map(String::from).to_vec(),
            practice: 1,
            ..Schedule::default()
        };
        Session::new(
            schedule.plan(Path::new("test")).unwrap(),
            SessionSetup {
                name: SessionName::new("1", "1").unwrap(),
                observer: "person".into(),
                hz: 60.0,
                from: 0,
                unattended: true,
            },
        )
    }

    fn hands(kind: KinematicKind) -> AgentHands {
        AgentHands::new(Box::new(KinematicAgent::new(kind)))
    }

    #[test]
    fn a_companion_plays_as_it_would_alone_and_leaves_the_person_alone() {
        // Alone: at once at the fixation point, as the person below.
        let mut alone = Vec::new();
        play(
            &mut session(),
            &mut hands(KinematicKind::Kinematic),
            &Quiet,
            |done| {
                alone.push(done.trial);
                Ok(())
            },
        )
        .unwrap();

        let mut companion = Companion::new(hands(KinematicKind::Kinematic));
        let mut session = session();
        let (mut person, mut beside) = (Vec::new(), Vec::new());
        for n in 0..20_000 {
            let at_ms = fixed_ms(n, 60.0);
            let inputs = [Stamped {
                at_ms: fixed_ms(n.max(1) - 1, 60.0),
                input: Input::Fixate(true),
            }];
            let output = session.frame(
                at_ms,
                &FrameInput {
                    inputs: &inputs,
                    ..FrameInput::default()
                },
            );
            if let Some(done) = output.finished {
                beside.extend(companion.row(&done.trial));
                person.push(done.trial);
            }
            companion.frame(&session, at_ms);
        }
        assert_eq!((person.len(), beside.len()), (4, 4));
        for ((own, beside), alone) in person.iter().zip(&beside).zip(&alone) {
            assert!(!own.paddle_moved && own.observer == "person");
            assert_eq!((beside.trial, &*beside.observer), (own.trial, "kinematic"));
            let apart = beside.paddle_y_deg.unwrap() - alone.paddle_y_deg.unwrap();
            // Frame times differ in their last bits.
            assert!(apart.abs() < 1e-9, "{apart}");
            assert_eq!(beside.outcome, alone.outcome);
        }
    }
}
