//! What a folder is being filled with, and by how many shards.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::manifest::{FILE_NAME, Manifest, SCHEMA_VERSION, read_json};
use crate::stimuli::movie::Setting;
use crate::stimuli::pieces::Pieces;
use crate::stimuli::set::StimulusSet;
use crate::task::set::SetIdentity;
use mental_pong_base::files::write_atomic;

/// The plan's name in its folder. It goes when the set is whole.
pub const PLAN_NAME: &str = "plan.json";
/// More shards than anybody has machines.
const MAX_SHARDS: u32 = 1_000_000;

/// One of several runs that make a set together: `index` of `of`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// The pieces of this shard out of `n`: consecutive, as many as any other's or one more.
    #[must_use]
    pub fn pieces(self, n: usize) -> std::ops::Range<usize> {
        let at = |index: u32| (index as usize).saturating_mul(n) / self.of as usize;
        at(self.index)..at(self.index + 1)
    }

    /// The shard's number and how many there are, each as long as the longest number.
    pub(crate) fn label(self) -> String {
        format!("{:06}-of-{:06}", self.index, self.of)
    }

    pub(crate) fn manifest_name(self) -> String {
        format!("shard-{}.json", self.label())
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.of == 0 || self.of > MAX_SHARDS || self.index >= self.of {
            return Err(Error::BadValue {
                field: "shard",
                expected: "i/n with i from 0 to n - 1".into(),
                found: self.to_string(),
            });
        }
        Ok(())
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::BadValue {
            field: "shard",
            expected: "i/n with i from 0 to n - 1".into(),
            found: text.to_owned(),
        };
        let (index, of) = text.split_once('/').ok_or_else(bad)?;
        let shard = Self {
            index: index.parse().map_err(|_| bad())?,
            of: of.parse().map_err(|_| bad())?,
        };
        shard.check()?;
        Ok(shard)
    }
}

/// What a folder is being filled with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this layout.
    pub schema_version: u32,
    /// The crate and version that draws the frames.
    pub generator: String,
    /// The command, as the caller gives it, without the shard.
    pub command: String,
    /// Law, preset, occlusion, format and so on.
    #[serde(flatten)]
    pub setting: Setting,
    /// Number of conditions.
    pub n_conditions: usize,
    /// Number of frames.
    pub n_frames: u64,
    /// Pieces of work in the whole set.
    pub n_pieces: usize,
    /// Shards that it is cut into.
    pub n_shards: u32,
    /// The condition set that the conditions are of.
    #[serde(flatten)]
    pub set: SetIdentity,
    /// What names the stimuli: [`StimulusSet::sha256`].
    pub stimuli_sha256: String,
}

