//! Tables of single trials, and simulated recordings. Everything here is SYNTHETIC.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use mental_pong_base::Quiet;
use mental_pong_eval::error::Error;
use mental_pong_eval::recordings::dmfc::{
    Expected, Half, Opening, Population, Recording, TrialType,
};
use mental_pong_eval::recordings::reliability;
use mental_pong_eval::recordings::simulate::{Noise, Settings, Simulated, TruthFile, simulate};
use mental_pong_eval::recordings::trials::{Exclusions, Outcome, Role, TrialOptions, Trials};
use mental_pong_eval::stats;
use mental_pong_formats::table::{Cells, Table};
use mental_pong_game::task::{ConditionSet, Law, SetCondition};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn text(text: &str, options: &TrialOptions) -> Result<Trials, Error> {
    Trials::from_bytes(text.as_bytes().to_vec(), "synthetic.tsv".into(), options)
}

const HEAD: &str =
    "subject\tsession\ttrial\tcondition_id\ttrial_type\tlaw\ty_true_deg\tpaddle_y_deg\thit\n";

#[test]
fn a_table_as_the_game_writes_it_is_read() {
    let trials = Trials::open(data("fuzz/beh.tsv"), &TrialOptions::default()).unwrap();
    // Six rows; the fourth has no paddle.
    assert_eq!(trials.len(), 5);
    assert_eq!(trials.provenance.rows, 6);
    assert_eq!(trials.provenance.excluded.no_paddle, 1);
    assert_eq!(trials.provenance.synthetic, Some(true));
    assert_eq!(trials.provenance.law.as_deref(), Some("display"));
    assert_eq!(trials.provenance.sha256.as_ref().unwrap().len(), 64);
    assert_eq!(trials.trial, [0, 1, 2, 4, 5]);
    assert_eq!(trials.condition[..3], ["72780", "105802", "183171"]);
    assert_eq!(trials.final_paddle_deg[1], -0.6);
    assert_eq!(trials.truth_deg[1], Some(-0.5));
    assert_eq!(
        trials.outcome[..2],
        [Some(Outcome::Miss), Some(Outcome::Hit)]
    );
    assert_eq!(trials.trial_type[..2], [TrialType::Occ, TrialType::Vis]);
    assert_eq!(trials.subjects(), ["synthetic"]);
    let paddles = trials.paddles(&["183171", "72780"], TrialType::Occ, Some("synthetic"));
    assert_eq!(paddles, [vec![0.8], vec![-2.0]]);
}

