//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mental_pong_game::task::Law;
use mental_pong_predictor::dynamics::Rollout;
use mental_pong_predictor::latents::{Clock, Format};

use crate::stimuli_args::{ShardsArgs, StimuliArgs};

/// What one does first.
const FIRST: &str = "\
First:
  mpong run            the bundled predictors on the task; then open out/first-light/report.html
  mpong eval --help    a model of your own beside a recording: --recording FILE --latents mine=FILE
  mpong play --help    the task itself, in a window or by an observer";

/// The Mental-Pong task, latent future predictors of it, and their evaluation.
///
/// Data goes to standard output, progress to standard error. Exit codes: 0 done, 1 a check said no,
/// 2 wrong usage or bad input, 3 internal error, 4 the machine refused, 75 stopped and resumable.
///
/// RAYON_NUM_THREADS sets the number of threads; results do not depend on it.
#[derive(Debug, Parser)]
#[command(name = "mpong", version, max_term_width = 100, after_help = FIRST)]
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
    /// Evaluate models against recordings and behaviour: decoding, similarity, predictivity, error patterns.
    Eval(EvalArgs),
    /// Repeat the run that a card describes and compare.
    Verify(VerifyArgs),
    /// Print the condition table.
    Conditions(ConditionsArgs),
    /// Print a trial's path.
    Trajectory(TrajectoryArgs),
    /// Print train/test splits by condition.
    Splits(SplitsArgs),
    /// Render a stimulus set, or look at, check, compare or merge sets.
    Stimuli(StimuliArgs),
    /// Sets made by several machines: plan, find what is missing, merge.
    Shards(ShardsArgs),
    /// Play the task, or let an observer play it.
    Play(PlayArgs),
    /// Turn conditions into latents: [condition, step, latent].
    Predict(PredictArgs),
    /// Files of latents, from `mpong predict` or made elsewhere: check what is understood of one.
    Latents(LatentsArgs),
    /// Train an encoder on playworld, or dynamics on playworld or clips of your own.
    Train(TrainArgs),
    /// Say what an encoder's latents hold: place, velocity, size, number of bodies, walls, occluders.
    Probe(ProbeArgs),
    /// Say whether a predictor sees walls or has learned the task's by heart, on sets with others.
    Walls(WallsArgs),
    /// Look at recordings, or convert them to an open layout.
    Recordings(RecordingsArgs),
    /// Published encoders' weights: list, convert, check.
    Weights(WeightsArgs),
    /// Check that this installation works, and which of the known files a folder has.
    Doctor(DoctorArgs),
    /// Print how to cite the program and the work behind it.
    Cite,
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of the program or of a command.
    Man {
        /// The command, for example `recordings convert`.
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Folder of recordings and checkpoints: says which of the known ones are there, and which are missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
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

/// What is asked for by name, alike on `run` and `eval`.
#[derive(Debug, Args)]
pub(crate) struct StudyArgs {
    /// The conditions: a built-in set by name, a stimulus folder, or a CSV; the recording's, else primate79, without it.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Conditions of the set by id, separated by commas; all without it.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
    /// Analyses by name, separated by commas; all that the inputs allow without it.
    #[arg(long, value_delimiter = ',', value_name = "NAME", value_parser = analysis_parser())]
    pub(crate) analyses: Vec<String>,
    /// Nulls that every model has to be above, in x, y and at the end, or the exit code is 1; separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NULL", value_parser = ["inertia", "straight-line", "straight-line-walls", "last-seen"])]
    pub(crate) require: Vec<String>,
    /// Folder for what is needed to compute every row again elsewhere: features, truth, masks, splits, predictions.
    #[arg(long, value_name = "DIR")]
    pub(crate) export: Option<PathBuf>,
    /// Print the card as JSON instead of a summary.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

fn analysis_parser() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(mental_pong_study::analysis::names())
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Name of the run; results go to OUT/NAME.
    #[arg(long, default_value = "first-light")]
    pub(crate) name: String,
    /// Folder of runs.
    #[arg(long, default_value = "out")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) study: StudyArgs,
}

/// Files and folders that go into a study.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Recording: the released file, one of its layout, NWB, npz, MAT, Parquet, or a converted folder. Read as data, never
    /// executed.
    #[arg(long, alias = "dmfc", value_name = "PATH")]
    pub(crate) recording: Option<PathBuf>,
    /// Recording of another animal on the same conditions: how well one brain predicts the other, as a ceiling.
    #[arg(
        long,
        alias = "other-dmfc",
        value_name = "PATH",
        requires = "recording"
    )]
    pub(crate) other_recording: Option<PathBuf>,
    /// Latents in a file, as `mpong predict` writes them or made elsewhere, with a name for the tables; may be repeated.
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) latents: Vec<String>,
    /// Trials of people or animals (TSV, CSV or Parquet, as `mpong play` writes them or mapped by --columns), with a name for
    /// the tables; may be repeated.
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) behavior: Vec<String>,
    /// CSV of numbers that describe the rows: a column `row` with their names, and a column for each attribute (sizes,
    /// training, ...), to be regressed on the scores.
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
    /// Folder of object contact (Physion): train.npy, train.csv, test.npy, test.csv, and people/ where there are people.
    #[arg(long, value_name = "DIR")]
    pub(crate) contact: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// Models by name, separated by commas. The bundled ones if neither this nor --latents is given.
    #[arg(long = "model", value_delimiter = ',', value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// Columns of --behavior by role, for example condition=py_meta_index,paddle=paddle_y.
    #[arg(long, value_name = "ROLE=COLUMN,...")]
    pub(crate) columns: Option<String>,
    /// Take trials of --behavior that are of few of the conditions, and leave out those of others.
    #[arg(long)]
    pub(crate) allow_missing: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Evaluate no model: recordings, behaviour and controls alone.
    #[arg(long, conflicts_with_all = ["models", "latents"])]
    pub(crate) no_models: bool,
    /// Folder for the card, tables, figures and report.
    #[arg(long, default_value = "out/eval")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) study: StudyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The card.
    pub(crate) card: PathBuf,
    /// The files that went in, where they were not built in: the same flags as on `eval`.
    #[command(flatten)]
    pub(crate) files: FileArgs,
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

