//! The report made by the example, from SYNTHETIC numbers.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mental_pong_base::files::sha256_hex;
use mental_pong_study::card::{Card, compare};
use mental_pong_study::error::Error;
use mental_pong_study::report::DECODE_COLUMNS;

#[path = "../examples/sample_report.rs"]
#[allow(dead_code, reason = "the example's `main` is not called here")]
mod sample;

fn files(threads: usize) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(|| sample::run(folder.path()))
        .unwrap();
    let mut out = BTreeMap::new();
    collect(folder.path(), folder.path(), &mut out);
    out
}

fn collect(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, out);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            out.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn same_input_same_bytes_with_any_number_of_threads() {
    assert_eq!(files(1), files(3));
}

#[test]
fn the_page_needs_nothing_else() {
    let files = files(2);
    let page = &files["report.html"];
    assert!(page.len() < 5_000_000);
    assert!(page.contains("name=\"viewport\""));
    assert!(page.contains("What this score does not show"));
    assert!(page.contains("SYNTHETIC"));
    for outside in ["src=", "href=", "@import", "url(", "<script", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<figure").count(), 5);
    assert_eq!(page.matches("role=\"img\" aria-label=").count(), 5);
    assert_eq!(files.keys().filter(|n| n.ends_with(".svg")).count(), 5);
}

#[test]
fn decode_table_has_a_line_for_each_row_epoch_and_target() {
    let files = files(2);
    let table = &files["tables/decode.csv"];
    let mut lines = table.lines();
    assert_eq!(lines.next().unwrap(), DECODE_COLUMNS.join(","));
    assert_eq!(lines.count(), 12 * 3 * 4);
    let constant = table
        .lines()
        .find(|l| l.starts_with("constant,hidden,x,"))
        .unwrap();
    let cells: Vec<&str> = constant.split(',').collect();
    assert_eq!(cells[5..8], ["", "", ""], "no correlation of a constant");
    assert!(cells[8].parse::<f64>().unwrap() > 0.0);
}

#[test]
fn the_card_survives_reading_and_names_its_files() {
    let files = files(2);
    let text = &files["card.json"];
    let card = Card::from_json(text).unwrap();
    assert_eq!(&card.to_json().unwrap(), text);
    assert!(compare(&card, &card).unwrap().is_empty());
    for file in card.tables.iter().chain(&card.figures) {
        assert_eq!(
            file.sha256,
            sha256_hex(files[&file.name].as_bytes()),
            "{}",
            file.name
        );
    }
    assert_eq!(card.tables.len() + card.figures.len() + 3, files.len());
}

#[test]
fn compare_finds_one_changed_digit_and_its_place() {
    let files = files(2);
    let card = Card::from_json(&files["card.json"]).unwrap();
    let mut other = card.clone();
    let mean = &mut other.rows[0].stats[0].r.mean;
    *mean = f64::from_bits(mean.to_bits() + 1);
    other.seeds.clear();
    let places: Vec<String> = compare(&card, &other)
        .unwrap()
        .into_iter()
        .map(|d| d.place)
        .collect();
    assert_eq!(places, ["seeds[0]", "rows[0].stats[0].r.mean"]);
}

#[test]
fn a_card_of_another_schema_is_an_error() {
    let text = files(1)["card.json"].replacen("\"schema_version\": 1", "\"schema_version\": 99", 1);
    assert!(matches!(
        Card::from_json(&text),
        Err(Error::SchemaVersion { found: 99, .. })
    ));
    assert!(Card::from_json("{}").is_err());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    let error = sample::run(&file).unwrap_err().to_string();
    assert!(error.contains("a-file"), "{error}");
}
