use mental_pong_game::task::splits::write_splits_csv;
use mental_pong_game::task::table::{rows, trajectory_rows, write_csv, write_json};
use mental_pong_game::task::{group_shuffle_split, select};
use serde::Serialize;

use super::{chosen, output, output_json};
use crate::Done;
use crate::args::{ConditionsArgs, SplitsArgs, TableFormat, TrajectoryArgs};

fn table<R: Serialize>(rows: &[R], format: TableFormat) -> Done {
    output(|out| match format {
        TableFormat::Csv => write_csv(rows, out),
        TableFormat::Json => write_json(rows, out),
    })
}

pub(crate) fn conditions(args: &ConditionsArgs) -> Done {
    table(&rows(&chosen(args.set, &args.ids)?)?, args.format)
}

pub(crate) fn trajectory(args: &TrajectoryArgs) -> Done {
    let conditions = select(&[args.id])?;
    table(&trajectory_rows(&conditions[0], args.law), args.format)
}

pub(crate) fn splits(args: &SplitsArgs) -> Done {
    let splits = group_shuffle_split(args.conditions, args.n, args.train, args.seed)?;
    match args.format {
        TableFormat::Csv => output(|out| write_splits_csv(&splits, out)),
        TableFormat::Json => output_json(&splits),
    }
}
