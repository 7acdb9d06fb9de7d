//! Files of latents: what is understood of one.

use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::latents::{LatentsCheck, LatentsFile};

use super::{output, output_json};
use crate::Done;
use crate::args::LatentsCheckArgs;

pub(crate) fn check(args: &LatentsCheckArgs) -> Done {
    let said = match (&args.conditions, args.ids.is_empty()) {
        (None, true) => None,
        (spec, _) => Some(ConditionSet::chosen(spec.as_deref(), &args.ids)?),
    };
    let mut file = LatentsFile::open(&args.file, args.ids_file.as_deref(), said.as_ref())?;
    let set = file.set(said.as_ref())?;
    let check = file.check(&set)?;
    if args.json {
        return output_json(&check);
    }
    output(|out| show(out, args, &check))
}

fn show(
    out: &mut dyn std::io::Write,
    args: &LatentsCheckArgs,
    check: &LatentsCheck,
) -> std::io::Result<()> {
    let sha256 = check.set.sha256.get(..12).unwrap_or_default();
    let [held, of] = check.conditions;
    writeln!(out, "{}: {}", args.file.display(), check.format)?;
    match &check.states {
        Some(set) => writeln!(out, "set         states {set}")?,
        None => writeln!(
            out,
            "set         states none; held against {} ({sha256})",
            check.set.name
        )?,
    }
    writeln!(out, "conditions  {held} of the {of} of {}", check.set.name)?;
    let [fewest, most] = check.steps;
    writeln!(
        out,
        "steps       {fewest} to {most}, {:.2} ms apart",
        check.step_ms
    )?;
    let [from, to] = check.times_ms;
    writeln!(
        out,
        "clock       ms from motion onset, {from:.1} to {to:.1}"
    )?;
    for layer in &check.layers {
        writeln!(
            out,
            "layer       {}: {} units ({} dead), {:.4} to {:.4}; visible ball read best at a lag of {} ms (r2 {:.3})",
            layer.name,
            layer.units,
            layer.dead_units,
            layer.range[0],
            layer.range[1],
            layer.best_lag_ms,
            layer.r2[0]
        )?;
    }
    for warning in &check.warnings {
        writeln!(out, "warning     {warning}")?;
    }
    Ok(())
}
