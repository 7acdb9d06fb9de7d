use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use mental_pong_base::files::write_atomic;
use serde::{Deserialize, Serialize};

use crate::params::{Adam, Params};
use crate::{Error, Result};

/// A line of a training log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRow {
    /// Optimiser steps taken.
    pub step: u64,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Mean training loss since the row before.
    pub loss: f64,
    /// Loss on held-out playworld videos; none where it was not taken.
    pub validation: Option<f64>,
}

/// The folder of a training run: configuration, checkpoint, log.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct State {
    config_sha256: String,
    step: u64,
    log: Vec<LogRow>,
    /// Sum of the losses since the last line of the log, and their number.
    #[serde(default)]
    pending: (f64, u64),
}

/// What a run remembers beside its parameters and moments.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The lines of the log.
    pub log: Vec<LogRow>,
    /// Sum of the losses since the last of them, and their number.
    pub pending: (f64, u64),
}

impl RunFolder {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        Ok(Self { dir: dir.into() })
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes parameters, moments, step and log, all or nothing.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn save(
        &self,
        config_sha256: &str,
        params: &Params,
        adam: &Adam,
        kept: &Kept,
    ) -> Result<()> {
        let mut tensors: BTreeMap<String, Tensor> = adam.tensors();
        tensors.extend(
            params
                .tensors()
                .into_iter()
                .map(|(name, t)| (format!("p/{name}"), t)),
        );
        let state = State {
            config_sha256: config_sha256.into(),
            step: adam.step,
            log: kept.log.clone(),
            pending: kept.pending,
        };
        let text = serde_json::to_string(&state).map_err(|e| self.bad(&e))?;
        let bytes = crate::weights::to_bytes(&tensors, &[("state", &text)])?;
        let path = self.file("checkpoint.safetensors");
        write_atomic(&path, |out| out.write_all(&bytes))?;
        self.write_log(&kept.log)
    }

    /// Restores what [`RunFolder::save`] wrote; `None` where there is nothing.
    ///
    /// # Errors
    /// When the checkpoint is damaged or of another configuration.
    pub fn restore(
        &self,
        config_sha256: &str,
        params: &Params,
        adam: &mut Adam,
    ) -> Result<Option<Kept>> {
        let path = self.file("checkpoint.safetensors");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let (tensors, metadata) = crate::weights::from_bytes(&path, &bytes)?;
        let state: State = metadata
            .get("state")
            .and_then(|s| serde_json::from_str(s).ok())
            .ok_or_else(|| self.bad(&"no training state"))?;
        if state.config_sha256 != config_sha256 {
            return Err(Error::Config {
                place: path.display().to_string(),
                field: "configuration".into(),
                expected: config_sha256.into(),
                found: format!("{} (start in another folder)", state.config_sha256),
            });
        }
        let own: BTreeMap<String, Tensor> = tensors
            .iter()
            .filter_map(|(k, t)| k.strip_prefix("p/").map(|k| (k.to_string(), t.clone())))
            .collect();
        params.set(&own)?;
        adam.restore(&tensors, state.step)?;
        Ok(Some(Kept {
            log: state.log,
            pending: state.pending,
        }))
    }

    pub(super) fn write_log(&self, log: &[LogRow]) -> Result<()> {
        let path = self.file("log.csv");
        write_atomic(&path, |out| {
            writeln!(out, "step,rate,loss,validation")?;
            for row in log {
                let validation = row.validation.map_or(String::new(), |v| v.to_string());
                writeln!(out, "{},{},{},{validation}", row.step, row.rate, row.loss)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn bad(&self, why: &dyn std::fmt::Display) -> Error {
        Error::Weights {
            path: self.file("checkpoint.safetensors"),
            tensor: "*".into(),
            expected: "a training checkpoint".into(),
            found: why.to_string(),
        }
    }
}

/// A scalar of a loss, checked.
pub(super) fn finite(loss: &Tensor, step: u64) -> Result<f64> {
    let value = f64::from(loss.to_device(&Device::Cpu)?.to_scalar::<f32>()?);
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Error::Diverged { step, value })
    }
}
