//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Format as StimulusFormat, Occlusion};
use mental_pong_game::task::{Law, Set};

/// The Mental-Pong task, latent future predictors of it, and their evaluation.
///
/// Data goes to standard output, progress to standard error. Exit codes: 0 done, 1 a check said no,
/// 2 wrong usage or bad input, 3 internal error, 75 stopped and resumable.
///
/// RAYON_NUM_THREADS sets the number of threads; results do not depend on it.
#[derive(Debug, Parser)]
#[command(name = "mpong", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Show no progress.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evaluate the bundled predictors on the recorded conditions and write a report.
    Run(RunArgs),
    /// Repeat the run that a card describes and compare.
    Verify(VerifyArgs),
    /// Print the condition table.
    Conditions(ConditionsArgs),
    /// Print a trial's path.
    Trajectory(TrajectoryArgs),
    /// Print train/test splits by condition.
    Splits(SplitsArgs),
    /// Render a stimulus set.
    Stimuli(StimuliArgs),
    /// Play the task, or let an observer play it.
    Play(PlayArgs),
    /// Turn conditions into latents: [condition, step, latent].
    Predict(PredictArgs),
    /// Train an encoder or dynamics on playworld.
    Train(TrainArgs),
    /// Look at recordings, or convert them to an open layout.
    Recordings(RecordingsArgs),
    /// Published encoders' weights: list, convert, check.
    Weights(WeightsArgs),
    /// Check that this installation works.
    Doctor,
    /// Print how to cite the program and the work behind it.
    Cite,
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, for example `splits=20`; may be repeated and overrides the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Name of the run; results go to OUT/NAME.
    #[arg(long, default_value = "first-light")]
    pub(crate) name: String,
    /// Folder of runs.
    #[arg(long, default_value = "out")]
    pub(crate) out: PathBuf,
    /// Conditions by id, separated by commas; the 79 recorded ones without it.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
    /// Print the card as JSON instead of a summary.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The card.
    pub(crate) card: PathBuf,
    /// Print the differences as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON array of objects.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ConditionsArgs {
    /// The set: primate79 (the recorded ones), valid, train or all.
    #[arg(long, default_value = "primate79", conflicts_with = "ids")]
    pub(crate) set: Set,
    /// Conditions by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct TrajectoryArgs {
    /// Id of the condition.
    pub(crate) id: u32,
    /// Law of motion: design (24 Hz; networks, masks) or display (60 Hz; what animals saw).
    #[arg(long, default_value = "display")]
    pub(crate) law: Law,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct SplitsArgs {
    /// Number of conditions.
    #[arg(long, default_value_t = 79)]
    pub(crate) conditions: usize,
    /// Number of splits.
    #[arg(long, default_value_t = 100)]
    pub(crate) n: usize,
    /// Share of conditions to train on.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) train: f64,
    /// Seed of numpy's legacy generator.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u32,
    /// Format of the output; CSV lists training conditions, JSON both sides.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct StimuliArgs {
    /// The set: primate79, valid, train or all.
    #[arg(long, default_value = "primate79", conflicts_with = "ids")]
    pub(crate) set: Set,
    /// Conditions by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
    /// Law of motion: design or display; design for rnn100 and display for the others without it.
    #[arg(long)]
    pub(crate) law: Option<Law>,
    /// What the frames look like: rnn100 (100 x 100 grey), model224 (224 x 224 RGB), display.
    #[arg(long, default_value = "model224")]
    pub(crate) preset: Preset,
    /// occluded, faint (95 % opaque: the control trials) or visible (no occluder).
    #[arg(long, default_value = "occluded")]
    pub(crate) occlusion: Occlusion,
    /// npy (one array a condition), png (a folder a condition) or gif.
    #[arg(long, default_value = "npy")]
    pub(crate) format: StimulusFormat,
    /// Folder to write; made if it is not there.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// Label of the subject: letters and digits.
    #[arg(long, default_value = "01")]
    pub(crate) subject: String,
    /// Label of the session: letters and digits. A session that was stopped goes on.
    #[arg(long, default_value = "01")]
    pub(crate) session: String,
    /// Schedule: TOML, or CSV with a condition in each row; the 79 recorded conditions without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) schedule: Option<PathBuf>,
    /// Seed of the order; the schedule's own without it.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Law of motion: design or display; the schedule's own without it.
    #[arg(long)]
    pub(crate) law: Option<Law>,
    /// Folder of the records, in the layout of BIDS.
    #[arg(long, default_value = "records")]
    pub(crate) out: PathBuf,
    /// An observer plays: last-seen, constant-velocity, kinematic, oracle or still.
    #[arg(long, value_name = "NAME", conflicts_with = "script")]
    pub(crate) agent: Option<String>,
    /// An observer plays that ends where this CSV says (condition_id,y_deg); --agent names it.
    #[arg(long, value_name = "FILE", conflicts_with = "script")]
    pub(crate) ends: Option<PathBuf>,
    /// These inputs play: tab-separated trial, ms, input (up, down, neutral, fixate, release).
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// An observer (as --agent) plays the same trials beside the person; its paddle is feedback.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["script", "agent", "ends", "headless"])]
    pub(crate) beside: Option<String>,
    /// Records of others (beh.tsv) to name on the last screen; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Vec<PathBuf>,
    /// Without a window, on a clock that counts frames; needs --agent, --ends or --script.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Refresh rate, frames per second: of the headless clock, or where a screen tells none.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) hz: f64,
    /// Width and height of the window, pixels.
    #[arg(long, default_value_t = 1000, value_name = "PX")]
    pub(crate) window: u32,
    /// The whole screen.
    #[arg(long)]
    pub(crate) fullscreen: bool,
    /// Width of the screen's picture, cm; kept in the settings.
    #[arg(long, value_name = "CM")]
    pub(crate) screen_cm: Option<f64>,
    /// From the eye to the screen, cm; kept in the settings.
    #[arg(long, value_name = "CM")]
    pub(crate) distance_cm: Option<f64>,
    /// Colours: published or high-contrast.
    #[arg(long)]
    pub(crate) palette: Option<String>,
    /// Fade the occluder as feedback instead of taking it away at once.
    #[arg(long)]
    pub(crate) reduced_flash: bool,
    /// Show a square for a photodiode, white while the ball moves.
    #[arg(long)]
    pub(crate) photodiode: bool,
    /// Settings (TOML: palette, reduced_flash, photodiode, keys, screen); the user's own without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Measure the display over this many frames instead, with a square for a photodiode.
    #[arg(long, value_name = "FRAMES", num_args = 0..=1, default_missing_value = "600")]
    pub(crate) timing_test: Option<usize>,
    /// Close the window after the last trial.
    #[arg(long)]
    pub(crate) leave_at_end: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A predictor of the program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Bundled encoder and CTRNN.
    Ctrnn,
    /// Bundled encoder and LSTM.
    Lstm,
    /// Bundled encoder; the last visible latent is held.
    NoDynamics,
    /// Bundled encoder of every frame, nothing forecast.
    Encoder,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The predictor.
    #[arg(long, value_enum, default_value = "ctrnn")]
    pub(crate) model: Model,
    /// Encoder weights of your own (safetensors, from `mpong train encoder`).
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// Dynamics weights of your own (safetensors, from `mpong train dynamics`).
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Frames that the forecast starts from: `visible` for the whole visible epoch, or a number for
    /// the last so many steps of it.
    #[arg(long, default_value = "visible")]
    pub(crate) context: String,
    /// The video: occluded, or visible (no occluder; only with --model encoder).
    #[arg(long, default_value = "occluded")]
    pub(crate) video: String,
    /// The set: primate79, valid, train or all.
    #[arg(long, default_value = "primate79", conflicts_with = "ids")]
    pub(crate) set: Set,
    /// Conditions by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
    /// File to write (.npz); a .json of the same name says what is in it.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    pub(crate) what: TrainWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrainWhat {
    /// Pretrain an encoder without labels.
    Encoder(TrainEncoderArgs),
    /// Train a CTRNN or LSTM on an encoder's latents.
    Dynamics(TrainDynamicsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrainEncoderArgs {
    /// Folder of the run: checkpoint, log, figure, weights.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Go on from the checkpoint in the folder; without it a folder with one is refused.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Settings; those of the bundled encoder without them.
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// The bundled recipes of dynamics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recipe {
    /// Continuous-time recurrent network.
    Ctrnn,
    /// Long short-term memory.
    Lstm,
}

#[derive(Debug, Args)]
pub(crate) struct TrainDynamicsArgs {
    /// Recipe that settings start from.
    #[arg(long, value_enum, default_value = "ctrnn")]
    pub(crate) recipe: Recipe,
    /// Encoder weights; the bundled ones without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// Folder of the run: checkpoint, log, figure, weights.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Go on from the checkpoint in the folder; without it a folder with one is refused.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Settings; those of the recipe without them.
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsArgs {
    #[command(subcommand)]
    pub(crate) what: RecordingsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsWhat {
    /// Say what a file of recordings holds.
    Info(RecordingsInfoArgs),
    /// Write safetensors and a manifest with axes, units and checksums.
    Convert(RecordingsConvertArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsInfoArgs {
    /// The released dictionary: .pkl, .pkl.gz, .mat (v5 or 7.3), or a converted folder. Read as data, never executed.
    pub(crate) file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsConvertArgs {
    /// The file; see `info`.
    pub(crate) file: PathBuf,
    /// Folder to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsArgs {
    #[command(subcommand)]
    pub(crate) what: WeightsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WeightsWhat {
    /// List the published encoders that can be converted.
    List,
    /// Turn a published .pth or .pt into safetensors with canonical names, strictly.
    Convert(WeightsConvertArgs),
    /// Load a safetensors file strictly and say what it is.
    Check(WeightsCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WeightsConvertArgs {
    /// The published file. Read as data, never executed.
    pub(crate) file: PathBuf,
    /// Name of the encoder; see `weights list`.
    #[arg(long)]
    pub(crate) encoder: String,
    /// Key of the tensors in the file; the usual ones are tried without it.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Prefix of the encoder's tensors, as `encoder.vc1.` in a checkpoint with dynamics.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// File to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsCheckArgs {
    /// The file.
    pub(crate) file: PathBuf,
}
