use std::path::{Path, PathBuf};

use mental_pong_base::IoError;
use mental_pong_game::Error;
use mental_pong_game::frames::{Look, Preset};
use mental_pong_game::stimuli::{
    Drawer, Format, Job, Manifest, Setting, Shard, StimulusSet, Written, diff, ffmpeg_version,
    import, merge, missing_shards, needed_bytes, plan_shards, verify, write_set,
};
use mental_pong_game::task::set::TableRules;
use mental_pong_game::task::{ConditionSet, Draw, Law, Rule, SetLaw, draw};
use serde_json::json;

use super::{output, output_json};
use crate::Done;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::stimuli_args::{
    DiffArgs, FolderArgs, ImportArgs, MergeArgs, MissingArgs, PlanArgs, RenderArgs, ShardsArgs,
    ShardsWhat, StimuliArgs, StimuliWhat, Switch,
};

pub(crate) fn stimuli(args: &StimuliArgs, progress: &Progress) -> Done {
    match &args.what {
        None => render(&args.render, progress),
        Some(StimuliWhat::Info(args)) => info(args),
        Some(StimuliWhat::Verify(args)) => check(args, progress),
        Some(StimuliWhat::Diff(args)) => compare(args),
        Some(StimuliWhat::Merge(args)) => put_together(args, progress),
        Some(StimuliWhat::Import(args)) => take_in(args, progress),
    }
}

fn take_in(args: &ImportArgs, progress: &Progress) -> Done {
    let mut set = ConditionSet::chosen(Some(&args.conditions), &args.ids)?;
    if let Some(law) = args.law {
        set = set.with_law(law)?;
    }
    if let Some(rate) = args.rate {
        set = set.with_rate(rate)?;
    }
    let named = args.frames.file_name().unwrap_or(args.frames.as_os_str());
    let command = format!("mpong stimuli import {}", named.to_string_lossy());
    let ffmpeg = args.ffmpeg.clone().or_else(on_path);
    let job = Job {
        command: &command,
        ffmpeg: ffmpeg.as_deref(),
        ..Job::default()
    };
    let written = import(&args.out, &args.frames, &set, &job, progress)?;
    let manifest = &written.manifest;
    if args.json {
        return output_json(manifest);
    }
    output(|out| {
        writeln!(
            out,
            "{}: {} conditions of {}, {} frames at {} Hz",
            args.out.display(),
            manifest.n_conditions,
            manifest.set,
            manifest.n_frames,
            manifest.rate_hz
        )
    })
}

/// The ffmpeg on the path, where there is one.
fn on_path() -> Option<PathBuf> {
    let name = PathBuf::from("ffmpeg");
    ffmpeg_version(&name).is_ok().then_some(name)
}

pub(crate) fn shards(args: &ShardsArgs, progress: &Progress) -> Done {
    match &args.what {
        ShardsWhat::Plan(args) => plan(args),
        ShardsWhat::Missing(args) => missing(args),
        ShardsWhat::Merge(args) => put_together(args, progress),
    }
}

fn render(args: &RenderArgs, progress: &Progress) -> Done {
    let (set, command) = asked(args)?;
    let out = folder(args)?;
    let ffmpeg = ffmpeg(args);
    let shard = shard(args)?;
    let job = Job {
        command: &command,
        shard,
        ffmpeg: ffmpeg.as_deref(),
        free_bytes: free_bytes(out),
    };
    let written = write(out, &set, &job, progress)?;
    let manifest = &written.manifest;
    if args.json {
        return output_json(manifest);
    }
    let part = shard.map_or_else(String::new, |shard| format!("shard {shard}, "));
    let counts = match shard {
        None => format!("{} conditions, ", manifest.n_conditions),
        Some(_) => String::new(),
    };
    output(|out_file| {
        writeln!(
            out_file,
            "{}: {part}{counts}{} files ({} written, {} already there), law {}, preset {}",
            out.display(),
            manifest.files.len() + usize::from(shard.is_some()),
            written.n_written,
            written.n_kept,
            manifest.setting.law,
            manifest.setting.preset,
        )?;
        match &manifest.painted {
            Some(painted) => writeln!(
                out_file,
                "drawn by bevy on {}\nto the rasteriser: {}",
                painted.adapter, painted.difference
            ),
            None => Ok(()),
        }
    })
}