/// Which conditions.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChosenArgs {
    /// The conditions: primate79 (the recorded ones), valid, train, all or fresh400; a stimulus folder;
    /// or a table of your own. primate79 without it, or the whole table for --ids that it does not have.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Those with these ids alone, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ID,ID…")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConditionsArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct TrajectoryArgs {
    /// Id of the condition.
    pub(crate) id: String,
    /// Its set: primate79, valid, train, all or fresh400; a stimulus folder; or a table of your own. The
    /// published table without it.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Law of motion: design (24 Hz; networks, masks) or display (60 Hz; what animals saw); the set's
    /// without it.
    #[arg(long)]
    pub(crate) law: Option<Law>,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct SplitsArgs {
    /// The conditions to split: primate79, valid, train, all or fresh400; a stimulus folder; or a table of
    /// your own.
    #[arg(long, value_name = "NAME|DIR|FILE", default_value = "primate79")]
    pub(crate) conditions: String,
    /// So many conditions instead.
    #[arg(long, value_name = "N", conflicts_with = "conditions")]
    pub(crate) n_conditions: Option<usize>,
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
    /// Conditions to play instead of those of the schedule: a built-in set, a stimulus folder, or a CSV of starts in the
    /// published field.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Of them these, by id, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "ID,ID…",
        requires = "conditions"
    )]
    pub(crate) ids: Vec<String>,
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
    /// Make …_frames.parquet of …_frames.tsv when the run ends; of a finished session at once.
    #[arg(long)]
    pub(crate) frames_parquet: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceName {
    /// The processor.
    Cpu,
    /// The first NVIDIA card.
    Cuda,
}

