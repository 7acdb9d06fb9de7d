//! The published recipe (Nayebi et al. 2023, `SelfSupLossMinTrainer`): seven latents in, the eighth out,
//! mean squared error, Adam at a constant rate, every clip once an epoch.

use std::path::{Path, PathBuf};

use mental_pong_base::Monitor;
use mental_pong_base::files::write_atomic;
use serde::{Deserialize, Serialize};

use super::checkpoint::{LogRow, RunFolder};
use super::clips::Clips;
use super::encoder::config_key;
use super::one_step::{OneStep, Windows};
use super::sequences::{Encoded, Needed, Rule, Taken, encode, epoch_starts, survey};
use crate::dynamics::{CellKind, DynamicsConfig, Init, Rollout, Skip};
use crate::encoders::Encoder;
use crate::latents::Cache;
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Euler step over time constant of the published CTRNN.
const DT_OVER_TAU: f64 = 0.1;

/// Configuration of the published training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTraining {
    /// The cell: `ctrnn` or `lstm`.
    pub cell: CellKind,
    /// Recurrent units; published: 1024.
    pub hidden: usize,
    /// Latents in a window; published: 7. The one after them is the target.
    pub context: usize,
    /// Frames that a clip must offer after subsampling; published: 25 (of which `context + 1` are used).
    pub seq_len: usize,
    /// Frames of the clip from one of these to the next; published: 6.
    pub subsample: usize,
    /// Windows in a batch, one of each clip; the last batch of an epoch may be smaller. Published: 32.
    pub batch: usize,
    /// Rate of Adam, constant. Published: 1e-4 with most encoders.
    pub learning_rate: f64,
    /// Times that every clip is taken; published: 100.
    pub epochs: u64,
    /// Root seed of weights, order and first frames.
    pub seed: u64,
    /// How weights are drawn.
    pub init: Init,
    /// Share of the clips that is held out for the validation loss where no folder is given for it, 0 to
    /// 0.5; 0 is none.
    pub validation_share: f64,
    /// Epochs without a better validation loss after which training ends; 0 is never. Published: 0.
    pub patience: u64,
}

/// What the published training reads.
pub struct PublishedSources<'a> {
    /// Clips to train on.
    pub training: &'a dyn Clips,
    /// Clips for the validation loss; a share of the training clips without them.
    pub validation: Option<&'a dyn Clips>,
    /// The frozen encoder.
    pub encoder: &'a dyn Encoder,
    /// Latents on disk.
    pub cache: &'a Cache,
    /// Most bytes that latents and network may take.
    pub max_bytes: Option<u64>,
    /// Further lines of the weight files' metadata: name and text.
    pub notes: &'a [(&'a str, String)],
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, the first is 1.
    pub epoch: u64,
    /// Its validation loss.
    pub validation: f64,
}