/// Writes the set with what it says it is drawn by.
fn write(
    out: &Path,
    set: &StimulusSet,
    job: &Job<'_>,
    progress: &Progress,
) -> Result<Written, Failure> {
    match set.setting().drawn_by {
        Drawer::Rasteriser => Ok(write_set(out, set, job, progress)?),
        Drawer::Bevy => paint(out, set, job, progress),
    }
}

#[cfg(not(feature = "play"))]
fn paint(_: &Path, _: &StimulusSet, _: &Job<'_>, _: &Progress) -> Result<Written, Failure> {
    Err(Failure::Usage(
        "this mpong was built without bevy. Build it with it (about a quarter of an hour): \
         cargo run --release --features play -- stimuli --renderer bevy … The rasteriser, \
         which is the default, needs none"
            .into(),
    ))
}

#[cfg(feature = "play")]
fn paint(
    out: &Path,
    set: &StimulusSet,
    job: &Job<'_>,
    progress: &Progress,
) -> Result<Written, Failure> {
    use mental_pong_game::stimuli::write_set_with;
    use mental_pong_play::window::offscreen::ScenePainter;

    let setting = set.setting();
    match setting.look.style(setting.preset) {
        Some(style) => {
            let mut painter = ScenePainter::new(style)?;
            Ok(write_set_with(out, set, job, &mut painter, progress)?)
        }
        // A preset without a style is refused there.
        None => Ok(write_set(out, set, job, progress)?),
    }
}

/// The set that the flags name, and the command as it would be typed again, without folder and shard:
/// the same set anywhere has the same manifest.
fn asked(args: &RenderArgs) -> Result<(StimulusSet, String), Failure> {
    let mut words = vec!["mpong stimuli".to_owned()];
    let set = conditions(args, &mut words)?;
    let law = match (args.law, args.preset) {
        (Some(law), _) => law.into(),
        (None, _) if !set.is_published() && args.draw.is_none() => set.law(),
        (None, Preset::Rnn100) => SetLaw::Design,
        (None, Preset::Model224 | Preset::Display) => SetLaw::Display,
    };
    let mut say = |flag: &str, value: String| words.push(format!("--{flag} {value}"));
    if law != SetLaw::Recorded {
        say("law", law.to_string());
    }
    say("preset", args.preset.to_string());
    say("occlusion", args.occlusion.name().to_owned());
    for (flag, value) in [
        ("opacity", args.opacity.map(|v| v.to_string())),
        ("rate", args.rate.map(|v| v.to_string())),
        ("size", args.size.map(|v| v.to_string())),
        ("background", args.background.map(|v| v.to_string())),
        ("ball-color", args.ball_color.map(|v| v.to_string())),
        ("occluder-color", args.occluder_color.map(|v| v.to_string())),
        ("paddle", args.paddle.map(on_or_off)),
        ("fixation", args.fixation.map(on_or_off)),
    ] {
        if let Some(value) = value {
            say(flag, value);
        }
    }
    say("format", args.format.to_string());
    if !args.renderer.is_rasteriser() {
        say("renderer", args.renderer.to_string());
    }
    if args.no_ball {
        words.push("--no-ball".to_owned());
    }
    let setting = Setting {
        law,
        preset: args.preset,
        occlusion: args.occlusion,
        format: args.format,
        frame_rate_hz: args.rate,
        look: Look {
            size_px: args.size,
            background: args.background.map(|c| c.0),
            ball: args.ball_color.map(|c| c.0),
            occluder: args.occluder_color.map(|c| c.0),
            opacity: args.opacity,
            paddle: args.paddle.map(|s| s == Switch::On),
            fixation: args.fixation.map(|s| s == Switch::On),
            no_ball: args.no_ball,
        },
        drawn_by: args.renderer,
    };
    Ok((StimulusSet::new(&set, setting)?, words.join(" ")))
}

