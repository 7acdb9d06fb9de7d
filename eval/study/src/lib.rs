//! Studies of predictors on Mental-Pong: how well can the hidden ball be read out, does it take a simulation, and how does
//! that compare with brains and behaviour?
//!
//! [`evaluate`] takes what was read ([`Inputs`]) and how it is done ([`StudyConfig`]), and gives a [`Study`]: a card, tables,
//! figures and a page, as texts. It writes nothing, and the same inputs give the same bytes with any number of threads.
//! [`verify`](verify::verify) computes a card again and says what differs.
//!
//! In order: [`inputs`] reads and hashes what is given; [`analysis`] says what an analysis is and lists all; [`card`] is what
//! is kept; [`words`] says identifiers in words; [`report`] draws; [`export`] writes what is needed to compute it again
//! elsewhere.
//!
//! ```no_run
//! use mental_pong_base::Quiet;
//! use mental_pong_predictor::latents::Cache;
//! use mental_pong_study::{Inputs, StudyConfig, evaluate};
//!
//! # fn main() -> mental_pong_study::error::Result<()> {
//! let study = evaluate(&Inputs::bundled(), &StudyConfig::default(), &Cache::none(), &Quiet)?;
//! let r = study.card.score("decode", "ctrnn", "r", "hidden", "y");
//! println!("{:?}", r.map(|score| score.value));
//! # Ok(())
//! # }
//! ```

mod analyses;
pub mod analysis;
pub mod card;
pub mod config;
pub mod error;
pub mod export;
pub mod inputs;
mod latents;
pub mod published;
pub mod report;
mod scene;
mod validity;
pub mod verify;
pub mod words;

pub use analyses::{Attributes, Contact, ContactClip, ContactSet};
pub use card::{Card, Score};
pub use config::StudyConfig;
pub use inputs::{Asked, Held, Inputs, Model, Reading, Request};
pub use latents::{Layer, read_layers};
pub use report::side::SideBySide;
pub use scene::{BUNDLED, Row, Scene, Stage};

use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_base::files::sha256_hex;
use mental_pong_predictor::latents::Cache;

use crate::analysis::{Analysis, Figure, Out};
use crate::card::{NamedText, SCHEMA_VERSION, Section, Seed};
use crate::error::{Error, Result};
use crate::scene::{Common, Fitted, Ground};

/// A finished study, as texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The card.
    pub card: Card,
    /// All files: name within the folder and text, `card.json` last.
    pub files: Vec<(String, String)>,
}

impl Study {
    /// The text of one file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, text)| text.as_str())
    }
}

/// What is done: the analyses asked for, or all that the inputs allow, each after those whose scores it reads.
struct Plan {
    todo: Vec<&'static dyn Analysis>,
    skipped: Vec<NamedText>,
}