/// What a training run came to.
#[derive(Clone, Debug)]
pub struct PublishedRun {
    /// Size and equations of the module.
    pub network: DynamicsConfig,
    /// A row for each epoch.
    pub log: Vec<LogRow>,
    /// The best epoch; none without validation clips.
    pub best: Option<Best>,
    /// Epochs done.
    pub epochs: u64,
    /// Clips trained on.
    pub training_clips: usize,
    /// Clips of the validation loss.
    pub validation_clips: usize,
    /// Clips of either that were too short and left out.
    pub short_clips: usize,
    /// SHA-256 of the clips' names, lengths and latents in the first epoch's windows.
    pub clips_sha256: String,
    /// The weights after the last epoch.
    pub last: PathBuf,
    /// The weights with the least validation loss; none without validation clips.
    pub best_file: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct State {
    key: String,
    step: u64,
    /// Epochs done.
    epoch: u64,
    /// Batches done of the one at work.
    batch: u64,
    /// Losses of these, each times its windows, and the windows.
    sum: f64,
    count: u64,
    best: Option<Best>,
    log: Vec<LogRow>,
}

/// Trains dynamics in `folder`, resuming a checkpoint that lies there. Leaves `last.safetensors`,
/// `best.safetensors` where there are validation clips, `checkpoint.safetensors` (written each epoch and
/// when stopped) and `log.csv`. A run of more `epochs` may go on from one of fewer.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; [`Error::Config`] for settings, clips or a checkpoint
/// that cannot be used, or memory above the bound; [`Error::Diverged`].
pub fn train_published(
    config: &PublishedTraining,
    sources: &PublishedSources<'_>,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<PublishedRun> {
    check(config)?;
    let data = Data::read(config, sources, monitor)?;
    let folder = RunFolder::open(folder)?;
    let network = DynamicsConfig {
        cell: config.cell,
        latent: sources.encoder.latent_dim(),
        fixed: 0,
        hidden: config.hidden,
        dt_over_tau: DT_OVER_TAU,
        skip: Skip::None,
        rollout: Rollout::Restart,
    };
    let mut rng = Stream::new(config.seed, "published weights", 0);
    let mut net = OneStep::new(network.clone(), &config.init.draw(&network, &mut rng)?)?;
    // The rate is constant and no draw of an epoch depends on how many there are.
    let endless = PublishedTraining {
        epochs: 0,
        ..config.clone()
    };
    let key = config_key(&(&endless, sources.encoder.identity(), &data.digest))?;
    let mut state = restore(&folder, &key, &mut net)?.unwrap_or(State {
        key,
        step: 0,
        epoch: 0,
        batch: 0,
        sum: 0.0,
        count: 0,
        best: None,
        log: Vec::new(),
    });
    let writer = Writer {
        config,
        sources,
        network: &network,
        folder: &folder,
        digest: &data.digest,
    };
    let batches = data.training.len().div_ceil(config.batch) as u64;
    monitor.stage("training the dynamics", config.epochs * batches);
    monitor.advance(state.epoch * batches + state.batch);
    let (mut context, mut target) = (Vec::new(), Vec::new());
    while state.epoch < config.epochs && !out_of_patience(config, &state) {
        let starts = epoch_starts(&data.training, data.rule, config.seed, state.epoch);
        let order = Stream::new(config.seed, "published order", state.epoch)
            .permutation(data.training.len());
        for picked in order.chunks(config.batch).skip(state.batch as usize) {
            let windows: Vec<(usize, usize)> =
                picked.iter().map(|&clip| (clip, starts[clip])).collect();
            data.latents.batch(&windows, &mut context, &mut target)?;
            let windows = Windows {
                context: &context,
                target: &target,
                batch: picked.len(),
            };
            let loss = net.train(windows, config.learning_rate)?;
            if !loss.is_finite() {
                return Err(Error::Diverged {
                    step: net.step - 1,
                    value: loss,
                });
            }
            state.sum += loss * picked.len() as f64;
            state.count += picked.len() as u64;
            state.batch += 1;
            monitor.advance(1);
            if monitor.stopped() {
                state.step = net.step;
                save(&folder, &net, &state)?;
                return Err(Error::Interrupted);
            }
        }
        let validation = data.validate(config, &net)?;
        state.epoch += 1;
        state.batch = 0;
        state.step = net.step;
        state.log.push(LogRow {
            step: net.step,
            rate: config.learning_rate,
            loss: state.sum / state.count as f64,
            validation,
        });
        (state.sum, state.count) = (0.0, 0);
        if let Some(validation) = validation
            && state.best.is_none_or(|best| validation < best.validation)
        {
            state.best = Some(Best {
                epoch: state.epoch,
                validation,
            });
            writer.write("best.safetensors", &net, &state)?;
        }
        writer.write("last.safetensors", &net, &state)?;
        // Last: what is written again after a stop here is the same.
        save(&folder, &net, &state)?;
    }
    Ok(PublishedRun {
        network,
        epochs: state.epoch,
        training_clips: data.training.len(),
        validation_clips: data.held_out.len(),
        short_clips: data.short,
        clips_sha256: data.digest,
        last: folder.file("last.safetensors"),
        best_file: state.best.map(|_| folder.file("best.safetensors")),
        best: state.best,
        log: state.log,
    })
}

fn out_of_patience(config: &PublishedTraining, state: &State) -> bool {
    let since = state.best.map_or(0, |best| state.epoch - best.epoch);
    config.patience > 0 && since >= config.patience
}

fn check(config: &PublishedTraining) -> Result<()> {
    let bad = |field: &str, expected: &str, found: String| {
        Err(Error::Config {
            place: "published training".into(),
            field: field.into(),
            expected: expected.into(),
            found,
        })
    };
    let most = |n: usize| (1..=1 << 20).contains(&n);
    if config.cell == CellKind::Gru {
        return bad("cell", "ctrnn or lstm", "gru".into());
    }
    for (field, n) in [
        ("hidden", config.hidden),
        ("context", config.context),
        ("seq_len", config.seq_len),
        ("subsample", config.subsample),
        ("batch", config.batch),
    ] {
        if !most(n) {
            return bad(field, "1 to 1048576", n.to_string());
        }
    }
    if config.context >= config.seq_len {
        let found = format!("{} and {}", config.context, config.seq_len);
        return bad("context", "fewer than seq_len", found);
    }
    if config.epochs == 0 || config.epochs > 1_000_000 {
        return bad("epochs", "1 to 1000000", config.epochs.to_string());
    }
    if !(config.learning_rate > 0.0 && config.learning_rate.is_finite()) {
        let found = config.learning_rate.to_string();
        return bad("learning_rate", "a number above 0", found);
    }
    if !(0.0..=0.5).contains(&config.validation_share) {
        let found = config.validation_share.to_string();
        return bad("validation_share", "0 to 0.5", found);
    }
    Ok(())
}

/// The clips' latents.
struct Data {
    rule: Rule,
    training: Vec<Taken>,
    held_out: Vec<Taken>,
    short: usize,
    latents: Encoded,
    held_out_latents: Option<Encoded>,
    digest: String,
}

impl Data {
    fn read(
        config: &PublishedTraining,
        sources: &PublishedSources<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let rule = Rule {
            seq_len: config.seq_len,
            subsample: config.subsample,
            context: config.context,
        };
        let encoder = sources.encoder;
        let (mut training, mut short) = survey(sources.training, rule, monitor)?;
        let (held_out, held_out_clips) = match sources.validation {
            Some(clips) => {
                let (held_out, too_short) = survey(clips, rule, monitor)?;
                short += too_short;
                (held_out, clips)
            }
            None => (share(config, &mut training)?, sources.training),
        };
        let starts: Vec<Vec<usize>> = (0..config.epochs)
            .map(|epoch| epoch_starts(&training, rule, config.seed, epoch))
            .collect();
        let needed = Needed::new(rule, encoder, training.len(), &starts);
        let zeros = vec![vec![0; held_out.len()]];
        let needed_held_out = Needed::new(rule, encoder, held_out.len(), &zeros);
        let frames = needed.frames(rule) + needed_held_out.frames(rule);
        bounded(config, sources, frames)?;
        let read = |clips: &dyn Clips, taken: &[Taken], needed: &Needed| {
            encode(clips, taken, needed, rule, encoder, sources.cache, monitor)
        };
        let latents = read(sources.training, &training, &needed)?;
        let mut digest = latents.digest(&training, &starts[0])?;
        let held_out_latents = if held_out.is_empty() {
            None
        } else {
            let latents = read(held_out_clips, &held_out, &needed_held_out)?;
            digest.push_str(&latents.digest(&held_out, &zeros[0])?);
            Some(latents)
        };
        Ok(Self {
            rule,
            training,
            held_out,
            short,
            latents,
            held_out_latents,
            digest: mental_pong_base::files::sha256_hex(digest.as_bytes()),
        })
    }

