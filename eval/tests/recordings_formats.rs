//! `.npz`, NWB, Parquet, the authors' result files, the 200 conditions: SYNTHETIC files made by numpy, pynwb, pyarrow and
//! pandas, and what these say is in them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::PathBuf;

use mental_pong_base::Quiet;
use mental_pong_eval::error::Error;
use mental_pong_eval::recordings::dmfc::{
    Half, Opening, Population, Recording, Responses, TrialType,
};
use mental_pong_eval::recordings::file::{Format, detect};
use mental_pong_eval::recordings::mapping::{Item, Mapping};
use mental_pong_eval::recordings::results::{self, DecodeResults, OfflineResults, RnnCompare};
use mental_pong_eval::recordings::sample::MetaSample;
use mental_pong_eval::recordings::trials::{Outcome, TrialOptions, Trials};
use mental_pong_eval::recordings::{Missing, convert, export};
use mental_pong_formats::limits::Limits;
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::{Error as Wrong, parquet};
use mental_pong_game::task::{Condition, ConditionSet, Masks, PRIMATE79_IDS, select, truth_bins};
use proptest::prelude::*;
use serde_json::Value as Json;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/recordings/formats")
        .join(name)
}

fn json(name: &str) -> Json {
    serde_json::from_slice(&fs::read(data(name)).unwrap()).unwrap()
}

/// All numbers of a nested list, in order.
fn flat(json: &Json) -> Vec<f64> {
    match json {
        Json::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what} {at}: {a}, expected {b}");
    }
}

/// Opened as of the published table, of which the conditions of all files here are rows.
fn published() -> Opening {
    Opening {
        conditions: Some(ConditionSet::open("all").unwrap()),
        ..Opening::default()
    }
}

fn open(name: &str) -> Recording {
    Recording::open_as(data(name), &published(), &Quiet).unwrap_or_else(|error| panic!("{error}"))
}

fn all(recording: &Recording, half: Half) -> Responses {
    recording
        .responses(TrialType::Occ, Population::All, half)
        .unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values
        .iter()
        .map(|v| if v.is_nan() { f64::NAN } else { *v }.to_bits())
        .collect()
}

#[test]
fn formats_are_told_apart_by_content() {
    for (name, format) in [
        ("synthetic.nwb", Format::Nwb),
        ("synthetic_lab.npz", Format::Npz),
        ("synthetic_long.parquet", Format::Parquet),
    ] {
        assert_eq!(detect(&data(name)).unwrap(), format);
    }
}