/// The conditions that the flags name, and the words that name them.
fn conditions(args: &RenderArgs, words: &mut Vec<String>) -> Result<ConditionSet, Failure> {
    let mut say = |flag: &str, value: String| words.push(format!("--{flag} {value}"));
    if let Some(n) = args.draw {
        let rule = args.rule.unwrap_or(Rule::Published);
        say("draw", n.to_string());
        say("seed", args.seed.to_string());
        for (flag, range) in [
            ("x0", args.x0),
            ("y0", args.y0),
            ("heading", args.heading),
            ("speed", args.speed),
        ] {
            say(flag, range.to_string());
        }
        say("rule", rule.to_string());
        let trials = draw(&Draw {
            n,
            seed: args.seed,
            x0_deg: (args.x0.0, args.x0.1),
            y0_deg: (args.y0.0, args.y0.1),
            heading_deg: (args.heading.0, args.heading.1),
            speed_deg_per_s: (args.speed.0, args.speed.1),
            rule,
        })?;
        let name = format!("draw{n}-seed{}", args.seed);
        return Ok(ConditionSet::of_trials(&name, &trials, Law::Display)?);
    }
    let table = args
        .conditions
        .as_deref()
        .map(Path::new)
        .filter(|path| path.is_file());
    if args.rule.is_some() && table.is_none() {
        let text = "--rule goes with --draw or a table of your own (--conditions FILE)";
        return Err(Failure::Usage(text.into()));
    }
    if let Some(spec) = &args.conditions {
        // Of a path its last part: the same set anywhere has the same manifest.
        let path = Path::new(spec);
        let named = path.exists().then(|| path.file_name()).flatten();
        let name = named.map_or_else(|| spec.clone(), |name| name.to_string_lossy().into_owned());
        say("conditions", name);
    } else if args.ids.is_empty() {
        say("conditions", "primate79".into());
    }
    if !args.ids.is_empty() {
        say("ids", args.ids.join(","));
    }
    let Some(path) = table else {
        return Ok(ConditionSet::chosen(args.conditions.as_deref(), &args.ids)?);
    };
    let rule = args.rule.unwrap_or(Rule::Possible);
    say("rule", rule.to_string());
    let rules = TableRules {
        rule,
        law: args.law,
    };
    let set = ConditionSet::read_csv(path, rules)?;
    Ok(match args.ids.is_empty() {
        true => set,
        false => set.narrowed(&args.ids)?,
    })
}

fn on_or_off(switch: Switch) -> String {
    match switch {
        Switch::On => "on",
        Switch::Off => "off",
    }
    .to_owned()
}

fn folder(args: &RenderArgs) -> Result<&Path, Failure> {
    args.out
        .as_deref()
        .ok_or_else(|| Failure::Usage("--out FOLDER is missing".into()))
}

/// The shard that `--shard` or the Slurm job array names.
fn shard(args: &RenderArgs) -> Result<Option<Shard>, Failure> {
    match args.shard.as_deref() {
        Some("none") => Ok(None),
        Some(text) => Ok(Some(text.parse()?)),
        None => slurm_shard(|name| std::env::var(name).ok()),
    }
}

/// An array from 0 or 1 without gaps is its own plan. Of any other, one that was submitted again for
/// what was missing, the number of shards cannot be told.
fn slurm_shard(var: impl Fn(&str) -> Option<String>) -> Result<Option<Shard>, Failure> {
    let Some(id) = var("SLURM_ARRAY_TASK_ID") else {
        return Ok(None);
    };
    let number = |name: &str, text: Option<String>| {
        text.as_deref()
            .and_then(|text| text.parse::<u32>().ok())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "{name}: expected a whole number, found {}; name the part with --shard I/N",
                    text.unwrap_or_else(|| "nothing".into())
                ))
            })
    };
    let get = |name: &str| number(name, var(name));
    let id = number("SLURM_ARRAY_TASK_ID", Some(id))?;
    let of = get("SLURM_ARRAY_TASK_COUNT")?;
    let first = get("SLURM_ARRAY_TASK_MIN")?;
    let last = get("SLURM_ARRAY_TASK_MAX")?;
    if first > 1 || last < first || last - first + 1 != of || !(first..=last).contains(&id) {
        return Err(Failure::Usage(format!(
            "this Slurm array has {of} tasks from {first} to {last}: not all of a set's shards, so \
             name the part with --shard \"$SLURM_ARRAY_TASK_ID/N\""
        )));
    }
    Ok(Some(Shard {
        index: id - first,
        of,
    }))
}

