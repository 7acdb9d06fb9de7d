//! What a forecast has to reach to be called a simulation, and what was reached.

use super::{Horizon, Tested};
use crate::analysis::Table;
use crate::card::Standing;
use crate::cells;
use crate::report::number::fixed;
use crate::scene::{BOUNCES, Row, Stage};
use mental_pong_eval::nulls::Target;

/// Least skill over inertia at the end, over all conditions and where the bounce is hidden.
const END_SKILL: f64 = 0.5;
const END_SKILL_HIDDEN: f64 = 0.7;
/// Least innovation r in y.
const INNOVATION: f64 = 0.9;

/// One aim: what is asked, what was found, whether it is reached.
pub(super) struct Aim {
    aim: String,
    found: String,
    /// Both in a few words.
    short: String,
    reached: bool,
}

/// The aims as far as a set allows them.
pub(super) fn of(tested: &[Tested], horizon: &Horizon, innovation: f64) -> Vec<Aim> {
    let find = |null: &str, target: Target, bounce: &str| {
        let mut all = tested.iter();
        all.find(|t| t.null == null && t.target == target && t.bounce == bounce)
    };
    // Where a null makes no error, or too few conditions are there for an interval, nothing can be reached or missed.
    let known = |t: &&Tested| t.skill.skill.low.is_finite() && t.skill.skill.estimate.is_finite();
    let shown = |t: &Tested| {
        let s = &t.skill.skill;
        format!(
            "{} [{}, {}]",
            fixed(s.estimate, 2),
            fixed(s.low, 2),
            fixed(s.high, 2)
        )
    };
    let mut aims = Vec::new();
    // The class in which least is reached stands for the others.
    let mut above_zero = |null: &str, target: Target, bounces: &[&str]| {
        let of_class = bounces
            .iter()
            .filter_map(|bounce| find(null, target, bounce));
        let worst = of_class.min_by(|a, b| a.skill.skill.low.total_cmp(&b.skill.skill.low));
        if let Some(worst) = worst {
            let classes = match bounces {
                [one] => format!("bounce: {one}"),
                _ => "every class of bounce".into(),
            };
            aims.push(Aim {
                aim: format!("skill over {null} in {} above 0, {classes}", target.name()),
                found: format!("{} (bounce: {})", shown(worst), worst.bounce),
                short: format!(
                    "{} over {null} {} (bounce: {})",
                    target.name(),
                    fixed(worst.skill.skill.estimate, 2),
                    worst.bounce
                ),
                reached: worst.skill.skill.low > 0.0,
            });
        }
    };
    let classes = &BOUNCES[1..];
    above_zero("inertia", Target::X, classes);
    above_zero("inertia", Target::Y, classes);
    for target in Target::ALL {
        above_zero("last-seen", target, &["hidden"]);
    }
    for (bounce, least) in [("all", END_SKILL), ("hidden", END_SKILL_HIDDEN)] {
        if let Some(t) = find("inertia", Target::End, bounce).filter(known) {
            let found = fixed(t.skill.skill.estimate, 2);
            aims.push(Aim {
                short: format!("end over inertia {found} instead of {least} (bounce: {bounce})"),
                aim: format!("skill over inertia at the end at least {least}, bounce: {bounce}"),
                found: shown(t),
                reached: t.skill.skill.estimate >= least,
            });
        }
    }
    aims.extend(at_no_horizon(horizon));
    if innovation.is_finite() {
        aims.push(Aim {
            aim: format!("innovation r in y at least {INNOVATION}"),
            found: fixed(innovation, 3),
            short: format!(
                "innovation r in y {} instead of {INNOVATION}",
                fixed(innovation, 3)
            ),
            reached: innovation >= INNOVATION,
        });
    }
    if let Some(t) = find("straight-line-walls", Target::End, "all").filter(known) {
        aims.push(Aim {
            short: format!(
                "end over straight-line-walls {}",
                fixed(t.skill.skill.estimate, 2)
            ),
            aim: "the end no worse than read-out, line and mirror".into(),
            found: format!("skill {}, {}", shown(t), t.standing().words()),
            reached: t.standing() != Standing::Below,
        });
    }
    aims
}

/// No stretch of the horizon in which inertia is nearer to the ball.
fn at_no_horizon(horizon: &Horizon) -> Option<Aim> {
    let (_, model) = horizon.first()?;
    let (_, inertia) = horizon.iter().find(|(name, _)| name == "inertia")?;
    let (mut above, mut all) = (Vec::new(), 0);
    for (t, target) in ["x", "y"].into_iter().enumerate() {
        for (m, i) in model[t].iter().zip(&inertia[t]) {
            all += 1;
            if m.mae.estimate > i.mae.estimate {
                let (m, i) = (fixed(m.mae.estimate, 2), fixed(i.mae.estimate, 2));
                above.push(format!("{target} {m}° against {i}°"));
            }
        }
    }
    Some(Aim {
        aim: "an error above inertia's at no horizon".into(),
        reached: above.is_empty(),
        short: format!(
            "above inertia's error in {} of {all} stretches of the horizon",
            above.len()
        ),
        found: match &above[..] {
            [] => "none".into(),
            [first, ..] => format!("{} of {all} stretches, the first {first}", above.len()),
        },
    })
}

pub(super) fn tabulate(stage: &Stage, model: &Row, aims: &[Aim], table: &mut Table) {
    for a in aims {
        let cells = cells![
            stage.name.as_str(),
            model.name.as_str(),
            a.aim.as_str(),
            a.found.as_str(),
            a.reached
        ];
        table.push(cells);
    }
}

/// Which of them are reached, in a sentence; nothing where there are none.
pub(super) fn sentence(stage: &Stage, aims: &[Aim]) -> Option<String> {
    let missed = aims.iter().filter(|a| !a.reached);
    let missed: Vec<&str> = missed.map(|a| a.short.as_str()).collect();
    let reached = aims.len() - missed.len();
    match (aims.len(), missed.is_empty()) {
        (0, _) => None,
        (n, true) => Some(format!(
            "All {n} aims of a simulator are reached on {}.",
            stage.name
        )),
        (n, false) => Some(format!(
            "Of {n} aims of a simulator {reached} are reached on {} (tables/aims.csv). Not reached, each at its worst: {}.",
            stage.name,
            missed.join("; ")
        )),
    }
}