#[test]
fn each_bad_row_is_named() {
    let row = |condition: &str, kind: &str, law: &str, paddle: &str, hit: &str| {
        format!("synthetic\t1\t1\t{condition}\t{kind}\t{law}\t1.0\t{paddle}\t{hit}\n")
    };
    let only = ConditionSet::open("primate79").unwrap();
    let only = only.narrowed(&["72780"]).unwrap();
    let good = row("72780", "occ", "display", "1.5", "1");
    let last = row("72780", "occ", "display", "1.6", "1");
    for (bad, column, found) in [
        (
            row("472225", "occ", "display", "1", "1"),
            "condition_id",
            "472225",
        ),
        (
            row("72780", "hidden", "display", "1", "1"),
            "trial_type",
            "hidden",
        ),
        (
            row("72780", "n/a", "display", "1", "1"),
            "trial_type",
            "missing",
        ),
        (row("72780", "occ", "newton", "1", "1"), "law", "newton"),
        (row("72780", "occ", "design", "1", "1"), "law", "design"),
        (
            row("72780", "occ", "display", "high", "1"),
            "paddle_y_deg",
            "high",
        ),
        (
            row("72780", "occ", "display", "inf", "1"),
            "paddle_y_deg",
            "inf",
        ),
        (
            row("72780", "occ", "display", "1", "perhaps"),
            "hit",
            "perhaps",
        ),
    ] {
        let table = format!("{HEAD}{good}{bad}{last}");
        let options = TrialOptions {
            set: Some(only.clone()),
            ..TrialOptions::default()
        };
        let error = text(&table, &options).unwrap_err().to_string();
        for word in ["row 2", column, found, "expected"] {
            assert!(error.contains(word), "{word} is not in {error}");
        }
        // The same, going on: the row is left out and listed.
        let going = TrialOptions {
            keep_going: 1,
            ..options
        };
        let trials = text(&table, &going).unwrap();
        assert_eq!(trials.len(), 2);
        assert_eq!(trials.provenance.problems.len(), 1);
        assert_eq!(trials.provenance.problems[0].row, 2);
        assert_eq!(trials.provenance.problems[0].column, column);
        // One more than allowed is an error.
        assert!(text(&format!("{table}{bad}"), &going).is_err());
    }
    // A row of another length, a column that is missing, no trial at all.
    for (table, word) in [
        (format!("{HEAD}{good}a\tb\n"), "line 3"),
        (
            "subject\ttrial_type\tpaddle_y_deg\na\tocc\t1\n".into(),
            "condition_id",
        ),
        (
            format!("{HEAD}{}", row("n/a", "occ", "display", "1", "1")),
            "no trial is left",
        ),
        ("trial\ttrial\n1\t2\n".into(), "each column once"),
    ] {
        let error = text(&table, &TrialOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{word} is not in {error}");
    }
}

#[test]
fn columns_of_other_names_are_mapped() {
    let table = "cond,py,who\n72780,1.5,a\n105802,-11,b\n";
    let options = TrialOptions {
        columns: "condition=cond,paddle=py,subject=who".parse().unwrap(),
        trial_type: Some(TrialType::Vis),
        ..TrialOptions::default()
    };
    let trials = text(table, &options).unwrap();
    assert_eq!(trials.len(), 1);
    assert_eq!(trials.provenance.excluded.lapses, 1);
    assert_eq!(trials.trial_type, [TrialType::Vis]);
    assert_eq!(trials.provenance.columns[&Role::Paddle], "py");
    let missing = TrialOptions {
        columns: "condition=nothing".parse().unwrap(),
        ..options
    };
    assert!(
        text(table, &missing)
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
    type Map = mental_pong_eval::recordings::trials::ColumnMap;
    assert!("speed=x".parse::<Map>().is_err());
    assert!("condition=a,condition=b".parse::<Map>().is_err());
}

#[test]
fn parquet_trials_are_those_of_the_table() {
    let options = TrialOptions {
        keep_going: 9,
        ..TrialOptions::default()
    };
    for name in ["synthetic_snappy.parquet", "synthetic_zstd.parquet"] {
        let trials = Trials::open(data("recordings/formats").join(name), &options).unwrap();
        // Row 2 has no paddle, row 3 no condition.
        assert_eq!(trials.condition, ["72780", "183171"]);
        assert_eq!(trials.final_paddle_deg, [1.5, 3.0]);
        assert_eq!(trials.provenance.excluded.no_condition, 1);
        assert_eq!(trials.provenance.excluded.no_paddle, 1);
    }
}

/// The exclusions of the release, one row each.
#[test]
fn trial_meta_is_cut_as_the_authors_cut_it() {
    let nan = f64::NAN;
    let column = |name: &str, values: [f64; 9]| (name.to_owned(), Cells::Numbers(values.to_vec()));
    let table = Table {
        rows: 9,
        has_index: false,
        columns: vec![
            column(
                "py_meta_index",
                [
                    72_780.0, nan, 72_780.0, 72_780.0, 72_780.0, 72_780.0, 72_780.0, 105_802.0,
                    72_780.0,
                ],
            ),
            column("occ_alpha", [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.95, nan]),
            column("ignore", [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            column("success", [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]),
            column("failure", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
            column("paddle_y", [1.0, 1.0, 0.0, 1.0, 1.0, nan, 10.5, -10.0, 1.0]),
            column("yf_mworks", [1.5; 9]),
        ],
    };
    let trials = Trials::from_table(&table, "t".into(), None, &TrialOptions::default()).unwrap();
    assert_eq!(trials.final_paddle_deg, [1.0, -10.0]);
    assert_eq!(trials.trial_type, TrialType::ALL);
    assert_eq!(trials.outcome, [Some(Outcome::Hit), Some(Outcome::Miss)]);
    assert_eq!(trials.provenance.law.as_deref(), Some("design"));
    assert_eq!(
        trials.provenance.excluded,
        Exclusions {
            no_condition: 1,
            other_condition: 0,
            practice: 0,
            ignored: 1,
            no_outcome: 1,
            no_occluder: 2,
            no_paddle: 1,
            lapses: 1,
        }
    );
}

#[test]
fn trial_meta_of_the_synthetic_recording_is_read() {
    let recording = Recording::open(data("recordings/mini_hand_dmfc_dataset_50ms.pkl.gz")).unwrap();
    let trials = Trials::of_recording(&recording, &TrialOptions::default()).unwrap();
    assert_eq!(trials.provenance.synthetic, Some(true));
    assert!(trials.len() > 100);
    assert_eq!(
        trials.len() + trials.provenance.excluded.total(),
        trials.provenance.rows
    );
}

fn small(noise: Noise) -> Settings {
    Settings {
        seed: 3,
        units: 40,
        trials: 21,
        noise,
        reliability: 0.4,
        ..Settings::default()
    }
}

fn simulate_recorded(settings: &Settings) -> Result<Simulated, Error> {
    simulate(settings, &ConditionSet::open("primate79").unwrap(), &Quiet)
}

#[test]
fn simulated_units_have_the_reliability_that_was_asked_for() {
    for noise in [Noise::Poisson, Noise::Gaussian] {
        let simulated = simulate_recorded(&Settings {
            untuned: 0.25,
            ..small(noise)
        })
        .unwrap();
        assert_eq!(simulated.recording.synthetic(), Some(true));
        let found = reliability::published(&simulated.recording, TrialType::Occ).unwrap();
        let (mut r, mut asked) = (Vec::new(), Vec::new());
        for (unit, truth) in found.iter().zip(&simulated.units).take(30) {
            // 3,502 cells: the standard error of r = 0.4 is 0.014.
            assert!(
                (unit.r - truth.split_half_r).abs() < 0.07,
                "{noise:?}: {unit:?} {truth:?}"
            );
            assert!((truth.split_half_r - 0.4).abs() < 1e-3, "{truth:?}");
            r.push(unit.r);
            asked.push(truth.split_half_r);
        }
        assert!(
            (stats::mean(&r) - 0.4).abs() < 0.01,
            "{noise:?}: {}",
            stats::mean(&r)
        );
        // Without tuning there is none.
        let rest: Vec<f64> = found[30..].iter().map(|u| u.r).collect();
        assert!(stats::mean(&rest).abs() < 0.03 && rest.iter().all(|r| r.abs() < 0.08));
        // The mean over trials correlates with the truth as the ceiling says.
        let all = simulated
            .recording
            .responses(TrialType::Occ, Population::All, Half::Full)
            .unwrap();
        let mask = simulated
            .recording
            .mask(TrialType::Occ, "start_end_pad0")
            .unwrap();
        assert_eq!(mask.count(), 3502);
        let (noisy, true_means) = (all.rows(mask).unwrap(), simulated.means.rows(mask).unwrap());
        for unit in 0..30 {
            let r = stats::pearson(&noisy.column(unit), &true_means.column(unit));
            let ceiling = simulated.units[unit].ceiling;
            assert!(
                (r - ceiling).abs() < 0.04,
                "{noise:?} {unit}: {r}, {ceiling}"
            );
        }
    }
}

/// Counts are whole, and vary as a Poisson number does: variance equals mean.
#[test]
fn poisson_counts_are_poisson() {
    for rate_hz in [4.0, 60.0] {
        let settings = Settings {
            untuned: 1.0,
            rate_hz,
            ..small(Noise::Poisson)
        };
        let simulated = simulate_recorded(&settings).unwrap();
        let first = simulated
            .recording
            .responses(TrialType::Occ, Population::All, Half::Sh1)
            .unwrap();
        // 21 trials: 10 in the first half.
        for unit in 0..first.units() {
            let counts: Vec<f64> = first
                .unit(unit)
                .iter()
                .filter(|v| v.is_finite())
                .map(|v| v * 10.0 * 50.0)
                .collect();
            assert_eq!(counts.len(), 79 * 99);
            assert!(
                counts
                    .iter()
                    .all(|c| (c - c.round()).abs() < 1e-6 && *c >= 0.0)
            );
            let expected = simulated.units[unit].base * 500.0;
            let (mean, sd) = (stats::mean(&counts), stats::sd(&counts));
            // Standard errors over 7,821 cells: sqrt(m / n) and m sqrt(2 / n).
            let error = (expected / 7821.0).sqrt();
            assert!((mean - expected).abs() < 5.0 * error, "{mean}, {expected}");
            assert!(
                (sd * sd / expected - 1.0).abs() < 0.1,
                "{} {expected}",
                sd * sd
            );
        }
    }
}

#[test]
fn same_seed_same_simulation_and_another_seed_another() {
    let of = |seed| {
        let simulated = simulate_recorded(&Settings {
            seed,
            units: 5,
            ..small(Noise::Poisson)
        })
        .unwrap();
        let all = simulated
            .recording
            .responses(TrialType::Occ, Population::All, Half::Full)
            .unwrap();
        all.as_slice()
            .iter()
            .map(|v| v.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn what_is_simulated_says_so_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = ConditionSet::open("primate79").unwrap();
    let few = ConditionSet::open("all").unwrap();
    let few = few.narrowed(&["29337", "55062", "100"]).unwrap();
    // The same balls under names of one's own.
    let own = recorded.conditions()[..12]
        .iter()
        .enumerate()
        .map(|(n, c)| {
            let mut start = *c.start().unwrap();
            start.id = 2_000_000 + n as u32;
            SetCondition::own(format!("ball {n}"), start, Law::Display)
        });
    let own = ConditionSet::new("own", own.collect()).unwrap();
    for conditions in [recorded, few, own.clone()] {
        let settings = Settings {
            units: 6,
            ..small(Noise::Poisson)
        };
        let simulated = simulate(&settings, &conditions, &Quiet).unwrap();
        let error = simulated
            .write(&folder.path().join("data.npz"))
            .unwrap_err();
        assert!(error.to_string().contains("simulated"), "{error}");
        for name in ["simulated", "simulated.npz"] {
            let path = folder.path().join(format!("{}-{name}", conditions.len()));
            let truth = simulated.write(&path).unwrap();
            let opening = Opening {
                conditions: (conditions.name() == "own").then(|| own.clone()),
                ..Opening::default()
            };
            if opening.conditions.is_none() {
                let other = Opening {
                    conditions: Some(own.clone()),
                    ..Opening::default()
                };
                let error = Recording::open_as(&path, &other, &Quiet).unwrap_err();
                let error = error.to_string();
                assert!(
                    error.contains("`own`") && error.contains(conditions.name()),
                    "{error}"
                );
            }
            if opening.conditions.is_some() {
                let error = Recording::open(&path).unwrap_err().to_string();
                assert!(
                    error.contains("--conditions") && error.contains("`own`"),
                    "{error}"
                );
            }
            let back = Recording::open_as(&path, &opening, &Quiet).unwrap();
            let ids: Vec<String> = conditions.ids().into_iter().map(String::from).collect();
            assert_eq!(back.condition_ids(), Some(&*ids));
            assert_eq!(back.synthetic(), Some(true));
            assert_eq!(back.expected().conditions, conditions.len());
            assert_eq!(back.is_released_layout(), conditions.len() == 79);
            for half in Half::ALL {
                let [a, b] = [&simulated.recording, &back].map(|r| {
                    let r = r.responses(TrialType::Occ, Population::All, half).unwrap();
                    r.as_slice().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
                });
                assert_eq!(a, b);
            }
            assert_eq!(
                simulated.recording.reliable_units(TrialType::Occ),
                back.reliable_units(TrialType::Occ)
            );
            let trials = Trials::of_recording(&back, &TrialOptions::default()).unwrap();
            assert_eq!(trials.provenance.synthetic, Some(true));
            assert!(trials.len() + trials.provenance.excluded.lapses == conditions.len() * 21);
            let truth: TruthFile = serde_json::from_slice(&fs::read(truth).unwrap()).unwrap();
            assert_eq!(truth.set, conditions.identity());
            assert_eq!(truth.settings, settings);
            assert_eq!(truth.units, simulated.units);
        }
    }
    // A real-looking size is held against the release.
    assert!(
        Recording::open_with(
            folder.path().join("3-simulated.npz"),
            &Expected::default(),
            &Default::default()
        )
        .is_err()
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    for (settings, word) in [
        (
            Settings {
                units: 0,
                ..Settings::default()
            },
            "units",
        ),
        (
            Settings {
                trials: 1,
                ..Settings::default()
            },
            "trials",
        ),
        (
            Settings {
                reliability: 1.0,
                ..Settings::default()
            },
            "reliability",
        ),
        (
            Settings {
                untuned: f64::NAN,
                ..Settings::default()
            },
            "untuned",
        ),
    ] {
        let error = simulate_recorded(&settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// 1,889 units, 79 conditions, 100 bins. Some 2 GB of memory.
#[test]
#[ignore = "needs 2 GB"]
fn the_full_size_takes_seconds() {
    let start = Instant::now();
    let simulated = simulate_recorded(&Settings::default()).unwrap();
    println!("{:?}", start.elapsed());
    let folder = tempfile::tempdir().unwrap();
    simulated
        .write(&folder.path().join("simulated.npz"))
        .unwrap();
    println!("{:?} with writing", start.elapsed());
    assert!(start.elapsed().as_secs() < 120);
}

#[test]
fn a_trial_that_is_there_twice_is_a_bad_row() {
    let header = "subject,session,trial,condition_id,trial_type,paddle_y_deg\n";
    let table = |rows: &str| {
        let text = format!("{header}{rows}");
        Trials::from_bytes(
            text.into_bytes(),
            "twice.csv".into(),
            &TrialOptions::default(),
        )
    };
    let one = "s,1,4,29337,occ,1.5\n";
    // The same number in another session, or another answer, is another trial; without numbers nothing can be said.
    for other in [
        "s,2,4,29337,occ,1.5\n",
        "s,1,5,29337,occ,1.5\n",
        "s,1,4,55062,occ,1.5\n",
    ] {
        assert_eq!(table(&format!("{one}{other}")).unwrap().len(), 2);
    }
    let error = table(&format!("{one}s,1,5,55062,occ,2\n{one}"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("row 3, column trial") && error.contains("row 1 again"),
        "{error}"
    );
}

/// Few trials of a set are said to be few, and those of other conditions are not taken for its own.
#[test]
fn trials_of_few_conditions_are_taken_only_when_asked_for() {
    let table = "condition_id,trial_type,paddle_y_deg\n29337,occ,1\n29337,occ,2\nnone,occ,1\n";
    let options = |allow_missing| TrialOptions {
        set: Some(ConditionSet::open("primate79").unwrap()),
        allow_missing,
        ..TrialOptions::default()
    };
    let few = table.replace("none,occ,1\n", "");
    let error = text(&few, &options(false)).unwrap_err().to_string();
    assert!(
        error.contains("1 of the 79") && error.contains("--allow-missing"),
        "{error}"
    );
    let other = table.replace("none", "999");
    let error = text(&other, &options(false)).unwrap_err().to_string();
    assert!(
        error.contains("row 3") && error.contains("`primate79`"),
        "{error}"
    );
    let trials = text(&other, &options(true)).unwrap();
    assert_eq!(
        (trials.len(), trials.provenance.excluded.other_condition),
        (2, 1)
    );
}

/// Tables as spreadsheets of several countries write them, and free text with a quote mark in a table with tabs.
#[test]
fn tables_are_read_as_they_are_meant() {
    let plain = text(
        "condition_id,trial_type,paddle_y_deg\n7,occ,1.5\n8,occ,-2\n",
        &TrialOptions::default(),
    );
    let plain = plain.unwrap();
    assert_eq!(plain.condition, ["7", "8"]);
    for table in [
        "\u{feff}condition_id;trial_type;paddle_y_deg\r\n7;occ;1,5\r\n8;occ;-2,0\r\n",
        "condition_id\ttrial_type\tpaddle_y_deg\n7\tocc\t1,5\n8\tocc\t-2,0\n",
        "condition_id\ttrial_type\tpaddle_y_deg\tremark\n7\tocc\t1.5\t\"too fast\n8\tocc\t-2\tok\n",
    ] {
        let found = text(table, &TrialOptions::default()).unwrap();
        assert_eq!(found.final_paddle_deg, plain.final_paddle_deg, "{table}");
        assert_eq!(found.condition, plain.condition, "{table}");
    }
}
