use mental_pong_base::table::{MAX_BYTES, read_text};
use mental_pong_predictor::latents::Cache;
use mental_pong_study::card::Card;
use mental_pong_study::verify::{self, Verified};
use mental_pong_study::{Asked, Request, StudyConfig};
use serde_json::json;

use super::eval::files;
use super::study::{Outputs, study};
use super::{output, output_json};
use crate::Done;
use crate::args::{RunArgs, VerifyArgs};
use crate::failure::Failure;
use crate::progress::Progress;

/// Sets on which the models are held against their nulls as well, where nobody asks for other conditions.
const ALSO: [&str; 1] = ["fresh400"];

pub(crate) fn run(args: &RunArgs, progress: &Progress) -> Done {
    let request = Request {
        asked: Asked {
            conditions: args.study.conditions.clone(),
            ids: args.study.ids.clone(),
            ..Asked::default()
        },
        ..Request::default()
    };
    let mut config = StudyConfig::default();
    if request.asked == Asked::default() {
        config.also = ALSO.map(String::from).to_vec();
    }
    let folder = args.out.join(&args.name);
    let outputs = Outputs {
        cache: folder.join("cache"),
        folder,
    };
    study(&request, &config, &args.study, &outputs, progress)
}

pub(crate) fn verify(args: &VerifyArgs, progress: &Progress) -> Done {
    let place = args.card.display();
    let text = read_text(&args.card, MAX_BYTES)?;
    let card = Card::from_json(&text).map_err(|e| Failure::Usage(format!("{place}: {e}")))?;
    // Everything is computed again: a cache would only repeat what is to be verified.
    let found = verify::verify(&card, &files(&args.files), &Cache::none(), progress)?;
    progress.finish();
    let Verified {
        differences,
        same_processor,
    } = found;
    if args.json {
        let listed: Vec<_> = differences
            .iter()
            .map(|d| json!({"place": d.place, "card": d.first, "recomputed": d.second}))
            .collect();
        output_json(&listed)?;
    }
    if differences.is_empty() {
        if args.json {
            return Ok(());
        }
        let how = if same_processor {
            "every number recomputed equal, to the last digit".to_owned()
        } else {
            format!(
                "every number recomputed equal, to {:e} (the card is from another processor)",
                verify::TOLERANCE
            )
        };
        return output(|out| writeln!(out, "{place}: {how}"));
    }
    let shown: Vec<String> = differences
        .iter()
        .take(10)
        .map(|d| format!("{}: card {}, recomputed {}", d.place, d.first, d.second))
        .collect();
    Err(Failure::Check(format!(
        "{place}: {} differences:\n{}",
        differences.len(),
        shown.join("\n")
    )))
}