impl DeviceName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LatentsArgs {
    #[command(subcommand)]
    pub(crate) what: LatentsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LatentsWhat {
    /// Say what was understood of a file: conditions, steps, clock, range, and when the latents tell the ball's place.
    Check(LatentsCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LatentsCheckArgs {
    /// The file: .npz, .npy, safetensors, or a PyTorch tensor or dict of tensors. Told apart by content; read as data,
    /// never executed.
    pub(crate) file: PathBuf,
    /// Whose trials: a built-in set, a stimulus folder, or a CSV of your own; the published set that the file states
    /// without it.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Of them these, by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
    /// The ids of the file's conditions, one a line, where the file has none.
    #[arg(long, value_name = "FILE")]
    pub(crate) ids_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Frames that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramesName {
    /// The middle one of each bin of 50 ms.
    Bins,
    /// All of the display.
    Display,
}

impl From<FramesName> for Clock {
    fn from(name: FramesName) -> Self {
        match name {
            FramesName::Bins => Self::Bins,
            FramesName::Display => Self::Display,
        }
    }
}

/// State between forecast steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RolloutName {
    /// The window is run again for each step, as published.
    Restart,
    /// The state goes on.
    Carried,
}

impl From<RolloutName> for Rollout {
    fn from(name: RolloutName) -> Self {
        match name {
            RolloutName::Restart => Self::Restart,
            RolloutName::Carried => Self::Carried,
        }
    }
}

/// Layers of a predictor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayerName {
    /// The encoder's latents of every frame.
    Encoder,
    /// Those of the context, then the forecast.
    Dynamics,
    /// Both.
    Both,
}

/// A trial's video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VideoName {
    /// As the animals saw it.
    Occluded,
    /// Without the occluder.
    Visible,
}

/// File format of latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LatentsFormat {
    /// NumPy's zip of arrays.
    Npz,
    /// Tensors after a header.
    Safetensors,
    /// NetCDF 3.
    Netcdf,
    /// A folder of Zarr version 2.
    Zarr,
}

