use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Setting, write_set};
use mental_pong_game::task::Law;

use super::{chosen, output, output_json};
use crate::Done;
use crate::args::StimuliArgs;
use crate::progress::Progress;

pub(crate) fn stimuli(args: &StimuliArgs, progress: &Progress) -> Done {
    let conditions = chosen(args.set, &args.ids)?;
    let law = args.law.unwrap_or(match args.preset {
        Preset::Rnn100 => Law::Design,
        Preset::Model224 | Preset::Display => Law::Display,
    });
    let setting = Setting {
        law,
        preset: args.preset,
        occlusion: args.occlusion,
        format: args.format,
    };
    // The command as it would be typed again, without the folder: the same set anywhere has the same manifest.
    let what = if args.ids.is_empty() {
        format!("--set {}", args.set)
    } else {
        let ids: Vec<String> = args.ids.iter().map(ToString::to_string).collect();
        format!("--ids {}", ids.join(","))
    };
    let command = format!(
        "mpong stimuli {what} --law {law} --preset {} --occlusion {} --format {}",
        args.preset,
        args.occlusion.name(),
        args.format.name()
    );
    let written = write_set(&args.out, &conditions, setting, &command, progress)?;
    if args.json {
        return output_json(&written.manifest);
    }
    let files: usize = written
        .manifest
        .conditions
        .iter()
        .map(|c| c.files.len())
        .sum();
    output(|out| {
        writeln!(
            out,
            "{}: {} conditions, {files} files ({} written, {} already there), law {law}, preset {}",
            args.out.join("manifest.json").display(),
            conditions.len(),
            written.n_written,
            written.n_kept,
            args.preset
        )
    })
}
