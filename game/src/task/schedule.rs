//! Which trials a session has, in which order.
//!
//! A [`Schedule`] is what a file says; a [`Plan`] is the list of trials that follows from it and its
//! seed, the same on every machine. A session that is stopped goes on in the same list.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::conditions79::PRIMATE79_IDS;
use crate::task::law::Law;
use crate::task::own::{Rule, Start, own_condition};
use crate::task::set::{ConditionSet, SetCondition, SetIdentity, SetLaw};
use crate::task::table::{Set, select};
use crate::task::trial::{TrialKind, TrialRules, TrialSpec};
use mental_pong_base::Stream;
use mental_pong_base::files::sha256_hex;
use mental_pong_base::table::{Cell, MAX_BYTES, Row, Table, read_text};

/// More trials than a session can have: a slip of the pen in a file is found before it runs.
pub const MOST_TRIALS: usize = 100_000;

/// The order of the trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Shuffled with the seed.
    #[default]
    Random,
    /// As listed.
    Listed,
}

/// One condition of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    /// Id in the condition set, or in the generator's table where none is given; without it a trial of
    /// one's own, by the four fields below.
    #[serde(alias = "condition_id", deserialize_with = "id_or_none")]
    pub id: Option<String>,
    /// Start, degrees.
    pub x0_deg: Option<f64>,
    /// Start, degrees.
    pub y0_deg: Option<f64>,
    /// First heading, degrees of angle, 0 = right, up positive.
    pub heading_deg: Option<f64>,
    /// Speed, degrees per second.
    pub speed_deg_per_s: Option<f64>,
    /// How often it comes; 1 without it. Not where `trials` draws by weight.
    pub repeats: Option<u32>,
    /// Its weight where `trials` draws; 1 without it.
    pub weight: Option<f64>,
    /// Occluded or visible always; without it as `visible_share` says.
    pub trial_type: Option<TrialKind>,
}

impl Entry {
    /// A row of a table.
    fn of(table: &Table, row: Row<'_>) -> std::result::Result<Self, Cell> {
        let mut entry = Self::default();
        let there = |(at, _): &(usize, &String)| row.value(*at).is_some();
        for (at, name) in table.header().iter().enumerate().filter(there) {
            let number = || row.number(at).map(Some);
            let whole = || {
                let small = u32::try_from(row.whole(at)?);
                small.map(Some).map_err(|_| row.bad(at, "a whole number"))
            };
            match name.as_str() {
                "condition_id" | "id" => entry.id = Some(row.id(at)?.to_owned()),
                "repeats" => entry.repeats = whole()?,
                "weight" => entry.weight = number()?,
                "x0_deg" => entry.x0_deg = number()?,
                "y0_deg" => entry.y0_deg = number()?,
                "heading_deg" => entry.heading_deg = number()?,
                "speed_deg_per_s" => entry.speed_deg_per_s = number()?,
                "trial_type" => {
                    let mut kinds = TrialKind::ALL.into_iter();
                    let kind = kinds.find(|k| k.name() == row.text(at));
                    entry.trial_type =
                        Some(kind.ok_or_else(|| row.bad(at, "occluded or visible"))?);
                }
                _ => {
                    let known = "a column condition_id, repeats, weight, trial_type, x0_deg, \
                                 y0_deg, heading_deg or speed_deg_per_s";
                    return Err(row.bad_found(at, known, format!("`{name}`")));
                }
            }
        }
        Ok(entry)
    }
}

/// What a schedule file says. Every field has a default; an unknown one is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Seed of order, draws and trial types. Default 0.
    pub seed: u64,
    /// The law of motion. Default `display`, what the animals saw.
    pub law: Law,
    /// A published set; `primate79` where neither `set`, `ids` nor `condition` is given.
    pub set: Option<Set>,
    /// Conditions by id.
    #[serde(deserialize_with = "ids")]
    pub ids: Vec<String>,
    /// Conditions with settings of their own, or trials of one's own.
    pub condition: Vec<Entry>,
    /// How often the whole list comes. Default 1.
    pub repeats: u32,
    /// Draw so many trials by weight instead, with replacement.
    pub trials: Option<u32>,
    /// Share of visible trials among those without a `trial_type`, 0 to 1. Default 0.25.
    pub visible_share: f64,
    /// Number of blocks, with a rest between them. Default 4.
    pub blocks: u32,
    /// Practice trials without an occluder before the first block. Default 4.
    pub practice: u32,
    /// Random or listed. Default random.
    pub order: Order,
    /// Times, sizes and criteria of a trial.
    pub rules: TrialRules,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            seed: 0,
            law: Law::Display,
            set: None,
            ids: Vec::new(),
            condition: Vec::new(),
            repeats: 1,
            trials: None,
            visible_share: 0.25,
            blocks: 4,
            practice: 4,
            order: Order::Random,
            rules: TrialRules::default(),
        }
    }
}

