//! Trials of one's own: the check that a trial can be run, and a table of them.
//!
//! A table is a CSV with a header. Either its columns are `id`, `x0_deg`, `y0_deg`, `heading_deg`
//! and `speed_deg_per_s`, or, as in the condition table, `id`, `x0`, `y0` (units of the 32 × 32
//! field), `heading0` or `heading0_rad` (radians) and `speed0` (units per 1/24 s). Order is free and further columns
//! are left alone.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Cell, Error, Result};
use crate::task::condition::Condition;
use crate::task::generator::{design_step, flight, trial};
use crate::task::geometry::{
    BALL_RADIUS_DESIGN_UNITS, DEG_PER_S_OF_UNIT_SPEED, FIELD_UNITS, OCCLUDER_X_UNITS,
    deg_from_units, units_from_deg,
};
use crate::task::law::named;

/// First id of a trial of a schedule's own; those of the generator end below.
pub const OWN_ID_FIRST: u32 = 1_000_000;
/// Longest trial that is let through, design steps of 1/24 s (100 s).
pub const MAX_STEPS: u32 = 2400;
/// Fastest ball that is let through, degrees per second.
pub const MAX_SPEED_DEG_PER_S: f64 = 100.0;
/// Bad cells that an error lists; it counts the others.
const LISTED: usize = 20;

/// Which trials are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Those that the published generator would keep: 15 to 45 design steps visible and as many
    /// hidden, and at most one bounce in 100.
    Published,
    /// Every trial that can be run: the ball starts in the field left of the occluder and reaches
    /// the right edge in [`MAX_STEPS`], with any number of bounces.
    Possible,
}

impl Rule {
    /// Both rules.
    pub const ALL: [Self; 2] = [Self::Published, Self::Possible];

    /// The rule's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Possible => "possible",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("rule", name, &Self::ALL, Self::name)
    }
}

/// Where a trial of one's own starts and how it flies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Units of the 32 × 32 field from the left edge.
    pub x0: f64,
    /// Units from the lower edge.
    pub y0: f64,
    /// Radians, 0 = right, up positive.
    pub heading0_rad: f64,
    /// Units per design step.
    pub speed0: f64,
}

impl Start {
    /// From degrees of visual angle, degrees of angle, and degrees per second.
    #[must_use]
    pub fn from_deg(x0_deg: f64, y0_deg: f64, heading_deg: f64, speed_deg_per_s: f64) -> Self {
        Self {
            x0: units_from_deg(x0_deg),
            y0: units_from_deg(y0_deg),
            heading0_rad: heading_deg.to_radians(),
            speed0: speed_deg_per_s / DEG_PER_S_OF_UNIT_SPEED,
        }
    }
}

/// Why a trial cannot be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unfit {
    /// 0 x0, 1 y0, 2 heading, 3 speed.
    pub(crate) value: usize,
    /// What it has to be.
    pub(crate) expected: String,
    /// What it is, or what comes of it.
    pub(crate) found: Option<String>,
}

/// The trial of a start, with what the design law makes of it.
///
/// # Errors
/// [`Error::BadValue`] naming the value that does not fit and its range, in degrees.
pub fn own_condition(id: u32, start: Start, rule: Rule) -> Result<Condition> {
    check(id, start, rule).map_err(|unfit| {
        let (field, value) = in_degrees(start)[unfit.value];
        Error::BadValue {
            field,
            expected: unfit.expected,
            found: unfit.found.unwrap_or_else(|| value.to_string()),
        }
    })
}