    /// Mean loss of the held-out clips' first windows; none where there are none.
    fn validate(&self, config: &PublishedTraining, net: &OneStep) -> Result<Option<f64>> {
        let Some(latents) = &self.held_out_latents else {
            return Ok(None);
        };
        let (mut context, mut target) = (Vec::new(), Vec::new());
        let mut sum = 0.0;
        let all: Vec<(usize, usize)> = (0..self.held_out.len()).map(|clip| (clip, 0)).collect();
        for picked in all.chunks(config.batch) {
            latents.batch(picked, &mut context, &mut target)?;
            let windows = Windows {
                context: &context,
                target: &target,
                batch: picked.len(),
            };
            sum += net.loss(windows)? * picked.len() as f64;
        }
        let loss = sum / all.len() as f64;
        if loss.is_finite() {
            Ok(Some(loss))
        } else {
            Err(Error::Diverged {
                step: net.step,
                value: loss,
            })
        }
    }
}

/// Takes the held-out share out of the training clips.
fn share(config: &PublishedTraining, training: &mut Vec<Taken>) -> Result<Vec<Taken>> {
    if config.validation_share == 0.0 {
        return Ok(Vec::new());
    }
    let n = training.len();
    if n < 2 {
        return Err(Error::Config {
            place: "published training".into(),
            field: "validation_share".into(),
            expected: "at least two clips that are long enough, or 0".into(),
            found: format!("{n} clips"),
        });
    }
    let out = ((config.validation_share * n as f64).round() as usize).clamp(1, n - 1);
    let mut picked = Stream::new(config.seed, "published validation", 0).permutation(n);
    picked.truncate(out);
    picked.sort_unstable();
    let mut held_out = Vec::with_capacity(out);
    for place in picked.into_iter().rev() {
        held_out.push(training.remove(place));
    }
    held_out.reverse();
    Ok(held_out)
}

/// Refuses what will not fit.
fn bounded(config: &PublishedTraining, sources: &PublishedSources<'_>, frames: u64) -> Result<()> {
    let dim = sources.encoder.latent_dim() as u64;
    let (hidden, batch) = (config.hidden as u64, config.batch as u64);
    let gates = if config.cell == CellKind::Lstm { 4 } else { 2 };
    // Values, gradient, two moments, and a copy while they are written.
    let network = 4 * 7 * gates * hidden * (dim + hidden);
    let work = 4 * 8 * batch * (config.context as u64 + 1) * (gates * hidden + dim);
    let bytes = frames
        .saturating_mul(4 * dim)
        .saturating_add(network)
        .saturating_add(work);
    match sources.max_bytes {
        Some(limit) if bytes > limit => Err(Error::Config {
            place: "published training".into(),
            field: "memory".into(),
            expected: format!("at most {limit} bytes"),
            found: format!(
                "{bytes} bytes for {frames} latents of {dim} numbers and the network (fewer epochs need fewer frames)"
            ),
        }),
        _ => Ok(()),
    }
}

/// Writes weight files with what they were made from.
struct Writer<'a> {
    config: &'a PublishedTraining,
    sources: &'a PublishedSources<'a>,
    network: &'a DynamicsConfig,
    folder: &'a RunFolder,
    digest: &'a str,
}

