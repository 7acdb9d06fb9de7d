//! Conditions and paths as tables: which conditions a name means, and CSV and JSON of them.

use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::conditions79::{N_PRIMATE79, PRIMATE79_IDS, primate79};
use crate::task::epochs::{Epoch, Masks};
use crate::task::fresh400::FRESH400_IDS;
use crate::task::generator::{N_TRIALS, generate, row};
use crate::task::law::{Law, named, trajectory};
use crate::task::set::read::occluders_text;
use crate::task::set::{Bounce, ConditionSet, SetCondition, SetLaw};
use crate::task::splits::train_test_split;
use mental_pong_base::table::{Cell, Problems, Row, Table};

/// The published part of the table that a trial belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// One of the 425,002 trials for training.
    Train,
    /// One of the 47,223 trials for validation. All 79 recorded conditions are.
    Valid,
}

/// Number of trials of the validation part.
const N_VALID: usize = 47_223;

/// A published set of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// The 79 recorded conditions, in the published order.
    Primate79,
    /// The validation part, in scikit-learn's order.
    Valid,
    /// The training part, in scikit-learn's order.
    Train,
    /// All trials by id.
    All,
    /// 400 of the validation part outside the 79, a third of each bounce class: see
    /// [`fresh400`](crate::task::fresh400).
    Fresh400,
}

impl Set {
    /// Every set.
    pub const ALL: [Self; 5] = [
        Self::Primate79,
        Self::Valid,
        Self::Train,
        Self::All,
        Self::Fresh400,
    ];

    /// The set's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primate79 => "primate79",
            Self::Valid => "valid",
            Self::Train => "train",
            Self::All => "all",
            Self::Fresh400 => "fresh400",
        }
    }

    /// Number of conditions.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no published set is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Primate79 => N_PRIMATE79,
            Self::Valid => N_VALID,
            Self::Train => N_TRIALS - N_VALID,
            Self::All => N_TRIALS,
            Self::Fresh400 => FRESH400_IDS.len(),
        }
    }

    /// The set's conditions, in its order.
    ///
    /// # Errors
    /// None in practice: the split behind `valid` and `train` is fixed.
    pub fn conditions(self) -> Result<Vec<Condition>> {
        match self {
            Self::Primate79 => Ok(primate79()),
            Self::All => Ok(generate()),
            Self::Fresh400 => select(&FRESH400_IDS),
            Self::Valid | Self::Train => {
                let all = generate();
                let split = published_split()?;
                let ids = if self == Self::Valid {
                    split.test
                } else {
                    split.train
                };
                Ok(ids.into_iter().map(|id| all[id]).collect())
            }
        }
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Set {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("set", name, &Self::ALL, Self::name)
    }
}

/// `train_test_split(test_size=0.1, random_state=0)` over the whole table: indices are ids.
fn published_split() -> Result<crate::task::splits::Split> {
    train_test_split(N_TRIALS, 0.1, 0)
}

/// The conditions with these ids, in this order.
///
/// # Errors
/// [`Error::UnknownCondition`] for an id outside the table, [`Error::DuplicateCondition`] for one
/// listed twice.
pub fn select(ids: &[u32]) -> Result<Vec<Condition>> {
    let last = (N_TRIALS - 1) as u32;
    if let Some(&id) = ids.iter().find(|&&id| id > last) {
        return Err(Error::UnknownCondition { id, last });
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::DuplicateCondition { id: pair[0] });
    }
    // More rows than this are found faster in the whole table.
    const FEW: usize = 64;
    let recorded = primate79();
    let known = |id: &u32| recorded.iter().find(|c| c.id == *id).copied();
    if ids.iter().filter(|id| !PRIMATE79_IDS.contains(id)).count() <= FEW {
        return Ok(ids
            .iter()
            .filter_map(|id| known(id).or_else(|| row(*id)))
            .collect());
    }
    let all = generate();
    Ok(ids.iter().map(|&id| all[id as usize]).collect())
}

/// When the one bounce of a condition comes, by the published rule: its design step before or
/// from `t_occ` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BounceEpoch {
    /// While the ball can be seen.
    Vis,
    /// Behind the occluder.
    Occ,
}

/// When the bounce of a condition comes; nothing for a condition counted as without one.
#[must_use]
pub fn bounce_epoch(condition: &Condition) -> Option<BounceEpoch> {
    if condition.n_bounce == 0 {
        return None;
    }
    let step = trajectory(condition, Law::Design).bounce_step()?;
    Some(if step < condition.t_occ as usize {
        BounceEpoch::Vis
    } else {
        BounceEpoch::Occ
    })
}