fn in_degrees(start: Start) -> [(&'static str, f64); 4] {
    [
        ("x0_deg", deg_from_units(start.x0)),
        ("y0_deg", deg_from_units(start.y0)),
        ("heading_deg", start.heading0_rad.to_degrees()),
        ("speed_deg_per_s", start.speed0 * DEG_PER_S_OF_UNIT_SPEED),
    ]
}

pub(crate) fn check(id: u32, start: Start, rule: Rule) -> std::result::Result<Condition, Unfit> {
    let no = |value, expected: &str| Unfit {
        value,
        expected: expected.to_owned(),
        found: None,
    };
    let wall = BALL_RADIUS_DESIGN_UNITS;
    let Start {
        x0,
        y0,
        heading0_rad,
        speed0,
    } = start;
    if !(0.0..OCCLUDER_X_UNITS).contains(&x0) {
        return Err(no(0, "from -10 to below 5 degrees, left of the occluder"));
    }
    // Half a thousandth of room for heights that were rounded on their way here.
    if !(wall - 5e-4..=FIELD_UNITS - wall + 5e-4).contains(&y0) {
        return Err(no(1, "from -9.6 to 9.6 degrees, between the walls"));
    }
    if heading0_rad.is_nan() || heading0_rad.abs() >= std::f64::consts::FRAC_PI_2 {
        return Err(no(2, "above -90 and below 90 degrees, to the right"));
    }
    if !(speed0 > 0.0 && speed0 * DEG_PER_S_OF_UNIT_SPEED <= MAX_SPEED_DEG_PER_S) {
        return Err(no(3, "above 0 and up to 100 degrees per second"));
    }
    let condition = fly(id, start).ok_or_else(|| Unfit {
        found: Some("a ball that is slower".into()),
        ..no(3, "a ball that crosses the field in 100 s")
    })?;
    if condition.t_occ == 0 || condition.t_end == condition.t_occ {
        return Err(Unfit {
            found: Some("none".into()),
            ..no(3, "a frame before and one behind the occluder's edge")
        });
    }
    match rule {
        Rule::Possible => Ok(condition),
        Rule::Published => flight(x0, heading0_rad, speed0)
            .ok_or_else(|| Unfit {
                found: Some(format!(
                    "{} and {}",
                    condition.t_occ,
                    condition.t_end - condition.t_occ
                )),
                ..no(
                    3,
                    "a ball that is visible for 15 to 45 steps of 1/24 s and hidden for as many",
                )
            })
            .and_then(|flight| {
                trial(id, x0, y0, &flight).ok_or_else(|| Unfit {
                    found: Some("more".into()),
                    ..no(2, "at most one bounce in 100 steps of 1/24 s")
                })
            }),
    }
}

/// The design law to x ≥ 32 units, in the generator's order of sums; nothing where that takes more
/// than [`MAX_STEPS`].
fn fly(id: u32, start: Start) -> Option<Condition> {
    let (sin, cos) = libm::sincos(start.heading0_rad);
    let dx = start.speed0 * cos;
    let (mut x, mut y, mut dy) = (start.x0, start.y0, start.speed0 * sin);
    let (mut t_occ, mut bounces, mut reflected) = (None, 0, false);
    for frame in 0..MAX_STEPS {
        // As in the generator, a reflection in the very last frame is not counted.
        if reflected && x < FIELD_UNITS {
            bounces += 1;
        }
        if t_occ.is_none() && x >= OCCLUDER_X_UNITS {
            t_occ = Some(frame);
        }
        if x >= FIELD_UNITS {
            return Some(Condition {
                id,
                x0: start.x0,
                y0: start.y0,
                heading0_rad: start.heading0_rad,
                speed0: start.speed0,
                n_bounce: bounces,
                y_final: y,
                x_final: x,
                t_end: frame,
                t_occ: t_occ?,
            });
        }
        x += dx;
        (y, dy, reflected) = design_step(y, dy);
    }
    None
}

const IN_DEGREES: [&str; 4] = ["x0_deg", "y0_deg", "heading_deg", "speed_deg_per_s"];
const IN_UNITS: [&str; 4] = ["x0", "y0", "heading0", "speed0"];

/// Reads a table of one's own trials and checks every row.
///
/// # Errors
/// [`Error::Io`], or [`Error::BadCells`] with line, column, what was expected and what was found,
/// of every bad cell (the first twenty are listed).
pub fn read_own_csv(path: impl AsRef<Path>, rule: Rule) -> Result<Vec<Condition>> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    read_own_csv_from(std::io::BufReader::new(file), path, rule)
}

/// Reads a table of one's own trials from `input`; `path` names it in errors.
///
/// # Errors
/// As [`read_own_csv`].
pub fn read_own_csv_from(input: impl Read, path: &Path, rule: Rule) -> Result<Vec<Condition>> {
    let mut bad = Bad::default();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(input);
    let conditions = match reader.headers().cloned() {
        Ok(header) => match Columns::of(&header) {
            Ok(columns) => rows(&mut reader, &columns, rule, &mut bad),
            Err(cell) => {
                bad.push(cell);
                Vec::new()
            }
        },
        Err(error) => {
            bad.push(unreadable(&error, 1));
            Vec::new()
        }
    };
    if bad.n == 0 && conditions.is_empty() {
        bad.push(Cell {
            line: 2,
            column: 0,
            field: "id".into(),
            expected: "at least one trial".into(),
            found: "none".into(),
        });
    }
    if bad.n > 0 {
        return Err(Error::BadCells {
            path: path.to_path_buf(),
            n_bad: bad.n,
            cells: bad.cells,
        });
    }
    Ok(conditions)
}