/// The flat file and that of `numpy.savez(**dict)` hold what the MAT file of the same data set holds.
#[test]
fn a_released_npz_is_the_released_file() {
    let mat = Recording::open(data("../mini_hand_dmfc_dataset_50ms.mat")).unwrap();
    for name in [
        "synthetic_released_flat.npz",
        "synthetic_released_objects.npz",
    ] {
        let npz = open(name);
        assert!(npz.is_released_layout());
        assert_eq!(npz.synthetic(), Some(true));
        for (half, exact) in [(Half::Full, true), (Half::Sh1, false), (Half::Sh2, false)] {
            let found = all(&npz, half);
            let expected = all(&mat, half).select(&[0, 1]).unwrap();
            if exact {
                // Kept as f64 in Fortran order.
                assert_eq!(bits(found.as_slice()), bits(expected.as_slice()), "{name}");
            } else {
                // Kept as f32.
                for (a, b) in found.as_slice().iter().zip(expected.as_slice()) {
                    assert!(
                        (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-7 * b.abs().max(1e-6)
                    );
                }
            }
        }
        for variable in [
            "ball_pos_x",
            "ball_pos_x_TRUE",
            "ball_final_y",
            "paddle_pos_y",
        ] {
            assert_eq!(
                bits(npz.behavior(TrialType::Occ, variable).unwrap().as_slice()),
                bits(mat.behavior(TrialType::Occ, variable).unwrap().as_slice())
            );
        }
        assert_eq!(
            npz.mask(TrialType::Occ, "start_occ_pad0").unwrap(),
            mat.mask(TrialType::Occ, "start_occ_pad0").unwrap()
        );
        let ids: Vec<String> = PRIMATE79_IDS.iter().map(u32::to_string).collect();
        assert_eq!(npz.condition_ids(), Some(&*ids));
    }
}

#[test]
fn a_laboratorys_npz_states_its_axes_and_unit() {
    let expected = json("synthetic_lab_expected.json");
    let lab = open("synthetic_lab.npz");
    assert!(!lab.is_released_layout());
    assert_eq!(lab.synthetic(), Some(true));
    assert_eq!(lab.expected().conditions, 3);
    // Hz in the file, spikes/ms here.
    close(
        all(&lab, Half::Full).as_slice(),
        &flat(&expected["lab"]),
        1e-12,
        "responses",
    );
    assert!(lab.halves(TrialType::Occ, Population::All).is_err());
    assert!(lab.notes().iter().any(|note| note.contains("no halves")));
    // Masks by the published rule, from the ids.
    let ids = [72_780, 105_802, 183_171];
    for (condition, of) in select(&ids).unwrap().iter().enumerate() {
        let mask = lab.mask(TrialType::Occ, "occ_end_pad0").unwrap();
        let bins = Masks::of(of).occ_end;
        for bin in 0..100 {
            assert_eq!(mask.contains(condition, bin), bins.contains(&bin));
        }
        // The ball by the display law, and said so.
        let ball = lab.behavior(TrialType::Occ, "ball_pos_y_TRUE").unwrap();
        assert_eq!(bits(ball.row(condition)), bits(&truth_bins(of).y_deg));
    }
    assert!(lab.notes().iter().any(|note| note.contains("display law")));
    assert!(lab.behavior(TrialType::Occ, "eye_h").is_ok());

    // Single trials: halves by train_test_split(test_size=.5, random_state=0), a trial that a unit lacks left out.
    // numpy and scikit-learn 1.9.
    let trials = open("synthetic_lab_trials.npz");
    for (half, key) in [(Half::Full, "full"), (Half::Sh1, "sh1"), (Half::Sh2, "sh2")] {
        close(
            all(&trials, half).as_slice(),
            &flat(&expected[key]),
            1e-15,
            key,
        );
    }
    assert_eq!(
        trials.trials_per_session(TrialType::Occ),
        Some(&[15_i64][..])
    );
    // Held against the release it is something else.
    let held = Opening {
        expected: Some(mental_pong_eval::recordings::dmfc::Expected::default()),
        ..published()
    };
    let release = Recording::open_as(data("synthetic_lab.npz"), &held, &Quiet);
    assert!(release.unwrap_err().to_string().contains("79 conditions"));
}

fn nwb(name: &str, mapping: Mapping, missing: Missing) -> Result<Recording, Error> {
    let opening = Opening {
        mapping,
        missing,
        ..published()
    };
    Recording::open_as(data(name), &opening, &Quiet)
}

/// `numpy.histogram` of each trial, means, and scikit-learn's halves, as the script that made the file computed them.
#[test]
fn spikes_of_nwb_are_binned_as_numpy_does() {
    let expected = &json("synthetic_nwb_expected.json");
    let names =
        [72_780, 105_802, 183_171, 420_020].map(|id| (format!("cond-{id}"), id.to_string()));
    for (file, options) in [
        ("synthetic.nwb", Mapping::default()),
        (
            "synthetic_named.nwb",
            Mapping {
                conditions: names.into(),
                ..Mapping::default()
            },
        ),
    ] {
        let recording =
            nwb(file, options, Missing::Refuse).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recording.synthetic(), Some(true));
        assert_eq!(
            recording.condition_ids(),
            Some(&["72780", "105802", "183171", "420020"].map(String::from)[..])
        );
        for trials in TrialType::ALL {
            for (half, key) in [(Half::Full, "full"), (Half::Sh1, "sh1"), (Half::Sh2, "sh2")] {
                let found = recording.responses(trials, Population::All, half).unwrap();
                let sums: Vec<f64> = found
                    .as_slice()
                    .chunks_exact(100)
                    .map(|bins| bins.iter().sum())
                    .collect();
                let expected = &expected[file][trials.key()];
                close(&sums, &flat(&expected[key]), 1e-11, key);
                if half == Half::Sh1 {
                    close(found.unit(0), &flat(&expected["first_unit"]), 1e-11, "bins");
                }
            }
        }
        // The first unit was not recorded to the end, and one trial was ignored.
        assert!(
            recording
                .notes()
                .iter()
                .any(|n| n.contains("obs_intervals")),
            "{:?}",
            recording.notes()
        );
        assert!(recording.notes().iter().any(|n| n.contains("are excluded")));
    }
}

