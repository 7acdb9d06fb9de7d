//! Condition sets: whose trials a file is about.
//!
//! A [`ConditionSet`] has a name and conditions with ids that are unique within it. Each condition has a
//! geometry, a law, and for every frame the truth. [`ConditionSet::sha256`] names all of that but the
//! name; every file carries it, and two files of different sets are never compared.

mod bins;
mod condition;
mod identity;
mod pictures;
pub(crate) mod read;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use bins::Binned;
pub use condition::{Bounce, Launch, SetCondition, SetLaw, Track, TruthFrame};
pub use identity::SetIdentity;
pub use pictures::Pictures;
pub use read::TableRules;

use crate::error::{Error, Result};
use crate::task::clock::BinAxis;
use crate::task::condition::Condition;
use crate::task::generator::N_TRIALS;
use crate::task::geometry::Geometry;
use crate::task::law::Law;
use crate::task::table::{Set, select};
use mental_pong_base::table::Table;

/// Conditions with ids of their own, what flies in each, and the hash that names them.
///
/// ```
/// use mental_pong_game::task::clock::BinAxis;
/// use mental_pong_game::task::{ConditionSet, Epoch};
///
/// let set = ConditionSet::open("primate79")?;
/// let condition = set.condition("55062")?;
/// assert_eq!(format!("{:.4}", condition.end_height_deg()), "-5.0421");
/// assert_eq!(condition.binned(&BinAxis::PUBLISHED).bins(Epoch::Hidden).len(), 16);
///
/// // A part of a set is still of that set.
/// assert_eq!(set.narrowed(&["55062"])?.identity(), set.identity());
/// # Ok::<(), mental_pong_game::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConditionSet {
    name: Arc<str>,
    rate_hz: Option<f64>,
    list: Arc<List>,
    sha256: Arc<OnceLock<String>>,
    /// The whole set that this is a part of, where it is one.
    whole: Option<Arc<List>>,
}

/// Conditions, made when they are asked for.
#[derive(Debug)]
struct List {
    source: Source,
    rate_hz: Option<f64>,
    built: OnceLock<Vec<SetCondition>>,
    places: OnceLock<HashMap<String, usize>>,
}

#[derive(Debug)]
enum Source {
    /// A published set.
    Published(Set, Law),
    /// Rows of the published table.
    Rows(Vec<u32>, Law),
    /// Conditions that are there already.
    Given,
}

impl List {
    fn new(source: Source, rate_hz: Option<f64>) -> Arc<Self> {
        Arc::new(Self {
            source,
            rate_hz,
            built: OnceLock::new(),
            places: OnceLock::new(),
        })
    }

    fn given(conditions: Vec<SetCondition>) -> Arc<Self> {
        let list = Self::new(Source::Given, None);
        let _ = list.built.set(conditions);
        list
    }

    fn conditions(&self) -> &[SetCondition] {
        self.built.get_or_init(|| {
            let (trials, law) = match &self.source {
                // Neither fails: the split behind a published set is fixed, and rows were looked up.
                Source::Published(set, law) => (set.conditions().unwrap_or_default(), *law),
                Source::Rows(ids, law) => (select(ids).unwrap_or_default(), *law),
                Source::Given => (Vec::new(), Law::Display),
            };
            let rate_hz = self.rate_hz.unwrap_or(law.hz());
            let of = |trial: Condition| SetCondition::published(trial, law, rate_hz);
            trials.into_iter().map(of).collect()
        })
    }

    fn len(&self) -> usize {
        match &self.source {
            Source::Published(set, _) => set.len(),
            Source::Rows(ids, _) => ids.len(),
            Source::Given => self.conditions().len(),
        }
    }

    fn place(&self, id: &str) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let ids = self.conditions().iter().map(|c| c.id().to_owned());
            ids.zip(0..).collect()
        });
        places.get(id).copied()
    }
}

