//! Behaviour by trial: where the paddle was when the ball arrived.
//!
//! Sources: a table of single trials (tab- or comma-separated text, Parquet), such as `mpong play` writes or a laboratory has,
//! or `trial_meta` of a recording. Every row is checked; a bad one is an error that names file, row, column, what was
//! expected and what was found, or is left out and listed if the reader may go on.
//!
//! Columns by default; any may have another name by [`ColumnMap`]:
//!
//! | role | names tried, in order | what |
//! |---|---|---|
//! | `condition` | `condition_id`, `condition`, `py_meta_index`, `meta_index` | id of the condition, as its set has it |
//! | `paddle` | `paddle_y_deg`, `final_paddle_deg`, `paddle_y`, `joystick_output` | final height of the paddle, degrees |
//! | `trial_type` | `trial_type`, `occ_alpha` | `occ`/`occluded`, `vis`/`visible`, or the occluder's opacity (1: `occ`) |
//! | `subject` | `subject`, `participant_id`, `monkey` | any text |
//! | `session` | `session` | any text |
//! | `trial` | `trial` | number within the session |
//! | `truth` | `y_true_deg`, `truth_deg`, `yf_mworks` | height at which the ball arrives, degrees |
//! | `law` | `law` | law of motion of `truth`: `design` or `display` |
//! | `outcome` | `outcome`, `hit` | `hit`, `miss`, `ignored`; or 1 and 0 |
//! | `ignore`, `success`, `failure` | the same | 1 and 0, as in `trial_meta` |
//! | `practice` | `practice` | `true` for a trial of practice |
//!
//! Text is read by [`mental_pong_base::table`]. Missing values are `n/a`, `NA`, `NaN`, `null` or nothing. Trials of practice, without a condition, without a paddle, that were
//! ignored, that have no outcome in `trial_meta`, without an occluder (`occ_alpha` 0) or with |paddle| above 10 degrees are
//! left out by rule and counted: an ignored trial's paddle stands near 0 and is no answer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use mental_pong_base::files::sha256_hex;
use mental_pong_base::table::{HEAD_BYTES, may_be_text, whole_id};
use mental_pong_game::task::ConditionSet;
use serde::{Deserialize, Serialize};

use super::FEWEST_CONDITIONS;
use crate::error::{Error, Result};

use super::arrays::in_order;
use super::dmfc::{Recording, TrialType};
use mental_pong_formats::limits::Limits;
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::{parquet, pickle};

/// |paddle| above this is a lapse, degrees: the end of the arena.
pub const LAPSE_DEG: f64 = 10.0;

/// Columns of the final height of the paddle that are tried.
pub(super) const PADDLE_COLUMNS: [&str; 4] = [
    "paddle_y_deg",
    "final_paddle_deg",
    "paddle_y",
    "joystick_output",
];

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Condition id.
    Condition,
    /// Final paddle, degrees.
    Paddle,
    /// Occluded or visible.
    TrialType,
    /// Who.
    Subject,
    /// When.
    Session,
    /// Which trial of the session.
    Trial,
    /// Where the ball arrives, degrees.
    Truth,
    /// Law of motion of the truth.
    Law,
    /// How it went.
    Outcome,
    /// 1 if the subject did not take part.
    Ignore,
    /// 1 if it was hit.
    Success,
    /// 1 if it was missed.
    Failure,
    /// True for a trial of practice.
    Practice,
}

impl Role {
    /// All, in the order of the table above.
    pub const ALL: [Self; 13] = [
        Self::Condition,
        Self::Paddle,
        Self::TrialType,
        Self::Subject,
        Self::Session,
        Self::Trial,
        Self::Truth,
        Self::Law,
        Self::Outcome,
        Self::Ignore,
        Self::Success,
        Self::Failure,
        Self::Practice,
    ];

