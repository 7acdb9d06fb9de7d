use mental_pong_eval::recordings::convert;
use mental_pong_eval::recordings::dmfc::Recording;
use mental_pong_eval::recordings::info::Info;

use super::{output, output_json};
use crate::Done;
use crate::args::{RecordingsConvertArgs, RecordingsInfoArgs};

pub(crate) fn info(args: &RecordingsInfoArgs) -> Done {
    let info = Info::of(&Recording::open(&args.file)?)?;
    if args.json {
        output_json(&info)
    } else {
        output(|out| writeln!(out, "{info}"))
    }
}

pub(crate) fn convert(args: &RecordingsConvertArgs) -> Done {
    let recording = Recording::open(&args.file)?;
    convert::write(&recording, &args.out)?;
    output(|out| writeln!(out, "{}", args.out.join("manifest.json").display()))
}
