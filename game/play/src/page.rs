//! A session as a web page starts it: from the page's query, the files that it names, and what the
//! browser keeps.
//!
//! Pure: the page's own part, `web/`, only carries texts. A native program that starts the same
//! [`Request`] leaves the same records.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use mental_pong_game::error::{Error, Result};
use mental_pong_game::records::{Display, Keeper, Kept, Run, SessionName};
use mental_pong_game::task::agent::{AgentHands, Hands, KinematicAgent, KinematicKind, Script};
use mental_pong_game::task::schedule::Schedule;
use mental_pong_game::task::session::{Session, SessionSetup};
use mental_pong_game::task::table::Set;

/// What a query may say, and what each means.
pub const QUERY: &[(&str, &str)] = &[
    ("subject", "letters and digits; 01 without it"),
    ("session", "letters and digits; 01 without it"),
    ("schedule", "a schedule's address, TOML or CSV"),
    (
        "condition-set",
        "primate79, valid, train or all, in place of a schedule's own",
    ),
    ("seed", "in place of the schedule's"),
    ("law", "display or design, in place of the schedule's"),
    ("script", "address of inputs written down: trial, ms, input"),
    (
        "agent",
        "an observer that plays: last-seen, constant-velocity, kinematic, oracle, still",
    ),
    (
        "clock",
        "real, or fixed: counted in frames, for a script or an observer",
    ),
    (
        "hz",
        "refresh rate of the fixed clock, 10 to 1000; 60 without it",
    ),
    ("palette", "published or high-contrast"),
    ("reduced-flash", "1: the occluder fades as feedback"),
    (
        "photodiode",
        "1: a square that is white while the ball moves",
    ),
    ("screen-cm", "width of the screen's picture, cm"),
    ("distance-cm", "from the eye to the screen, cm"),
    ("start", "1: without the form"),
];

/// A file that a query names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedText {
    /// Its name, for errors; a schedule that ends in `.csv` is a table.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What a page asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The query: see [`QUERY`]. An empty value counts as absent.
    pub query: BTreeMap<String, String>,
    /// The schedule that it names.
    pub schedule: Option<NamedText>,
    /// The script that it names.
    pub script: Option<NamedText>,
    /// What is kept of the session's earlier runs.
    pub kept: Option<Kept>,
    /// The time of day, as the page says.
    pub started: Option<String>,
}

/// A session to play.
pub struct Opened {
    /// The session.
    pub session: Session,
    /// Who plays instead of a person.
    pub hands: Option<Box<dyn Hands + Send + Sync>>,
    /// Its records.
    pub keeper: Keeper,
    /// Frames per second of a clock that counts frames; nothing for the computer's.
    pub fixed_hz: Option<f64>,
}

