use clap::CommandFactory;
use mental_pong_predictor::encoders::Encoder;
use mental_pong_predictor::weights::bundled;

use super::output;
use crate::Done;
use crate::args::Cli;

const CITATION: &str = include_str!("../../../CITATION.cff");

pub(crate) fn doctor() -> Done {
    let bundle = bundled()?;
    let threads = rayon::current_num_threads();
    output(|out| {
        writeln!(out, "mpong {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "threads: {threads}")?;
        let identity = bundle.encoder.model.identity();
        writeln!(out, "encoder {}: {}", identity.name, bundle.encoder.sha256)?;
        writeln!(out, "ctrnn: {}", bundle.ctrnn.sha256)?;
        writeln!(out, "lstm: {}", bundle.lstm.sha256)?;
        writeln!(out, "all bundled weights load")
    })
}

pub(crate) fn cite() -> Done {
    output(|out| write!(out, "{CITATION}"))
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mpong", &mut script);
    output(|out| out.write_all(&script))
}

pub(crate) fn man() -> Done {
    output(|out| clap_mangen::Man::new(Cli::command()).render(&mut { out }))
}