/// The named ffmpeg, or the one on the path, where a video is asked for.
fn ffmpeg(args: &RenderArgs) -> Option<PathBuf> {
    if args.format != Format::Mp4 {
        return None;
    }
    args.ffmpeg.clone().or_else(on_path)
}

/// Bytes that are free where a folder is or will be; nothing where the system does not tell.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = std::path::absolute(folder).ok()?;
    let there = there.ancestors().find(|path| path.exists())?;
    fs4::available_space(there).ok()
}

fn info(args: &FolderArgs) -> Done {
    let missing = missing_shards(&args.folder);
    let manifest = match Manifest::read(&args.folder) {
        Ok(manifest) => manifest,
        // Not merged yet: the plan says what it will be.
        Err(Error::Io { .. }) if missing.is_ok() => {
            let plan = mental_pong_game::stimuli::Plan::read(&args.folder)?;
            let missing = missing?.len();
            if args.json {
                return output_json(&plan);
            }
            return output(|out| {
                writeln!(
                    out,
                    "{}: {} of {} shards done, {} conditions, {} frames\nmade by    {}",
                    args.folder.display(),
                    plan.n_shards as usize - missing,
                    plan.n_shards,
                    plan.n_conditions,
                    plan.n_frames,
                    plan.command,
                )
            });
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        return output_json(&manifest);
    }
    let shape: Vec<String> = manifest.frame_shape.iter().map(usize::to_string).collect();
    output(|out| {
        writeln!(out, "conditions {}", manifest.n_conditions)?;
        writeln!(out, "frames     {}", manifest.n_frames)?;
        if let Some(pool) = manifest.pool {
            writeln!(out, "pictures   {} distinct", pool.n_pictures)?;
        }
        writeln!(
            out,
            "a frame    {} u8, {} Hz",
            shape.join(" x "),
            manifest.rate_hz
        )?;
        writeln!(
            out,
            "files      {}, {:.1} MB",
            manifest.files.len(),
            manifest.bytes() as f64 / 1e6
        )?;
        writeln!(out, "set        {}", manifest.set)?;
        writeln!(out, "stimuli    {}", manifest.stimuli_sha256)?;
        writeln!(out, "drawn by   {}", manifest.generator)?;
        if let Some(painted) = &manifest.painted {
            writeln!(out, "           bevy on {}", painted.adapter)?;
            writeln!(out, "to raster. {}", painted.difference)?;
        }
        for (name, version) in &manifest.tools {
            writeln!(out, "with       {name}: {version}")?;
        }
        writeln!(out, "made by    {}", manifest.command)
    })
}

fn check(args: &FolderArgs, progress: &Progress) -> Done {
    let verified = verify(&args.folder, progress).map_err(|error| match error {
        Error::ManifestMismatch {
            field: "sha256" | "bytes",
            ..
        } => Failure::Check(error.to_string()),
        Error::Io(IoError { ref source, .. })
            if source.kind() == std::io::ErrorKind::NotFound
                && args.folder.join("manifest.json").exists() =>
        {
            Failure::Check(error.to_string())
        }
        error => error.into(),
    })?;
    if args.json {
        return output_json(&json!({
            "n_files": verified.n_files,
            "unlisted": verified.unlisted,
        }));
    }
    output(|out| {
        writeln!(
            out,
            "{}: {} files are as the manifest says",
            args.folder.display(),
            verified.n_files
        )?;
        for path in &verified.unlisted {
            writeln!(out, "not listed: {}", path.display())?;
        }
        Ok(())
    })
}

fn compare(args: &DiffArgs) -> Done {
    let differences = diff(&args.first, &args.second)?;
    if args.json {
        output_json(&differences)?;
    } else {
        output(|out| {
            for difference in &differences {
                writeln!(
                    out,
                    "{}: {} | {}",
                    difference.what, difference.first, difference.second
                )?;
            }
            Ok(())
        })?;
    }
    match differences.len() {
        0 => Ok(()),
        n => Err(Failure::Check(format!("the sets differ in {n} things"))),
    }
}

fn put_together(args: &MergeArgs, progress: &Progress) -> Done {
    let out = args.out.as_deref().unwrap_or(&args.folders[0]);
    let written = merge(&args.folders, out, progress)?;
    if args.json {
        return output_json(&written.manifest);
    }
    output(|to| {
        writeln!(
            to,
            "{}: {} conditions, {} files ({} written, {} already there)",
            out.join("manifest.json").display(),
            written.manifest.n_conditions,
            written.manifest.files.len(),
            written.n_written,
            written.n_kept,
        )
    })
}

fn plan(args: &PlanArgs) -> Done {
    let (set, command) = asked(&args.render)?;
    let out = folder(&args.render)?;
    let plan = plan_shards(out, &set, &command, args.n)?;
    let ffmpeg = ffmpeg(&args.render);
    let job = Job {
        command: &command,
        ffmpeg: ffmpeg.as_deref(),
        ..Job::default()
    };
    let bytes = needed_bytes(&set, &job, out)?;
    if args.render.json {
        return output_json(&json!({"plan": plan, "needed_bytes": bytes}));
    }
    let last = args.n - 1;
    output(|to| {
        writeln!(
            to,
            "{} shards, {} conditions, {} frames, {} pieces, about {:.1} MB in all",
            args.n,
            plan.n_conditions,
            plan.n_frames,
            plan.n_pieces,
            bytes as f64 / 1e6
        )?;
        writeln!(
            to,
            "sbatch --array=0-{last} --wrap '{command} --shard \"$SLURM_ARRAY_TASK_ID/{}\" --out {}'",
            args.n,
            out.display()
        )?;
        writeln!(
            to,
            "mpong shards missing {0} --slurm\nmpong shards merge {0}",
            out.display()
        )
    })
}

fn missing(args: &MissingArgs) -> Done {
    let missing = missing_shards(&args.folder)?;
    if args.json {
        return output_json(&missing);
    }
    output(|out| {
        if args.slurm {
            let text = ranges(missing.iter().map(|shard| shard.index));
            if !text.is_empty() {
                writeln!(out, "{text}")?;
            }
            return Ok(());
        }
        for shard in &missing {
            writeln!(out, "{shard}")?;
        }
        Ok(())
    })
}

/// Rising numbers as Slurm writes them: `0-3,7,9-10`.
fn ranges(numbers: impl Iterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words: Vec<String> = runs
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_written_as_slurm_reads_it() {
        assert_eq!(ranges([0, 1, 2, 3, 7, 9, 10].into_iter()), "0-3,7,9-10");
        assert_eq!(ranges([].into_iter()), "");
    }

    #[test]
    fn a_whole_array_is_its_own_plan_and_a_part_of_one_is_refused() {
        let of = |id: &str, count: &str, min: &str, max: &str| {
            let [id, count, min, max] = [id, count, min, max].map(str::to_owned);
            slurm_shard(move |name| {
                Some(match name {
                    "SLURM_ARRAY_TASK_ID" => id.clone(),
                    "SLURM_ARRAY_TASK_COUNT" => count.clone(),
                    "SLURM_ARRAY_TASK_MIN" => min.clone(),
                    _ => max.clone(),
                })
            })
        };
        assert_eq!(
            of("3", "16", "0", "15").unwrap(),
            Some(Shard { index: 3, of: 16 })
        );
        assert_eq!(
            of("16", "16", "1", "16").unwrap(),
            Some(Shard { index: 15, of: 16 })
        );
        for (id, count, min, max) in [
            ("3", "2", "3", "7"),
            ("3", "2", "3", "4"),
            ("0", "2", "0", "7"),
            ("x", "2", "0", "1"),
        ] {
            assert!(of(id, count, min, max).is_err(), "{id} {count} {min} {max}");
        }
        assert_eq!(slurm_shard(|_| None).unwrap(), None);
    }
}
