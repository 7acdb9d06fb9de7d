//! Arguments of `mpong stimuli` and `mpong shards`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use mental_pong_game::frames::{Preset, Rgb};
use mental_pong_game::stimuli::{Drawer, Format, Occlusion};
use mental_pong_game::task::{Law, Rule};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct StimuliArgs {
    #[command(subcommand)]
    pub(crate) what: Option<StimuliWhat>,
    #[command(flatten)]
    pub(crate) render: RenderArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StimuliWhat {
    /// Say what a set, or the shards of one, is.
    Info(FolderArgs),
    /// Read every file of a set and compare it with the manifest. Exit code 1 if one differs.
    Verify(FolderArgs),
    /// Say what two sets differ in, by their manifests. Exit code 1 if they do.
    Diff(DiffArgs),
    /// Put shards together: the set that one run would have written, byte for byte.
    Merge(MergeArgs),
    /// Make a set of frames of your own: pictures, arrays or videos, and the conditions that they show.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The frames: a folder of folders of PNG or JPEG files, of .npy, .gif or videos, named by id; a .npz
    /// with an array for each id; a .npy in the order of the conditions; or a .tar (WebDataset).
    pub(crate) frames: PathBuf,
    /// What they show: a table of paths frame by frame or of starts, a stimulus folder, or a published set.
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(crate) conditions: String,
    /// Those with these ids alone, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ID,ID…")]
    pub(crate) ids: Vec<String>,
    /// The law of published conditions: design or display.
    #[arg(long)]
    pub(crate) law: Option<Law>,
    /// Frames per second; those of the conditions without it.
    #[arg(long, value_name = "HZ")]
    pub(crate) rate: Option<f64>,
    /// Folder of the set.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The ffmpeg that decodes videos; the one on the path without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// The set's folder.
    pub(crate) folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// One set's folder.
    pub(crate) first: PathBuf,
    /// Another's.
    pub(crate) second: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Folders with shards; one folder may hold several.
    #[arg(required = true)]
    pub(crate) folders: Vec<PathBuf>,
    /// Folder of the set; the first of the folders without it.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Two numbers with a colon between them, or one for both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range(pub(crate) f64, pub(crate) f64);

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            part.trim()
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .ok_or_else(|| format!("expected LOW:HIGH, two numbers, or one; found `{text}`"))
        };
        match text.split_once(':') {
            Some((low, high)) => Ok(Self(number(low)?, number(high)?)),
            None => number(text).map(|v| Self(v, v)),
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// `#rrggbb`, or a grey from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Color(pub(crate) Rgb);

impl FromStr for Color {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected #rrggbb or a grey from 0 to 255, found `{text}`");
        let Some(hex) = text.strip_prefix('#') else {
            return text.parse().map(|v| Self(Rgb::grey(v))).map_err(|_| bad());
        };
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let [_, r, g, b] = u32::from_str_radix(hex, 16)
            .map_err(|_| bad())?
            .to_be_bytes();
        Ok(Self(Rgb(r, g, b)))
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rgb(r, g, b) = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// Something that is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is there.
    On,
    /// It is not.
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// The conditions: primate79, valid, train, all or fresh400; a stimulus folder; or a table of your
    /// own: id, x0_deg, y0_deg, heading_deg, speed_deg_per_s, and walls, occluders and the like, or paths
    /// frame by frame (see the manual).
    #[arg(
        long,
        value_name = "NAME|DIR|FILE",
        alias = "csv",
        conflicts_with = "draw"
    )]
    pub(crate) conditions: Option<String>,
    /// Those with these ids alone, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "ID,ID…",
        conflicts_with = "draw"
    )]
    pub(crate) ids: Vec<String>,
    /// So many trials drawn at random from the ranges below, each uniform, until they fit the rule.
    #[arg(long, value_name = "N")]
    pub(crate) draw: Option<u32>,
    /// Seed of --draw.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Range of the start of --draw, degrees, as -7:-3 or one number.
    #[arg(
        long,
        value_name = "LOW:HIGH",
        default_value = "-9:0.8",
        allow_hyphen_values = true
    )]
    pub(crate) x0: Range,
    /// Range of the start of --draw, degrees.
    #[arg(
        long,
        value_name = "LOW:HIGH",
        default_value = "-9:8.8",
        allow_hyphen_values = true
    )]
    pub(crate) y0: Range,
    /// Range of the first heading of --draw, degrees of angle, 0 = right, up positive.
    #[arg(
        long,
        value_name = "LOW:HIGH",
        default_value = "-72:72",
        allow_hyphen_values = true
    )]
    pub(crate) heading: Range,
    /// Range of the speed of --draw, degrees per second.
    #[arg(long, value_name = "LOW:HIGH", default_value = "3.75:15")]
    pub(crate) speed: Range,
    /// Which trials of --draw and of a table are let through: published (as the generator's: 15 to 45
    /// steps of 1/24 s visible, as many hidden, one bounce at most) or possible (any that ends);
    /// published for --draw and possible for a table without it.
    #[arg(long)]
    pub(crate) rule: Option<Rule>,
    /// Law of motion: design or display; without it that of a set of your own, and for published ones
    /// design for rnn100 and display for the others.
    #[arg(long)]
    pub(crate) law: Option<Law>,
    /// What the frames look like: rnn100 (100 x 100 grey), model224 (224 x 224 RGB), display.
    #[arg(long, default_value = "model224")]
    pub(crate) preset: Preset,
    /// occluded, faint (95 % opaque: the control trials) or visible (no occluder).
    #[arg(long, default_value = "occluded")]
    pub(crate) occlusion: Occlusion,
    /// Opacity of the occluder, 0 to 1, instead of 1 (occluded) or 0.95 (faint).
    #[arg(long)]
    pub(crate) opacity: Option<f64>,
    /// Frames per second, 1 to 1000; the law's without it (design 24, display 60; GIF 30).
    #[arg(long, value_name = "HZ")]
    pub(crate) rate: Option<f64>,
    /// Width and height, pixels; the preset's without it.
    #[arg(long, value_name = "PX")]
    pub(crate) size: Option<usize>,
    /// Colour of the background: #rrggbb or a grey from 0 to 255.
    #[arg(long, value_name = "COLOR")]
    pub(crate) background: Option<Color>,
    /// Colour of the ball.
    #[arg(long, value_name = "COLOR")]
    pub(crate) ball_color: Option<Color>,
    /// Colour of the occluder.
    #[arg(long, value_name = "COLOR")]
    pub(crate) occluder_color: Option<Color>,
    /// With or without the waiting paddle; as the preset without it.
    #[arg(long, value_enum)]
    pub(crate) paddle: Option<Switch>,
    /// With or without the fixation point; as the preset without it.
    #[arg(long, value_enum)]
    pub(crate) fixation: Option<Switch>,
    /// Without the ball.
    #[arg(long)]
    pub(crate) no_ball: bool,
    /// npy, png, gif, mp4 (needs ffmpeg), tar and tar-png (WebDataset), zarr (v3), or pool (each
    /// distinct picture once, and an index).
    #[arg(long, default_value = "npy")]
    pub(crate) format: Format,
    /// What draws: rasteriser (the same bytes everywhere) or bevy (the game's own scene on this
    /// machine's GPU or software driver, with its difference to the rasteriser in the manifest; needs
    /// --features play).
    #[arg(long, default_value = "rasteriser")]
    pub(crate) renderer: Drawer,
    /// The ffmpeg that makes mp4; the one on the path without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Write part I of N, from 0; `none` for the whole set. In a Slurm job array it is the array's
    /// without it.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<String>,
    /// Folder to write; made if it is not there.
    #[arg(long, required = true)]
    pub(crate) out: Option<PathBuf>,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShardsArgs {
    #[command(subcommand)]
    pub(crate) what: ShardsWhat,
}

#[derive(Debug, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "arguments are parsed once and never moved about"
)]
pub(crate) enum ShardsWhat {
    /// Say what each shard of a set will be, and note it in the folder.
    Plan(PlanArgs),
    /// List the shards that are not done.
    Missing(MissingArgs),
    /// Put shards together, as `mpong stimuli merge`.
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Number of shards.
    #[arg(long)]
    pub(crate) n: u32,
    /// The set, as for `mpong stimuli`.
    #[command(flatten)]
    pub(crate) render: RenderArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MissingArgs {
    /// The set's folder.
    pub(crate) folder: PathBuf,
    /// Print the numbers as Slurm's --array takes them; nothing when none is missing.
    #[arg(long, conflicts_with = "json")]
    pub(crate) slurm: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