/// One line of the condition table. Field names are column names, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Row in the published order.
    pub id: u32,
    /// Start, units of the 32 × 32 field.
    pub x0: f64,
    /// Start, units.
    pub y0: f64,
    /// First heading, radians.
    pub heading0: f64,
    /// Speed, units per frame of 1/24 s.
    pub speed0: f64,
    /// Bounces flagged up to the last frame.
    pub n_bounce: u32,
    /// Height at the last frame, units (design law).
    pub y_final: f64,
    /// Last frame (design law).
    pub t_end: u32,
    /// First frame at the occluder (design law).
    pub t_occ: u32,
    /// Published part.
    pub split: Part,
    /// When the bounce comes.
    #[serde(default)]
    pub bounce_epoch: Option<BounceEpoch>,
    /// Height at x = 10°, degrees (display law).
    #[serde(default)]
    pub display_y_at_x10_deg: Option<f64>,
    /// Time at x = 10°, milliseconds (display law).
    #[serde(default)]
    pub display_t_at_x10_ms: Option<f64>,
    /// Time of the bounce, milliseconds (display law).
    #[serde(default)]
    pub display_bounce_ms: Option<f64>,
    /// Numbers of 50 ms bins of the masks, `start_end/start_occ/occ_end`.
    #[serde(default)]
    pub mask_bins_se_so_oe: Option<String>,
    /// x at the last frame, units (design law).
    #[serde(default)]
    pub x_final: Option<f64>,
}

/// The table of some conditions, a row for each, in their order.
///
/// # Errors
/// [`Error::UnknownCondition`] for a condition whose id is outside the generator's table.
pub fn rows(conditions: &[Condition]) -> Result<Vec<TableRow>> {
    let recorded_only = conditions.iter().all(|c| PRIMATE79_IDS.contains(&c.id));
    let mut parts = vec![Part::Train; N_TRIALS];
    if recorded_only {
        for id in PRIMATE79_IDS {
            parts[id as usize] = Part::Valid;
        }
    } else {
        for id in published_split()?.test {
            parts[id] = Part::Valid;
        }
    }
    conditions
        .iter()
        .map(|c| {
            let split = *parts.get(c.id as usize).ok_or(Error::UnknownCondition {
                id: c.id,
                last: (N_TRIALS - 1) as u32,
            })?;
            let shown = trajectory(c, Law::Display);
            Ok(TableRow {
                id: c.id,
                x0: c.x0,
                y0: c.y0,
                heading0: c.heading0_rad,
                speed0: c.speed0,
                n_bounce: c.n_bounce,
                y_final: c.y_final,
                t_end: c.t_end,
                t_occ: c.t_occ,
                split,
                bounce_epoch: bounce_epoch(c),
                display_y_at_x10_deg: Some(shown.y_x10_deg()),
                display_t_at_x10_ms: Some(shown.t_x10_ms()),
                display_bounce_ms: shown.bounce_ms(),
                mask_bins_se_so_oe: Some(Masks::of(c).to_string()),
                x_final: Some(c.x_final),
            })
        })
        .collect()
}

/// One line of the table of a set of one's own. Field names are column names, in this order; those of
/// the start read back as a table of one's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetRow {
    /// The id within the set.
    pub id: String,
    /// Start, degrees; nothing where the path was recorded, as the next three.
    pub x0_deg: Option<f64>,
    /// Start, degrees.
    pub y0_deg: Option<f64>,
    /// First heading, degrees.
    pub heading_deg: Option<f64>,
    /// Speed, degrees per second.
    pub speed_deg_per_s: Option<f64>,
    /// What the path follows.
    pub law: SetLaw,
    /// Frames per second.
    pub rate_hz: f64,
    /// Number of frames, from the ball at rest to the end.
    pub n_frames: usize,
    /// How often the ball bounces.
    pub n_bounces: usize,
    /// When it does.
    pub bounce: Bounce,
    /// How long its centre is behind an occluder, milliseconds.
    pub hidden_ms: f64,
    /// When it is at the interception plane, milliseconds from motion onset.
    pub end_ms: f64,
    /// Height there, degrees.
    pub end_y_deg: f64,
    /// Heights of the walls, radius, occluders and plane, as a table of one's own has them.
    pub wall_low_deg: f64,
    /// Height of the upper wall, degrees.
    pub wall_high_deg: f64,
    /// Radius of the ball, degrees; nothing for the published ones.
    pub ball_radius_deg: Option<f64>,
    /// Occluders, `x0:x1:y0:y1` with `|` between them.
    pub occluders: String,
    /// The interception plane, degrees.
    pub intercept_x_deg: f64,
}

