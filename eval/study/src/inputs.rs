//! What goes into a study: files and folders by path, each read as data and hashed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_base::Quiet;
use mental_pong_base::files::{sha256_file, sha256_hex};
use mental_pong_game::task::ConditionSet;
use serde::{Deserialize, Serialize};

use crate::analyses::{Attributes, Contact};
use crate::card::{Card, Given, Role};
use crate::error::{Error, Result};
use crate::latents::{Layer, layers_of, read_layers};
use crate::scene::{self, BUNDLED};
use mental_pong_eval::recordings::Missing;
use mental_pong_eval::recordings::arrays::RateUnit;
use mental_pong_eval::recordings::dmfc::{Opening, Recording};
use mental_pong_eval::recordings::mapping::Mapping;
use mental_pong_eval::recordings::sample::condition_set;
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};
use mental_pong_formats::limits::Limits;
use mental_pong_predictor::latents::{Latents, LatentsFile};

/// A model under test.
#[derive(Debug, Clone)]
pub enum Model {
    /// A predictor by name or by the path of its weights.
    Named(String),
    /// A layer of latents.
    Latents {
        /// Name for the tables.
        name: String,
        /// The layer, conditions in the order of the study's.
        layer: Layer,
    },
}

/// How recordings are read, where the file alone does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// What the file calls what is asked for.
    pub mapping: Mapping,
    /// What becomes of units and conditions without responses.
    pub missing: Missing,
    /// Length of the bins to bring it to, ms.
    pub rebin_ms: Option<f64>,
    /// Unit of the responses.
    pub response_unit: Option<RateUnit>,
    /// Most memory for what is read, bytes.
    pub most_bytes: u64,
}

impl Default for Reading {
    /// As the file says, within the usual limits.
    fn default() -> Self {
        Self {
            mapping: Mapping::default(),
            missing: Missing::default(),
            rebin_ms: None,
            response_unit: None,
            most_bytes: Limits::default().bytes,
        }
    }
}

impl Reading {
    /// How a file of these conditions is opened, or of those that it states itself.
    #[must_use]
    pub fn opening(&self, conditions: Option<ConditionSet>) -> Opening {
        Opening {
            expected: None,
            limits: Limits {
                bytes: self.most_bytes,
                ..Limits::default()
            },
            mapping: self.mapping.clone(),
            conditions,
            missing: self.missing,
            rebin_ms: self.rebin_ms,
            response_unit: self.response_unit,
        }
    }
}

/// What is asked for by name, so that a card can be computed again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Condition set by name; the recording's, else `primate79`, without it.
    pub conditions: Option<String>,
    /// Conditions of the set by id; all where empty.
    pub ids: Vec<String>,
    /// Models by name.
    pub models: Vec<String>,
    /// Whether no model at all is meant where none is named.
    pub no_models: bool,
    /// Columns of the trials by role, for example `condition=py_meta_index`.
    pub columns: Option<String>,
    /// Whether trials may be of few of the conditions, and those of others are left out.
    pub allow_missing: bool,
    /// How recordings are read.
    pub reading: Reading,
}

/// What a program has in memory, so that no file is read.
#[derive(Debug, Clone)]
pub enum Held {
    /// The condition set; [`Asked::conditions`] is what the card calls it.
    Set(ConditionSet),
    /// A recording.
    Recording(Box<Recording>),
    /// Latents of conditions of the study's set, in any order.
    Latents(Arc<Latents>),
}

/// What is asked for, by names and paths. [`Inputs::open`] reads it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What is asked for by name.
    pub asked: Asked,
    /// The recording.
    pub recording: Option<PathBuf>,
    /// A recording of another animal on the same conditions.
    pub other_recording: Option<PathBuf>,
    /// Latents: name for the tables, and file.
    pub latents: Vec<(String, PathBuf)>,
    /// Trials of people or animals: name for the tables, and file.
    pub behavior: Vec<(String, PathBuf)>,
    /// Attributes of rows.
    pub attributes: Option<PathBuf>,
    /// Folder of object contact.
    pub contact: Option<PathBuf>,
    /// What is in memory, with what the card says of it, instead of the recordings and latents of that role and name.
    pub held: Vec<(Given, Held)>,
}