impl Request {
    /// The value of a field of the query.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// A number of the query.
    ///
    /// # Errors
    /// [`Error::BadValue`] for anything else.
    pub fn number(&self, name: &'static str) -> Result<Option<f64>> {
        let parse = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite());
        self.parsed(name, "a number", parse)
    }

    /// A switch of the query: `1` or `0`.
    ///
    /// # Errors
    /// [`Error::BadValue`] for anything else.
    pub fn flag(&self, name: &'static str) -> Result<bool> {
        let parse = |text: &str| match text {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        };
        Ok(self.parsed(name, "0 or 1", parse)?.unwrap_or(false))
    }

    fn parsed<T>(
        &self,
        field: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.field(field) else {
            return Ok(None);
        };
        parse(text).map(Some).ok_or_else(|| Error::BadValue {
            field,
            expected: expected.to_owned(),
            found: format!("`{text}`"),
        })
    }

    /// Subject and session.
    ///
    /// # Errors
    /// [`Error::BadValue`] for what is no label.
    pub fn name(&self) -> Result<SessionName> {
        let label = |name| self.field(name).unwrap_or("01");
        SessionName::new(label("subject"), label("session"))
    }

    /// The schedule, with what the query says in its place.
    fn schedule(&self) -> Result<Schedule> {
        let mut schedule = match &self.schedule {
            Some(file) if file.name.to_ascii_lowercase().ends_with(".csv") => {
                Schedule::from_csv(&file.text, Path::new(&file.name))?
            }
            Some(file) => Schedule::from_toml(&file.text, Path::new(&file.name))?,
            None => Schedule::default(),
        };
        if let Some(set) = self.field("condition-set") {
            schedule.set = Some(set.parse::<Set>()?);
            schedule.ids.clear();
            schedule.condition.clear();
        }
        if let Some(seed) = self.parsed("seed", "a whole number", |text| text.parse().ok())? {
            schedule.seed = seed;
        }
        if let Some(law) = self.field("law") {
            schedule.law = law.parse()?;
        }
        Ok(schedule)
    }

    fn hands(&self) -> Result<Option<Box<dyn Hands + Send + Sync>>> {
        if let Some(file) = &self.script {
            let script = Script::from_tsv(&file.text, Path::new(&file.name))?;
            return Ok(Some(Box::new(script)));
        }
        let Some(name) = self.field("agent") else {
            return Ok(None);
        };
        let kind: KinematicKind = name.parse()?;
        let agent = AgentHands::new(Box::new(KinematicAgent::new(kind)));
        Ok(Some(Box::new(agent)))
    }

    /// The session that is asked for.
    ///
    /// # Errors
    /// What cannot be read in the query, the schedule or the script; [`Error::RecordsTaken`] where what
    /// is kept is of another schedule.
    pub fn open(&self) -> Result<Opened> {
        if let Some(unknown) = self
            .query
            .keys()
            .find(|k| !QUERY.iter().any(|(q, _)| q == k))
        {
            let known: Vec<&str> = QUERY.iter().map(|(name, _)| *name).collect();
            return Err(Error::UnknownName {
                what: "field of the query",
                found: unknown.clone(),
                expected: known.join(", "),
            });
        }
        let name = self.name()?;
        let schedule_name = self.schedule.as_ref().map_or("schedule", |s| &s.name);
        let plan = self.schedule()?.plan(Path::new(schedule_name))?;
        let hands = self.hands()?;
        let fixed = self.parsed("clock", "real or fixed", |text| match text {
            "real" => Some(false),
            "fixed" => Some(true),
            _ => None,
        })?;
        let hz = self.parsed("hz", "10 to 1000", |text| {
            let hz = text.parse::<f64>().ok()?;
            (10.0..=1000.0).contains(&hz).then_some(hz)
        })?;
        let hz = hz.unwrap_or(60.0);
        if fixed == Some(true) && hands.is_none() {
            return Err(Error::BadValue {
                field: "clock",
                expected: "real where a person plays".into(),
                found: "`fixed`".into(),
            });
        }
        let observer = hands.as_ref().map_or_else(|| "person".into(), |h| h.name());
        let run = Run {
            from_trial: 1,
            software_version: env!("CARGO_PKG_VERSION").into(),
            observer: observer.clone(),
            display: Display::headless(hz),
            started: self.started.clone(),
        };
        let keeper = Keeper::open(&name, &plan, self.kept.as_ref(), run)?;
        let setup = SessionSetup {
            name,
            observer,
            hz,
            from: keeper.done().len(),
            unattended: hands.is_some(),
        };
        let mut session = Session::new(plan, setup);
        session.wait_for_records();
        Ok(Opened {
            session,
            hands,
            keeper,
            fixed_hz: (fixed == Some(true)).then_some(hz),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request {
        Request {
            query: fields
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..Request::default()
        }
    }

    fn message(fields: &[(&str, &str)]) -> String {
        request(fields).open().err().unwrap().to_string()
    }

    #[test]
    fn a_query_says_which_session_is_played() {
        let opened = request(&[]).open().unwrap();
        let plan = opened.session.plan();
        assert_eq!((plan.trials.len(), plan.seed), (83, 0));
        assert!(opened.hands.is_none() && opened.fixed_hz.is_none());
        assert_eq!(opened.session.setup().observer, "person");

        let mut asked = request(&[
            ("subject", "07"),
            ("seed", "18446744073709551615"),
            ("law", "design"),
            ("agent", "kinematic"),
            ("clock", "fixed"),
            ("hz", "120"),
            ("session", ""),
        ]);
        asked.schedule = Some(NamedText {
            name: "own.csv".into(),
            text: "condition_id\n399\n55062\n".into(),
        });
        let opened = asked.open().unwrap();
        let plan = opened.session.plan();
        assert_eq!((plan.trials.len(), plan.seed), (6, u64::MAX));
        assert_eq!(opened.fixed_hz, Some(120.0));
        let setup = opened.session.setup();
        assert_eq!((&*setup.name.subject, &*setup.name.session), ("07", "01"));
        assert!(setup.unattended && setup.observer == "kinematic");
        // A set takes the place of the schedule's own conditions.
        asked
            .query
            .insert("condition-set".into(), "primate79".into());
        assert_eq!(asked.open().unwrap().session.plan().trials.len(), 83);
    }

    #[test]
    fn the_book_names_every_field() {
        let book = include_str!("../../../docs/src/howto/web.md");
        for (name, _) in QUERY {
            assert!(book.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn what_a_query_cannot_mean_is_told_with_its_field() {
        assert!(message(&[("sede", "3")]).contains("unknown field of the query `sede`"));
        assert!(message(&[("seed", "-1")]).contains("seed is `-1`"));
        assert!(message(&[("subject", "a b")]).contains("subject"));
        assert!(message(&[("condition-set", "no")]).contains("`no`"));
        assert!(message(&[("clock", "fixed")]).contains("a person plays"));
        assert!(message(&[("hz", "5"), ("agent", "still")]).contains("10 to 1000"));
        assert!(
            request(&[("photodiode", "yes")])
                .flag("photodiode")
                .is_err()
        );
        assert!(
            request(&[("screen-cm", "wide")])
                .number("screen-cm")
                .is_err()
        );
    }
}