impl From<LatentsFormat> for Format {
    fn from(format: LatentsFormat) -> Self {
        match format {
            LatentsFormat::Npz => Self::Npz,
            LatentsFormat::Safetensors => Self::Safetensors,
            LatentsFormat::Netcdf => Self::Netcdf,
            LatentsFormat::Zarr => Self::Zarr,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The predictor: one of the bundled ones (ctrnn, lstm; room-gru, room-ctrnn, room-lstm on the encoder roomnet; no-dynamics:
    /// the last latent held; encoder: every frame, nothing forecast; inertia), pixels, pixel_pca and gabor_pca (principal components of
    /// the 100 x 100 frames and of their motion energies, fitted on the spot or kept in --weights), a
    /// published encoder (see `weights list`), a released checkpoint of encoder and dynamics by its name, or a FILE: such a
    /// checkpoint, an encoder alone, or dynamics that were trained on the bundled encoder.
    #[arg(long, default_value = "ctrnn", value_name = "NAME|FILE")]
    pub(crate) model: String,
    /// Encoder weights of your own (safetensors, from `mpong train encoder`), for the bundled
    /// predictors.
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// Weights of a published encoder or checkpoint (.pth, .pt or .safetensors); looked for in the
    /// folder `weights` without it. Of a bundled predictor: its dynamics.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Dynamics of a published encoder: ctrnn, lstm, gru, mlp, identity (the last latent held) or
    /// none (the encoder alone). What --dynamics-weights holds, else none, without it.
    #[arg(long, value_name = "KIND")]
    pub(crate) dynamics: Option<String>,
    /// Weights of the dynamics (of `mpong train dynamics`, or with the published names).
    #[arg(long, value_name = "FILE")]
    pub(crate) dynamics_weights: Option<PathBuf>,
    /// Draw the weights of a published encoder and its dynamics at random; a control. What is
    /// given as a file is not drawn.
    #[arg(long, value_name = "SEED")]
    pub(crate) random_weights: Option<u64>,
    /// Recurrent units of dynamics drawn at random.
    #[arg(long, default_value_t = 1024)]
    pub(crate) hidden: usize,
    /// Context that the forecast starts from. `visible`: all frames before the ball is fully hidden
    /// (the published n_past = occ_frame_start). `vis-end`: all up to the last with the whole ball in
    /// view (n_past = vis_frame_end + 1). A number, published 7: so many spread evenly from the first
    /// to the first hidden one, which is with them (fixed_n_past). `last:N`: the last N before it.
    #[arg(long, default_value = "visible")]
    pub(crate) context: String,
    /// Frames that the model takes: bins (the middle one of each 50 ms bin; default of the bundled
    /// predictors) or display (all of the set's; default of published ones).
    #[arg(long, value_enum)]
    pub(crate) frames: Option<FramesName>,
    /// Take every N-th of the frames; latents are interpolated back to every frame.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) subsample: usize,
    /// Where published encoders and their dynamics run; cuda needs a build with that feature.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceName,
    /// State between forecast steps: restart (published: the window is run again for each step) or
    /// carried. What the dynamics were made for without it.
    #[arg(long, value_enum)]
    pub(crate) rollout: Option<RolloutName>,
    /// Layers to write: encoder, dynamics or both.
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) layer: LayerName,
    /// The video: occluded, or visible (no occluder; only of an encoder alone).
    #[arg(long, value_enum, default_value = "occluded")]
    pub(crate) video: VideoName,
    /// Whose trials: primate79 (the default), valid, train, all or fresh400, a stimulus folder, or a CSV of your own.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Of them these, by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
    /// Folder for PNGs of what the encoder really sees (after resize and crop) in the first frame,
    /// the first with the ball hidden, and the last.
    #[arg(long, value_name = "DIR")]
    pub(crate) show_input: Option<PathBuf>,
    /// Folder of encoded frames, kept for the next time; none without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Refuse to begin what takes more memory, as 8G or 500M; what the machine has to give without
    /// it.
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_memory: Option<String>,
    /// File to write; a .json of the same name says what is in it. What is finished stands in FILE.progress: the same
    /// command goes on after it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Format of the file; what its name ends in (.npz, .safetensors, .nc, .zarr) without it.
    #[arg(long, value_enum)]
    pub(crate) format: Option<LatentsFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Encoder: playnet, roomnet, or a published one by name (see `weights list`).
    #[arg(conflicts_with = "encoder")]
    pub(crate) model: Option<String>,
    /// Encoder weights of your own (from `mpong train encoder`).
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// Weights of a published encoder (.pth, .pt or .safetensors); looked for in the folder `weights` without it.
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) weights: Option<PathBuf>,
    /// Draw its weights at random.
    #[arg(
        long,
        value_name = "SEED",
        requires = "model",
        conflicts_with = "weights"
    )]
    pub(crate) random_weights: Option<u64>,
    /// Videos, half of which the read-outs are fitted on.
    #[arg(long, default_value = "400", value_parser = clap::value_parser!(u32).range(40..))]
    pub(crate) videos: u32,
    /// Seed of the videos.
    #[arg(long, default_value = "77")]
    pub(crate) seed: u64,
    /// Leave out the rows of plain pixels.
    #[arg(long)]
    pub(crate) no_pixels: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WallsArgs {
    /// A predictor that forecasts: a bundled one, a published encoder with dynamics, or a FILE of weights (see `predict`).
    #[arg(default_value = "room-gru", value_name = "NAME|FILE")]
    pub(crate) model: String,
    /// Its weights, where it has some of its own; looked for in the folder `weights` without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Context that the forecast starts from, as of `predict`.
    #[arg(long, default_value = "visible")]
    pub(crate) context: String,
    /// Trials of each set.
    #[arg(long, default_value = "60", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(crate) trials: u32,
    /// Seed of the trials.
    #[arg(long, default_value = "31")]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    pub(crate) what: TrainWhat,
}