impl Request {
    /// Adds what is in memory: the name and the hash that the card has for it. Of latents that were not in a file that is the
    /// hash of the `.npz` that [`Latents::write`] makes of them.
    pub fn hold(&mut self, role: Role, name: &str, sha256: String, held: Held) {
        let file = match role {
            Role::Latents => format!("{name}.npz"),
            _ => name.to_owned(),
        };
        let given = Given {
            role,
            name: name.into(),
            file,
            sha256,
        };
        self.held.push((given, held));
    }

    /// The whole set that is asked for, if one is.
    fn set(&self) -> Result<Option<ConditionSet>> {
        match (self.held(Role::Conditions, None), &self.asked.conditions) {
            (Some((_, Held::Set(set))), _) => Ok(Some(set.clone())),
            (_, Some(spec)) => Ok(Some(condition_set(spec)?)),
            (_, None) => Ok(None),
        }
    }

    /// What is held of a role, by its name; recordings go without one.
    fn held(&self, role: Role, name: Option<&str>) -> Option<&(Given, Held)> {
        let mut held = self.held.iter();
        held.find(|(given, _)| given.role == role && name.is_none_or(|name| given.name == name))
    }

    /// What cannot be right, before anything is read: unknown models, files that are not there.
    ///
    /// # Errors
    /// Naming the flag, what it was given and, for a name, the nearest there is.
    pub fn check(&self) -> Result<()> {
        for name in &self.asked.models {
            scene::check_model(name)?;
        }
        self.set()?;
        let named = |role: Role, paths: &mut dyn Iterator<Item = &PathBuf>| -> Result<()> {
            for path in paths {
                std::fs::metadata(path).map_err(|e| {
                    Error::invalid(format!("{} {}", role.flag(), path.display()), e.to_string())
                })?;
            }
            Ok(())
        };
        let read = |role| move |_: &&PathBuf| self.held(role, None).is_none();
        let (own, other) = (Role::Recording, Role::OtherRecording);
        named(own, &mut self.recording.iter().filter(read(own)))?;
        named(other, &mut self.other_recording.iter().filter(read(other)))?;
        let latents = self.latents.iter();
        let read = latents.filter(|l| self.held(Role::Latents, Some(&l.0)).is_none());
        named(Role::Latents, &mut read.map(|l| &l.1))?;
        named(Role::Behavior, &mut self.behavior.iter().map(|l| &l.1))?;
        named(Role::Attributes, &mut self.attributes.iter())?;
        named(Role::Contact, &mut self.contact.iter())
    }

    /// The same with what a card says was asked for, its files by the names that the card has for them.
    #[must_use]
    pub fn completed(&self, card: &Card) -> Self {
        let listed = |role: Role| {
            card.inputs
                .iter()
                .filter(|g| g.role == role)
                .filter_map(|g| Some((g.name.clone(), self.path(g)?.to_path_buf())))
                .collect()
        };
        Self {
            asked: card.asked.clone(),
            latents: listed(Role::Latents),
            behavior: listed(Role::Behavior),
            ..self.clone()
        }
    }

    /// The path that was given for an input of a card, by its role and name.
    #[must_use]
    pub fn path(&self, given: &Given) -> Option<&Path> {
        let listed = |list: &[(String, PathBuf)]| {
            list.iter()
                .position(|(name, path)| *name == given.name || file_name(path) == given.file)
        };
        match given.role {
            Role::Recording => self.recording.as_deref(),
            Role::OtherRecording => self.other_recording.as_deref(),
            Role::Attributes => self.attributes.as_deref(),
            Role::Contact => self.contact.as_deref(),
            Role::Latents => listed(&self.latents).map(|i| self.latents[i].1.as_path()),
            Role::Behavior => listed(&self.behavior).map(|i| self.behavior[i].1.as_path()),
            Role::Conditions | Role::Model => None,
        }
    }
}

