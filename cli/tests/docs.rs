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