/// The table of a set, a row for each condition, in their order.
#[must_use]
pub fn set_rows(set: &ConditionSet) -> Vec<SetRow> {
    let row = |condition: &SetCondition| {
        let (start, track) = (condition.start(), condition.track());
        let geometry = condition.geometry();
        let (end_ms, end_y_deg) = track.end();
        SetRow {
            id: condition.id().to_owned(),
            x0_deg: start.map(Condition::x0_deg),
            y0_deg: start.map(Condition::y0_deg),
            heading_deg: start.map(Condition::heading0_deg),
            speed_deg_per_s: start.map(Condition::speed_deg_per_s),
            law: condition.law(),
            rate_hz: condition.rate_hz(),
            n_frames: track.n_frames(),
            n_bounces: track.bounces_ms().len(),
            bounce: condition.bounce(),
            hidden_ms: track.hidden_ms().iter().map(|(from, to)| to - from).sum(),
            end_ms,
            end_y_deg,
            wall_low_deg: geometry.wall_low_deg,
            wall_high_deg: geometry.wall_high_deg,
            ball_radius_deg: geometry.ball_radius_deg,
            occluders: occluders_text(geometry),
            intercept_x_deg: geometry.intercept_x_deg,
        }
    };
    set.conditions().iter().map(row).collect()
}

/// One frame of a path. Field names are column names, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrajectoryRow {
    /// Frame at the set's rate.
    pub frame: usize,
    /// Milliseconds from motion onset.
    pub time_ms: f64,
    /// Horizontal position, degrees.
    pub x_deg: f64,
    /// Height, degrees.
    pub y_deg: f64,
    /// `hidden` while the ball's centre is behind an occluder, else `visible`.
    pub epoch: Epoch,
    /// What the path follows.
    pub law: SetLaw,
}

/// A condition's path, a row for each frame, to the first beyond the interception plane.
#[must_use]
pub fn trajectory_rows(condition: &SetCondition) -> Vec<TrajectoryRow> {
    let track = condition.track();
    let row = |frame: usize| {
        let (x_deg, y_deg) = track.ball_deg(frame)?;
        Some(TrajectoryRow {
            frame,
            time_ms: track.frame_ms(frame),
            x_deg,
            y_deg,
            epoch: if track.is_behind(frame) {
                Epoch::Hidden
            } else {
                Epoch::Visible
            },
            law: condition.law(),
        })
    };
    (0..track.n_frames()).map_while(row).collect()
}

/// Writes rows ([`TableRow`], [`TrajectoryRow`]) as CSV with a header; numbers read back to the
/// same bits.
///
/// # Errors
/// What `out` says.
pub fn write_csv<R: Serialize>(rows: &[R], out: impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in rows {
        writer.serialize(row).map_err(|e| match e.into_kind() {
            // What the stream said, as it said it: a closed pipe stays a closed pipe.
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })?;
    }
    writer.flush()
}

/// Writes rows as a JSON array, one row a line; numbers read back to the same bits.
///
/// # Errors
/// What `out` says.
pub fn write_json<R: Serialize>(rows: &[R], mut out: impl Write) -> std::io::Result<()> {
    let mut lead = "[\n";
    for row in rows {
        out.write_all(lead.as_bytes())?;
        serde_json::to_writer(&mut out, row)?;
        lead = ",\n";
    }
    if rows.is_empty() {
        out.write_all(b"[")?;
    }
    out.write_all(b"\n]\n")?;
    out.flush()
}

/// Reads a condition table. The first ten columns of [`TableRow`] have to be there, in any order;
/// the others may be absent, and further ones are left alone.
///
/// # Errors
/// [`Error::Table`] with line, column, what was expected and what was found.
pub fn read_csv(path: impl AsRef<Path>) -> Result<Vec<TableRow>> {
    let (table, problems) = Table::read_with_problems(path)?;
    rows_of(&table, problems)
}

/// Reads a condition table from bytes; `path` names them in errors.
///
/// # Errors
/// As [`read_csv`].
pub fn parse_csv(bytes: &[u8], path: &Path) -> Result<Vec<TableRow>> {
    let (table, problems) = Table::parse_with_problems(bytes, path)?;
    rows_of(&table, problems)
}