/// Checks a request against the inputs, before any work.
fn plan(inputs: &Inputs, config: &StudyConfig, all: &[&'static dyn Analysis]) -> Result<Plan> {
    config.check_among(all)?;
    let find = |id: &str| all.iter().copied().find(|a| a.id() == id);
    let mut plan = Plan {
        todo: Vec::new(),
        skipped: Vec::new(),
    };
    let mut wanted: Vec<&str> = config.analyses.iter().map(String::as_str).collect();
    for name in &config.analyses {
        let read = find(name).map_or(&[][..], |a| a.reads());
        if config.analyses.iter().any(|a| read.contains(&a.as_str())) {
            continue;
        }
        // Nothing that it reads was named: all of it is done, as far as the inputs allow.
        wanted.extend(read.iter().filter(|other| {
            find(other).is_some_and(|a| scene::lacks(inputs, a.needs()).is_none())
        }));
    }
    for &analysis in all {
        if !wanted.is_empty() && !wanted.contains(&analysis.id()) {
            continue;
        }
        match scene::lacks(inputs, analysis.needs()) {
            None => plan.todo.push(analysis),
            Some(why) if config.analyses.iter().any(|a| a == analysis.id()) => {
                return Err(Error::invalid(format!("analysis {}", analysis.id()), why));
            }
            Some(why) => plan.skipped.push(NamedText::new(analysis.id(), why)),
        }
    }
    Ok(plan)
}

/// Runs the analyses that the inputs allow.
///
/// # Errors
/// Of a configuration or an analysis that the inputs do not allow, before any work; [`Error::Interrupted`] when `monitor`
/// stops it; errors of the analyses.
pub fn evaluate(
    inputs: &Inputs,
    config: &StudyConfig,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Study> {
    evaluate_to(inputs, config, cache, monitor, None)
}

/// As [`evaluate`], with analyses of one's own after those of [`analysis::ALL`]: they stand in card, tables and page like
/// them, and `analyses` of the configuration may name them. `verify` of such a card knows them only through this function.
///
/// # Errors
/// As [`evaluate`], and of an identifier that is taken.
pub fn evaluate_with(
    inputs: &Inputs,
    config: &StudyConfig,
    cache: &Cache,
    monitor: &dyn Monitor,
    own: &[&'static dyn Analysis],
) -> Result<Study> {
    let all: Vec<&'static dyn Analysis> = analysis::ALL.iter().chain(own).copied().collect();
    for (at, one) in all.iter().enumerate() {
        if all[..at].iter().any(|other| other.id() == one.id()) {
            let why = "the identifier of another analysis".to_owned();
            return Err(Error::invalid(format!("analysis {}", one.id()), why));
        }
    }
    study(inputs, config, cache, monitor, None, &all)
}

/// As [`evaluate`]; what is needed to compute the rows again elsewhere is written into the folder `export`, see [`export`].
///
/// # Errors
/// As [`evaluate`], and of a folder that cannot be written.
pub fn evaluate_to(
    inputs: &Inputs,
    config: &StudyConfig,
    cache: &Cache,
    monitor: &dyn Monitor,
    folder: Option<&Path>,
) -> Result<Study> {
    study(inputs, config, cache, monitor, folder, &analysis::ALL)
}

fn study(
    inputs: &Inputs,
    config: &StudyConfig,
    cache: &Cache,
    monitor: &dyn Monitor,
    folder: Option<&Path>,
    all: &[&'static dyn Analysis],
) -> Result<Study> {
    let plan = plan(inputs, config, all)?;
    let ground = Ground::new(inputs)?;
    let common = Common::new(inputs, config, cache, monitor);
    let fitted = match &inputs.recording {
        Some(recording) => {
            monitor.stage("factors", 1);
            let fitted = Fitted::new(recording, &plan.todo, config)?;
            monitor.advance(1);
            Some(fitted)
        }
        None => None,
    };
    let scene = Scene::new(&common, ground, fitted.as_ref())?;
    let (mut found, sections, skipped) = run(&scene, plan)?;
    validity::check(&scene, &mut found.checks)?;
    if let Some(folder) = folder {
        export::export(&scene, folder)?;
    }
    finish(&scene, config, found, sections, skipped)
}

type Ran = (Out, Vec<Section>, Vec<NamedText>);

/// Every analysis in turn; what they leave is gathered in one place.
fn run(scene: &Scene, plan: Plan) -> Result<Ran> {
    let mut all = Out::default();
    let mut skipped = plan.skipped;
    let mut sections = Vec::new();
    for analysis in plan.todo {
        scene.stop_if_asked()?;
        scene.monitor.stage(analysis.id(), 1);
        let mut out = Out {
            before: sections,
            ..Out::default()
        };
        analysis.run(scene, &mut out)?;
        sections = std::mem::take(&mut out.before);
        match out.skipped.take() {
            Some(why) => skipped.push(NamedText::new(analysis.id(), why)),
            None => sections.push(out.section(analysis)),
        }
        all.tables.append(&mut out.tables);
        all.figures.append(&mut out.figures);
        all.checks.append(&mut out.checks);
        all.findings.append(&mut out.findings);
        all.answer.append(&mut out.answer);
        scene.monitor.advance(1);
    }
    Ok((all, sections, skipped))
}

fn finish(
    scene: &Scene,
    config: &StudyConfig,
    found: Out,
    sections: Vec<Section>,
    skipped: Vec<NamedText>,
) -> Result<Study> {
    let mut files = Vec::new();
    for table in &found.tables {
        files.push((format!("tables/{}.csv", table.name), table.csv()?));
    }
    let tables = analysis::hashes(&files);
    let pictures: Vec<(String, String)> = found
        .figures
        .iter()
        .map(|f| (format!("figures/{}.svg", f.name), f.svg.clone()))
        .collect();
    let card = Card {
        schema_version: SCHEMA_VERSION,
        program: format!("mpong {}", env!("CARGO_PKG_VERSION")),
        processor: card::processor(),
        data_statement: scene.data_statement(),
        answer: found.answer,
        config: serde_json::to_value(config)?,
        asked: scene.inputs.asked.clone(),
        sets: scene.stages().map(scene::Stage::card).collect(),
        inputs: scene.inputs.given.clone(),
        seeds: vec![
            Seed {
                purpose: "splits by condition (numpy RandomState)".into(),
                value: u64::from(config.split_seed),
            },
            Seed {
                purpose: "controls, bootstraps, permutations (ChaCha8)".into(),
                value: config.seed,
            },
        ],
        rows: scene.row_cards()?,
        sections,
        skipped,
        checks: found.checks,
        findings: found.findings,
        tables,
        figures: analysis::hashes(&pictures),
    };
    let figures: Vec<Figure> = found.figures;
    let json = card.to_json()?;
    let html = report::page::page(&card, &figures, &sha256_hex(json.as_bytes()));
    files.extend(pictures);
    files.push(("card.md".into(), card::markdown(&card)));
    files.push(("report.html".into(), html));
    files.push(("card.json".into(), json));
    Ok(Study { card, files })
}
