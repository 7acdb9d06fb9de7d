//! Damaged manifests, plans, shards and tables: an error or a set, never a panic, never a file
//! outside the folder.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

mod stimulus_support;

use mental_pong_base::{Quiet, Stream};
use mental_pong_game::stimuli::{Manifest, diff, merge, missing_shards, open_set, verify};
use stimulus_support::{SMALL, few, set, write, write_shard};

/// A change of a text as a careless hand or a bad disk makes it.
fn damaged(text: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=stream.below(3) {
        let n = bytes.len().max(1);
        let at = stream.below(n);
        match stream.below(6) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = stream.below(256) as u8,
            2 if !bytes.is_empty() => bytes[at] ^= 1 << stream.below(8),
            3 => {
                let to = (at + stream.below(40)).min(bytes.len());
                bytes.drain(at.min(to)..to);
            }
            4 => {
                let to = (at + stream.below(40)).min(bytes.len());
                let part = bytes[at.min(to)..to].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let odd: [&[u8]; 8] = [
                    b"-1",
                    b"1e999",
                    b"18446744073709551616",
                    b"null",
                    b"\"../x\"",
                    b"NaN",
                    b"[",
                    b"4294967296",
                ];
                bytes.splice(at..at, odd[stream.below(odd.len())].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn damaged_manifests_and_tables_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    write(&out, &few(), SMALL).unwrap();
    let mut stream = Stream::new(1, "fuzz manifest", 0);
    let (mut refused, mut read) = (0, 0);
    for name in ["manifest.json", "conditions.csv"] {
        let path = out.join(name);
        let text = std::fs::read(&path).unwrap();
        for _ in 0..400 {
            let bytes = damaged(&text, &mut stream);
            std::fs::write(&path, &bytes).unwrap();
            match open_set(&out) {
                Err(error) => {
                    assert!(error.to_string().len() > 20);
                    refused += 1;
                }
                Ok((manifest, _)) => {
                    read += 1;
                    for file in &manifest.files {
                        let mut parts = std::path::Path::new(&file.path).components();
                        assert!(parts.all(|p| matches!(p, std::path::Component::Normal(_))));
                    }
                }
            }
            if bytes != text && name == "conditions.csv" {
                assert!(verify(&out, &Quiet).is_err());
            }
            let _ = diff(&out, &out);
        }
        std::fs::write(&path, text).unwrap();
    }
    assert!(refused > 600 && read > 0, "{refused} {read}");
    verify(&out, &Quiet).unwrap();
}

#[test]
fn damaged_plans_and_shards_are_errors_and_nothing_is_merged_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let all = set(&few()[..2], SMALL);
    write_shard(&out, &all, 0, 2).unwrap();
    write_shard(&out, &all, 1, 2).unwrap();
    let mut stream = Stream::new(2, "fuzz shards", 0);
    let mut refused = 0;
    for name in ["plan.json", "shard-000001-of-000002.json"] {
        let path = out.join(name);
        let text = std::fs::read(&path).unwrap();
        for k in 0..150 {
            std::fs::write(&path, damaged(&text, &mut stream)).unwrap();
            let _ = missing_shards(&out);
            let _ = Manifest::read(&out);
            if name != "plan.json" {
                let merged = folder.path().join(format!("merged-{k}"));
                match merge(std::slice::from_ref(&out), &merged, &Quiet) {
                    Ok(_) => drop(verify(&merged, &Quiet).unwrap()),
                    Err(_) => {
                        refused += 1;
                        assert!(!merged.join("manifest.json").exists());
                    }
                }
                let _ = std::fs::remove_dir_all(&merged);
            }
        }
        std::fs::write(&path, text).unwrap();
    }
    assert!(refused > 100, "{refused}");
    merge(std::slice::from_ref(&out), &out, &Quiet).unwrap();
    verify(&out, &Quiet).unwrap();
}
