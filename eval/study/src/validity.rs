//! Whether the numbers may be read at all: what ends with exit code 1.

use crate::card::{Check, RowKind};
use crate::error::Result;
use crate::scene::{Row, Scene};
use mental_pong_eval::array::Array2;
use mental_pong_eval::controls::{LeakRule, constant_features, leak_check};
use mental_pong_eval::decode::OnlineDecoder;
use mental_pong_eval::linear::Readout;
use mental_pong_eval::nulls::{self, Target};
use mental_pong_eval::predictivity::RowSplit;
use mental_pong_eval::stats::bootstrap::Bootstrap;
use mental_pong_eval::stats::permutation::Permutation;

/// Level of the tests against shuffled and constant features.
const ALPHA: f64 = 0.05;
/// Most features that the leak check fits.
const LEAK_UNITS: usize = 64;
/// Splits of the study that the leak check looks at.
const LEAK_SPLITS: usize = 20;

/// The checks of the rows that were made; nothing is made for them.
pub(crate) fn check(scene: &Scene, checks: &mut Vec<Check>) -> Result<()> {
    let made = |row: &&Row| row.features.get().is_some();
    for model in scene.of_kind(RowKind::Model).filter(made) {
        let varies = varies(scene.features(model)?);
        checks.push(Check {
            name: format!("the features of {} are not constant", model.name),
            passed: varies,
            detail: if varies {
                "they differ between bins and between conditions".into()
            } else {
                "they are the same in every bin, or in every condition at the same time".into()
            },
        });
        if model.read_out() {
            nothing_learned(scene, model, checks)?;
        }
    }
    // The splits are the same for all rows: one row with a fair number of features tells.
    let read = scene
        .rows
        .iter()
        .filter(made)
        .find(|row| row.read_out() && row.tested())
        .or_else(|| scene.rows.iter().filter(made).find(|row| row.read_out()));
    if let Some(row) = read
        && scene.n_conditions() >= 8
    {
        leak(scene, row, checks)?;
    }
    Ok(())
}

/// Whether features differ between bins, and between conditions in the same bin.
fn varies(features: &[Array2]) -> bool {
    let bins = features
        .iter()
        .any(|x| (1..x.rows()).any(|row| x.row(row) != x.row(0)));
    let conditions = features.windows(2).any(|pair| {
        let rows = pair[0].rows().min(pair[1].rows());
        (0..rows).any(|row| pair[0].row(row) != pair[1].row(row))
    });
    bins && conditions
}

/// A model that does no better than features of another condition, or than a constant, follows nothing.
fn nothing_learned(scene: &Scene, model: &Row, checks: &mut Vec<Check>) -> Result<()> {
    let features = scene.features(model)?;
    let bins: Vec<usize> = features.iter().map(Array2::rows).collect();
    let paths = &scene.online(model)?.held_out;
    let bootstrap = Bootstrap {
        resamples: 100,
        seed: scene.config.seed,
        ..Bootstrap::default()
    };
    let permutation = Permutation {
        permutations: 999,
        seed: scene.config.seed,
        ..Permutation::default()
    };
    for (what, null) in [
        (
            "its own features of another condition",
            scene.shuffled(features)?,
        ),
        ("a constant", constant_features(&bins)),
    ] {
        let held = OnlineDecoder::new(&scene.layout, &null)?
            .held_out(&scene.splits, Readout::Full)?
            .mean(&scene.layout);
        let mut better = false;
        let mut detail = Vec::new();
        for target in [Target::X, Target::Y] {
            let errors =
                |paths: &[Array2]| nulls::errors(&scene.layout, paths, &scene.ends, target);
            let found = nulls::skill(&errors(paths), &errors(&held), &bootstrap, &permutation)?;
            let p = found.test.as_ref().map_or(f64::NAN, |t| t.p);
            better |= found.skill.estimate > 0.0 && p < ALPHA;
            detail.push(format!(
                "hidden {}: skill {:.3}, p {p:.3}",
                target.name(),
                found.skill.estimate
            ));
        }
        checks.push(Check {
            name: format!("{} knows more than {what}", model.name),
            passed: better,
            detail: detail.join("; "),
        });
    }
    Ok(())
}

/// How splits are looked at for a leak.
pub(crate) fn leak_rule(seed: u64) -> LeakRule {
    LeakRule {
        exchanges: 4,
        splits_by_condition: 39,
        seed,
        ..LeakRule::default()
    }
}

/// Whether the splits of the study let the identity of conditions through.
fn leak(scene: &Scene, row: &Row, checks: &mut Vec<Check>) -> Result<()> {
    let features = scene.features(row)?;
    let units = features.first().map_or(0, Array2::cols).min(LEAK_UNITS);
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let (mut target, mut condition, mut starts) = (Vec::new(), Vec::new(), vec![0]);
    for (c, (of, x)) in scene.layout.conditions().iter().zip(features).enumerate() {
        for bin in 0..of.bins.len() {
            let y = of.targets.get(bin, 1);
            if y.is_finite() && x.row(bin).iter().all(|v| v.is_finite()) {
                rows.push(x.row(bin)[..units].to_vec());
                target.push(y);
                condition.push(c);
            }
        }
        starts.push(rows.len());
    }
    let of = |conditions: &[usize]| -> Vec<usize> {
        let mut all: Vec<usize> = conditions
            .iter()
            .flat_map(|&c| starts[c]..starts[c + 1])
            .collect();
        all.sort_unstable();
        all
    };
    let splits: Vec<RowSplit> = scene
        .splits
        .iter()
        .take(LEAK_SPLITS)
        .map(|s| RowSplit {
            train: of(&s.train),
            test: of(&s.test),
        })
        .collect();
    let rule = leak_rule(scene.config.seed);
    let x = Array2::from_rows(&rows)?;
    let found = leak_check(&x, &target, &condition, &splits, &rule)?;
    checks.push(Check {
        name: "the splits let no condition stand on both sides".into(),
        passed: !found.leaks,
        detail: format!("features of {}: {}", row.name, found.detail()),
    });
    Ok(())
}