impl Plan {
    pub(crate) fn of(
        set: &StimulusSet,
        pieces: &Pieces,
        command: &str,
        n_shards: u32,
    ) -> Result<Self> {
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            generator: super::manifest::GENERATOR.to_owned(),
            command: command.to_owned(),
            setting: set.setting(),
            n_conditions: set.conditions().len(),
            n_frames: pieces.n_frames.iter().map(|&n| n as u64).sum(),
            n_pieces: pieces.n,
            n_shards,
            set: set.set().identity(),
            stimuli_sha256: set.sha256()?,
        })
    }

    /// Reads the plan of a folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadManifest`], [`Error::ManifestMismatch`] for another layout.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(PLAN_NAME);
        let plan: Self = read_json(&path)?;
        if plan.n_shards == 0 || plan.n_shards > MAX_SHARDS {
            return Err(Error::ManifestMismatch {
                path,
                field: "n_shards",
                expected: format!("1 to {MAX_SHARDS}"),
                found: plan.n_shards.to_string(),
            });
        }
        Ok(plan)
    }

    /// Puts the plan into its folder, or finds that it is there already. A folder with the plan or
    /// the manifest of another set is somebody's: two are never mixed.
    pub(crate) fn claim(&self, folder: &Path) -> Result<()> {
        let path = folder.join(PLAN_NAME);
        if path.exists() {
            let there = Self::read(folder)?;
            let n_shards = there.n_shards;
            self.same_as(&there.described(), &path)?;
            if n_shards != self.n_shards {
                return Err(Error::ManifestMismatch {
                    path,
                    field: "shards",
                    expected: self.n_shards.to_string(),
                    found: n_shards.to_string(),
                });
            }
            return Ok(());
        }
        let path = folder.join(FILE_NAME);
        if path.exists() {
            let there = Manifest::read(folder)?;
            self.same_as(
                &Described {
                    setting: there.setting,
                    n_conditions: there.n_conditions,
                    stimuli_sha256: there.stimuli_sha256,
                },
                &path,
            )?;
            if self.n_shards > 1 {
                return Err(Error::ManifestMismatch {
                    path,
                    field: "shards",
                    expected: "a set that is not whole yet".into(),
                    found: "the manifest of the whole set".into(),
                });
            }
        }
        let path = folder.join(PLAN_NAME);
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|e| Error::io("write", &path)(e.into()))?;
        text.push(b'\n');
        Ok(write_atomic(&path, |out| out.write_all(&text))?)
    }

    fn described(self) -> Described {
        Described {
            setting: self.setting,
            n_conditions: self.n_conditions,
            stimuli_sha256: self.stimuli_sha256,
        }
    }

    fn same_as(&self, there: &Described, path: &Path) -> Result<()> {
        let mismatch = |field, expected: String, found: String| {
            Err(Error::ManifestMismatch {
                path: path.to_path_buf(),
                field,
                expected,
                found,
            })
        };
        if there.setting != self.setting {
            let say =
                |s: &Setting| serde_json::to_string(s).unwrap_or_else(|error| error.to_string());
            return mismatch("setting", say(&self.setting), say(&there.setting));
        }
        if there.n_conditions != self.n_conditions {
            let say = |n: usize| format!("{n} conditions");
            return mismatch(
                "conditions",
                say(self.n_conditions),
                say(there.n_conditions),
            );
        }
        if there.stimuli_sha256 != self.stimuli_sha256 {
            return mismatch(
                "conditions",
                format!("those asked for ({:.12})", self.stimuli_sha256),
                format!(
                    "other conditions ({:.12}): name another folder",
                    there.stimuli_sha256
                ),
            );
        }
        Ok(())
    }
}

struct Described {
    setting: Setting,
    n_conditions: usize,
    stimuli_sha256: String,
}

/// The shards of a folder's plan that have not finished: those without a manifest. None where the
/// whole set is there.
///
/// # Errors
/// As [`Plan::read`].
pub fn missing_shards(folder: impl AsRef<Path>) -> Result<Vec<Shard>> {
    let folder = folder.as_ref();
    if !folder.join(PLAN_NAME).exists() && folder.join(FILE_NAME).exists() {
        Manifest::read(folder)?;
        return Ok(Vec::new());
    }
    let plan = Plan::read(folder)?;
    Ok((0..plan.n_shards)
        .map(|index| Shard {
            index,
            of: plan.n_shards,
        })
        .filter(|shard| !folder.join(shard.manifest_name()).exists())
        .collect())
}

/// The manifests of shards in a folder, by name.
pub(crate) fn shard_manifests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let named = path.file_name().and_then(|name| name.to_str());
        if named.is_some_and(|name| name.starts_with("shard-") && name.ends_with(".json")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn shards_share_the_pieces_without_gap_or_overlap(n in 0_usize..5000, of in 1_u32..200) {
            let mut next = 0;
            for index in 0..of {
                let pieces = Shard { index, of }.pieces(n);
                proptest::prop_assert_eq!(pieces.start, next);
                proptest::prop_assert!(pieces.len() <= n / of as usize + 1);
                next = pieces.end;
            }
            proptest::prop_assert_eq!(next, n);
        }
    }

    #[test]
    fn a_shard_is_read_from_i_of_n() {
        assert_eq!("3/16".parse::<Shard>().unwrap(), Shard { index: 3, of: 16 });
        for text in ["16/16", "3", "a/3", "0/0", "-1/3", "1/3/4", "0/4294967295"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
