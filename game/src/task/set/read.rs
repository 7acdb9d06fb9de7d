//! A condition set from a table: starts, or paths frame by frame.
//!
//! **Starts**: a row a condition. `id` (any text, once each), and either `x0_deg`, `y0_deg`,
//! `heading_deg`, `speed_deg_per_s` or, in units of the 32 × 32 field, `x0`, `y0`, `heading0` (or
//! `heading0_rad`, radians) and `speed0` (units per 1/24 s). May be there too: `n_bounces` (how often the
//! ball has to bounce), `max_bounces`, and `law` (`design` or `display`, one for the set).
//!
//! **Paths**: a row a frame. `id`, `x_deg`, `y_deg`, `frame` (from 0, with `rate_hz`) or `time_ms` (from
//! 0, the last frame with the ball at rest) or both; `visible` (share of the ball, or true and false) and
//! `end_y_deg` (height at the interception plane) may be there too.
//!
//! **Both**: the geometry, the published one where nothing is said: `wall_low_deg`, `wall_high_deg`,
//! `ball_radius_deg`, `intercept_x_deg`, `draw_walls`, and `occluders`: rectangles `x0:x1` over the whole
//! height or `x0:x1:y0:y1`, separated by spaces or `|`, or `none`. Further columns are left alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::condition::TruthFrame;
use super::{ConditionSet, SetCondition};
use crate::error::Result;
use crate::task::clock::frame_ms;
use crate::task::geometry::{FIELD_HALF_DEG, Geometry, Rect};
use crate::task::law::{Law, path_in};
use crate::task::own::{Rule, Start, check, check_in};
use mental_pong_base::table::{Cell, Problems, Row, Table};

type Read<T> = std::result::Result<T, Cell>;

const IN_DEGREES: [&str; 4] = ["x0_deg", "y0_deg", "heading_deg", "speed_deg_per_s"];
const IN_UNITS: [&str; 4] = ["x0", "y0", "heading0", "speed0"];

/// How a table of starts is taken.
#[derive(Clone, Copy, Debug)]
pub struct TableRules {
    /// Which starts are let through; `published` goes with the published geometry alone.
    pub rule: Rule,
    /// The law where the table names none; `display` without it.
    pub law: Option<Law>,
}

impl Default for TableRules {
    /// Any trial that can be run, under the display law.
    fn default() -> Self {
        Self {
            rule: Rule::Possible,
            law: None,
        }
    }
}

/// Reads a table of starts or paths as a set with the file's name.
pub(super) fn read(path: &Path, rules: TableRules) -> Result<ConditionSet> {
    let (table, problems) = Table::read_with_problems(path)?;
    of(&table, problems, rules)
}

pub(super) fn of(table: &Table, mut problems: Problems, rules: TableRules) -> Result<ConditionSet> {
    let path = table.path();
    let name = path
        .file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let Some(id) = problems.take(table.need(&["id", "condition_id"])) else {
        return problems
            .or(Vec::new())
            .map_err(Into::into)
            .and_then(|none| ConditionSet::new(&name, none));
    };
    let paths = ["x_deg", "y_deg"]
        .iter()
        .all(|name| table.column(name).is_some())
        && table.column("x0_deg").is_none();
    let geometry = GeometryColumns::of(table);
    let conditions = if paths {
        recorded(table, id, &geometry, &mut problems)
    } else {
        starts(table, id, &geometry, rules, &mut problems)
    };
    if problems.is_empty() && table.is_empty() {
        problems.push(Cell {
            line: 2,
            column: 0,
            field: "id".into(),
            expected: "at least one condition".into(),
            found: "none".into(),
        });
    }
    ConditionSet::new(&name, problems.or(conditions)?)
}

/// Where the columns of the geometry stand.
struct GeometryColumns {
    numbers: [Option<usize>; 4],
    occluders: Option<usize>,
    draw_walls: Option<usize>,
}

