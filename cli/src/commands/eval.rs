use std::path::PathBuf;

use mental_pong_study::{Asked, Request, StudyConfig};

use super::recordings::reading;
use super::study::{Outputs, study};
use crate::Done;
use crate::args::{EvalArgs, FileArgs};
use crate::progress::Progress;

pub(crate) fn eval(args: &EvalArgs, progress: &Progress) -> Done {
    let mut request = files(&args.files);
    request.asked = Asked {
        conditions: args.study.conditions.clone(),
        ids: args.study.ids.clone(),
        models: args.models.clone(),
        no_models: args.no_models,
        columns: args.columns.clone(),
        allow_missing: args.allow_missing,
        reading: reading(&args.reading)?,
    };
    let outputs = Outputs {
        folder: args.out.clone(),
        cache: args.out.join("cache"),
    };
    study(
        &request,
        &StudyConfig::default(),
        &args.study,
        &outputs,
        progress,
    )
}

/// The files of a request, by path.
pub(crate) fn files(args: &FileArgs) -> Request {
    Request {
        recording: args.recording.clone(),
        other_recording: args.other_recording.clone(),
        latents: args.latents.iter().map(|given| named(given)).collect(),
        behavior: args.behavior.iter().map(|given| named(given)).collect(),
        attributes: args.attributes.clone(),
        contact: args.contact.clone(),
        ..Request::default()
    }
}

/// `NAME=FILE`, or a file by its own name, which may have a `=`.
fn named(given: &str) -> (String, PathBuf) {
    let split = given.split_once('=');
    match split.filter(|_| !std::path::Path::new(given).exists()) {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(given);
            let name = path
                .file_stem()
                .map_or_else(|| given.to_owned(), |n| n.to_string_lossy().into_owned());
            (name, path)
        }
    }
}