    /// Name of the role in a mapping.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Paddle => "paddle",
            Self::TrialType => "trial_type",
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Trial => "trial",
            Self::Truth => "truth",
            Self::Law => "law",
            Self::Outcome => "outcome",
            Self::Ignore => "ignore",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Practice => "practice",
        }
    }

    /// Names of columns that are tried.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Condition => &["condition_id", "condition", "py_meta_index", "meta_index"],
            Self::Paddle => &PADDLE_COLUMNS,
            Self::TrialType => &["trial_type", "occ_alpha"],
            Self::Subject => &["subject", "participant_id", "monkey"],
            Self::Session => &["session"],
            Self::Trial => &["trial"],
            Self::Truth => &["y_true_deg", "truth_deg", "yf_mworks"],
            Self::Law => &["law"],
            Self::Outcome => &["outcome", "hit"],
            Self::Ignore => &["ignore"],
            Self::Success => &["success"],
            Self::Failure => &["failure"],
            Self::Practice => &["practice"],
        }
    }
}

/// Which column serves which [`Role`], where it is not one of the names that are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMap(pub BTreeMap<Role, String>);

impl std::str::FromStr for ColumnMap {
    type Err = Error;

    /// `condition=py_meta_index,paddle=paddle_y`. [`Error::Invalid`] for a role that is not known.
    fn from_str(text: &str) -> Result<Self> {
        let mut map = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (role, column) = part
                .split_once('=')
                .ok_or_else(|| Error::invalid(part, "expected role=column"))?;
            let role = Role::ALL
                .into_iter()
                .find(|r| r.name() == role.trim())
                .ok_or_else(|| {
                    let known: Vec<&str> = Role::ALL.iter().map(|r| r.name()).collect();
                    Error::invalid(role, format!("not a role; they are {}", known.join(", ")))
                })?;
            if map.insert(role, column.trim().to_owned()).is_some() {
                return Err(Error::invalid(role.name(), "mapped twice"));
            }
        }
        Ok(Self(map))
    }
}

/// How to read a table of trials.
#[derive(Debug, Clone, Default)]
pub struct TrialOptions {
    /// Columns of other names.
    pub columns: ColumnMap,
    /// Subject of every row, where there is no column.
    pub subject: Option<String>,
    /// Type of every trial, where there is no column.
    pub trial_type: Option<TrialType>,
    /// Bad rows that are left out and listed before it is an error. Default 0: the first is an error.
    pub keep_going: usize,
    /// The set of the conditions, where it is known: a row of another condition is bad.
    pub set: Option<ConditionSet>,
    /// Whether trials of other conditions are left out and counted, and few conditions are enough.
    pub allow_missing: bool,
    /// What the table may cost.
    pub limits: Limits,
}

/// How a trial went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The paddle met the ball.
    Hit,
    /// It did not.
    Miss,
}

/// Trials, one entry each; every list is `[trial]`.
#[derive(Debug, Clone, Serialize)]
pub struct Trials {
    /// Who; empty where the table does not say.
    pub subject: Vec<String>,
    /// When; empty where the table does not say.
    pub session: Vec<String>,
    /// Number of the trial as the table has it; where it does not say, the row from 1.
    pub trial: Vec<i64>,
    /// Id of the condition, as its set has it.
    pub condition: Vec<String>,
    /// Occluded or visible.
    pub trial_type: Vec<TrialType>,
    /// Final height of the paddle, degrees, finite.
    pub final_paddle_deg: Vec<f64>,
    /// Height at which the ball arrives, degrees, by the table; `None` where it does not say.
    pub truth_deg: Vec<Option<f64>>,
    /// How it went; `None` where the table does not say.
    pub outcome: Vec<Option<Outcome>>,
    /// Where this came from, and what was left out.
    pub provenance: Provenance,
}

/// Where trials came from, and what was left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Provenance {
    /// Name of the file, without its folder.
    pub source: String,
    /// SHA-256 of the file; `None` for a table that was not read from one.
    pub sha256: Option<String>,
    /// Column of each role.
    pub columns: BTreeMap<Role, String>,
    /// Law of motion of `truth_deg`, if the table names one: `design` or `display`. `yf_mworks` is that of design.
    pub law: Option<String>,
    /// `true` if the table says that it is invented.
    pub synthetic: Option<bool>,
    /// Rows of the table.
    pub rows: usize,
    /// Rows that are left out by rule.
    pub excluded: Exclusions,
    /// Rows that are left out because they are bad.
    pub problems: Vec<Problem>,
}