/// What was read for a study.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// What was asked for by name.
    pub asked: Asked,
    /// The whole set that was asked for; the one that [`Asked::conditions`] names without it.
    pub set: Option<ConditionSet>,
    /// The recording, if there is one.
    pub recording: Option<Recording>,
    /// Name of its file, for the report.
    pub recording_name: String,
    /// Models under test, in the order of the tables.
    pub models: Vec<Model>,
    /// Whether the bundled models stand in where `models` is empty and the recording, if any, is of the task's stimuli.
    pub bundled_by_default: bool,
    /// Trials of people or animals, by name.
    pub trials: Vec<(String, Trials)>,
    /// Recording of another animal on the same conditions, as a ceiling of the maps.
    pub other: Option<Recording>,
    /// Clips of object contact.
    pub contact: Option<Contact>,
    /// Attributes of rows.
    pub attributes: Option<Attributes>,
    /// Everything that was given, with its hash.
    pub given: Vec<Given>,
    /// What is odd about latents that were given, each with its file.
    pub notices: Vec<String>,
}

impl Default for Inputs {
    /// The 79 recorded conditions and nothing else.
    fn default() -> Self {
        Self {
            asked: Asked::default(),
            set: None,
            recording: None,
            recording_name: String::new(),
            models: Vec::new(),
            bundled_by_default: false,
            trials: Vec::new(),
            other: None,
            contact: None,
            attributes: None,
            given: Vec::new(),
            notices: Vec::new(),
        }
    }
}

impl Inputs {
    /// The bundled models on the 79 recorded conditions.
    #[must_use]
    pub fn bundled() -> Self {
        Self {
            bundled_by_default: true,
            ..Self::default()
        }
    }

    /// The models that take part: those given, else the bundled ones where they stand in.
    #[must_use]
    pub fn models_of_study(&self) -> Vec<Model> {
        if self.models.is_empty() && self.bundled_by_default {
            return BUNDLED.map(|name| Model::Named(name.into())).to_vec();
        }
        self.models.clone()
    }

    /// Reads everything that is asked for; every file and folder is hashed.
    ///
    /// # Errors
    /// Those of [`Request::check`] and of the readers, which name file and field.
    pub fn open(request: &Request) -> Result<Self> {
        request.check()?;
        let mut inputs = Self {
            bundled_by_default: !request.asked.no_models && request.latents.is_empty(),
            asked: request.asked.clone(),
            set: request.set()?,
            ..Self::default()
        };
        if let Some(path) = &request.recording {
            inputs.recording = Some(inputs.record(request, Role::Recording, path)?);
            inputs.recording_name = file_name(path);
        }
        if let Some(path) = &request.other_recording {
            inputs.other = Some(inputs.record(request, Role::OtherRecording, path)?);
        }
        if let Some(path) = &request.attributes {
            inputs.attributes = Some(Attributes::read(path)?);
            inputs.give(Role::Attributes, &file_name(path), path)?;
        }
        if let Some(path) = &request.contact {
            inputs.contact = Some(Contact::read(path)?);
            inputs.give(Role::Contact, &file_name(path), path)?;
        }
        for name in &request.asked.models {
            inputs.models.push(Model::Named(name.clone()));
        }
        if !request.latents.is_empty() {
            let set = scene::condition_set(&inputs)?;
            for (name, path) in &request.latents {
                inputs.layers(request, name, path, &set)?;
            }
        }
        for (name, path) in &request.behavior {
            let trials = Trials::open(path, &inputs.trial_options()?)?;
            inputs.give(Role::Behavior, name, path)?;
            inputs.trials.push((name.clone(), trials));
        }
        Ok(inputs)
    }