#[test]
fn nwb_invents_nothing_unasked() {
    let with = |missing| {
        let options = Mapping {
            // Condition 29337 has no trial in the file.
            order: Some(["29337", "72780"].map(String::from).to_vec()),
            ..Mapping::default()
        };
        nwb("synthetic.nwb", options, missing)
    };
    let error = with(Missing::Refuse).unwrap_err().to_string();
    for word in ["3 of 6 pairs", "unit 0", "id 29337", "bin 6", "--missing"] {
        assert!(error.contains(word), "{word} is not in {error}");
    }
    let imputed = with(Missing::Impute).unwrap();
    assert!(
        imputed
            .notes()
            .iter()
            .any(|n| n.contains("3 of 6") && n.contains("IMPUTED"))
    );
    let full = all(&imputed, Half::Full);
    for unit in 0..3 {
        let row = &full.unit(unit)[100..];
        let mean = row.iter().sum::<f64>() / 100.0;
        assert!(
            full.unit(unit)[..100]
                .iter()
                .all(|v| (v - mean).abs() < 1e-15)
        );
    }
    // No unit has the condition, so none is left; or the other condition is.
    assert_eq!(
        all(&with(Missing::DropUnits).unwrap(), Half::Full).units(),
        0
    );
    let dropped = with(Missing::DropConditions).unwrap();
    assert_eq!(dropped.condition_ids(), Some(&["72780".to_owned()][..]));
    assert_eq!(all(&dropped, Half::Full).conditions(), 1);
    assert!(
        dropped
            .notes()
            .iter()
            .any(|n| n.contains("left out: 29337"))
    );
    for (options, word) in [
        (
            Mapping {
                names: [(Item::Condition, "nothing".into())].into(),
                ..Mapping::default()
            },
            "intervals/trials/nothing",
        ),
        (
            Mapping {
                names: [(Item::Onset, "trial_type".into())].into(),
                ..Mapping::default()
            },
            "numbers",
        ),
    ] {
        let error = nwb("synthetic.nwb", options, Missing::Refuse)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
    // Names that nobody explained.
    let error = nwb("synthetic_named.nwb", Mapping::default(), Missing::Refuse)
        .unwrap_err()
        .to_string();
    assert!(error.contains("has no condition `cond-"), "{error}");
}

#[test]
fn parquet_of_pandas_is_read() {
    let ids = [72_780.0, 105_802.0, f64::NAN, 183_171.0];
    for name in [
        "synthetic_snappy.parquet",
        "synthetic_zstd.parquet",
        "synthetic_nested.parquet",
    ] {
        let table = parquet::read(&data(name), &Limits::default()).unwrap();
        assert_eq!(table.rows, 4);
        assert_eq!(
            bits(table.numbers("condition_id").unwrap()),
            bits(&ids),
            "{name}"
        );
        assert_eq!(
            bits(table.numbers("paddle_y_deg").unwrap()),
            bits(&[1.5, f64::NAN, -2.25, 3.0])
        );
        assert_eq!(
            table.texts("trial_type").unwrap(),
            [
                Some("occ".into()),
                Some("vis".into()),
                None,
                Some("occ".into())
            ]
        );
        assert_eq!(table.numbers("flag").unwrap(), [1.0, 0.0, 1.0, 1.0]);
        assert_eq!(table.numbers("small").unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(table.numbers("int32").unwrap(), [-1.0, 2.0, 3.0, 4.0]);
        let nested = table
            .columns
            .iter()
            .find(|(name, _)| name.starts_with("nested"));
        assert_eq!(nested.is_some(), name.contains("nested"));
        assert!(nested.is_none_or(|(_, cells)| matches!(cells, Cells::Other(_))));
    }
    let error = parquet::read(&data("synthetic_lab.npz"), &Limits::default()).unwrap_err();
    assert!(matches!(error, Wrong::Format { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn parquet_reads_back_to_the_bit(
        numbers in prop::collection::vec(any::<u64>().prop_map(f64::from_bits), 0..300),
        seed in any::<u64>(),
    ) {
        let texts: Vec<Option<String>> = numbers
            .iter()
            .enumerate()
            .map(|(at, _)| (seed >> (at % 60) & 1 == 1).then(|| format!("ü{}", at as u64 ^ seed)))
            .collect();
        let table = Table {
            rows: numbers.len(),
            has_index: false,
            columns: vec![
                ("a b".into(), Cells::Numbers(numbers.clone())),
                ("texts".into(), Cells::Texts(texts.clone())),
            ],
        };
        let bytes = parquet::to_bytes(&table).unwrap();
        prop_assert_eq!(&bytes, &parquet::to_bytes(&table).unwrap());
        let back = parquet::from_bytes(bytes, &Limits::default()).unwrap();
        let same: Vec<u64> = back.numbers("a b").unwrap().iter().map(|v| v.to_bits()).collect();
        prop_assert_eq!(same, numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        prop_assert_eq!(back.texts("texts").unwrap(), &*texts);
    }
}

#[test]
fn a_long_table_is_a_recording() {
    let long = open("synthetic_long.parquet");
    assert_eq!(long.format(), Some(Format::Parquet));
    assert_eq!(long.synthetic(), Some(true));
    for (half, shift) in [(Half::Full, 0.0), (Half::Sh1, 0.01), (Half::Sh2, -0.01)] {
        let found = all(&long, half);
        assert_eq!(
            (found.units(), found.conditions(), found.bins()),
            (2, 2, 100)
        );
        // Units in rising order: 2, then 5. The script's formula.
        for (unit, number) in [2, 5].into_iter().enumerate() {
            for condition in 0..2 {
                for bin in 0..100 {
                    let expected = f64::from(number * 100 + condition * 10 + bin) / 7.0 + shift;
                    let value = found.get(unit, condition as usize, bin as usize);
                    assert!((value - expected).abs() < 1e-12);
                }
            }
        }
    }
}

/// Layouts of laboratories go through the open layout and come back, their axes and notes among them.
#[test]
fn conversion_of_a_laboratorys_file_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "synthetic_lab_trials.npz",
        "synthetic.nwb",
        "synthetic_long.parquet",
    ] {
        let before = open(name);
        let to = folder.path().join(name);
        convert::write(&before, &to).unwrap();
        // It says itself whose conditions it has.
        let after = Recording::open(&to).unwrap();
        assert_eq!(
            after.set().map(ConditionSet::identity),
            before.set().map(ConditionSet::identity)
        );
        assert_eq!(before.expected(), after.expected());
        assert_eq!(before.first_bin_ms(), after.first_bin_ms());
        assert_eq!(before.condition_ids(), after.condition_ids());
        assert_eq!(before.notes(), after.notes());
        assert_eq!(after.synthetic(), Some(true));
        assert!(!after.is_released_layout());
        assert_eq!(
            bits(all(&before, Half::Sh2).as_slice()),
            bits(all(&after, Half::Sh2).as_slice())
        );
    }
}

#[test]
fn the_authors_results_are_read() {
    let compare = RnnCompare::open(data("synthetic_rnn_compare.pkl"), &Limits::default()).unwrap();
    assert_eq!(compare.filenames, ["net_a", "net_b", "net_c"]);
    assert_eq!(
        bits(compare.numbers(results::SIMILARITY).unwrap()),
        bits(&[0.5, 0.25, f64::NAN])
    );
    assert_eq!(
        compare.numbers(results::SIMULATION_INDEX).unwrap(),
        [1.0, 2.0, 3.0]
    );
    assert!(compare.numbers("nothing").is_err());

    let expected = json("synthetic_decode_expected.json");
    let decode = DecodeResults::open(data("synthetic_decode.pkl"), &Limits::default()).unwrap();
    assert_eq!(decode.conditions, Some(79));
    assert_eq!(
        decode.neural_data.as_deref(),
        Some("neural_responses_reliable_FactorAnalysis_50")
    );
    let shifts: Vec<i64> = decode.shifts.iter().map(|s| s.shift_bins).collect();
    assert_eq!(shifts, [-1, 0, 1]);
    for (at, scores) in decode.shifts.iter().enumerate() {
        close(scores.r.as_slice(), &flat(&expected["r"][at]), 0.0, "r");
        close(
            scores.mae.as_slice(),
            &flat(&expected["mae"][at]),
            0.0,
            "mae",
        );
        assert!(scores.rs.is_some());
    }
    let (r, mae) = decode.headline("ball_pos_y_TRUE").unwrap();
    let column: Vec<f64> = flat(&expected["r"][1])
        .into_iter()
        .skip(1)
        .step_by(3)
        .collect();
    assert_eq!(r, column);
    assert_eq!(mae.len(), 5);
    assert!(
        decode
            .headline("joy")
            .unwrap_err()
            .to_string()
            .contains("ball_pos_x_TRUE")
    );

    let offline = OfflineResults::open(data("synthetic_offline.pkl"), &Limits::default()).unwrap();
    let models: Vec<&str> = offline.metrics.keys().map(|name| &**name).collect();
    assert_eq!(models, ["neural_data", "pos_state_pred"]);
    assert_eq!(offline.metrics["neural_data"]["r_start1_all"].rows(), 2);
    assert!(offline.networks.is_some());
    // One file in the place of another is told by its field.
    let error = DecodeResults::open(data("synthetic_rnn_compare.pkl"), &Limits::default());
    assert!(error.unwrap_err().to_string().contains("beh_to_decode"));
}

#[test]
fn the_two_hundred_conditions_are_found_by_id() {
    let sample = MetaSample::open(
        data("synthetic_valid_meta_sample_full.pkl"),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(sample.ids().len(), 200);
    // The rows are shuffled: position is not the way.
    let mut ids = sample.ids().to_vec();
    ids.sort_unstable();
    let rows = sample.rows_of(&ids).unwrap();
    assert!(rows.windows(2).any(|pair| pair[0] > pair[1]));
    let x0 = sample.numbers("x0", &ids).unwrap();
    for (place, (&row, id)) in rows.iter().zip(&ids).enumerate() {
        assert_eq!(sample.ids()[row], *id);
        assert_eq!(
            x0[place].to_bits(),
            sample.table().numbers("x0").unwrap()[row].to_bits()
        );
    }
    assert!(
        sample
            .rows_of(&[472_226])
            .unwrap_err()
            .to_string()
            .contains("condition 472226")
    );
}

/// The generator's own conditions agree with it; one changed value shows, and only there.
#[test]
fn a_sample_is_held_against_the_generator() {
    let conditions = select(&[183_171, 72_780, 5, 300_000]).unwrap();
    let column = |name: &str, of: &dyn Fn(&Condition) -> f64| {
        let values = conditions.iter().map(of).collect();
        (name.to_owned(), Cells::Numbers(values))
    };
    let mut table = Table {
        rows: 4,
        has_index: false,
        columns: vec![
            column("meta_index", &|c| c.id.into()),
            column("x0", &|c| c.x0),
            column("heading0", &|c| c.heading0_rad),
            column("t_occ", &|c| c.t_occ.into()),
            column("n_bounce_correct", &|c| c.n_bounce.into()),
        ],
    };
    let agreement = MetaSample::from_table(table.clone())
        .unwrap()
        .agreement()
        .unwrap();
    assert_eq!(
        [
            agreement.x0,
            agreement.heading0,
            agreement.t_occ,
            agreement.n_bounce
        ],
        [0.0; 4]
    );
    // The file lacks it.
    assert!(agreement.y0.is_nan());
    if let Cells::Numbers(values) = &mut table.columns[3].1 {
        values[2] += 2.0;
    }
    let agreement = MetaSample::from_table(table.clone())
        .unwrap()
        .agreement()
        .unwrap();
    assert_eq!([agreement.x0, agreement.t_occ], [0.0, 2.0]);
    if let Cells::Numbers(values) = &mut table.columns[0].1 {
        values[0] = values[1];
    }
    assert!(
        MetaSample::from_table(table)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
}

#[test]
fn more_than_the_limit_is_refused_with_a_number() {
    let limits = Limits {
        bytes: 1000,
        ..Limits::default()
    };
    for name in [
        "synthetic_released_flat.npz",
        "synthetic.nwb",
        "synthetic_long.parquet",
        "../mini_hand_dmfc_dataset_50ms.mat",
        "../mini_hand_dmfc_dataset_50ms_v73.mat",
        "synthetic_decode.pkl",
    ] {
        let opening = Opening {
            limits,
            ..published()
        };
        let error = Recording::open_as(data(name), &opening, &Quiet).unwrap_err();
        let Error::InFile { source, .. } = error else {
            panic!("{name}: {error}");
        };
        assert!(
            matches!(*source, Error::Formats(Wrong::Limit { limit: 1000, needed, .. }) if needed > 1000),
            "{name}: {source}"
        );
    }
}

/// Whose conditions a file has is never guessed from the numbers of their ids.
#[test]
fn a_file_that_states_no_set_is_asked_whose_conditions_it_has() {
    for name in [
        "synthetic_lab.npz",
        "synthetic.nwb",
        "synthetic_long.parquet",
    ] {
        let error = Recording::open(data(name)).unwrap_err().to_string();
        assert!(error.contains("--conditions"), "{name}: {error}");
        let wrong = Opening {
            conditions: Some(ConditionSet::open("fresh400").unwrap()),
            ..Opening::default()
        };
        let error = Recording::open_as(data(name), &wrong, &Quiet).unwrap_err();
        assert!(error.to_string().contains("fresh400"), "{name}: {error}");
    }
    // The released layout states the published set.
    let released = Recording::open(data("../mini_hand_dmfc_dataset_50ms.pkl.gz")).unwrap();
    let set = released.set().unwrap();
    assert_eq!(
        set.identity(),
        ConditionSet::open("primate79").unwrap().identity()
    );
    // A set of one's own is another, whatever its ids are called.
    let own = ConditionSet::new("own", set.conditions().to_vec()).unwrap();
    let design = ConditionSet::open("primate79").unwrap();
    let design = design
        .with_law(mental_pong_game::task::Law::Design)
        .unwrap();
    for other in [own.narrowed(&["29337"]).unwrap(), design] {
        let opening = Opening {
            conditions: Some(other.clone()),
            ..Opening::default()
        };
        let path = data("../mini_hand_dmfc_dataset_50ms.pkl.gz");
        let opened = Recording::open_as(path, &opening, &Quiet);
        assert_eq!(
            opened.is_ok(),
            other.sha256() == set.sha256(),
            "{}",
            other.name()
        );
    }
}

/// Twice the bins, half of them; numbers by hand from the file's own.
#[test]
fn bins_are_merged_when_asked_for() {
    let fine = open("synthetic_lab_trials.npz");
    let opening = Opening {
        rebin_ms: Some(2.0 * fine.expected().bin_ms),
        ..published()
    };
    let coarse = Recording::open_as(data("synthetic_lab_trials.npz"), &opening, &Quiet).unwrap();
    let (a, b) = (all(&fine, Half::Full), all(&coarse, Half::Full));
    assert_eq!(b.bins(), a.bins() / 2);
    let mean = 0.5 * (a.get(1, 2, 8) + a.get(1, 2, 9));
    assert!((b.get(1, 2, 4) - mean).abs() < 1e-15);
    assert!(coarse.notes().iter().any(|n| n.contains("rebinned")));
    let odd = Opening {
        rebin_ms: Some(1.3 * fine.expected().bin_ms),
        ..published()
    };
    let error = Recording::open_as(data("synthetic_lab_trials.npz"), &odd, &Quiet).unwrap_err();
    assert!(error.to_string().contains("multiple"), "{error}");
}

/// Arrays in MATLAB files, with text ids, bins of their own and variables that are not read. The script beside the files has
/// the formula.
#[test]
fn a_laboratorys_matlab_file_is_a_recording() {
    for name in ["synthetic_lab_v5.mat", "synthetic_lab_v73.mat"] {
        let lab = open(name);
        assert_eq!(
            lab.condition_ids(),
            Some(&["29337", "55062", "58244", "59920"].map(String::from)[..]),
            "{name}"
        );
        assert_eq!((lab.axis().bin_ms, lab.axis().first_bin_ms), (20.0, -100.0));
        for (half, shift) in [(Half::Full, 0.0), (Half::Sh1, 0.5), (Half::Sh2, -0.5)] {
            let found = all(&lab, half);
            for (u, c, b) in [(0, 0, 0), (1, 3, 7), (2, 2, 39)] {
                let hz = 1.0 + u as f64 + 0.1 * c as f64 + 0.01 * b as f64 + shift;
                assert!((found.get(u, c, b) - hz / 1000.0).abs() < 1e-12, "{name}");
            }
        }
        assert!(
            lab.notes()
                .iter()
                .any(|n| n.contains("weights") && n.contains("sparse")),
            "{name}: {:?}",
            lab.notes()
        );
        let animals = lab.table("neural_meta").unwrap().texts("animal").unwrap();
        assert_eq!(animals[2].as_deref(), Some("q"));
        // Epochs by the truth: the trial of 29337 begins with the bin after 0 ms.
        let mask = lab.mask(TrialType::Occ, "start_end_pad0").unwrap();
        assert!(!mask.contains(0, 4) && mask.contains(0, 5));
    }
}

/// Whatever is written is read back, and says whose conditions it has.
#[test]
fn every_layout_that_is_written_is_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let before = open("synthetic_lab_v5.mat");
    for name in ["a.nc", "a.zarr", "a.parquet", "a.npz", "a.nwb", "a"] {
        let path = folder.path().join(name);
        export::write(&before, &path).unwrap();
        let after = Recording::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(after.condition_ids(), before.condition_ids(), "{name}");
        assert_eq!(after.axis(), before.axis(), "{name}");
        assert_eq!(
            after.set().map(ConditionSet::identity),
            before.set().map(ConditionSet::identity),
            "{name}"
        );
        assert_eq!(after.synthetic(), Some(true), "{name}");
        for half in Half::ALL {
            assert_eq!(
                bits(all(&after, half).as_slice()),
                bits(all(&before, half).as_slice()),
                "{name}"
            );
        }
        assert_eq!(
            after.mask(TrialType::Occ, "occ_end_pad0").unwrap(),
            before.mask(TrialType::Occ, "occ_end_pad0").unwrap(),
            "{name}"
        );
        // Held against another set, it says both.
        let other = Opening {
            conditions: Some(ConditionSet::open("primate79").unwrap().named("mine")),
            ..Opening::default()
        };
        assert!(Recording::open_as(&path, &other, &Quiet).is_ok());
        assert!(
            export::write(&before, &path).is_err(),
            "{name} is overwritten"
        );
    }
}

/// The same invented trials under a laboratory's own names, in its own order of axes, in four formats: the script beside the
/// files has the formula, and numpy's means are taken from it here.
#[test]
fn a_mapping_says_what_a_file_calls_what_is_asked_for() {
    let hz = |t: usize, b: usize, u: usize| ((7 * t + 3 * b + 11 * u) % 23) as f64 + 1.0;
    for format in ["npz", "mat", "parquet", "nwb"] {
        let opening = Opening {
            mapping: Mapping::open(&data(&format!("foreign_{format}.toml"))).unwrap(),
            ..published()
        };
        let file = data(&format!("foreign.{format}"));
        let found = Recording::open_as(&file, &opening, &Quiet)
            .unwrap_or_else(|error| panic!("{format}: {error}"));
        let ids = found.condition_ids();
        assert_eq!(ids, Some(&["29337", "55062"].map(String::from)[..]));
        let axis = found.axis();
        assert_eq!(
            (axis.bin_ms, axis.first_bin_ms, axis.n_bins),
            (100.0, -100.0, 30)
        );
        let full = all(&found, Half::Full);
        for (u, c, b) in [(0, 0, 0), (1, 1, 7), (2, 0, 29)] {
            let mean = [c, c + 2, c + 4].map(|t| hz(t, b, u)).iter().sum::<f64>() / 3.0;
            assert!(
                (full.get(u, c, b) - mean / 1000.0).abs() < 1e-15,
                "{format}"
            );
        }
        if format == "parquet" {
            continue;
        }
        let open = found
            .responses(TrialType::Vis, Population::All, Half::Full)
            .unwrap();
        assert!(
            (open.get(1, 0, 3) - hz(6, 3, 1) / 1000.0).abs() < 1e-15,
            "{format}"
        );
        // The names are those of the file: without the mapping there is nothing to read.
        let error = Recording::open_as(&file, &published(), &Quiet).unwrap_err();
        assert!(error.to_string().contains("expected"), "{error}");
        let mut wrong = opening.clone();
        wrong.mapping.names.insert(Item::Condition, "stimm".into());
        let error = Recording::open_as(&file, &wrong, &Quiet)
            .unwrap_err()
            .to_string();
        for word in ["stimm", "block"] {
            assert!(error.contains(word), "{format}: {word} is not in {error}");
        }
    }
}

/// Trials of NWB with a paddle are a table of behaviour; the one that was aborted is left out.
#[test]
fn trials_of_nwb_are_behaviour() {
    let opening = Opening {
        mapping: Mapping::open(&data("foreign_nwb.toml")).unwrap(),
        ..published()
    };
    let found = Recording::open_as(data("foreign.nwb"), &opening, &Quiet).unwrap();
    let trials = Trials::of_recording(&found, &TrialOptions::default()).unwrap();
    assert_eq!((trials.len(), trials.provenance.excluded.ignored), (8, 1));
    assert_eq!(trials.final_paddle_deg[3], 0.5 * 3.0 - 2.0);
    assert_eq!(trials.condition[3], "55062");
    assert_eq!(
        trials.outcome[2..4],
        [Some(Outcome::Hit), Some(Outcome::Miss)]
    );
    assert_eq!(trials.trial_type[6], TrialType::Vis);
}

/// Both halves, both kinds, masks, behaviour, animals and the set go through NWB to the bit.
#[test]
fn nwb_keeps_what_a_recording_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = data("../mini_hand_dmfc_dataset_50ms.pkl.gz");
    for before in [
        open("synthetic_lab_v5.mat"),
        open("synthetic.nwb"),
        Recording::open(file).unwrap(),
    ] {
        let path = folder.path().join(format!(
            "{}.nwb",
            before.axis().bin_ms + before.expected().conditions as f64
        ));
        export::write(&before, &path).unwrap();
        let after = Recording::open(&path).unwrap();
        assert_eq!(after.format(), Some(Format::Nwb));
        assert_eq!(
            after.set().map(ConditionSet::identity),
            before.set().map(ConditionSet::identity)
        );
        for kind in TrialType::ALL {
            for half in Half::ALL {
                let of =
                    |recording: &Recording| recording.responses(kind, Population::All, half).ok();
                let (before, after) = (of(&before), of(&after));
                assert_eq!(
                    before.map(|r| bits(r.as_slice())),
                    after.map(|r| bits(r.as_slice()))
                );
            }
            for name in before.mask_names(kind) {
                // What holds nowhere is left out.
                let mask = before.mask(kind, name).unwrap();
                assert!(
                    mask.count() == 0 || after.mask(kind, name).unwrap() == mask,
                    "{name}"
                );
            }
            for name in before.behavior_names(kind) {
                let values = before.behavior(kind, name).unwrap();
                if values.as_slice().iter().any(|v| !v.is_nan()) {
                    let found = after.behavior(kind, name).unwrap();
                    assert_eq!(bits(found.as_slice()), bits(values.as_slice()), "{name}");
                }
            }
        }
        let animals = |r: &Recording| {
            r.table("neural_meta")
                .and_then(|t| t.texts("animal").map(<[_]>::to_vec))
        };
        assert_eq!(animals(&after), animals(&before));
    }
}

/// Files of xarray with axes in an order of their own: the script beside them has the formula.
#[test]
fn labelled_arrays_of_xarray_are_recordings() {
    for (name, format) in [
        ("labelled.nc", Format::Netcdf),
        ("labelled2.zarr", Format::Zarr),
        ("labelled3.zarr", Format::Zarr),
    ] {
        let lab = open(name);
        assert_eq!(lab.format(), Some(format), "{name}");
        let ids = lab.condition_ids();
        assert_eq!(
            ids,
            Some(&["29337", "55062", "58244"].map(String::from)[..])
        );
        assert_eq!(
            (lab.axis().bin_ms, lab.axis().first_bin_ms),
            (100.0, -100.0)
        );
        assert_eq!(lab.synthetic(), Some(true), "{name}");
        for (half, shift) in [(Half::Full, 0.0), (Half::Sh1, 0.5), (Half::Sh2, -0.5)] {
            let found = all(&lab, half);
            for (u, c, b) in [(0, 0, 0), (1, 2, 7), (0, 1, 29)] {
                let hz = 1.0 + u as f64 + 0.1 * c as f64 + 0.01 * b as f64 + shift;
                assert!((found.get(u, c, b) - hz / 1000.0).abs() < 1e-12, "{name}");
            }
        }
        let animals = lab.table("neural_meta").unwrap().texts("animal").unwrap();
        assert_eq!(animals[1].as_deref(), Some("q"), "{name}");
    }
}
