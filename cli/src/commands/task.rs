use mental_pong_game::task::splits::write_splits_csv;
use mental_pong_game::task::table::{rows, set_rows, trajectory_rows, write_csv, write_json};
use mental_pong_game::task::{Condition, ConditionSet, group_shuffle_split};
use serde::Serialize;

use super::{output, output_json};
use crate::Done;
use crate::args::{ConditionsArgs, SplitsArgs, TableFormat, TrajectoryArgs};

fn table<R: Serialize>(rows: &[R], format: TableFormat) -> Done {
    output(|out| match format {
        TableFormat::Csv => write_csv(rows, out),
        TableFormat::Json => write_json(rows, out),
    })
}

pub(crate) fn conditions(args: &ConditionsArgs) -> Done {
    let set = ConditionSet::chosen(args.chosen.conditions.as_deref(), &args.chosen.ids)?;
    if !set.is_published() {
        return table(&set_rows(&set), args.format);
    }
    let trials: Vec<Condition> = set
        .conditions()
        .iter()
        .filter_map(|c| c.start().copied())
        .collect();
    table(&rows(&trials)?, args.format)
}

pub(crate) fn trajectory(args: &TrajectoryArgs) -> Done {
    let mut set = ConditionSet::chosen(args.conditions.as_deref(), &[&args.id])?;
    if let Some(law) = args.law {
        set = set.with_law(law)?;
    }
    table(&trajectory_rows(set.condition(&args.id)?), args.format)
}

pub(crate) fn splits(args: &SplitsArgs) -> Done {
    let n = match args.n_conditions {
        Some(n) => n,
        None => ConditionSet::open(&args.conditions)?.len(),
    };
    let splits = group_shuffle_split(n, args.n, args.train, args.seed)?;
    match args.format {
        TableFormat::Csv => output(|out| write_splits_csv(&splits, out)),
        TableFormat::Json => output_json(&splits),
    }
}