    /// The set that was asked for, narrowed to the ids; `primate79` where none was.
    pub(crate) fn asked_set(&self) -> Result<ConditionSet> {
        let ids = &self.asked.ids;
        let set = match (&self.set, &self.asked.conditions) {
            (Some(set), _) => set.clone(),
            (None, Some(spec)) => condition_set(spec)?,
            (None, None) => return Ok(ConditionSet::chosen(None, ids)?),
        };
        if ids.is_empty() {
            return Ok(set);
        }
        Ok(set.narrowed(ids)?)
    }

    /// How trials are read: held against all of the set that was asked for, or that the recording is of.
    fn trial_options(&self) -> Result<TrialOptions> {
        let columns = self.asked.columns.as_deref().map(str::parse);
        let set = match &self.set {
            Some(set) => set.clone(),
            None => scene::condition_set(self)?,
        };
        Ok(TrialOptions {
            columns: columns.transpose()?.unwrap_or_default(),
            set: Some(set),
            allow_missing: self.asked.allow_missing,
            ..TrialOptions::default()
        })
    }

    fn layers(
        &mut self,
        request: &Request,
        name: &str,
        path: &Path,
        set: &ConditionSet,
    ) -> Result<()> {
        let mut odd = Vec::new();
        let said = self.set.is_some();
        let layers = match request.held(Role::Latents, Some(name)) {
            Some((given, Held::Latents(held))) => {
                self.given.push(given.clone());
                let file = LatentsFile::held(&given.file, held)?;
                layers_of(file, None, set, said, (0, 0), &mut odd)?
            }
            _ => {
                let layers = read_layers(path, set, said, &mut odd)?;
                self.give(Role::Latents, name, path)?;
                layers
            }
        };
        // What is odd of every condition is said of the first few.
        const SAID: usize = 4;
        let (file, all) = (file_name(path), odd.len());
        odd.truncate(SAID);
        self.notices
            .extend(odd.into_iter().map(|text| format!("{file}: {text}")));
        if all > SAID {
            let more = all - SAID;
            self.notices
                .push(format!("{file}: {more} more of the kind"));
        }
        let several = layers.len() > 1;
        for layer in layers {
            let name = if several {
                format!("{name}:{}", layer.name)
            } else {
                name.to_owned()
            };
            self.models.push(Model::Latents { name, layer });
        }
        Ok(())
    }

    /// A recording; of a file that states no set the conditions are those that were said.
    fn record(&mut self, request: &Request, role: Role, path: &Path) -> Result<Recording> {
        if let Some((given, Held::Recording(recording))) = request.held(role, None) {
            self.given.push(given.clone());
            return Ok((**recording).clone());
        }
        let said = match &self.set {
            Some(_) => Some(self.asked_set()?),
            None => None,
        };
        let opening = self.asked.reading.opening(said);
        let recording = Recording::open_as(path, &opening, &Quiet)?;
        self.give(role, &file_name(path), path)?;
        Ok(recording)
    }

    fn give(&mut self, role: Role, name: &str, path: &Path) -> Result<()> {
        self.given.push(Given {
            role,
            name: name.into(),
            file: file_name(path),
            sha256: sha256_path(path)?,
        });
        Ok(())
    }
}

/// The last part of a path.
#[must_use]
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}

/// The sha256 of a file; of a folder, that of a list of the hashes and names of all of its files in order of their names.
///
/// # Errors
/// Of a file or folder that cannot be read.
pub fn sha256_path(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return Ok(sha256_file(path)?);
    }
    let mut files = Vec::new();
    list(path, path, &mut files)?;
    files.sort();
    let mut text = String::new();
    for name in files {
        text.push_str(&sha256_file(path.join(&name))?);
        text.push_str("  ");
        text.push_str(&name);
        text.push('\n');
    }
    Ok(sha256_hex(text.as_bytes()))
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            let parts: Vec<_> = name
                .components()
                .map(|c| c.as_os_str().to_string_lossy().into_owned())
                .collect();
            files.push(parts.join("/"));
        }
    }
    Ok(())
}