impl GeometryColumns {
    fn of(table: &Table) -> Self {
        let column = |name| table.column(name);
        Self {
            numbers: [
                "wall_low_deg",
                "wall_high_deg",
                "ball_radius_deg",
                "intercept_x_deg",
            ]
            .map(column),
            occluders: column("occluders"),
            draw_walls: column("draw_walls"),
        }
    }

    fn none(&self) -> bool {
        self.numbers
            .iter()
            .chain([&self.occluders, &self.draw_walls])
            .all(Option::is_none)
    }

    /// The geometry of a row. Equal ones are shared with the row before.
    fn read(&self, row: Row<'_>, last: &mut Arc<Geometry>) -> Read<Arc<Geometry>> {
        if self.none() {
            return Ok(Geometry::published());
        }
        let mut geometry = Geometry::default();
        let within = |at: Option<usize>, low: f64, high: f64| -> Read<Option<f64>> {
            let Some(at) = at else { return Ok(None) };
            let Some(value) = row.optional_number(at)? else {
                return Ok(None);
            };
            if (low..=high).contains(&value) {
                return Ok(Some(value));
            }
            Err(row.bad(at, &format!("{low} to {high} degrees")))
        };
        let [low, high, radius, intercept] = self.numbers;
        let half = FIELD_HALF_DEG;
        let set = |to: &mut f64, value: Option<f64>| *to = value.unwrap_or(*to);
        set(&mut geometry.wall_low_deg, within(low, -half, half)?);
        set(&mut geometry.wall_high_deg, within(high, -half, half)?);
        geometry.ball_radius_deg = within(radius, 0.05, 3.0)?;
        set(
            &mut geometry.intercept_x_deg,
            within(intercept, -half, half)?,
        );
        let room = geometry.wall_high_deg - geometry.wall_low_deg;
        if let Some(at) = high.or(low)
            && room <= 2.0 * geometry.ball_radius_deg.unwrap_or(0.4)
        {
            let found = format!("{} and {}", geometry.wall_low_deg, geometry.wall_high_deg);
            return Err(row.bad_found(at, "walls with room for the ball between them", found));
        }
        if let Some(at) = self.draw_walls
            && let Some(text) = row.value(at)
        {
            geometry.draw_walls = flag(text).ok_or_else(|| row.bad(at, "true or false"))?;
        }
        if let Some(at) = self.occluders {
            let text = row.text(at);
            if text.eq_ignore_ascii_case("none") {
                geometry.occluders.clear();
            } else if let Some(text) = row.value(at) {
                let parts = text.split([' ', '|']).filter(|part| !part.is_empty());
                let rects = parts.map(|part| rect(row, at, part));
                geometry.occluders = rects.collect::<Read<_>>()?;
            }
        }
        if geometry != **last {
            *last = match geometry.is_published() {
                true => Geometry::published(),
                false => Arc::new(geometry),
            };
        }
        Ok(Arc::clone(last))
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" | "on" => Some(true),
        "false" | "0" | "0.0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `x0:x1` or `x0:x1:y0:y1`.
fn rect(row: Row<'_>, at: usize, text: &str) -> Read<Rect> {
    let bad = || {
        let expected = "rectangles x0:x1 or x0:x1:y0:y1 within -10 to 10 degrees, separated by \
                        spaces or |, or none";
        row.bad_found(at, expected, format!("`{text}`"))
    };
    let numbers = text
        .split(':')
        .map(|part| row.number_in(at, part.trim()).map_err(|_| bad()))
        .collect::<Read<Vec<f64>>>()?;
    let (x0_deg, x1_deg, y0_deg, y1_deg) = match numbers[..] {
        [x0, x1] => (x0, x1, -FIELD_HALF_DEG, FIELD_HALF_DEG),
        [x0, x1, y0, y1] => (x0, x1, y0, y1),
        _ => return Err(bad()),
    };
    let inside = [x0_deg, x1_deg, y0_deg, y1_deg]
        .iter()
        .all(|v| v.abs() <= FIELD_HALF_DEG);
    if !inside || x0_deg >= x1_deg || y0_deg >= y1_deg {
        return Err(bad());
    }
    Ok(Rect {
        x0_deg,
        x1_deg,
        y0_deg,
        y1_deg,
    })
}

/// How `occluders` spells rectangles; it reads back to the same.
pub(crate) fn occluders_text(geometry: &Geometry) -> String {
    if geometry.occluders.is_empty() {
        return "none".into();
    }
    let of = |r: &Rect| format!("{}:{}:{}:{}", r.x0_deg, r.x1_deg, r.y0_deg, r.y1_deg);
    geometry
        .occluders
        .iter()
        .map(of)
        .collect::<Vec<_>>()
        .join("|")
}

/// The columns of a table of starts.
struct StartColumns {
    id: usize,
    values: [usize; 4],
    degrees: bool,
    law: Option<usize>,
    exact: Option<usize>,
    most: Option<usize>,
}

impl StartColumns {
    fn of(table: &Table, id: usize, problems: &mut Problems) -> Option<Self> {
        let degrees = IN_DEGREES.iter().any(|name| table.column(name).is_some());
        let names = if degrees { IN_DEGREES } else { IN_UNITS };
        if !degrees && IN_UNITS.iter().all(|name| table.column(name).is_none()) {
            // Neither: say both.
            problems.push(Cell {
                expected: format!(
                    "the columns id, {}, or the columns id, {}, or, frame by frame, the columns \
                     id, time_ms, x_deg, y_deg",
                    IN_DEGREES.join(", "),
                    IN_UNITS.join(", ")
                ),
                ..table.need(&[IN_DEGREES[0]]).err()?
            });
            return None;
        }
        let values = names.map(|name| {
            let by_unit = if name == "heading0" {
                "heading0_rad"
            } else {
                name
            };
            problems.take(table.need(&[name, by_unit]))
        });
        let [Some(a), Some(b), Some(c), Some(d)] = values else {
            return None;
        };
        Some(Self {
            id,
            values: [a, b, c, d],
            degrees,
            law: table.column("law"),
            exact: table.column("n_bounces"),
            most: table.column("max_bounces"),
        })
    }

    fn start(&self, row: Row<'_>, problems: &mut Problems) -> Option<Start> {
        // Each, so that all that are wrong are said.
        let numbers = self.values.map(|at| problems.take(row.number(at)));
        let [Some(x0), Some(y0), Some(heading), Some(speed)] = numbers else {
            return None;
        };
        Some(if self.degrees {
            Start::from_deg(x0, y0, heading, speed)
        } else {
            Start {
                x0,
                y0,
                heading0_rad: heading,
                speed0: speed,
            }
        })
    }

    fn law(&self, row: Row<'_>, rules: TableRules, first: &mut Option<Law>) -> Read<Law> {
        let own = match self.law {
            Some(at) => match row.value(at) {
                Some(text) => {
                    let known = text.parse::<Law>();
                    Some((at, known.map_err(|_| row.bad(at, "design or display"))?))
                }
                None => None,
            },
            None => None,
        };
        let law = own.map_or(rules.law.unwrap_or(Law::Display), |(_, law)| law);
        match (*first.get_or_insert(law), own) {
            (one, Some((at, law))) if one != law => {
                Err(row.bad(at, &format!("one law in a set, {one} as above")))
            }
            _ => Ok(law),
        }
    }
}

fn starts(
    table: &Table,
    id: usize,
    geometry: &GeometryColumns,
    rules: TableRules,
    problems: &mut Problems,
) -> Vec<SetCondition> {
    let Some(columns) = StartColumns::of(table, id, problems) else {
        return Vec::new();
    };
    let mut line_of_id = BTreeMap::new();
    let (mut conditions, mut last, mut law) = (Vec::new(), Geometry::published(), None);
    for row in table.rows() {
        let text = row.text(id);
        if text.is_empty() {
            problems.push(row.bad_found(id, "a name or number", "nothing".into()));
        } else if let Some(first) = line_of_id.insert(text, row.line()) {
            let found = format!("{text}, also on line {first}");
            problems.push(row.bad_found(id, "each id once", found));
        }
        let start = columns.start(row, problems);
        let there = problems.take(geometry.read(row, &mut last));
        let law = problems.take(columns.law(row, rules, &mut law));
        let (Some(start), Some(there), Some(law)) = (start, there, law) else {
            continue;
        };
        let read = one(row, &columns, start, law, &there, rules.rule);
        if let Some(trial) = problems.take(read) {
            let own = SetCondition::own(text.to_owned(), trial, law);
            conditions.push(own.with_geometry(there));
        }
    }
    conditions
}

/// The trial of a row.
fn one(
    row: Row<'_>,
    columns: &StartColumns,
    start: Start,
    law: Law,
    geometry: &Geometry,
    rule: Rule,
) -> Read<crate::task::Condition> {
    // In a published set an id is the number of its row; elsewhere this one means nothing.
    let id = row.text(columns.id).parse().unwrap_or(0);
    let checked = match geometry.is_published() {
        true => check(id, start, rule),
        false => check_in(id, start, geometry),
    };
    let trial = checked.map_err(|unfit| {
        let at = columns.values[unfit.value];
        match unfit.found {
            Some(found) => row.bad_found(at, &unfit.expected, found),
            None => row.bad(at, &unfit.expected),
        }
    })?;
    for (column, exact) in [(columns.exact, true), (columns.most, false)] {
        let Some(at) = column.filter(|at| row.value(*at).is_some()) else {
            continue;
        };
        let asked = row.whole(at)?;
        let found = path_in(&trial, law, geometry, 0).touches.len() as u64;
        if (exact && found != asked) || found > asked {
            let expected = format!("{found}, as often as the ball bounces under the law {law}");
            return Err(row.bad(at, &expected));
        }
    }
    Ok(trial)
}

/// The rows of one recorded condition.
struct Frames<'a> {
    first: Row<'a>,
    frames: Vec<(Option<f64>, TruthFrame)>,
    end_y_deg: Option<f64>,
    geometry: Arc<Geometry>,
}

fn recorded(
    table: &Table,
    id: usize,
    geometry: &GeometryColumns,
    problems: &mut Problems,
) -> Vec<SetCondition> {
    let column = |name| table.column(name);
    let at = ["x_deg", "y_deg"].map(|name| problems.take(table.need(&[name])));
    let [Some(x), Some(y)] = at else {
        return Vec::new();
    };
    let (frame, time, rate) = (column("frame"), column("time_ms"), column("rate_hz"));
    if time.is_none() && (frame.is_none() || rate.is_none()) {
        problems.take(table.need(&["time_ms", "frame, with rate_hz,"]));
        return Vec::new();
    }
    let (visible, end) = (column("visible"), column("end_y_deg"));
    let mut paths: Vec<(&str, Frames<'_>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut last, mut stated_hz) = (Geometry::published(), None);
    for row in table.rows() {
        let text = row.text(id);
        let known = places.get(text).copied();
        let k = match known {
            Some(k) => k,
            None => {
                let there = problems.take(geometry.read(row, &mut last));
                let end = end.map_or(Ok(None), |at| row.optional_number(at));
                places.insert(text, paths.len());
                paths.push((
                    text,
                    Frames {
                        first: row,
                        frames: Vec::new(),
                        end_y_deg: problems.take(end).flatten(),
                        geometry: there.unwrap_or_else(Geometry::published),
                    },
                ));
                paths.len() - 1
            }
        };
        let path = &mut paths[k].1;
        let mut read = || -> Read<(Option<f64>, TruthFrame)> {
            if let Some(at) = frame
                && row.whole(at)? != path.frames.len() as u64
            {
                let expected = format!("{}, the frames of a condition in order", path.frames.len());
                return Err(row.bad(at, &expected));
            }
            if let Some(at) = rate {
                let hz = row.number(at)?;
                if *stated_hz.get_or_insert(hz) != hz {
                    return Err(row.bad(at, "one frame rate in a set"));
                }
            }
            let (x_deg, y_deg) = (row.number(x)?, row.number(y)?);
            let share = match visible.filter(|at| row.value(*at).is_some()) {
                Some(at) => match flag(row.text(at)) {
                    Some(seen) => f64::from(u8::from(seen)),
                    None => row.number(at)?,
                },
                None => path
                    .geometry
                    .visible_share((x_deg, y_deg), path.geometry.radius_deg()),
            };
            let time_ms = time.map(|at| row.number(at)).transpose()?;
            Ok((
                time_ms,
                TruthFrame {
                    time_ms: time_ms.unwrap_or_default(),
                    x_deg,
                    y_deg,
                    visible: share,
                },
            ))
        };
        let read = read();
        path.frames.extend(problems.take(read));
    }
    if !problems.is_empty() {
        return Vec::new();
    }
    let rate_hz = stated_hz.or_else(|| rate_of(&paths));
    let conditions = paths.into_iter().filter_map(|(id, path)| {
        let first = path.first;
        problems.take(finished(id, path, rate_hz).map_err(|error| {
            first.bad_found(
                time.or(frame).unwrap_or_default(),
                "a path of frames",
                error.to_string(),
            )
        }))
    });
    conditions.collect()
}

fn finished(id: &str, path: Frames<'_>, rate_hz: Option<f64>) -> Result<SetCondition> {
    // One frame at most in every condition: refused below.
    let rate_hz = rate_hz.unwrap_or(60.0);
    let frames = path
        .frames
        .into_iter()
        .zip(0..)
        .map(|((time, frame), n)| TruthFrame {
            time_ms: time.unwrap_or_else(|| frame_ms(n, rate_hz)),
            ..frame
        });
    SetCondition::recorded(
        id.to_owned(),
        frames.collect(),
        path.end_y_deg,
        rate_hz,
        path.geometry,
    )
}

/// Frames per second by the times of the longest path; a whole number where that is next to one.
fn rate_of(paths: &[(&str, Frames<'_>)]) -> Option<f64> {
    let longest = paths.iter().max_by_key(|(_, path)| path.frames.len())?;
    let frames = &longest.1.frames;
    let span = frames.last()?.0? - frames.first()?.0?;
    let rate = (frames.len() - 1) as f64 * 1000.0 / span;
    let whole = rate.round();
    if !(rate.is_finite() && rate > 0.0) {
        return None;
    }
    Some(if (rate / whole - 1.0).abs() < 3e-4 {
        whole
    } else {
        rate
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::task::{BinAxis, Bounce, Epoch, SetLaw};
    use mental_pong_base::table::TableError;

    fn set(text: &str, rule: Rule) -> Result<ConditionSet> {
        let (table, problems) = Table::parse_with_problems(text.as_bytes(), Path::new("own.csv"))?;
        of(&table, problems, TableRules { rule, law: None })
    }

    fn possible(text: &str) -> Result<ConditionSet> {
        set(text, Rule::Possible)
    }

    fn says(text: &str, parts: &[&str]) {
        let message = possible(text).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn degrees_and_units_are_the_same_trial() {
        let degrees = "heading_deg,id,note,x0_deg,y0_deg,speed_deg_per_s\n-30,7,mine,-6,2.5,7.5\n";
        let a = set(degrees, Rule::Published).unwrap();
        let a = a.conditions()[0].start().copied().unwrap();
        let units = format!(
            "id,x0,y0,heading0,speed0\n7,{},{},{},{}\n",
            a.x0, a.y0, a.heading0_rad, a.speed0
        );
        let b = possible(&units).unwrap();
        assert_eq!(b.conditions()[0].start(), Some(&a));
        assert!((a.x0_deg() + 6.0).abs() < 1e-12 && (a.speed_deg_per_s() - 7.5).abs() < 1e-12);
    }

    #[test]
    fn every_bad_cell_is_named_with_its_place() {
        let text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n\
                    1,-6,0,10,7.5\n\
                    1,-6,0,10,7.5\n\
                    2,-6,wide,10,7.5\n\
                    ,6,0,10,7.5\n\
                    4,-6,0,95,7.5\n\
                    5,-6,0,10,0\n\
                    6,-6,0,10\n\
                    7,-6,inf,10,7.5\n\
                    8,-6,0,89.9,0.1\n";
        let Err(Error::Table(TableError::Cells { n_bad, cells, .. })) = possible(text) else {
            panic!("the cells were not found")
        };
        let mut places: Vec<(u64, usize, &str)> = cells
            .iter()
            .map(|c| (c.line, c.column, c.field.as_str()))
            .collect();
        places.sort_unstable();
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
        says(
            text,
            &[
                "own.csv: 9 bad cells",
                "line 4, column 3 (`y0_deg`): expected a finite number, found `wide`",
            ],
        );
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        says("", &["a header"]);
        says(
            "id,x0_deg,y0_deg,heading_deg\n1,2,3,4\n",
            &["speed_deg_per_s"],
        );
        says("id,x0,x0,y0,heading0,speed0\n", &["each column once"]);
        says(
            "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n",
            &["at least one"],
        );
        says("id,colour\n1,red\n", &["x0_deg", "x0,", "time_ms"]);
        says("x0_deg,y0_deg\n1,2\n", &["a column id"]);
        says("id|x0_deg\n1|2\n", &["one column", "comma"]);
    }

    #[test]
    fn walls_ball_occluders_and_plane_are_a_row_s_own() {
        let text = "id;x0_deg;y0_deg;heading_deg;speed_deg_per_s;wall_low_deg;wall_high_deg;ball_radius_deg;occluders;intercept_x_deg;draw_walls;n_bounces\n\
                    plain;-8;0;0;6;;;;;;;0\n\
                    zig zag;-8;0;60;8;-4;4;0,5;-2:1 4,5:6:-4:0;9;yes;4\n\
                    open;-8;0;0;12;;;;none;10;false;\n";
        let set = possible(text).unwrap();
        assert_eq!(set.ids(), ["plain", "zig zag", "open"]);
        let [plain, zig, open] = set.conditions() else {
            panic!("three")
        };
        assert!(plain.geometry().is_published());
        let g = zig.geometry();
        assert_eq!(
            (g.wall_low_deg, g.wall_high_deg, g.ball_radius_deg),
            (-4.0, 4.0, Some(0.5))
        );
        assert_eq!(
            (g.intercept_x_deg, g.draw_walls, g.occluders.len()),
            (9.0, true, 2)
        );
        assert_eq!(
            g.occluders[1],
            Rect {
                x0_deg: 4.5,
                x1_deg: 6.0,
                y0_deg: -4.0,
                y1_deg: 0.0
            }
        );
        // Felt half a degree before the walls, at the first frame beyond (60 Hz, 8 degrees a second).
        let truth = zig.truth();
        let most = truth.iter().map(|f| f.y_deg.abs()).fold(0.0, f64::max);
        assert!((3.5..3.5 + 8.0 / 60.0).contains(&most), "{most}");
        assert_eq!(zig.track().bounces_ms().len(), 4);
        assert_eq!(
            (open.bounce(), open.geometry().occluders.len()),
            (Bounce::None, 0)
        );
        let binned = open.binned(&BinAxis::PUBLISHED);
        assert!(binned.bins(Epoch::Hidden).is_empty());
        assert_eq!(binned.bins(Epoch::Visible), binned.bins(Epoch::All));
        // The spelling reads back.
        assert_eq!(occluders_text(g), "-2:1:-10:10|4.5:6:-4:0");
        let start = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s";
        for (column, value, says_) in [
            ("occluders", "5", "x0:x1"),
            ("occluders", "6:5", "x0:x1"),
            ("occluders", "5:11", "-10 to 10"),
            ("occluders", "-6:-4", "behind no occluder"),
            ("wall_high_deg", "0.3", "room for the ball"),
            ("wall_high_deg", "12", "-10 to 10"),
            ("ball_radius_deg", "0", "0.05 to 3"),
            ("intercept_x_deg", "-9", "below -9 degrees"),
            ("draw_walls", "perhaps", "true or false"),
            ("n_bounces", "2", "0, as often as the ball bounces"),
            ("law", "gravity", "design or display"),
        ] {
            let low = if column == "wall_high_deg" {
                ",wall_low_deg"
            } else {
                ""
            };
            let low_value = if low.is_empty() { "" } else { ",-0.3" };
            says(
                &format!("{start},{column}{low}\n1,-5,0,0,7,{value}{low_value}\n"),
                &[says_],
            );
        }
        says(
            &format!("{start},law\n1,-5,0,0,7,design\n2,-5,0,0,7,display\n"),
            &["one law in a set, design"],
        );
        let by_law = possible(&format!("{start},law\n1,-5,0,0,7,design\n")).unwrap();
        assert_eq!(by_law.conditions()[0].law(), SetLaw::Design);
        let most = possible(&format!("{start},max_bounces\n1,-5,9,80,9,9\n")).unwrap();
        assert!(most.conditions()[0].track().bounces_ms().len() > 1);
    }

    #[test]
    fn a_path_frame_by_frame_is_a_condition_without_a_law() {
        // 50 Hz, a straight line, seen until x = 0 and at the plane at 400 ms.
        let rows: String = (0..=25)
            .flat_map(|n| ["a", "b"].map(|id| (n, id)))
            .map(|(n, id)| format!("{id},{},{},{},{}\n", 20 * n, n - 10, 2, u8::from(n < 10)))
            .collect();
        let text = format!("id,time_ms,x_deg,y_deg,visible\n{rows}");
        let set = possible(&text).unwrap();
        assert_eq!(set.ids(), ["a", "b"]);
        let one = set.condition("b").unwrap();
        assert_eq!(
            (one.law(), one.rate_hz(), one.truth().len()),
            (SetLaw::Recorded, 50.0, 26)
        );
        assert_eq!((one.end_height_deg(), one.bounce()), (2.0, Bounce::None));
        let binned = one.binned(&BinAxis::new(20.0, -40.0, 40).unwrap());
        // The plane at 10 degrees is met in frame 20; frames 10 to 19 are hidden up to the next.
        assert_eq!(binned.bins(Epoch::All), (2..22).collect::<Vec<_>>());
        assert_eq!(binned.bins(Epoch::Hidden), (12..22).collect::<Vec<_>>());
        assert_eq!(binned.x_deg[2], -9.0);
        assert!(possible(&format!("id,frame,x_deg,y_deg,visible\n{rows}")).is_err());
        let numbered: String = (0..4).map(|n| format!("1,{n},{n},0,30\n")).collect();
        let by_frame = possible(&format!("id,frame,x_deg,y_deg,rate_hz\n{numbered}")).unwrap();
        assert_eq!(by_frame.conditions()[0].truth()[3].time_ms, 100.0);
        says(
            &format!(
                "id,frame,x_deg,y_deg,rate_hz\n{}",
                numbered.replace("1,2,", "1,3,")
            ),
            &["line 4", "2, the frames"],
        );
        says("id,time_ms,x_deg,y_deg\n1,0,0,0\n", &["at least two"]);
        says(
            "id,time_ms,x_deg,y_deg\n1,0,0,0\n1,20,0,0\n1,90,0,0\n",
            &["time_ms is 20"],
        );
        says("id,x_deg,y_deg\n1,0,0\n", &["time_ms"]);
        assert_ne!(
            set.sha256(),
            possible(&text.replace(",15,2,0", ",15,3,0"))
                .unwrap()
                .named("x")
                .sha256()
        );
    }

    proptest::proptest! {
        #[test]
        fn damaged_tables_never_panic(cut in 0_usize..200, at in 0_usize..200, byte: u8) {
            let mut text = b"id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,occluders\n1,-6,0,10,7.5,\n2,-6,0,-10,7.5,5:9\n\"3\",-6,0,10,5,none\n".to_vec();
            let n = text.len();
            text[at % n] = byte;
            text.truncate(n - cut % n);
            let (table, problems) = match Table::parse_with_problems(&text, Path::new("t")) {
                Ok(read) => read,
                Err(_) => return Ok(()),
            };
            if let Ok(set) = of(&table, problems, TableRules::default()) {
                for condition in set.conditions() {
                    proptest::prop_assert!(condition.truth().len() > 1);
                }
            }
        }
    }
}