impl Writer<'_> {
    fn write(&self, name: &str, net: &OneStep, state: &State) -> Result<()> {
        let mut params = Params::default();
        for (name, tensor) in net.tensors()? {
            params.insert(&name, &tensor)?;
        }
        let text = |what: &str, found: String| Error::Config {
            place: "published training".into(),
            field: what.into(),
            expected: "serialisable values".into(),
            found,
        };
        let training =
            toml::to_string(self.config).map_err(|e| text("configuration", e.to_string()))?;
        let encoder = serde_json::to_string(self.sources.encoder.identity())
            .map_err(|e| text("encoder", e.to_string()))?;
        let validation = match (self.sources.validation, state.log.last()) {
            (Some(clips), _) => clips.describe(),
            (None, Some(row)) if row.validation.is_some() => {
                format!("a share of {}", self.config.validation_share)
            }
            _ => "none".into(),
        };
        let last = state.log.last();
        let of = |value: Option<f64>| value.map_or("none".to_string(), |v| v.to_string());
        let own: Vec<(&str, String)> = vec![
            ("training", training),
            ("encoder", encoder),
            ("clips", self.sources.training.describe()),
            ("validation_clips", validation),
            ("clips_sha256", self.digest.to_string()),
            ("epoch", state.epoch.to_string()),
            ("step", state.step.to_string()),
            ("loss", of(last.map(|row| row.loss))),
            ("validation_loss", of(last.and_then(|row| row.validation))),
        ];
        let notes: Vec<(&str, &str)> = self
            .sources
            .notes
            .iter()
            .chain(&own)
            .map(|(k, v)| (*k, v.as_str()))
            .collect();
        let bytes = crate::weights::network_bytes(&params, self.network, &notes)?;
        write_atomic(self.folder.file(name), |out| out.write_all(&bytes))?;
        Ok(())
    }
}

fn save(folder: &RunFolder, net: &OneStep, state: &State) -> Result<()> {
    let path = folder.file("checkpoint.safetensors");
    let text = serde_json::to_string(state).map_err(|e| damaged(&path, &e))?;
    let bytes = crate::weights::to_bytes(&net.checkpoint()?, &[("state", &text)])?;
    write_atomic(&path, |out| out.write_all(&bytes))?;
    folder.write_log(&state.log)
}

fn restore(folder: &RunFolder, key: &str, net: &mut OneStep) -> Result<Option<State>> {
    let path = folder.file("checkpoint.safetensors");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
    let (tensors, metadata) = crate::weights::from_bytes(&path, &bytes)?;
    let state: State = metadata
        .get("state")
        .and_then(|s| serde_json::from_str(s).ok())
        .ok_or_else(|| damaged(&path, &"no state of the published training"))?;
    if state.key != key {
        return Err(Error::Config {
            place: path.display().to_string(),
            field: "configuration, encoder and clips".into(),
            expected: key.into(),
            found: format!("{} (start in another folder)", state.key),
        });
    }
    net.restore(&tensors, state.step)?;
    Ok(Some(state))
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Weights {
        path: path.to_path_buf(),
        tensor: "*".into(),
        expected: "a training checkpoint".into(),
        found: why.to_string(),
    }
}