/// Trials left out by rule, each counted once, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusions {
    /// No condition id.
    pub no_condition: usize,
    /// A condition that the set does not have.
    pub other_condition: usize,
    /// A trial of practice.
    pub practice: usize,
    /// The subject did not take part.
    pub ignored: usize,
    /// Neither success, failure nor ignored, where the table has these columns.
    pub no_outcome: usize,
    /// No occluder at all (`occ_alpha` 0).
    pub no_occluder: usize,
    /// No paddle.
    pub no_paddle: usize,
    /// |paddle| above [`LAPSE_DEG`].
    pub lapses: usize,
}

impl Exclusions {
    /// In all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.no_condition
            + self.other_condition
            + self.ignored
            + self.no_outcome
            + self.practice
            + self.no_occluder
            + self.no_paddle
            + self.lapses
    }
}

/// A bad row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Row of the table, from 1, without the header.
    pub row: usize,
    /// Column.
    pub column: String,
    /// What was needed.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Problem {
    fn into_error(self) -> Error {
        let field = format!("row {}, column {}", self.row, self.column);
        Error::field(field, self.expected, self.found)
    }
}

/// First bytes of Parquet and of a pickle.
const PARQUET: &[u8] = b"PAR1";
const PICKLE: &[u8] = &[0x80];

fn is_binary(start: &[u8]) -> bool {
    start.starts_with(PARQUET) || start.starts_with(PICKLE)
}

impl Trials {
    /// Number of trials.
    #[must_use]
    pub fn len(&self) -> usize {
        self.condition.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.condition.is_empty()
    }