#[derive(Default)]
struct Bad {
    n: usize,
    cells: Vec<Cell>,
}

impl Bad {
    fn push(&mut self, cell: Cell) {
        self.n += 1;
        if self.cells.len() < LISTED {
            self.cells.push(cell);
        }
    }
}

fn unreadable(error: &csv::Error, line: u64) -> Cell {
    Cell {
        line: error.position().map_or(line, csv::Position::line),
        column: 0,
        field: "row".into(),
        expected: "UTF-8 text with as many cells as the header".into(),
        found: match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("{len} cells, not {expected_len}"),
            _ => error.to_string(),
        },
    }
}

/// Where the columns stand, from 0.
struct Columns {
    names: [&'static str; 4],
    id: usize,
    values: [usize; 4],
    degrees: bool,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> std::result::Result<Self, Cell> {
        let place = |name: &str| header.iter().position(|h| h == name);
        let absent = |name: &str| Cell {
            line: 1,
            column: 0,
            field: name.to_owned(),
            expected: format!(
                "the columns id, {} or the columns id, {}",
                IN_DEGREES.join(", "),
                IN_UNITS.join(", ")
            ),
            found: header.iter().collect::<Vec<_>>().join(", "),
        };
        let degrees = IN_DEGREES.iter().any(|name| place(name).is_some());
        let names = if degrees { IN_DEGREES } else { IN_UNITS };
        // The condition table of a stimulus set says the unit in the name.
        let place = |name: &str| {
            let unit = if name == "heading0" {
                "heading0_rad"
            } else {
                name
            };
            place(name).or_else(|| place(unit))
        };
        let find = |name: &'static str| place(name).ok_or_else(|| absent(name));
        if let Some(twice) = header
            .iter()
            .enumerate()
            .position(|(k, name)| header.iter().skip(k + 1).any(|other| other == name))
        {
            return Err(Cell {
                column: twice + 1,
                expected: "each column once".into(),
                ..absent(&header[twice])
            });
        }
        Ok(Self {
            names,
            id: find("id")?,
            values: [
                find(names[0])?,
                find(names[1])?,
                find(names[2])?,
                find(names[3])?,
            ],
            degrees,
        })
    }
}

fn rows(
    reader: &mut csv::Reader<impl Read>,
    columns: &Columns,
    rule: Rule,
    bad: &mut Bad,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut line_of_id = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let goes_on = matches!(
                    error.kind(),
                    csv::ErrorKind::UnequalLengths { .. } | csv::ErrorKind::Utf8 { .. }
                );
                bad.push(unreadable(&error, 0));
                if goes_on {
                    continue;
                }
                return conditions;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize, field: &str, expected: String, found: Option<String>| Cell {
            line,
            column: column + 1,
            field: field.to_owned(),
            expected,
            found: found.unwrap_or_else(|| format!("`{}`", &record[column])),
        };
        let id = record[columns.id].parse::<u32>().ok();
        match id {
            None => bad.push(cell(
                columns.id,
                "id",
                "a whole number from 0 to 4294967295".into(),
                None,
            )),
            Some(id) => {
                if let Some(first) = line_of_id.insert(id, line) {
                    bad.push(cell(
                        columns.id,
                        "id",
                        "each id once".into(),
                        Some(format!("{id}, also on line {first}")),
                    ));
                }
            }
        }
        let mut numbers = [0.0; 4];
        let mut whole = true;
        for ((number, &column), name) in numbers.iter_mut().zip(&columns.values).zip(columns.names)
        {
            match record[column].parse::<f64>() {
                Ok(value) if value.is_finite() => *number = value,
                _ => {
                    whole = false;
                    bad.push(cell(column, name, "a finite number".into(), None));
                }
            }
        }
        if !whole {
            continue;
        }
        let [x0, y0, heading, speed] = numbers;
        let start = if columns.degrees {
            Start::from_deg(x0, y0, heading, speed)
        } else {
            Start {
                x0,
                y0,
                heading0_rad: heading,
                speed0: speed,
            }
        };
        match check(id.unwrap_or(0), start, rule) {
            Ok(condition) => conditions.push(condition),
            Err(unfit) => bad.push(cell(
                columns.values[unfit.value],
                columns.names[unfit.value],
                unfit.expected,
                unfit.found,
            )),
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::generator::generate;

    fn read(text: &str, rule: Rule) -> Result<Vec<Condition>> {
        read_own_csv_from(text.as_bytes(), Path::new("own.csv"), rule)
    }

    #[test]
    fn a_trial_of_the_table_comes_out_as_it_stands_there() {
        for condition in generate().iter().step_by(997) {
            let start = Start {
                x0: condition.x0,
                y0: condition.y0,
                heading0_rad: condition.heading0_rad,
                speed0: condition.speed0,
            };
            for rule in Rule::ALL {
                assert_eq!(check(condition.id, start, rule).as_ref(), Ok(condition));
            }
        }
    }

    #[test]
    fn degrees_and_units_are_the_same_trial() {
        let degrees = "heading_deg,id,note,x0_deg,y0_deg,speed_deg_per_s\n-30,7,mine,-6,2.5,7.5\n";
        let [a] = read(degrees, Rule::Published).unwrap()[..] else {
            panic!("one trial")
        };
        let units = format!(
            "id,x0,y0,heading0,speed0\n7,{},{},{},{}\n",
            a.x0, a.y0, a.heading0_rad, a.speed0
        );
        assert_eq!(read(&units, Rule::Possible).unwrap(), [a]);
        assert!((a.x0_deg() + 6.0).abs() < 1e-12 && (a.speed_deg_per_s() - 7.5).abs() < 1e-12);
    }

    #[test]
    fn every_bad_cell_is_named_with_its_place() {
        let text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n\
                    1,-6,0,10,7.5\n\
                    1,-6,0,10,7.5\n\
                    2,-6,wide,10,7.5\n\
                    x,6,0,10,7.5\n\
                    4,-6,0,95,7.5\n\
                    5,-6,0,10,0\n\
                    6,-6,0,10\n\
                    7,-6,NaN,10,7.5\n\
                    8,-6,0,89.9,0.1\n";
        let Err(Error::BadCells { n_bad, cells, .. }) = read(text, Rule::Possible) else {
            panic!("the cells were not found")
        };
        let places: Vec<(u64, usize, &str)> = cells
            .iter()
            .map(|c| (c.line, c.column, c.field.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (3, 1, "id"),
                (4, 3, "y0_deg"),
                (5, 1, "id"),
                (5, 2, "x0_deg"),
                (6, 4, "heading_deg"),
                (7, 5, "speed_deg_per_s"),
                (8, 0, "row"),
                (9, 3, "y0_deg"),
                (10, 5, "speed_deg_per_s"),
            ]
        );
        assert_eq!(n_bad, 9);
        let message = read(text, Rule::Possible).unwrap_err().to_string();
        assert!(
            message.contains("own.csv: 9 bad cells")
                && message.contains(
                    "line 4, column 3 (`y0_deg`): expected a finite number, found `wide`"
                ),
            "{message}"
        );
    }

    #[test]
    fn the_published_rule_is_stricter_and_says_why() {
        let slow = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n1,-6,0,0,2\n";
        assert_eq!(read(slow, Rule::Possible).unwrap().len(), 1);
        let message = read(slow, Rule::Published).unwrap_err().to_string();
        assert!(message.contains("15 to 45 steps"), "{message}");
        let twice = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n1,-2,9,-70,11.25\n";
        let message = read(twice, Rule::Published).unwrap_err().to_string();
        assert!(message.contains("bounce"), "{message}");
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        for (text, says) in [
            ("", "the columns id"),
            ("id,x0_deg,y0_deg,heading_deg\n1,2,3,4\n", "speed_deg_per_s"),
            ("id,x0,x0,y0,heading0,speed0\n", "each column once"),
            (
                "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n",
                "at least one trial",
            ),
        ] {
            let message = read(text, Rule::Possible).unwrap_err().to_string();
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_tables_never_panic(cut in 0_usize..200, at in 0_usize..200, byte: u8) {
            let mut text = b"id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n1,-6,0,10,7.5\n2,-6,0,-10,7.5\n\"3\",-6,0,10,5\n".to_vec();
            let n = text.len();
            text[at % n] = byte;
            text.truncate(n - cut % n);
            if let Ok(conditions) = read_own_csv_from(&text[..], Path::new("t"), Rule::Possible) {
                for condition in conditions {
                    proptest::prop_assert!(condition.t_occ > 0 && condition.t_end > condition.t_occ);
                }
            }
        }
    }
}
