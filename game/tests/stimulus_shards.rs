//! Sets made by several runs, and runs that meet.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

mod stimulus_support;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use mental_pong_base::{Monitor, Quiet};
use mental_pong_game::Error;
use mental_pong_game::stimuli::{
    Format, Job, Manifest, Setting, Shard, diff, merge, missing_shards, plan_shards, verify,
    write_set,
};
use mental_pong_game::task::{Condition, Draw, draw, primate79};
use stimulus_support::{FORMATS, SMALL, StopAfter, content, few, job, set, write, write_shard};

fn seven() -> Vec<Condition> {
    primate79()[..7].to_vec()
}

#[test]
fn sharded_and_merged_equals_unsharded_byte_for_byte() {
    for format in FORMATS {
        let setting = Setting { format, ..SMALL };
        let all = set(&seven(), setting);
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        write(&whole, &seven(), setting).unwrap();
        let expected = content(&whole);
        // In one folder, and in folders of their own, last first.
        for (of, apart) in [(3, false), (3, true), (10, false)] {
            let name = |index: u32| {
                let index = if apart { index } else { 0 };
                folder.path().join(format!("{of}-{apart}-{index}"))
            };
            for index in (0..of).rev() {
                write_shard(&name(index), &all, index, of).unwrap();
            }
            let mut folders: Vec<PathBuf> = (0..of).map(name).collect();
            folders.dedup();
            folders.reverse();
            let out = if apart {
                folder.path().join(format!("merged-{of}"))
            } else {
                folders[0].clone()
            };
            merge(&folders, &out, &Quiet).unwrap();
            assert!(content(&out) == expected, "{format} {of} {apart}");
            assert!(!out.join("plan.json").exists());
            assert!(diff(&whole, &out).unwrap().is_empty());
            verify(&out, &Quiet).unwrap();
            // A merge is done again without harm.
            if apart {
                merge(&folders, &out, &Quiet).unwrap();
                assert!(content(&out) == expected);
            }
        }
    }
}

#[test]
fn missing_shards_are_named_from_the_plan_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let all = set(&seven(), SMALL);
    plan_shards(out, &all, job().command, 4).unwrap();
    let numbers = || {
        missing_shards(out)
            .unwrap()
            .iter()
            .map(|s| s.index)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(), [0, 1, 2, 3]);
    write_shard(out, &all, 2, 4).unwrap();
    write_shard(out, &all, 0, 4).unwrap();
    assert_eq!(numbers(), [1, 3]);
    let message = merge(&[out.to_path_buf()], out, &Quiet)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("2 of 4 shards are missing: 1,3"),
        "{message}"
    );
    assert_eq!(verify(out, &Quiet).unwrap().manifests.len(), 2);
    write_shard(out, &all, 1, 4).unwrap();
    write_shard(out, &all, 3, 4).unwrap();
    merge(&[out.to_path_buf()], out, &Quiet).unwrap();
    assert!(numbers().is_empty());
}

#[test]
fn a_stopped_shard_goes_on_and_draws_no_finished_piece_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let all = set(&seven(), SMALL);
    let half = Job {
        shard: Some(Shard { index: 0, of: 2 }),
        ..job()
    };
    let stop = StopAfter(AtomicU64::new(2));
    let one = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let stopped = one.install(|| write_set(out, &all, &half, &stop));
    assert!(
        matches!(stopped, Err(Error::Interrupted { done: 2, total: 3 })),
        "{stopped:?}"
    );
    assert_eq!(missing_shards(out).unwrap().len(), 2);
    let resumed = write_set(out, &all, &half, &Quiet).unwrap();
    assert_eq!((resumed.n_kept, resumed.n_written), (2, 2));
}

#[test]
fn two_runs_in_one_folder_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let all = set(&seven(), SMALL);
    write_shard(out, &all, 0, 3).unwrap();
    let before = content(out);
    // Another number of shards, another set, no shards at all.
    assert!(
        write_shard(out, &all, 0, 4)
            .unwrap_err()
            .to_string()
            .contains("shards")
    );
    let others = set(&draw(&Draw::default()).unwrap()[..7], SMALL);
    let message = write_shard(out, &others, 1, 3).unwrap_err().to_string();
    assert!(message.contains("other conditions"), "{message}");
    assert!(write(out, &seven(), SMALL).is_err());
    assert!(write(out, &few(), SMALL).is_err());
    assert_eq!(content(out), before);
}

/// Starts a second run from within the first.
struct Meets<'a>(&'a std::path::Path, std::sync::Mutex<Option<Error>>);

impl Monitor for Meets<'_> {
    fn stage(&self, _: &str, _: u64) {
        *self.1.lock().unwrap() = write(self.0, &seven(), SMALL).err();
    }
}

#[test]
fn a_second_run_at_the_same_time_is_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let meets = Meets(folder.path(), std::sync::Mutex::new(None));
    write_set(folder.path(), &set(&seven(), SMALL), &job(), &meets).unwrap();
    let second = meets.1.into_inner().unwrap();
    assert!(matches!(second, Some(Error::Busy { .. })), "{second:?}");
    assert_eq!(verify(folder.path(), &Quiet).unwrap().n_files, 7 + 3);
}

#[test]
fn shards_of_different_sets_or_damaged_ones_are_not_merged() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let out = folder.path().join("out");
    write_shard(&a, &set(&seven(), SMALL), 0, 2).unwrap();
    write_shard(&b, &set(&primate79()[1..8], SMALL), 1, 2).unwrap();
    let message = merge(&[a.clone(), b], &out, &Quiet)
        .unwrap_err()
        .to_string();
    assert!(message.contains("set_sha256"), "{message}");
    let c = folder.path().join("c");
    let files = write_shard(&c, &set(&seven(), SMALL), 1, 2)
        .unwrap()
        .manifest
        .files;
    let path = c.join(&files[0].path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let message = merge(&[a, c], &out, &Quiet).unwrap_err().to_string();
    assert!(
        message.contains("sha256") && message.contains(&files[0].path),
        "{message}"
    );
    assert!(Manifest::read(&out).is_err());
}

#[test]
fn a_difference_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    write(&a, &few(), SMALL).unwrap();
    let other = Setting {
        format: Format::Gif,
        ..SMALL
    };
    write(&b, &few()[1..], other).unwrap();
    let found: Vec<String> = diff(&a, &b).unwrap().into_iter().map(|d| d.what).collect();
    for what in [
        "format",
        "rate_hz",
        "n_conditions",
        "condition 29337",
        "file 29337.npy",
        "file 55062.gif",
    ] {
        assert!(found.iter().any(|f| f == what), "{what}: {found:?}");
    }
    assert!(!found.iter().any(|f| f == "condition 55062" || f == "law"));
}