    /// Open a table: Parquet by its first bytes, else text.
    ///
    /// [`Error::Io`] if it cannot be opened; inside [`Error::InFile`], [`Error::Field`] for a column that is missing or a bad
    /// row, [`Error::Invalid`] if no trial is left, [`Error::Format`](mental_pong_formats::Error::Format) and [`Error::Limit`](mental_pong_formats::Error::Limit) from the readers.
    pub fn open(path: impl AsRef<Path>, options: &TrialOptions) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.display().to_string(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        (&file)
            .take(HEAD_BYTES)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        // What is no table of any kind need not be read to its end.
        if is_binary(&bytes) || may_be_text(&bytes) {
            let left = options.limits.bytes.saturating_sub(bytes.len() as u64);
            let mut rest = file.take(left.saturating_add(1));
            rest.read_to_end(&mut bytes).map_err(io)?;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        Self::from_bytes(bytes, name.unwrap_or_default(), options)
            .map_err(|error| error.in_file(path))
    }

    /// [`Trials::open`] of bytes in memory.
    pub fn from_bytes(bytes: Vec<u8>, source: String, options: &TrialOptions) -> Result<Self> {
        if bytes.len() as u64 > options.limits.bytes {
            return Err(Error::limit(
                "bytes of the table",
                options.limits.bytes,
                bytes.len() as u64,
            ));
        }
        let sha256 = Some(sha256_hex(&bytes));
        let table = if bytes.starts_with(PARQUET) {
            parquet::from_bytes(bytes, &options.limits)?
        } else if bytes.starts_with(PICKLE) {
            let value = pickle::read(&bytes[..], &options.limits)?;
            let expected = "a data frame of trials";
            Table::from_value(&value)
                .ok_or_else(|| Error::field("the file", expected, value.describe()))?
        } else {
            text_table(&bytes, &source)?
        };
        Self::from_table(&table, source, sha256, options)
    }

    /// The trials of `trial_meta` of a recording. [`Error::Field`] if it has none.
    pub fn of_recording(recording: &Recording, options: &TrialOptions) -> Result<Self> {
        let table = recording
            .table("trial_meta")
            .ok_or_else(|| Error::field("trial_meta", "a table of trials", "no such table"))?;
        let name = recording.path().and_then(Path::file_name);
        let name = name.map_or("recording".into(), |n| n.to_string_lossy());
        let mut trials = Self::from_table(table, format!("trial_meta of {name}"), None, options)?;
        if recording.synthetic() == Some(true) {
            trials.provenance.synthetic = Some(true);
        }
        Ok(trials)
    }

    /// From a table in memory.
    pub fn from_table(
        table: &Table,
        source: String,
        sha256: Option<String>,
        options: &TrialOptions,
    ) -> Result<Self> {
        let columns = Columns::find(table, options)?;
        let mut trials = Self {
            subject: Vec::new(),
            session: Vec::new(),
            trial: Vec::new(),
            condition: Vec::new(),
            trial_type: Vec::new(),
            final_paddle_deg: Vec::new(),
            truth_deg: Vec::new(),
            outcome: Vec::new(),
            provenance: Provenance {
                source,
                sha256,
                columns: columns.names(),
                synthetic: says_synthetic(table).then_some(true),
                rows: table.rows,
                ..Provenance::default()
            },
        };
        let numbered = columns.0.contains_key(&Role::Trial);
        let mut seen: BTreeMap<Identity, usize> = BTreeMap::new();
        for row in 0..table.rows {
            let read = columns.row(row, options, &mut trials.provenance.law);
            let read = read.and_then(|read| match &read {
                Row::Kept(kept) if numbered => match seen.insert(kept.identity(), row) {
                    Some(before) => Err(columns.problem(
                        Role::Trial,
                        row,
                        "each trial once",
                        format!("the trial of row {} again", before + 1),
                    )),
                    None => Ok(read),
                },
                _ => Ok(read),
            });
            match read {
                Ok(Row::Kept(kept)) => {
                    trials.subject.push(kept.subject);
                    trials.session.push(kept.session);
                    trials.trial.push(kept.trial);
                    trials.condition.push(kept.condition);
                    trials.trial_type.push(kept.trial_type);
                    trials.final_paddle_deg.push(kept.paddle);
                    trials.truth_deg.push(kept.truth);
                    trials.outcome.push(kept.outcome);
                }
                Ok(Row::Excluded(count)) => *count(&mut trials.provenance.excluded) += 1,
                Err(problem) if trials.provenance.problems.len() < options.keep_going => {
                    trials.provenance.problems.push(problem);
                }
                Err(problem) => return Err(problem.into_error()),
            }
        }
        if trials.is_empty() {
            let why = format!(
                "no trial is left of {} rows: {} left out by rule, {} bad",
                table.rows,
                trials.provenance.excluded.total(),
                trials.provenance.problems.len()
            );
            return Err(Error::invalid("trials", why));
        }
        if trials.provenance.law.is_none() && columns.name_of(Role::Truth) == Some("yf_mworks") {
            trials.provenance.law = Some("design".into());
        }
        if let (Some(set), false) = (&options.set, options.allow_missing) {
            trials.check_coverage(set)?;
        }
        Ok(trials)
    }

    /// `[condition][trial]`, final paddles in degrees of the ids given, for one type of trial and, if named, one subject: what
    /// [`crate::behavior::error_pattern`] takes.
    #[must_use]
    pub fn paddles(&self, ids: &[&str], kind: TrialType, subject: Option<&str>) -> Vec<Vec<f64>> {
        let places: BTreeMap<&str, usize> = ids.iter().copied().zip(0..).collect();
        let mut paddles = vec![Vec::new(); ids.len()];
        for trial in 0..self.len() {
            if self.trial_type[trial] == kind
                && subject.is_none_or(|name| self.subject[trial] == name)
                && let Some(&place) = places.get(&*self.condition[trial])
            {
                paddles[place].push(self.final_paddle_deg[trial]);
            }
        }
        paddles
    }

    /// The subjects, each once, in alphabetical order.
    #[must_use]
    pub fn subjects(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.subject.iter().map(|name| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The ids of the conditions, each once: numbers by size, then texts.
    #[must_use]
    pub fn conditions(&self) -> Vec<String> {
        in_order(self.condition.clone())
    }

    /// How many of a set's conditions the trials are of, in words.
    #[must_use]
    pub fn coverage(&self, set: &ConditionSet) -> String {
        let (covered, all) = (self.conditions().len(), set.len());
        format!("{covered} of the {all} conditions of {}", set.identity())
    }

    /// [`Error::Invalid`] if the trials are of fewer conditions than are analysed, and of less than half of their set.
    fn check_coverage(&self, set: &ConditionSet) -> Result<()> {
        let covered = self.conditions().len();
        if covered >= FEWEST_CONDITIONS || 2 * covered >= set.len() {
            return Ok(());
        }
        let why = format!(
            "they are of {}; --allow-missing takes them as they are",
            self.coverage(set)
        );
        Err(Error::invalid("trials", why))
    }
}

fn says_synthetic(table: &Table) -> bool {
    let said = |text: &str| {
        let text = text.to_lowercase();
        text.contains("synthetic") || text.contains("simulated")
    };
    table.columns.iter().any(|(name, cells)| {
        said(name)
            || matches!(cells, Cells::Texts(texts) if texts.iter().flatten().any(|t| said(t)))
    })
}

/// A table of text: every column as texts, missing values as none.
fn text_table(bytes: &[u8], source: &str) -> Result<Table> {
    let table = mental_pong_base::table::Table::parse(bytes, Path::new(source))?;
    let cell = |row: mental_pong_base::table::Row<'_>, column: usize| {
        let text = row.value(column)?;
        // A comma may be the decimal sign of the file.
        let number = text
            .contains(',')
            .then(|| row.number(column).ok())
            .flatten();
        Some(number.map_or_else(|| text.to_owned(), |number| number.to_string()))
    };
    let column = |(at, name): (usize, &String)| {
        let cells = table.rows().map(|row| cell(row, at)).collect();
        (name.trim().to_owned(), Cells::Texts(cells))
    };
    Ok(Table {
        rows: table.len(),
        has_index: false,
        columns: table.header().iter().enumerate().map(column).collect(),
    })
}

/// The columns of a table by role.
struct Columns<'a>(BTreeMap<Role, (&'a str, &'a Cells)>);

struct Kept {
    subject: String,
    session: String,
    trial: i64,
    condition: String,
    trial_type: TrialType,
    paddle: f64,
    truth: Option<f64>,
    outcome: Option<Outcome>,
}

/// What no two trials share: subject, session, number, condition, and the bits of the final paddle.
type Identity = (String, String, i64, String, u64);

impl Kept {
    fn identity(&self) -> Identity {
        let (subject, session) = (self.subject.clone(), self.session.clone());
        let bits = self.paddle.to_bits();
        (subject, session, self.trial, self.condition.clone(), bits)
    }
}

enum Row {
    Kept(Kept),
    /// Which count goes up.
    Excluded(fn(&mut Exclusions) -> &mut usize),
}

impl<'a> Columns<'a> {
    fn find(table: &'a Table, options: &TrialOptions) -> Result<Self> {
        let have = |name: &str| {
            table
                .columns
                .iter()
                .find(|(column, _)| column == name)
                .map(|(column, cells)| (&**column, cells))
        };
        let listed = || {
            let names: Vec<&str> = table.columns.iter().map(|(name, _)| &**name).collect();
            format!("only {}", names.join(", "))
        };
        let mut found = BTreeMap::new();
        for role in Role::ALL {
            let column = match options.columns.0.get(&role) {
                Some(name) => Some(have(name).ok_or_else(|| {
                    Error::field(
                        name.clone(),
                        format!("the column for {}", role.name()),
                        listed(),
                    )
                })?),
                None => role.columns().iter().find_map(|name| have(name)),
            };
            if let Some((name, cells)) = column {
                if let Cells::Other(what) = cells {
                    return Err(Error::field(name, "numbers or texts", what.clone()));
                }
                found.insert(role, (name, cells));
            }
        }
        for (role, given) in [
            (Role::Condition, false),
            (Role::Paddle, false),
            (Role::TrialType, options.trial_type.is_some()),
        ] {
            if !given && !found.contains_key(&role) {
                let expected = format!("a column for it: {}", role.columns().join(", "));
                return Err(Error::field(role.name(), expected, listed()));
            }
        }
        Ok(Self(found))
    }

    fn names(&self) -> BTreeMap<Role, String> {
        self.0
            .iter()
            .map(|(&role, &(name, _))| (role, name.to_owned()))
            .collect()
    }

    fn name_of(&self, role: Role) -> Option<&str> {
        self.0.get(&role).map(|&(name, _)| name)
    }

    fn problem(&self, role: Role, row: usize, expected: &str, found: impl Into<String>) -> Problem {
        Problem {
            row: row + 1,
            column: self.name_of(role).unwrap_or(role.name()).to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn number(
        &self,
        role: Role,
        row: usize,
        expected: &str,
    ) -> std::result::Result<Option<f64>, Problem> {
        let value = match self.0.get(&role) {
            None => None,
            Some((_, Cells::Numbers(values))) => values.get(row).copied().filter(|v| !v.is_nan()),
            Some((_, Cells::Texts(texts))) => match texts.get(row).and_then(Option::as_deref) {
                None => None,
                Some("True" | "true" | "TRUE") => Some(1.0),
                Some("False" | "false" | "FALSE") => Some(0.0),
                Some(text) => Some(
                    text.parse()
                        .map_err(|_| self.problem(role, row, expected, format!("{text:?}")))?,
                ),
            },
            Some((_, Cells::Other(what))) => {
                return Err(self.problem(role, row, expected, what.clone()));
            }
        };
        match value {
            Some(v) if !v.is_finite() => Err(self.problem(role, row, expected, v.to_string())),
            other => Ok(other),
        }
    }

    fn text(&self, role: Role, row: usize) -> Option<String> {
        match self.0.get(&role)?.1 {
            Cells::Texts(texts) => texts.get(row)?.clone(),
            Cells::Numbers(values) => values
                .get(row)
                .filter(|v| !v.is_nan())
                .map(ToString::to_string),
            Cells::Other(_) => None,
        }
    }

    fn row(
        &self,
        row: usize,
        options: &TrialOptions,
        law: &mut Option<String>,
    ) -> std::result::Result<Row, Problem> {
        // Bad values come before the other rules, so that a rule hides none.
        let condition = self.text(Role::Condition, row);
        let condition = condition.filter(|text| !text.trim().is_empty());
        let condition = condition.map(|text| whole_id(text.trim()).to_owned());
        // What the other columns of a trial that came to nothing hold does not matter.
        let Some(condition) = condition else {
            return Ok(Row::Excluded(|e| &mut e.no_condition));
        };
        if let Some(set) = &options.set
            && let Err(error) = set.condition(&condition)
        {
            if options.allow_missing {
                return Ok(Row::Excluded(|e| &mut e.other_condition));
            }
            let expected = format!("a condition of {}", set.identity());
            return Err(self.problem(Role::Condition, row, &expected, error.to_string()));
        }
        let paddle = self.number(Role::Paddle, row, "degrees")?;
        let truth = self.number(Role::Truth, row, "degrees")?;
        let flag = |role| match self.number(role, row, "1 or 0")? {
            None => Ok(None),
            Some(v) if v == 1.0 || v == 0.0 => Ok(Some(v == 1.0)),
            Some(v) => Err(self.problem(role, row, "1 or 0", v.to_string())),
        };
        let (ignore, success, failure) = (
            flag(Role::Ignore)?,
            flag(Role::Success)?,
            flag(Role::Failure)?,
        );
        let (trial_type, opacity) = self.trial_type(row, options)?;
        let (outcome, ignored) = self.outcome(row)?;
        if let Some(name) = self.text(Role::Law, row) {
            if !matches!(&*name, "design" | "display") {
                return Err(self.problem(Role::Law, row, "design or display", name));
            }
            match law {
                Some(before) if *before != name => {
                    let expected = format!("{before}, as in the rows before");
                    return Err(self.problem(Role::Law, row, &expected, name));
                }
                _ => *law = Some(name),
            }
        }
        let number = match self.number(Role::Trial, row, "a whole number")? {
            None => i64::try_from(row + 1).unwrap_or(i64::MAX),
            #[allow(clippy::cast_possible_truncation, reason = "checked")]
            Some(v) if v.fract() == 0.0 && v.abs() < 9e15 => v as i64,
            Some(v) => return Err(self.problem(Role::Trial, row, "a whole number", v.to_string())),
        };
        if flag(Role::Practice)? == Some(true) {
            return Ok(Row::Excluded(|e| &mut e.practice));
        }
        if ignored || ignore == Some(true) {
            return Ok(Row::Excluded(|e| &mut e.ignored));
        }
        let has_flags = self.0.contains_key(&Role::Success) && self.0.contains_key(&Role::Failure);
        if has_flags && success != Some(true) && failure != Some(true) {
            return Ok(Row::Excluded(|e| &mut e.no_outcome));
        }
        if opacity == Some(0.0) {
            return Ok(Row::Excluded(|e| &mut e.no_occluder));
        }
        let Some(paddle) = paddle else {
            return Ok(Row::Excluded(|e| &mut e.no_paddle));
        };
        if paddle.abs() > LAPSE_DEG {
            return Ok(Row::Excluded(|e| &mut e.lapses));
        }
        let subject = self
            .text(Role::Subject, row)
            .or_else(|| options.subject.clone());
        Ok(Row::Kept(Kept {
            subject: subject.unwrap_or_default(),
            session: self.text(Role::Session, row).unwrap_or_default(),
            trial: number,
            condition,
            trial_type,
            paddle,
            truth,
            outcome: outcome.or(match (success, failure) {
                (Some(true), _) => Some(Outcome::Hit),
                (_, Some(true)) => Some(Outcome::Miss),
                _ => None,
            }),
        }))
    }

    fn trial_type(
        &self,
        row: usize,
        options: &TrialOptions,
    ) -> std::result::Result<(TrialType, Option<f64>), Problem> {
        let expected = "occ or vis, or an opacity of 0 to 1";
        let problem = |found: String| self.problem(Role::TrialType, row, expected, found);
        if !self.0.contains_key(&Role::TrialType) {
            return options
                .trial_type
                .map(|kind| (kind, None))
                .ok_or_else(|| problem("nothing".into()));
        }
        if let Some(text) = self.text(Role::TrialType, row) {
            if let Some(kind) = TrialType::named(&text) {
                return Ok((kind, None));
            }
            match text.parse::<f64>() {
                Ok(1.0) => return Ok((TrialType::Occ, Some(1.0))),
                Ok(alpha) if (0.0..1.0).contains(&alpha) => {
                    return Ok((TrialType::Vis, Some(alpha)));
                }
                _ => {}
            }
            return Err(problem(format!("{text:?}")));
        }
        // `occ_alpha > 0` is not true of NaN.
        if matches!(self.0.get(&Role::TrialType), Some((_, Cells::Numbers(_)))) {
            return Ok((TrialType::Vis, Some(0.0)));
        }
        Err(problem("a missing value".into()))
    }

    /// How it went, and whether it was ignored.
    fn outcome(&self, row: usize) -> std::result::Result<(Option<Outcome>, bool), Problem> {
        let Some(text) = self.text(Role::Outcome, row) else {
            return Ok((None, false));
        };
        Ok(match &*text.to_lowercase() {
            "hit" | "success" | "1" | "true" => (Some(Outcome::Hit), false),
            "miss" | "failure" | "0" | "false" => (Some(Outcome::Miss), false),
            "ignored" | "ignore" => (None, true),
            _ => {
                let expected = "hit, miss or ignored, or 1 or 0";
                return Err(self.problem(Role::Outcome, row, expected, format!("{text:?}")));
            }
        })
    }
}