fn rows_of(table: &Table, mut problems: Problems) -> Result<Vec<TableRow>> {
    const NEEDED: [&str; 10] = [
        "id", "x0", "y0", "heading0", "speed0", "n_bounce", "y_final", "t_end", "t_occ", "split",
    ];
    let at = NEEDED.map(|name| problems.take(table.need(&[name])));
    let optional = |name: &str| table.column(name);
    let [
        Some(id),
        Some(x0),
        Some(y0),
        Some(heading0),
        Some(speed0),
        Some(n_bounce),
        Some(y_final),
        Some(t_end),
        Some(t_occ),
        Some(split),
    ] = at
    else {
        return Ok(problems.or(Vec::new())?);
    };
    let (epoch, y10, t10) = (
        optional("bounce_epoch"),
        optional("display_y_at_x10_deg"),
        optional("display_t_at_x10_ms"),
    );
    let (bounce, masks, x_final) = (
        optional("display_bounce_ms"),
        optional("mask_bins_se_so_oe"),
        optional("x_final"),
    );
    let row = |row: Row<'_>| -> std::result::Result<TableRow, Cell> {
        let whole = |column| {
            let number = row.whole(column)?;
            u32::try_from(number).map_err(|_| row.bad(column, "a whole number below 2^32"))
        };
        let maybe = |column: Option<usize>| match column {
            Some(column) => row.optional_number(column),
            None => Ok(None),
        };
        Ok(TableRow {
            id: whole(id)?,
            x0: row.number(x0)?,
            y0: row.number(y0)?,
            heading0: row.number(heading0)?,
            speed0: row.number(speed0)?,
            n_bounce: whole(n_bounce)?,
            y_final: row.number(y_final)?,
            t_end: whole(t_end)?,
            t_occ: whole(t_occ)?,
            split: match row.text(split) {
                "train" => Part::Train,
                "valid" => Part::Valid,
                _ => return Err(row.bad(split, "train or valid")),
            },
            bounce_epoch: match epoch.and_then(|column| row.value(column)) {
                None => None,
                Some("vis") => Some(BounceEpoch::Vis),
                Some("occ") => Some(BounceEpoch::Occ),
                Some(_) => return Err(row.bad(epoch.unwrap_or_default(), "vis, occ or nothing")),
            },
            display_y_at_x10_deg: maybe(y10)?,
            display_t_at_x10_ms: maybe(t10)?,
            display_bounce_ms: maybe(bounce)?,
            mask_bins_se_so_oe: masks.and_then(|m| row.value(m)).map(str::to_owned),
            x_final: maybe(x_final)?,
        })
    };
    let mut rows = Vec::with_capacity(table.len());
    for read in table.rows() {
        rows.extend(problems.take(row(read)));
    }
    Ok(problems.or(rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<TableRow>> {
        parse_csv(text.as_bytes(), Path::new("conditions.csv"))
    }

    fn written(rows: &[TableRow]) -> String {
        let mut out = Vec::new();
        write_csv(rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_reads_back_to_the_same_bits() {
        let table = rows(&primate79()).unwrap();
        assert_eq!(parse(&written(&table)).unwrap(), table);
        let mut json = Vec::new();
        write_json(&table, &mut json).unwrap();
        let back: Vec<TableRow> = serde_json::from_slice(&json).unwrap();
        assert_eq!(back, table);
        let mut empty = Vec::new();
        write_json::<TableRow>(&[], &mut empty).unwrap();
        assert_eq!(
            serde_json::from_slice::<Vec<u8>>(&empty).unwrap(),
            [0_u8; 0]
        );
    }

    #[test]
    fn a_damaged_table_is_refused_with_row_and_column() {
        let text = written(&rows(&primate79()[..3]).unwrap());
        let damaged = text.replacen("58244,6.08", "58244,six", 1);
        assert_ne!(damaged, text);
        let message = parse(&damaged).unwrap_err().to_string();
        assert!(
            message.contains("conditions.csv: line 4, column 2 (`x0`)") && message.contains("`six"),
            "{message}"
        );
        let message = parse(&text.replacen("t_occ", "t_off", 1))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 1 (`t_occ`)") && message.contains("`t_off`?"),
            "{message}"
        );
        let short = text.trim_end().rsplit_once(',').unwrap().0;
        let message = parse(short).unwrap_err().to_string();
        assert!(message.contains("line 4 (`row`)"), "{message}");
    }

    #[test]
    fn ids_are_selected_in_their_order() {
        let ids = [472_224, 0, 29_337];
        let chosen: Vec<u32> = select(&ids).unwrap().iter().map(|c| c.id).collect();
        assert_eq!(chosen, ids);
        let quick = select(&[55_062, 29_337]).unwrap();
        assert_eq!(quick, [primate79()[1], primate79()[0]]);
    }

    #[test]
    fn an_unknown_or_repeated_id_is_named() {
        let message = select(&[3, 472_225]).unwrap_err().to_string();
        assert_eq!(
            message,
            "there is no condition 472225: ids run from 0 to 472224"
        );
        let message = select(&[3, 4, 3]).unwrap_err().to_string();
        assert_eq!(message, "condition 3 is listed twice");
    }

    #[test]
    fn a_path_is_visible_then_hidden() {
        let trial = primate79()[0];
        for law in Law::ALL {
            let set = ConditionSet::published(Set::Primate79, law);
            let path = trajectory_rows(&set.conditions()[0]);
            let hidden = path.iter().position(|r| r.epoch == Epoch::Hidden).unwrap();
            assert_eq!(hidden, trajectory(&trial, law).occlusion_frame);
            assert!(path[hidden..].iter().all(|r| r.epoch == Epoch::Hidden));
            assert_eq!(path.len(), if law == Law::Design { 62 } else { 154 });
        }
    }
}
