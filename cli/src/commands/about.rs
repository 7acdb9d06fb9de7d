use std::path::{Path, PathBuf};

use clap::CommandFactory;
use mental_pong_predictor::weights::bundled;

use super::memory::shown;
use super::output;
use crate::Done;
use crate::args::{Cli, DoctorArgs};
use crate::failure::Failure;

const CITATION: &str = include_str!("../../../CITATION.cff");

/// Files that others publish and that this program reads, each in the folder that its archive unpacks to or in any below the
/// one given: name, and the command to begin with. `docs/src/start/data.md` says where they are to be had.
const KNOWN: [(&str, &str); 10] = [
    ("all_hand_dmfc_dataset_50ms.pkl", "mpong eval --recording"),
    ("perle_hand_dmfc_dataset_50ms.pkl", "mpong eval --recording"),
    (
        "mahler_hand_dmfc_dataset_50ms.pkl",
        "mpong eval --recording",
    ),
    ("random_dataset_50ms.pkl", "mpong eval --recording"),
    (
        "valid_meta_sample_full.pkl",
        "mpong recordings info --conditions",
    ),
    (
        "rnn_compare_all_hand_dmfc_occ_50ms_neural_responses_reliable_FactorAnalysis_50.pkl",
        "mpong recordings info",
    ),
    ("VC-1+CTRNN_physion.pt", "mpong predict --model"),
    ("VC-1+LSTM_physion.pt", "mpong predict --model"),
    ("R3M+CTRNN_physion.pt", "mpong predict --model"),
    ("R3M+LSTM_physion.pt", "mpong predict --model"),
];
/// How deep, and among how many files, known ones are looked for.
const DEEPEST: usize = 4;
const MOST_FILES: usize = 100_000;

pub(crate) fn doctor(args: &DoctorArgs) -> Done {
    let bundle = bundled()?;
    let threads = rayon::current_num_threads();
    let found = args.data.as_deref().map(files_below).transpose()?;
    output(|out| {
        writeln!(out, "mpong {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "threads: {threads}")?;
        let rooms = &bundle.rooms;
        for (name, sha256) in [
            ("encoder playnet", &bundle.encoder.sha256),
            ("ctrnn", &bundle.ctrnn.sha256),
            ("lstm", &bundle.lstm.sha256),
            ("encoder roomnet", &rooms.encoder.sha256),
            ("room-gru", &rooms.gru[0].sha256),
        ] {
            writeln!(out, "{name}: {sha256}")?;
        }
        writeln!(out, "all bundled weights load")?;
        let Some(found) = &found else {
            return Ok(());
        };
        for (name, command) in KNOWN {
            match found
                .iter()
                .find(|path| path.file_name() == Some(name.as_ref()))
            {
                Some(path) => {
                    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
                    let path = path.display();
                    writeln!(out, "there    {name} ({}): {command} {path}", shown(bytes))?;
                }
                None => writeln!(out, "missing  {name}")?,
            }
        }
        Ok(())
    })
}

/// Files of a folder and of those below it.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((at, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&at) {
            Ok(entries) => entries,
            // A folder below that may not be read holds nothing for us.
            Err(_) if depth > 0 => continue,
            Err(e) => return Err(Failure::Usage(format!("--data {}: {e}", at.display()))),
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => {
                    folders.push((entry.path(), depth + 1));
                }
                Ok(kind) if !kind.is_dir() && files.len() < MOST_FILES => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

pub(crate) fn cite() -> Done {
    output(|out| write!(out, "{CITATION}"))
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mpong", &mut script);
    output(|out| out.write_all(&script))
}

pub(crate) fn man(names: &[String]) -> Done {
    let mut command = Cli::command();
    command.build();
    let mut title = vec!["mpong".to_owned()];
    for name in names {
        let Some(found) = command.find_subcommand(name).cloned() else {
            let known: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            return Err(Failure::Usage(format!(
                "man: {} has no command {name}; expected {}",
                title.join(" "),
                if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                }
            )));
        };
        title.push(name.clone());
        command = found;
    }
    let man = clap_mangen::Man::new(command).title(title.join("-"));
    output(|out| man.render(&mut { out }))
}