/// One trial of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledTrial {
    /// Its number, from 1, practice included.
    pub number: u32,
    /// Its block, from 1; practice is block 0.
    pub block: u32,
    /// Which trial it is.
    pub spec: TrialSpec,
}

/// The trials of a session, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed that it came from.
    pub seed: u64,
    /// The law of motion, or `recorded`.
    pub law: SetLaw,
    /// Times, sizes and criteria.
    pub rules: TrialRules,
    /// Number of blocks, practice not counted.
    pub blocks: u32,
    /// The trials.
    pub trials: Vec<ScheduledTrial>,
    /// The condition set that they are of, where one was named.
    pub set: Option<SetIdentity>,
}

/// What is flown, and its settings.
type Listed = (Arc<SetCondition>, Entry);

/// An id as a file has it: text, or a whole number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an id: text or a whole number")]
enum Id {
    Whole(u64),
    Text(String),
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        match id {
            Id::Whole(id) => id.to_string(),
            Id::Text(id) => id,
        }
    }
}

fn ids<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    Ok(Vec::<Id>::deserialize(from)?
        .into_iter()
        .map(Into::into)
        .collect())
}

fn id_or_none<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(Option::<Id>::deserialize(from)?.map(Into::into))
}

impl Schedule {
    /// Reads a schedule: TOML, or, by the extension `.csv`, a table with a condition in each row
    /// and the columns of [`Entry`] (`condition_id` or `id`).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadSchedule`], or [`Error::Table`] with line and column.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_text(path, MAX_BYTES)?;
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("tsv"))
        {
            Self::from_csv(&text, path)
        } else {
            Self::from_toml(&text, path)
        }
    }

    /// Reads TOML; `path` names it in errors.
    ///
    /// # Errors
    /// [`Error::BadSchedule`] with what the TOML reader says: the line, the field, what it expected.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::BadSchedule {
            path: path.to_path_buf(),
            message: e.to_string().trim_end().to_owned(),
        })
    }

    /// Reads a table of conditions, with the defaults for everything else; `path` names it in
    /// errors.
    ///
    /// # Errors
    /// [`Error::Table`] with line and column, [`Error::BadSchedule`] where there is no row.
    pub fn from_csv(text: &str, path: &Path) -> Result<Self> {
        let (table, mut problems) = Table::parse_with_problems(text.as_bytes(), path)?;
        let mut condition = Vec::new();
        for row in table.rows() {
            condition.extend(problems.take(Entry::of(&table, row)));
        }
        let condition = problems.or(condition)?;
        if condition.is_empty() {
            return Err(Error::BadSchedule {
                path: path.to_path_buf(),
                message: "there is no condition in it".into(),
            });
        }
        Ok(Self {
            condition,
            ..Self::default()
        })
    }

    /// The trials that follow. `path` names the schedule in errors.
    ///
    /// # Errors
    /// [`Error::BadRow`] with the entry (from 1) and the field of a condition that does not exist or
    /// cannot be; [`Error::BadSchedule`] for one of `ids`; [`Error::BadValue`] for a number out
    /// of its range, no trial at all, or more than [`MOST_TRIALS`].
    pub fn plan(&self, path: &Path) -> Result<Plan> {
        self.check()?;
        let entries = self.entries(path)?;
        self.planned(&entries, self.law.into())
    }

    /// The trials that follow of a condition set, under its own law and in its own geometry: of all its conditions, or of
    /// those that the schedule lists by their ids. `path` names the schedule in errors.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id that the set does not have, [`Error::BadSchedule`] for a set or a start of the
    /// schedule's own, and as [`plan`](Self::plan).
    pub fn plan_of(&self, set: &ConditionSet, path: &Path) -> Result<Plan> {
        self.check()?;
        let start = |e: &Entry| e.id.is_none();
        if self.set.is_some() || self.condition.iter().any(start) {
            return Err(Error::BadSchedule {
                path: path.to_path_buf(),
                message: format!(
                    "expected conditions of the set {} by their ids, found {} of its own",
                    set.name(),
                    if self.set.is_some() {
                        "a set"
                    } else {
                        "a start"
                    }
                ),
            });
        }
        let of = |c: &SetCondition, entry: &Entry| (Arc::new(c.clone()), entry.clone());
        let mut entries = Vec::with_capacity(set.len());
        let plain = Entry::default();
        for id in &self.ids {
            entries.push(of(set.condition(id)?, &plain));
        }
        for (entry, row) in self.condition.iter().zip(1_u32..) {
            self.check_entry(entry, row, path)?;
            entries.push(of(
                set.condition(entry.id.as_deref().unwrap_or_default())?,
                entry,
            ));
        }
        if entries.is_empty() {
            entries.extend(set.conditions().iter().map(|c| of(c, &plain)));
        }
        Ok(Plan {
            set: Some(set.identity()),
            ..self.planned(&entries, set.law())?
        })
    }

    fn planned(&self, entries: &[Listed], law: SetLaw) -> Result<Plan> {
        let listed = match self.trials {
            Some(n) => self.drawn(entries, n as usize)?,
            None => self.repeated(entries)?,
        };
        let order = match self.order {
            Order::Random => Stream::new(self.seed, "schedule.order", 0).permutation(listed.len()),
            Order::Listed => (0..listed.len()).collect(),
        };
        let chosen: Vec<&Listed> = order.into_iter().map(|i| &entries[listed[i]]).collect();

        let mut trials = Vec::with_capacity(chosen.len() + self.practice as usize);
        let mut push = |block, condition: &Arc<SetCondition>, kind, practice| {
            trials.push(ScheduledTrial {
                number: trials.len() as u32 + 1,
                block,
                spec: TrialSpec {
                    condition: Arc::clone(condition),
                    kind,
                    practice,
                },
            });
        };
        let practice = Stream::new(self.seed, "schedule.practice", 0).permutation(entries.len());
        for &i in practice.iter().cycle().take(self.practice as usize) {
            push(0, &entries[i].0, TrialKind::Visible, true);
        }
        let (n, blocks) = (chosen.len(), self.blocks as usize);
        let (mut mixed_before, mut visible_before) = (0, 0);
        for block in 0..blocks {
            let part = &chosen[block * n / blocks..(block + 1) * n / blocks];
            let mixed: Vec<usize> = (0..part.len())
                .filter(|&i| part[i].1.trial_type.is_none())
                .collect();
            // The share holds at the end of every block, to the nearest trial.
            mixed_before += mixed.len();
            let visible = (mixed_before as f64 * self.visible_share).round() as usize;
            let n_visible = (visible - visible_before).min(mixed.len());
            visible_before += n_visible;
            let mut kinds: Vec<TrialKind> = part
                .iter()
                .map(|(_, entry)| entry.trial_type.unwrap_or(TrialKind::Occluded))
                .collect();
            let shuffled =
                Stream::new(self.seed, "schedule.kind", block as u64).permutation(mixed.len());
            for &i in &shuffled[..n_visible] {
                kinds[mixed[i]] = TrialKind::Visible;
            }
            for ((condition, _), kind) in part.iter().zip(kinds) {
                push(block as u32 + 1, condition, kind, false);
            }
        }
        Ok(Plan {
            seed: self.seed,
            law,
            rules: self.rules,
            blocks: self.blocks,
            trials,
            set: None,
        })
    }

    fn check(&self) -> Result<()> {
        let bad = |field, expected: &str, found: String| {
            Err(Error::BadValue {
                field,
                expected: expected.to_owned(),
                found,
            })
        };
        if !(0.0..=1.0).contains(&self.visible_share) {
            return bad("visible_share", "0 to 1", self.visible_share.to_string());
        }
        if self.blocks == 0 || self.blocks as usize > MOST_TRIALS {
            return bad("blocks", "1 to 100000", self.blocks.to_string());
        }
        if self.practice as usize > MOST_TRIALS {
            return bad("practice", "0 to 100000", self.practice.to_string());
        }
        if self.trials == Some(0) {
            return bad("trials", "1 or more", "0".into());
        }
        if self.repeats == 0 {
            return bad("repeats", "1 or more", "0".into());
        }
        self.rules.check()
    }

    /// The published conditions and starts of the schedule's own, each with its settings.
    fn entries(&self, path: &Path) -> Result<Vec<Listed>> {
        let law = self.law;
        let published = |c: Condition| Arc::new(SetCondition::published(c, law, law.hz()));
        let mut all: Vec<Listed> = Vec::new();
        let none = self.set.is_none() && self.ids.is_empty() && self.condition.is_empty();
        if let Some(set) = self.set.or(none.then_some(Set::Primate79)) {
            let conditions = set.conditions()?.into_iter();
            all.extend(conditions.map(|c| (published(c), Entry::default())));
        }
        let of_ids = |message| Error::BadSchedule {
            path: path.to_path_buf(),
            message,
        };
        let row = |id: &String| {
            let last = crate::task::N_TRIALS - 1;
            let expected = format!(
                "ids: expected 0 to {last}, or --conditions with a set that has it; found {id}"
            );
            id.parse::<u32>().map_err(|_| of_ids(expected))
        };
        let listed: Vec<u32> = self.ids.iter().map(row).collect::<Result<_>>()?;
        let listed = select(&listed).map_err(|e| match e {
            Error::UnknownCondition { .. } | Error::DuplicateCondition { .. } => {
                of_ids(format!("ids: {e}"))
            }
            other => other,
        })?;
        all.extend(listed.into_iter().map(|c| (published(c), Entry::default())));

        // Ids that there are; the others are told by their row below.
        let mut ids: Vec<u32> = (self.condition.iter())
            .filter_map(|e| e.id.as_ref()?.parse().ok())
            .filter(|&id| (id as usize) < crate::task::N_TRIALS)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let known = if ids.is_empty() {
            Vec::new()
        } else {
            select(&ids)?
        };
        for (entry, row) in self.condition.iter().zip(1_u32..) {
            self.check_entry(entry, row, path)?;
            let condition = match self.condition_of(entry, row, &known, path)? {
                c if entry.id.is_some() => published(c),
                c => Arc::new(SetCondition::own(format!("own-{row}"), c, law)),
            };
            all.push((condition, entry.clone()));
        }
        Ok(all)
    }

    fn check_entry(&self, entry: &Entry, row: u32, path: &Path) -> Result<()> {
        if entry.repeats == Some(0) {
            return Err(bad_row(
                path,
                row,
                "repeats",
                "1 or more".into(),
                "0".into(),
            ));
        }
        match entry.weight.filter(|w| !(w.is_finite() && *w > 0.0)) {
            Some(weight) => {
                let expected = "a positive number".into();
                Err(bad_row(path, row, "weight", expected, weight.to_string()))
            }
            None => Ok(()),
        }
    }

    fn condition_of(
        &self,
        entry: &Entry,
        row: u32,
        known: &[Condition],
        path: &Path,
    ) -> Result<Condition> {
        let bad = |field: &str, expected, found| bad_row(path, row, field, expected, found);
        let own = [
            ("x0_deg", entry.x0_deg),
            ("y0_deg", entry.y0_deg),
            ("heading_deg", entry.heading_deg),
            ("speed_deg_per_s", entry.speed_deg_per_s),
        ];
        if let Some(id) = &entry.id {
            if let Some((field, value)) = own.iter().find_map(|(f, v)| Some((f, (*v)?))) {
                return Err(bad(field, "nothing beside an id".into(), value.to_string()));
            }
            let row = id.parse().ok();
            let at = row.and_then(|row| known.binary_search_by_key(&row, |c| c.id).ok());
            return at.map(|at| known[at]).ok_or_else(|| {
                let last = crate::task::N_TRIALS - 1;
                let expected = format!("0 to {last}, or --conditions with a set that has it");
                bad("condition_id", expected, id.clone())
            });
        }
        let value = |at: usize| {
            let (field, value) = own[at];
            value.ok_or_else(|| {
                bad(
                    field,
                    "a number, or a condition_id in its place".into(),
                    "nothing".into(),
                )
            })
        };
        let start = Start::from_deg(value(0)?, value(1)?, value(2)?, value(3)?);
        own_condition(row, start, Rule::Possible).map_err(|e| match e {
            Error::BadValue {
                field,
                expected,
                found,
            } => {
                // As the file has it: on the way to the generator's units the last digit may change.
                let own = own.iter().find(|(of, _)| *of == field);
                let own = own.and_then(|(_, value)| *value);
                bad(field, expected, own.map_or(found, |v| v.to_string()))
            }
            other => other,
        })
    }

    /// `[trial]`: which entry each trial is of, drawn by weight.
    fn drawn(&self, entries: &[Listed], n: usize) -> Result<Vec<usize>> {
        too_many(n)?;
        if let Some((_, entry)) = entries.iter().find(|(_, e)| e.repeats.is_some()) {
            return Err(Error::BadValue {
                field: "repeats",
                expected: "none where `trials` draws by weight".into(),
                found: entry.repeats.unwrap_or_default().to_string(),
            });
        }
        let mut up_to = Vec::with_capacity(entries.len());
        let mut total = 0.0;
        for (_, entry) in entries {
            total += entry.weight.unwrap_or(1.0);
            up_to.push(total);
        }
        let mut stream = Stream::new(self.seed, "schedule.draw", 0);
        Ok((0..n)
            .map(|_| {
                let at = stream.uniform(0.0, total);
                up_to
                    .partition_point(|&end| end <= at)
                    .min(entries.len() - 1)
            })
            .collect())
    }

    /// `[trial]`: which entry each trial is of, the list as often as asked for.
    fn repeated(&self, entries: &[Listed]) -> Result<Vec<usize>> {
        let of = |entry: &Entry| entry.repeats.unwrap_or(1) as usize;
        let once = entries
            .iter()
            .fold(0_usize, |sum, (_, entry)| sum.saturating_add(of(entry)));
        too_many(once.saturating_mul(self.repeats as usize))?;
        let list: Vec<usize> = entries
            .iter()
            .enumerate()
            .flat_map(|(i, (_, entry))| std::iter::repeat_n(i, of(entry)))
            .collect();
        Ok(list.repeat(self.repeats as usize))
    }
}

