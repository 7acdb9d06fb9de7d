//! A few trials in every format that needs no other program:
//! `cargo run --release -p mental-pong-game --example write_sets -- FOLDER`.

use std::path::PathBuf;

use mental_pong_base::Quiet;
use mental_pong_game::Result;
use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Format, Job, Setting, StimulusSet, write_set};
use mental_pong_game::task::{Law, primate79};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "out/sets".into()));
    for format in Format::ALL {
        if format == Format::Mp4 {
            continue;
        }
        for (law, preset) in [
            (Law::Design, Preset::Rnn100),
            (Law::Display, Preset::Model224),
        ] {
            let setting = Setting {
                format,
                ..Setting::new(law, preset)
            };
            let set = StimulusSet::of_trials(&primate79()[..3], setting)?;
            let job = Job {
                command: "example write_sets",
                ..Job::default()
            };
            let out = folder.join(format!("{format}-{preset}"));
            write_set(out, &set, &job, &Quiet)?;
        }
    }
    Ok(())
}