#[derive(Debug, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "arguments are parsed once and never moved about"
)]
pub(crate) enum TrainWhat {
    /// Pretrain an encoder without labels.
    Encoder(TrainEncoderArgs),
    /// Train a recurrent network on an encoder's latents.
    Dynamics(TrainDynamicsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrainEncoderArgs {
    /// Recipe that settings start from.
    #[arg(long, value_enum, default_value = "playnet")]
    pub(crate) recipe: EncoderRecipe,
    /// Folder of the run: checkpoint, log, figure, weights.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Refuse to begin anew. A checkpoint in the folder is gone on with in any case; one of other settings is refused.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Settings; those of the recipe without them.
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// The bundled recipes of encoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncoderRecipe {
    /// The first one: sees change alone, 64 latents.
    Playnet,
    /// Two towers: what moves, and the picture it moves in.
    Roomnet,
}

/// The bundled recipes of dynamics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recipe {
    /// Continuous-time recurrent network.
    Ctrnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit on roomnet, trained by looking and going blind.
    RoomGru,
    /// CTRNN on roomnet, likewise.
    RoomCtrnn,
    /// LSTM on roomnet, likewise.
    RoomLstm,
    /// The published training of a CTRNN on --clips: one step ahead, constant rate.
    PublishedCtrnn,
    /// The same of an LSTM.
    PublishedLstm,
}

#[derive(Debug, Args)]
pub(crate) struct TrainDynamicsArgs {
    /// Recipe that settings start from.
    #[arg(long, value_enum, default_value = "ctrnn")]
    pub(crate) recipe: Recipe,
    /// Encoder weights of your own (from `mpong train encoder`); the bundled ones without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// Clips of a published recipe: a folder of folders of PNG or JPEG frames, of videos (needs ffmpeg), of HDF5 files in
    /// Physion's layout, or a stimulus set; or playworld:N, N procedural videos.
    #[arg(long, value_name = "DIR|playworld:N")]
    pub(crate) clips: Option<String>,
    /// Clips of the validation loss, as --clips; a share of those (setting validation_share) without it.
    #[arg(long, value_name = "DIR|playworld:N", requires = "clips")]
    pub(crate) validation: Option<String>,
    /// A published encoder by name (see `weights list`), for a published recipe; the bundled one without it.
    #[arg(
        long,
        value_name = "NAME",
        requires = "clips",
        conflicts_with = "encoder"
    )]
    pub(crate) model: Option<String>,
    /// Its weights (.pth, .pt or .safetensors); looked for in the folder `weights` without it.
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) weights: Option<PathBuf>,
    /// Draw its weights at random; a control.
    #[arg(
        long,
        value_name = "SEED",
        requires = "model",
        conflicts_with = "weights"
    )]
    pub(crate) random_weights: Option<u64>,
    /// Where the recipes ctrnn and lstm are trained; cuda needs a build with that feature.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceName,
    /// Folder of encoded frames, kept for the next time and for other seeds; OUT/cache without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Largest size of that folder, as 8G; entries not used for longest go first.
    #[arg(long, value_name = "BYTES", default_value = "64G")]
    pub(crate) cache_bytes: String,
    /// Refuse to begin what takes more memory, as 8G or 500M; what the machine has to give without it.
    #[arg(long, value_name = "BYTES", requires = "clips")]
    pub(crate) max_memory: Option<String>,
    /// The ffmpeg that decodes videos; the one on the path without it.
    #[arg(long, value_name = "FILE", requires = "clips")]
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Folder of the run: checkpoint, log, figure, weights.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Refuse to begin anew. A checkpoint in the folder is gone on with in any case; one of other settings is refused.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Settings; those of the recipe without them. Of a published recipe: cell, hidden, context, seq_len, subsample, batch,
    /// learning_rate, epochs, seed, init, validation_share, patience.
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
    /// Say what a file of recordings holds, and draw it.
    Info(RecordingsInfoArgs),
    /// Write safetensors, Parquet and a manifest with axes, units and checksums.
    Convert(RecordingsConvertArgs),
    /// Check a table of single trials and say what it holds.
    Trials(RecordingsTrialsArgs),
    /// Make a population with known tuning, noise and ceiling in the released layout.
    Simulate(RecordingsSimulateArgs),
    /// Check a mapping: what a laboratory's file calls what is asked for.
    Mapping(RecordingsMappingArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsMappingArgs {
    /// The mapping, TOML.
    #[arg(required_unless_present = "example")]
    pub(crate) file: Option<PathBuf>,
    /// Print a whole one that says what each entry means, to be changed.
    #[arg(long)]
    pub(crate) example: bool,
}

/// Which file, and how to understand it.
#[derive(Debug, Args)]
pub(crate) struct RecordingFileArgs {
    /// The released dictionary (.pkl, .pkl.gz, .mat of v5 or 7.3, .npz), a laboratory's own .npz, NWB, a long Parquet
    /// table, or a converted folder. Told apart by content; read as data, never executed.
    pub(crate) file: PathBuf,
    /// Conditions that the file is about: a built-in set, a stimulus folder, a CSV, or the released table of 200
    /// conditions. A file that states its set is held against it; one that states none needs it.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// How a file of recordings is to be understood, alike wherever one is read.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Recording: most memory for what is read, as `3GiB` or `500MiB`; a file that needs more is refused with the number.
    #[arg(long, default_value = "3GiB", value_parser = parse_bytes)]
    pub(crate) max_memory: u64,
    /// Recording: what the file calls what is asked for, as TOML; `recordings mapping --example` prints a whole one.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// NWB: column of condition ids in /intervals/trials; `condition_id` without it.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) nwb_condition: Option<String>,
    /// NWB: what names in that column mean, as `name=55062,other=72780`.
    #[arg(long, value_delimiter = ',', value_parser = parse_named_id, value_name = "NAME=ID")]
    pub(crate) nwb_map: Vec<(String, String)>,
    /// NWB: column of the time at which the ball starts to move, seconds; a usual name without it.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) nwb_onset: Option<String>,
    /// NWB: column of the trial type (occ or vis, or the occluder's opacity); a usual name without it.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) nwb_trial_type: Option<String>,
    /// NWB: column that is not 0 in trials to leave out; `ignore` without it.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) nwb_exclude: Option<String>,
    /// Recording: what becomes of units and conditions without responses; what it cost is said.
    #[arg(long, value_enum, default_value = "refuse")]
    pub(crate) missing: MissingArg,
    /// Recording: bring the bins to this length, ms: a whole multiple of the recorded ones.
    #[arg(long, value_name = "MS")]
    pub(crate) rebin: Option<f64>,
    /// Recording: unit of the responses of a laboratory's arrays, where the file does not say.
    #[arg(long, value_enum, value_name = "UNIT")]
    pub(crate) response_unit: Option<ResponseUnitArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ResponseUnitArg {
    /// Spikes per millisecond.
    #[value(name = "spikes/ms")]
    SpikesPerMs,
    /// Spikes per second.
    #[value(name = "Hz")]
    Hz,
    /// Spikes in a bin.
    #[value(name = "spikes/bin")]
    SpikesPerBin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MissingArg {
    /// An error with the number of such pairs.
    Refuse,
    /// Leave the unit out, and count.
    DropUnits,
    /// Leave the condition out, and name it.
    DropConditions,
    /// The unit's mean, as in the release, and count.
    Impute,
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => return Err(format!("{other}: not B, KiB, MiB or GiB")),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|e| format!("{digits}: {e}"))?;
    number
        .checked_mul(unit)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "more than 0 and less than 2^64 bytes".into())
}

fn parse_named_id(text: &str) -> Result<(String, String), String> {
    let (name, id) = text.split_once('=').ok_or("expected NAME=ID")?;
    Ok((name.trim().to_owned(), id.trim().to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsInfoArgs {
    #[command(flatten)]
    pub(crate) input: RecordingFileArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw it: an SVG file to write.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) figure: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsConvertArgs {
    #[command(flatten)]
    pub(crate) input: RecordingFileArgs,
    /// Another file of the same conditions and bins, of another animal or session, whose units are put beside; may come again.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Vec<PathBuf>,
    /// What to write: a folder, or by its name NetCDF (.nc), Zarr (.zarr), a long table (.parquet),
    /// arrays of numpy (.npz), MATLAB (.mat), NWB (.nwb); the means alone as an assembly of Brain-Score (.assembly.nc) or a
    /// dataset of rsatoolbox (.h5).
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsTrialsArgs {
    /// A table of single trials (.tsv, .csv, .parquet), or a recording with trial_meta.
    pub(crate) file: PathBuf,
    /// Columns of other names, as `condition=py_meta_index,paddle=paddle_y`.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "ROLE=COLUMN"
    )]
    pub(crate) columns: String,
    /// Subject of every row, where there is no column.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Type of every trial (occ or vis), where there is no column.
    #[arg(long)]
    pub(crate) trial_type: Option<String>,
    /// Bad rows to leave out and list before it is an error.
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    pub(crate) keep_going: usize,
    /// Conditions that the trials are of: a built-in set, a stimulus folder or a CSV. Rows of others are bad.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Leave trials of other conditions out, and take few conditions for enough.
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// Print JSON with every trial.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsSimulateArgs {
    /// File (.npz) or folder to write; its name has to say `simulated`.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Number of units.
    #[arg(long, default_value_t = 1889)]
    pub(crate) units: usize,
    /// Share of units without tuning, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) untuned: f64,
    /// Trials of each condition.
    #[arg(long, default_value_t = 18)]
    pub(crate) trials: usize,
    /// Split-half correlation of the median tuned unit, in expectation.
    #[arg(long, default_value_t = 0.11)]
    pub(crate) reliability: f64,
    /// Standard deviation over units of its Fisher z.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) reliability_spread: f64,
    /// Mean rate of the median unit, spikes/s.
    #[arg(long, default_value_t = 8.0)]
    pub(crate) rate_hz: f64,
    /// Width of a bin, milliseconds, from 300 ms before motion onset.
    #[arg(long, default_value_t = 50.0, value_name = "MS")]
    pub(crate) bin_ms: f64,
    /// Noise over trials.
    #[arg(long, value_enum, default_value = "poisson")]
    pub(crate) noise: NoiseArg,
    /// Conditions: a built-in set, a stimulus folder or a CSV. The 79 recorded ones without it.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: Option<String>,
    /// Conditions of the set by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NoiseArg {
    /// Spike counts are Poisson.
    Poisson,
    /// Means of halves are normal.
    Gaussian,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsArgs {
    #[command(subcommand)]
    pub(crate) what: WeightsWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WeightsWhat {
    /// List the published weight files: size, licence, checksum, paper. Nothing is fetched.
    List(WeightsListArgs),
    /// Fetch a published weight file. What was begun before is gone on with.
    Fetch(WeightsFetchArgs),
    /// Turn a published .pth or .pt into safetensors with canonical names, strictly.
    Convert(WeightsConvertArgs),
    /// Load a weight file of any kind strictly and say what it is.
    Check(WeightsCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WeightsConvertArgs {
    /// The published file: an encoder, dynamics, or a checkpoint of both. Read as data, never executed. A description
    /// beside it (FILE.json) says what its names and shapes do not.
    #[arg(required_unless_present = "example")]
    pub(crate) file: Option<PathBuf>,
    /// Name of the encoder, see `weights list`; what the file says without it.
    #[arg(long)]
    pub(crate) encoder: Option<String>,
    /// Print a whole description file of that encoder, to be changed and put beside weights as FILE.json.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "vc1-base")]
    pub(crate) example: Option<String>,
    /// Key of the tensors in the file; the usual ones are tried without it.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Prefix of the encoder's tensors, as `encoder.vc1.` in a checkpoint with dynamics.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// File to write.
    #[arg(long, required_unless_present = "example")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsListArgs {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsFetchArgs {
    /// Name of the file; see `weights list`.
    pub(crate) name: String,
    /// Folder to write to; made if it is not there.
    #[arg(long, default_value = "weights", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Address of a mirror that takes the place of the file's published folder.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Refuse a file of more bytes, as 2G; without it a tenth more than the stated size, or 8G where
    /// none is stated.
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_bytes: Option<String>,
    /// SHA-256 that the file must have, all 64 digits; the listed one, if there is one, without it.
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Longest time for all of it; ten minutes and a second for 50 kB of the largest size without it.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsCheckArgs {
    /// The file.
    pub(crate) file: PathBuf,
    /// Name of the encoder, where the file's tensors are those of several.
    #[arg(long, value_name = "NAME")]
    pub(crate) encoder: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