impl ConditionSet {
    /// The names of the built-in sets.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Set::ALL.into_iter().map(Set::name).collect()
    }

    /// The set that a name, a stimulus folder or a CSV means.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with a guess for what is none of them, and what the reader of the folder
    /// or the table says.
    pub fn open(spec: &str) -> Result<Self> {
        if let Ok(set) = spec.parse::<Set>() {
            return Ok(Self::published(set, Law::Display));
        }
        let path = Path::new(spec);
        if path.is_file() {
            return Self::read_csv(path, TableRules::default());
        }
        #[cfg(not(target_family = "wasm"))]
        if path.is_dir() {
            return crate::stimuli::condition_set(path);
        }
        let names = Self::names();
        let guess = mental_pong_base::guess::nearest(spec, names.iter().copied());
        let guess = guess.map_or_else(String::new, |near| format!(" (`{near}`?)"));
        Err(Error::UnknownName {
            what: "condition set",
            found: spec.to_owned(),
            expected: format!("{}, a stimulus folder or a CSV{guess}", names.join(", ")),
        })
    }

    /// What `--conditions` and `--ids` mean together: ids narrow the set. Without a set they are looked
    /// up in `primate79` and, where it does not have all of them, in `all`.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`narrowed`](Self::narrowed).
    pub fn chosen<S: AsRef<str>>(spec: Option<&str>, ids: &[S]) -> Result<Self> {
        let recorded = Self::published(Set::Primate79, Law::Display);
        match (spec, ids.is_empty()) {
            (None, true) => Ok(recorded),
            (Some(spec), true) => Self::open(spec),
            (Some(spec), false) => Self::open(spec)?.narrowed(ids),
            (None, false) => {
                let known = ids.iter().all(|id| recorded.condition(id.as_ref()).is_ok());
                if known {
                    return recorded.narrowed(ids);
                }
                Self::published(Set::All, Law::Display).narrowed(ids)
            }
        }
    }

    /// A published set under a law. Nothing is computed before it is asked for.
    #[must_use]
    pub fn published(set: Set, law: Law) -> Self {
        let sha256 = OnceLock::new();
        let _ = sha256.set(identity::of_published(set, law).to_owned());
        Self {
            name: set.name().into(),
            rate_hz: None,
            list: List::new(Source::Published(set, law), None),
            sha256: Arc::new(sha256),
            whole: None,
        }
    }

    /// A set of conditions of one's own.
    ///
    /// # Errors
    /// [`Error::BadValue`] for no condition at all, an empty id, or several laws or rates,
    /// [`Error::DuplicateId`].
    pub fn new(name: &str, conditions: Vec<SetCondition>) -> Result<Self> {
        let bad = |field, expected: &str, found: String| Error::BadValue {
            field,
            expected: expected.to_owned(),
            found,
        };
        let Some(first) = conditions.first() else {
            return Err(bad("conditions", "at least one", "none".into()));
        };
        check_ids(conditions.iter().map(SetCondition::id))?;
        let of = |c: &SetCondition| (c.law(), c.rate_hz());
        if let Some(other) = conditions.iter().find(|c| of(c) != of(first)) {
            let say = |(law, rate): (SetLaw, f64)| format!("{law} at {rate} Hz");
            let one = format!("one in a set, {}", say(of(first)));
            return Err(bad("law", &one, say(of(other))));
        }
        Ok(Self {
            name: name.into(),
            rate_hz: None,
            list: List::given(conditions),
            sha256: Arc::default(),
            whole: None,
        })
    }

    /// A set from a table of starts or of paths; its name is the file's. For the columns see
    /// [`TableRules`] and the manual.
    ///
    /// # Errors
    /// [`Error::Table`] with line, column, what was expected and what was found, of every bad cell.
    pub fn read_csv(path: impl AsRef<Path>, rules: TableRules) -> Result<Self> {
        read::read(path.as_ref(), rules)
    }

    /// As [`read_csv`](Self::read_csv), of a table that is at hand; `path` names it, and the set.
    ///
    /// # Errors
    /// As [`read_csv`](Self::read_csv).
    pub fn parse_csv(bytes: &[u8], path: impl AsRef<Path>, rules: TableRules) -> Result<Self> {
        let (table, problems) = Table::parse_with_problems(bytes, path.as_ref())?;
        read::of(&table, problems, rules)
    }

    /// Trials of one's own in the published geometry; their ids are their numbers.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_trials(name: &str, trials: &[Condition], law: Law) -> Result<Self> {
        let of = |trial: &Condition| SetCondition::own(trial.id.to_string(), *trial, law);
        Self::new(name, trials.iter().map(of).collect())
    }

    /// The conditions of a file that says which set they are of, all of it or a part. Of a published set
    /// they have to be its own.
    ///
    /// # Errors
    /// [`Error::ManifestMismatch`] with `path`, where they are not.
    pub(crate) fn claimed(self, claim: &SetIdentity, path: &Path) -> Result<Self> {
        let found = identity::hash(self.conditions());
        let Some((set, law)) = claim.published() else {
            let sha256 = OnceLock::new();
            let _ = sha256.set(claim.sha256.clone());
            return Ok(Self {
                sha256: Arc::new(sha256),
                ..self.named(&claim.name)
            });
        };
        let whole = Self::published(set, law);
        let own = if found == claim.sha256 {
            whole
        } else {
            whole.narrowed(&self.ids())?
        };
        let expected = identity::hash(own.conditions());
        if found != expected {
            return Err(Error::ManifestMismatch {
                path: path.to_path_buf(),
                field: "conditions",
                expected: format!("those of {claim}"),
                found: "others".into(),
            });
        }
        own.named(&claim.name).with_rate(self.rate_hz())
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The set under another name; what it is stays.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// Number of conditions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none. Never so for a set made here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The conditions, in the set's order.
    #[must_use]
    pub fn conditions(&self) -> &[SetCondition] {
        self.list.conditions()
    }

    /// The ids, in the set's order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.conditions().iter().map(SetCondition::id).collect()
    }

    /// Where an id stands in the set's order.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<usize> {
        self.list.place(id)
    }

    /// The condition with an id.
    ///
    /// # Errors
    /// [`Error::UnknownId`] with the set and a guess.
    pub fn condition(&self, id: &str) -> Result<&SetCondition> {
        match self.place(id) {
            Some(at) => Ok(&self.conditions()[at]),
            None => Err(self.unknown(id)),
        }
    }

    /// The hash of the set that this is or is a part of: ids, starts, geometry, law and recorded paths,
    /// but neither the name nor the rate at which a law's path is shown. 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let whole = self.whole.as_ref().unwrap_or(&self.list);
            identity::hash(whole.conditions())
        })
    }

    /// The name and the hash of the set that this is or is a part of.
    #[must_use]
    pub fn identity(&self) -> SetIdentity {
        SetIdentity {
            name: self.name().to_owned(),
            sha256: self.sha256().to_owned(),
        }
    }

    /// What its paths follow: one law in a set.
    #[must_use]
    pub fn law(&self) -> SetLaw {
        match self.list.source {
            Source::Published(_, law) | Source::Rows(_, law) => law.into(),
            Source::Given => self
                .conditions()
                .first()
                .map_or(SetLaw::Display, SetCondition::law),
        }
    }

    /// Frames per second: one rate in a set.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        match self.list.source {
            Source::Published(_, law) | Source::Rows(_, law) => self.rate_hz.unwrap_or(law.hz()),
            Source::Given => self
                .conditions()
                .first()
                .map_or(60.0, SetCondition::rate_hz),
        }
    }

    /// The published bins, and more of them where a condition of one's own lasts longer.
    #[must_use]
    pub fn axis(&self) -> BinAxis {
        if self.is_published() {
            return BinAxis::PUBLISHED;
        }
        let all = self.conditions().iter().map(SetCondition::axis);
        all.max_by_key(|axis| axis.n_bins)
            .unwrap_or(BinAxis::PUBLISHED)
    }

    /// The geometry that all of its conditions have, where they have one.
    #[must_use]
    pub fn geometry(&self) -> Option<Arc<Geometry>> {
        match self.list.source {
            Source::Published(..) | Source::Rows(..) => Some(Geometry::published()),
            Source::Given => {
                let mut all = self.conditions().iter().map(SetCondition::geometry_arc);
                let first = all.next()?;
                all.all(|one| one == first).then(|| Arc::clone(first))
            }
        }
    }

    /// The set under a law and at a rate; the same where both are its own.
    ///
    /// # Errors
    /// As [`with_law`](Self::with_law) and [`with_rate`](Self::with_rate).
    pub fn shown(&self, law: SetLaw, rate_hz: f64) -> Result<Self> {
        let by_law = match law.law() {
            Some(law) if SetLaw::from(law) != self.law() => self.with_law(law)?,
            _ => self.clone(),
        };
        if by_law.rate_hz() == rate_hz {
            return Ok(by_law);
        }
        by_law.with_rate(rate_hz)
    }

    /// The set with the pictures of each of its conditions, by id.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn with_pictures(&self, of: impl Fn(&str) -> Pictures) -> Self {
        let conditions = self.conditions().iter();
        let list = conditions
            .map(|c| c.clone().with_pictures(of(c.id())))
            .collect();
        Self {
            list: List::given(list),
            whole: Some(self.whole.clone().unwrap_or_else(|| Arc::clone(&self.list))),
            ..self.clone()
        }
    }

    /// Whether it is a published set or a part of one.
    #[must_use]
    pub fn is_published(&self) -> bool {
        !matches!(self.list.source, Source::Given)
            || self.conditions().iter().all(SetCondition::is_published)
    }

    /// The conditions with these ids, in this order; still the same set by its hash.
    ///
    /// # Errors
    /// [`Error::UnknownId`] with a guess, [`Error::DuplicateId`], [`Error::BadValue`] for no id at all.
    pub fn narrowed<S: AsRef<str>>(&self, ids: &[S]) -> Result<Self> {
        if ids.is_empty() {
            return Err(Error::BadValue {
                field: "ids",
                expected: "at least one".into(),
                found: "none".into(),
            });
        }
        check_ids(ids.iter().map(AsRef::as_ref))?;
        let list = match self.rows_of(ids)? {
            Some((rows, law)) => List::new(Source::Rows(rows, law), self.rate_hz),
            None => {
                let of = |id: &S| self.condition(id.as_ref()).cloned();
                List::given(ids.iter().map(of).collect::<Result<_>>()?)
            }
        };
        let whole = self.whole.clone().unwrap_or_else(|| Arc::clone(&self.list));
        Ok(Self {
            list,
            whole: Some(whole),
            ..self.clone()
        })
    }

    /// The rows of the published table that ids of `all` are, without the table.
    fn rows_of<S: AsRef<str>>(&self, ids: &[S]) -> Result<Option<(Vec<u32>, Law)>> {
        let Source::Published(Set::All, law) = self.list.source else {
            return Ok(None);
        };
        let row = |id: &S| {
            let text = id.as_ref();
            let row = text.parse::<u32>().ok();
            row.filter(|row| (*row as usize) < N_TRIALS && row.to_string() == text)
                .ok_or_else(|| self.unknown(text))
        };
        let rows = ids.iter().map(row).collect::<Result<_>>()?;
        Ok(Some((rows, law)))
    }

    fn unknown(&self, id: &str) -> Error {
        let expected = match self.list.source {
            Source::Published(Set::All, _) => format!("a row from 0 to {}", N_TRIALS - 1),
            _ => {
                let ids = self.conditions().iter().map(SetCondition::id);
                match mental_pong_base::guess::nearest(id, ids) {
                    Some(near) => format!("one of its {} ids, as {near}", self.len()),
                    None => {
                        let first: Vec<&str> = self.ids().into_iter().take(3).collect();
                        format!("one of its {} ids, as {}", self.len(), first.join(", "))
                    }
                }
            }
        };
        Error::UnknownId {
            set: self.name().to_owned(),
            id: id.to_owned(),
            expected,
        }
    }

    /// The same starts under another law: another set by its hash.
    ///
    /// # Errors
    /// [`Error::BadValue`] where a path was recorded and follows no law.
    pub fn with_law(&self, law: Law) -> Result<Self> {
        let source = match &self.list.source {
            Source::Published(set, _) => return Ok(Self::published(*set, law)),
            Source::Rows(ids, _) => Some(Source::Rows(ids.clone(), law)),
            Source::Given => None,
        };
        let list = |of: &List| -> Result<Arc<List>> {
            let of = of.conditions().iter().map(|c| c.with_law(law));
            Ok(List::given(of.collect::<Result<_>>()?))
        };
        Ok(Self {
            sha256: match (&source, &self.whole) {
                (Some(_), Some(whole)) => match whole.source {
                    Source::Published(set, _) => Self::published(set, law).sha256,
                    _ => Arc::default(),
                },
                _ => Arc::default(),
            },
            list: match source {
                Some(source) => List::new(source, self.rate_hz),
                None => list(&self.list)?,
            },
            whole: match &self.whole {
                Some(whole) => Some(match whole.source {
                    Source::Published(set, _) => List::new(Source::Published(set, law), None),
                    _ => list(whole)?,
                }),
                None => None,
            },
            ..self.clone()
        })
    }

    /// The same set shown at another frame rate; its hash stays where paths follow a law.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a rate outside 1 to 1000 Hz, or another than the recorded one where the
    /// paths were recorded.
    pub fn with_rate(&self, rate_hz: f64) -> Result<Self> {
        if !(1.0..=1000.0).contains(&rate_hz) {
            return Err(Error::BadValue {
                field: "rate_hz",
                expected: "1 to 1000 frames per second".into(),
                found: rate_hz.to_string(),
            });
        }
        let list = match &self.list.source {
            Source::Published(set, law) => List::new(Source::Published(*set, *law), Some(rate_hz)),
            Source::Rows(ids, law) => List::new(Source::Rows(ids.clone(), *law), Some(rate_hz)),
            Source::Given => {
                let of = self.conditions().iter().map(|c| c.with_rate(rate_hz));
                List::given(of.collect::<Result<_>>()?)
            }
        };
        let whole = self.whole.clone().unwrap_or_else(|| Arc::clone(&self.list));
        Ok(Self {
            rate_hz: Some(rate_hz),
            list,
            whole: Some(whole),
            ..self.clone()
        })
    }
}

/// Ids that are there, each once.
fn check_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut sorted: Vec<&str> = ids.collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::DuplicateId {
            id: pair[0].to_owned(),
        });
    }
    if sorted.first().is_some_and(|id| id.is_empty()) {
        return Err(Error::BadValue {
            field: "id",
            expected: "a name or number".into(),
            found: "nothing".into(),
        });
    }
    Ok(())
}