fn bad_row(path: &Path, row: u32, field: &str, expected: String, found: String) -> Error {
    Error::BadRow {
        path: path.to_path_buf(),
        row: u64::from(row),
        field: field.to_owned(),
        expected,
        found,
    }
}

fn too_many(n: usize) -> Result<()> {
    if (1..=MOST_TRIALS).contains(&n) {
        Ok(())
    } else {
        Err(Error::BadValue {
            field: "trials",
            expected: format!("1 to {MOST_TRIALS} in a session"),
            found: n.to_string(),
        })
    }
}

impl Plan {
    /// The list as a table, a row a trial, tab-separated, with a header: what the records keep.
    #[must_use]
    pub fn to_tsv(&self) -> String {
        let mut text = String::from(
            "trial\tblock\tcondition_id\ttrial_type\tpractice\tlaw\tx0_deg\ty0_deg\theading_deg\tspeed_deg_per_s\n",
        );
        for trial in &self.trials {
            let (spec, c) = (&trial.spec, &trial.spec.condition);
            let launch = c.launch();
            text.push_str(&format!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                trial.number,
                trial.block,
                c.id(),
                spec.kind.name(),
                spec.practice,
                c.law(),
                launch.x0_deg,
                launch.y0_deg,
                launch.heading_deg,
                launch.speed_deg_per_s,
            ));
        }
        text
    }

    /// The SHA-256 of the list, the rules and a set of one's own: two sessions with the same one have the same trials.
    #[must_use]
    pub fn sha256(&self) -> String {
        let rules = serde_json::to_string(&self.rules).unwrap_or_default();
        // The starts are all there is to a published condition.
        let own = self.set.as_ref().filter(|set| set.published().is_none());
        let own = own.map_or("", |set| &set.sha256);
        sha256_hex(format!("{}{rules}\n{own}", self.to_tsv()).as_bytes())
    }

    /// Whether the ids of the published 79 are all that it holds.
    #[must_use]
    pub fn is_of_the_79(&self) -> bool {
        self.trials
            .iter()
            .filter_map(|t| {
                t.spec
                    .condition
                    .start()
                    .filter(|_| t.spec.condition.is_published())
            })
            .filter(|start| PRIMATE79_IDS.contains(&start.id))
            .count()
            == self.trials.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The row of the published table.
    fn row_of(t: &ScheduledTrial) -> u32 {
        t.spec.condition.start().unwrap().id
    }

    fn file() -> &'static Path {
        Path::new("schedule.toml")
    }

    fn toml(text: &str) -> Result<Plan> {
        Schedule::from_toml(text, file())?.plan(file())
    }

    fn csv(text: &str) -> Result<Plan> {
        let path = Path::new("schedule.csv");
        Schedule::from_csv(text, path)?.plan(path)
    }

    #[test]
    fn the_default_is_the_79_with_a_quarter_visible() {
        let plan = toml("").unwrap();
        let (practice, main): (Vec<ScheduledTrial>, Vec<ScheduledTrial>) =
            plan.trials.iter().cloned().partition(|t| t.spec.practice);
        assert_eq!((practice.len(), main.len()), (4, 79));
        let visible = main
            .iter()
            .filter(|t| t.spec.kind == TrialKind::Visible)
            .count();
        assert_eq!(visible, 20);
        let mut ids: Vec<u32> = main.iter().map(row_of).collect();
        assert_ne!(ids, PRIMATE79_IDS);
        ids.sort_unstable();
        assert_eq!(ids, PRIMATE79_IDS);
        let sizes: Vec<usize> = (1..=4)
            .map(|b| main.iter().filter(|t| t.block == b).count())
            .collect();
        assert_eq!(sizes, [19, 20, 20, 20]);
        assert!(plan.trials.iter().zip(1..).all(|(t, n)| t.number == n));
        assert!(plan.is_of_the_79());
    }

    #[test]
    fn same_seed_same_plan_and_another_seed_another() {
        let plan = |seed: u64| toml(&format!("seed = {seed}")).unwrap();
        assert_eq!(plan(7), plan(7));
        assert_eq!(plan(7).sha256(), plan(7).sha256());
        assert_ne!(plan(7).to_tsv(), plan(8).to_tsv());
        // Set once by hand: a change here means that sessions can no longer be resumed.
        let order: Vec<u32> = plan(7).trials[4..9].iter().map(row_of).collect();
        assert_eq!(order, FIRST_FIVE_OF_SEED_7);
        // The rules are part of the name of a plan.
        let mut other = plan(7);
        other.rules.still_ms = 400.0;
        assert_ne!(other.sha256(), plan(7).sha256());
    }

    const FIRST_FIVE_OF_SEED_7: [u32; 5] = [325_813, 55_062, 58_244, 204_678, 218_791];

    #[test]
    fn repeats_weights_and_types_are_kept() {
        let plan = toml(
            "repeats = 2\nblocks = 1\npractice = 0\nvisible_share = 0.5\norder = 'listed'\n\
             [[condition]]\nid = 55062\nrepeats = 3\ntrial_type = 'visible'\n\
             [[condition]]\nid = 29337\n",
        )
        .unwrap();
        let of = |id| plan.trials.iter().filter(|t| row_of(t) == id).count();
        assert_eq!((of(55_062), of(29_337)), (6, 2));
        let visible = |id| {
            plan.trials
                .iter()
                .filter(|t| row_of(t) == id && t.spec.kind == TrialKind::Visible)
                .count()
        };
        assert_eq!((visible(55_062), visible(29_337)), (6, 1));

        let plan = toml(
            "trials = 4000\npractice = 0\n[[condition]]\nid = 55062\nweight = 3\n[[condition]]\nid = 29337\n",
        )
        .unwrap();
        let heavy = plan.trials.iter().filter(|t| row_of(t) == 55_062).count();
        // 3000 expected, standard deviation 27.
        assert!((2865..3135).contains(&heavy), "{heavy}");
    }

    #[test]
    fn trials_of_ones_own_stand_beside_published_ones() {
        let plan = csv(
            "condition_id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,repeats\n\
             55062,,,,,2\n,-5,0,10,7.5,\n",
        )
        .unwrap();
        let ids: Vec<&str> = plan.trials.iter().map(|t| t.spec.condition.id()).collect();
        assert!(ids.contains(&"own-2") && ids.contains(&"55062"));
        assert!(!plan.is_of_the_79());
    }

    #[test]
    fn bad_files_are_refused_with_row_and_field() {
        let says = |result: Result<Plan>, parts: &[&str]| {
            let message = result.unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message} has no {part}");
            }
        };
        says(toml("sed = 1"), &["schedule.toml", "sed", "seed"]);
        says(toml("seed = 'x'"), &["schedule.toml", "line 1"]);
        says(
            toml("ids = [472225]"),
            &["schedule.toml", "ids", "no condition 472225"],
        );
        says(
            toml("[[condition]]\nid = 3\n[[condition]]\nid = 472225"),
            &["row 2", "condition_id", "472225"],
        );
        says(toml("visible_share = 1.5"), &["visible_share is 1.5"]);
        says(toml("blocks = 0"), &["blocks is 0"]);
        says(toml("repeats = 4000000000"), &["trials"]);
        says(toml("[rules]\nstill_ms = -1"), &["still_ms is -1"]);
        says(toml("[rules]\nstil_ms = 1"), &["stil_ms"]);
        says(
            csv("condition_id\nsix\n"),
            &[
                "schedule.csv, row 1",
                "condition_id",
                "--conditions",
                "found six",
            ],
        );
        says(csv("condition_id,colour\n3,red\n"), &["colour"]);
        says(csv("condition_id\n"), &["no condition"]);
        says(
            csv("condition_id,trial_type\n3,hidden\n"),
            &["line 2", "trial_type", "`hidden`"],
        );
        says(
            csv("x0_deg,y0_deg,heading_deg,speed_deg_per_s\n0,0,0,7.5\n6,0,0,7.5\n"),
            &["row 2", "x0_deg", "left of the occluder", "found 6"],
        );
        let message = csv("x0_deg,y0_deg,heading_deg,speed_deg_per_s\n6,0,0,7.5\n");
        assert!(message.unwrap_err().to_string().ends_with("found 6"));
        says(csv("x0_deg,y0_deg\n0,0\n"), &["row 1", "heading_deg"]);
        says(csv("condition_id,x0_deg\n3,1\n"), &["row 1", "x0_deg"]);
    }

    const WHOLE_TOML: &str = "seed = 7\nlaw = 'display'\nids = [55062, 29337]\nrepeats = 2\n\
        visible_share = 0.25\nblocks = 2\npractice = 1\norder = 'random'\ntrials = 20\n\
        [[condition]]\nid = 399\nrepeats = 3\ntrial_type = 'visible'\n\
        [[condition]]\nx0_deg = -5.0\ny0_deg = 1.0\nheading_deg = 20.0\nspeed_deg_per_s = 7.5\n\
        [rules]\nstill_ms = 300.0\npaddle = { width_deg = 0.5, height_deg = 2.5 }\n";
    const WHOLE_CSV: &str = "condition_id,repeats,weight,trial_type,x0_deg,y0_deg,heading_deg,\
        speed_deg_per_s\n55062,2,,visible,,,,\n,1,2.5,,-5,0,10,7.5\n";

    const ODD: &[u8] = b"0123456789-e.,'\"[]\n\tN";

    /// A text with bytes changed, cut out and put in twice.
    fn damaged(text: &str, changes: &[(usize, u8, u8)]) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for &(at, what, byte) in changes {
            let at = at % bytes.len().max(1);
            let end = (at + usize::from(byte)).min(bytes.len());
            match what % 4 {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, ODD[usize::from(byte) % ODD.len()]),
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn a_damaged_schedule_is_an_error_or_a_plan_that_can_be_played(
            changes in proptest::collection::vec((0..600_usize, any::<u8>(), any::<u8>()), 1..4),
        ) {
            for read in [toml(&damaged(WHOLE_TOML, &changes)), csv(&damaged(WHOLE_CSV, &changes))] {
                match read {
                    Err(error) => prop_assert!(error.to_string().len() > 10),
                    Ok(plan) => {
                        prop_assert!(!plan.trials.is_empty());
                        prop_assert!(plan.trials.len() <= 2 * MOST_TRIALS);
                        for trial in plan.trials.iter().take(50) {
                            let (ms, y_deg) = trial.spec.condition.track().end();
                            prop_assert!(y_deg.abs() <= 10.0 && ms <= 20_000.0);
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_makes_a_reader_panic(text in "(?s).{0,300}") {
            let _ = toml(&text);
            let _ = csv(&text);
            let _ = csv(&format!("condition_id,x0_deg,trial_type\n{text}"));
        }
    }
}
