//! The documents name what is there.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_path_of_the_architecture_exists() {
    let text = read("docs/src/architecture.md");
    let paths: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|p| p.contains('/') && !p.contains(' '))
        .collect();
    assert!(paths.len() > 15);
    for path in paths {
        assert!(root().join(path).exists(), "{path}");
    }
}

#[test]
fn every_station_of_the_walk_is_where_it_is_said_to_be() {
    let text = read("docs/src/walk.md");
    let mut stations = 0;
    for line in text.lines().filter(|l| l.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, file, what, _] = cells[..] else {
            continue;
        };
        let (Some(file), Some(what)) = (
            file.strip_prefix('`').and_then(|f| f.strip_suffix('`')),
            what.strip_prefix('`').and_then(|w| w.strip_suffix('`')),
        ) else {
            continue;
        };
        let there = ["(", "<"]
            .iter()
            .any(|next| read(file).contains(&format!("fn {what}{next}")));
        assert!(there, "{file} has no function {what}");
        stations += 1;
    }
    assert!(stations > 12);
}

#[test]
fn every_way_in_has_its_example() {
    let text = read("CONTRIBUTING.md");
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|p| p.contains('/') && !p.contains(' '))
        .collect();
    assert!(named.iter().filter(|p| p.contains("/examples/")).count() >= 4);
    for path in named {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// The crates of ours that a manifest names under `[dependencies]`, by their short names.
fn uses(manifest: &str) -> Vec<String> {
    let dependencies = manifest.split("\n[dependencies]").nth(1).unwrap();
    let mut used: Vec<String> = dependencies
        .split("\n[")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("mental-pong-"))
        .map(|rest| rest.split(['.', ' ']).next().unwrap().to_owned())
        .collect();
    used.sort();
    used
}

#[test]
fn arrows_of_the_architecture_are_those_of_the_manifests() {
    let text = read("docs/src/architecture.md");
    let mut seen = Vec::new();
    for line in text.lines().filter(|l| l.starts_with("| `mental-pong")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let folder = cells[2].trim_matches('`');
        let drawn: Vec<&str> = cells[3].split(", ").filter(|name| *name != "–").collect();
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let name = cells[1].trim_matches('`');
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert_eq!(uses(&manifest), drawn, "{name}");
        seen.push(format!("\"{folder}\""));
    }
    // Each member of the workspace is drawn.
    let workspace = read("Cargo.toml");
    let members = workspace.split("members = [").nth(1).unwrap();
    let members = members.split(']').next().unwrap();
    for member in members.split(',').map(str::trim).filter(|m| !m.is_empty()) {
        assert!(seen.iter().any(|s| s == member), "{member} is not drawn");
    }
}

#[test]
fn every_page_of_the_book_exists_and_is_listed() {
    let summary = read("docs/src/SUMMARY.md");
    let listed: Vec<&str> = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(listed.len() > 10);
    for page in &listed {
        assert!(root().join("docs/src").join(page).exists(), "{page}");
    }
    for page in &listed {
        let folder = Path::new("docs/src").join(page);
        for included in read(&folder.to_string_lossy()).split("{{#include ").skip(1) {
            let path = included.split("}}").next().unwrap();
            let file = root().join(folder.parent().unwrap()).join(path);
            assert!(file.exists(), "{page} includes {path}");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = read("docs/src/reference/dependencies.md");
    let manifest = read("Cargo.toml");
    let listed = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .unwrap();
    let mut seen = 0;
    for line in listed
        .lines()
        .filter(|l| l.contains(" = ") && !l.starts_with('#'))
    {
        let name = line.split(" = ").next().unwrap();
        if !name.starts_with("mental-pong") {
            seen += 1;
            let known = reasons.lines().any(|l| {
                l.split('|')
                    .nth(1)
                    .is_some_and(|cell| cell.split(',').any(|n| n.trim() == name))
            });
            assert!(known, "{name} has no reason in dependencies.md");
        }
    }
    assert!(seen > 20);
}

#[test]
fn the_readme_starts_with_the_two_commands() {
    let readme = read("README.md");
    let commands: Vec<&str> = readme.lines().filter(|l| l.starts_with("cargo ")).collect();
    assert_eq!(commands[0], "cargo run --release -- run");
    assert!(commands[1].starts_with("cargo test"));
    assert!(read(".ci/run").contains("README.md"));
}
