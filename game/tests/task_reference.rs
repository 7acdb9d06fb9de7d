//! The task against the numbers of its authors' code and of scikit-learn, column by column.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mental_pong_game::task::epochs::Masks;
use mental_pong_game::task::geometry::deg_from_units;
use mental_pong_game::task::splits::write_splits_csv;
use mental_pong_game::task::table::{read_csv, rows};
use mental_pong_game::task::{
    Law, PRIMATE79_IDS, Part, Set, TableRow, generate, group_shuffle_split, primate79, select,
    trajectory,
};

fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(name)
}

/// Positions and end heights agree to this, units; whole numbers and grid values agree exactly.
const UNITS_TOLERANCE: f64 = 1e-12;

fn assert_same_trial(found: &TableRow, expected: &TableRow) {
    let exact = |r: &TableRow| (r.id, r.n_bounce, r.t_end, r.t_occ, r.split);
    assert_eq!(exact(found), exact(expected));
    let starts = |r: &TableRow| [r.x0, r.y0, r.heading0, r.speed0];
    assert_eq!(starts(found), starts(expected), "{}", found.id);
    let gap = (found.y_final - expected.y_final).abs();
    assert!(gap <= UNITS_TOLERANCE, "{}: {gap}", found.id);
}

#[test]
fn three_hundred_trials_match_the_authors_generator() {
    let expected = read_csv(reference("generator_sample_300.csv")).unwrap();
    assert_eq!(expected.len(), 300);
    let ids: Vec<u32> = expected.iter().map(|r| r.id).collect();
    let found = rows(&select(&ids).unwrap()).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_same_trial(found, expected);
    }
    let in_part = |part| expected.iter().filter(|r| r.split == part).count();
    assert!(in_part(Part::Train) > 0 && in_part(Part::Valid) > 0);
}

#[test]
fn every_column_of_the_79_conditions_matches() {
    let expected = read_csv(reference("conditions_79.csv")).unwrap();
    let found = rows(&primate79()).unwrap();
    assert_eq!(expected.len(), 79);
    assert_eq!(found.len(), 79);
    for (found, expected) in found.iter().zip(&expected) {
        assert_same_trial(found, expected);
        assert_eq!(found.bounce_epoch, expected.bounce_epoch, "{}", found.id);
        assert_eq!(found.mask_bins_se_so_oe, expected.mask_bins_se_so_oe);
        let near = |found: Option<f64>, expected: Option<f64>, by: f64| {
            assert_eq!(found.is_some(), expected.is_some());
            if let (Some(a), Some(b)) = (found, expected) {
                assert!((a - b).abs() <= by, "{a}, not {b}");
            }
        };
        near(found.x_final, expected.x_final, UNITS_TOLERANCE);
        // Printed with four digits and with one.
        near(
            found.display_y_at_x10_deg,
            expected.display_y_at_x10_deg,
            0.500_001e-4,
        );
        near(
            found.display_t_at_x10_ms,
            expected.display_t_at_x10_ms,
            0.050_001,
        );
        near(
            found.display_bounce_ms,
            expected.display_bounce_ms,
            0.050_001,
        );
    }
    let epochs = |epoch| found.iter().filter(|r| r.bounce_epoch == epoch).count();
    use mental_pong_game::task::table::BounceEpoch::{Occ, Vis};
    assert_eq!(
        [epochs(None), epochs(Some(Vis)), epochs(Some(Occ))],
        [52, 16, 11]
    );
}

#[test]
fn published_end_heights_match_to_all_digits() {
    // `yf_mworks` of the released trial table.
    for (id, y_deg) in [
        (29_337, -0.271_381_384_886_982_8),
        (55_062, -4.425_255_139_808_659),
    ] {
        let condition = select(&[id]).unwrap()[0];
        assert!((condition.y_final_design_deg() - y_deg).abs() < 1e-12);
    }
}

#[test]
fn design_paths_match_the_authors_generator() {
    let mut archive = npyz::npz::NpzArchive::open(reference("trajectories_design_6.npz")).unwrap();
    let ids: Vec<u32> = archive.array_names().map(|n| n.parse().unwrap()).collect();
    assert_eq!(ids.len(), 6);
    for id in ids {
        let expected: Vec<f64> = archive
            .by_name(&id.to_string())
            .unwrap()
            .unwrap()
            .into_vec()
            .unwrap();
        let condition = select(&[id]).unwrap()[0];
        let path = trajectory(&condition, Law::Design);
        assert_eq!(expected.len(), 2 * path.len());
        assert_eq!(path.end_frame, condition.t_end as usize);
        assert_eq!(path.occlusion_frame, condition.t_occ as usize);
        for (n, at) in expected.chunks_exact(2).enumerate() {
            assert!((path.x_deg[n] - deg_from_units(at[0])).abs() <= UNITS_TOLERANCE);
            assert!((path.y_deg[n] - deg_from_units(at[1])).abs() <= UNITS_TOLERANCE);
        }
        let shown = trajectory(&condition, Law::Display);
        assert_ne!(shown.len(), path.len(), "the laws have clocks of their own");
    }
}

#[test]
fn the_published_parts_come_out_in_order() {
    let valid = Set::Valid.conditions().unwrap();
    let train = Set::Train.conditions().unwrap();
    assert_eq!((train.len(), valid.len()), (425_002, 47_223));
    let mut reader = csv::Reader::from_path(reference("valid_split_first_200.csv")).unwrap();
    let expected: Vec<(usize, u32)> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(expected.len(), 200);
    for (position, id) in expected {
        assert_eq!(valid[position].id, id);
    }
    let mut seen = vec![false; 472_225];
    for c in valid.iter().chain(&train) {
        assert!(!std::mem::replace(&mut seen[c.id as usize], true));
    }
    let in_valid: std::collections::BTreeSet<u32> = valid.iter().map(|c| c.id).collect();
    assert!(PRIMATE79_IDS.iter().all(|id| in_valid.contains(id)));
}

#[test]
fn splits_of_the_79_are_the_published_file() {
    let expected = std::fs::read_to_string(reference("group_shuffle_split_79_seed0.csv")).unwrap();
    let written = |seed| {
        let splits = group_shuffle_split(79, 100, 0.5, seed).unwrap();
        let mut out = Vec::new();
        write_splits_csv(&splits[..10], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&written(0)), lines(&expected));
    assert_ne!(lines(&written(1)), lines(&expected));
}

#[test]
fn masks_and_paths_exist_for_every_trial() {
    let mut speeds = BTreeMap::new();
    for condition in generate() {
        *speeds.entry((condition.speed0 * 4.0) as u32).or_insert(0) += 1;
        let masks = Masks::of(&condition);
        assert!(masks.start_end.end < 99, "bin 99 is always missing");
        assert!(condition.t_occ >= 15 && condition.t_end - condition.t_occ >= 15);
        assert!(condition.t_end <= 90);
        assert!(condition.x_final >= 32.0);
        assert!((0.64..=31.36).contains(&condition.y_final));
        assert!(condition.n_bounce <= 1);
    }
    assert_eq!(speeds, [(1, 86_760), (2, 380_281), (3, 5_184)].into());
}

#[test]
fn a_table_of_something_else_is_refused_by_name() {
    let message = read_csv(reference("valid_split_first_200.csv"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("valid_split_first_200.csv"), "{message}");
}
