//! Reading records, those of a run that was killed among them.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::records::columns::{Column, FRAME_COLUMNS, TRIAL_COLUMNS};
use crate::records::rows::{FrameRow, TrialRow};

/// The rows of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRows<R> {
    /// The whole rows.
    pub rows: Vec<R>,
    /// What stands after the last whole row, where a run was killed while it wrote. It is no row and
    /// counts for nothing; the trial that it was of is lost.
    pub torn: Option<String>,
    /// Length of the whole rows with their header, bytes.
    pub whole_bytes: u64,
}

/// Reads `*_beh.tsv`.
///
/// # Errors
/// [`Error::Io`], or [`Error::BadRow`] with row and field for anything but a torn last line.
pub fn read_trials(path: impl AsRef<Path>) -> Result<ReadRows<TrialRow>> {
    read(path.as_ref(), TRIAL_COLUMNS)
}

/// Reads `*_frames.tsv`, or a file that was made of one, `*_frames.parquet`.
///
/// # Errors
/// As [`read_trials`].
pub fn read_frames(path: impl AsRef<Path>) -> Result<ReadRows<FrameRow>> {
    #[cfg(not(target_family = "wasm"))]
    if path.as_ref().extension().is_some_and(|e| e == "parquet") {
        return super::frames_parquet::read(path.as_ref());
    }
    read(path.as_ref(), FRAME_COLUMNS)
}

/// Reads the text of a `*_beh.tsv`; `path` names it in errors.
///
/// # Errors
/// [`Error::BadRow`], as [`read_trials`].
pub fn parse_trials(text: &str, path: &Path) -> Result<ReadRows<TrialRow>> {
    parse(text.as_bytes(), path, TRIAL_COLUMNS)
}

/// Reads the text of a `*_frames.tsv`; `path` names it in errors.
///
/// # Errors
/// [`Error::BadRow`], as [`read_trials`].
pub fn parse_frames(text: &str, path: &Path) -> Result<ReadRows<FrameRow>> {
    parse(text.as_bytes(), path, FRAME_COLUMNS)
}

fn read<R: DeserializeOwned>(path: &Path, columns: &[Column]) -> Result<ReadRows<R>> {
    let bytes = mental_pong_base::files::read(path, mental_pong_base::table::MAX_BYTES)?;
    parse(&bytes, path, columns)
}

/// Reads rows from bytes; `path` names them in errors.
pub(crate) fn parse<R: DeserializeOwned>(
    bytes: &[u8],
    path: &Path,
    columns: &[Column],
) -> Result<ReadRows<R>> {
    let whole = bytes
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let torn = (whole < bytes.len()).then(|| String::from_utf8_lossy(&bytes[whole..]).into_owned());
    let bad = |row: u64, field: &str, expected: String, found: String| Error::BadRow {
        path: path.to_path_buf(),
        row,
        field: field.to_owned(),
        expected,
        found,
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .from_reader(&bytes[..whole]);
    let header = reader
        .headers()
        .map_err(|e| bad(0, "?", "a header".into(), e.to_string()))?
        .clone();
    if whole == 0 {
        // A file that was killed before its header was whole has no row.
        return Ok(ReadRows {
            rows: Vec::new(),
            torn,
            whole_bytes: 0,
        });
    }
    if let Some(missing) = columns.iter().find(|c| !header.iter().any(|h| h == c.name)) {
        return Err(bad(
            0,
            missing.name,
            format!("a column `{}`", missing.name),
            header.iter().collect::<Vec<_>>().join(", "),
        ));
    }
    let mut rows = Vec::new();
    for (record, number) in reader.records().zip(1..) {
        let record = record.map_err(|e| {
            bad(
                number,
                "?",
                "as many fields as the header".into(),
                e.to_string(),
            )
        })?;
        // The CSV reader does not name the field of an unknown level.
        for (column, at) in columns.iter().filter_map(|column| {
            let at = header.iter().position(|h| h == column.name)?;
            (!column.levels.is_empty()).then_some((column, at))
        }) {
            let value = record.get(at).unwrap_or_default();
            if !column.levels.iter().any(|(level, _)| *level == value) {
                let levels: Vec<&str> = column.levels.iter().map(|(level, _)| *level).collect();
                let expected = levels.join(" or ");
                return Err(bad(number, column.name, expected, format!("`{value}`")));
            }
        }
        let row = record.deserialize(Some(&header)).map_err(|e| {
            let (field, why) = match e.kind() {
                csv::ErrorKind::Deserialize { err, .. } => (
                    err.field().and_then(|i| usize::try_from(i).ok()),
                    err.kind().to_string(),
                ),
                _ => (None, e.to_string()),
            };
            let text = |of: &csv::StringRecord| field.and_then(|i| of.get(i).map(str::to_owned));
            bad(
                number,
                &text(&header).unwrap_or_else(|| "?".into()),
                why,
                text(&record).map_or_else(|| "nothing".into(), |t| format!("`{t}`")),
            )
        })?;
        rows.push(row);
    }
    Ok(ReadRows {
        rows,
        torn,
        whole_bytes: whole as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::columns::header;
    use proptest::prelude::*;

    const ROW: &str = "1\t0\tvisible\t0.0\t16.7\tfalse\t-6.2\tn/a\t0.0\tfalse\tneutral\ttrue\n";

    fn frames(bytes: &[u8]) -> Result<ReadRows<FrameRow>> {
        parse(bytes, Path::new("frames.tsv"), FRAME_COLUMNS)
    }

    #[test]
    fn a_torn_line_is_told_and_counts_for_nothing() {
        let whole = header(FRAME_COLUMNS) + ROW + ROW;
        let torn = format!("{whole}{}", &ROW[..20]);
        let read = frames(torn.as_bytes()).unwrap();
        assert_eq!((read.rows.len(), read.whole_bytes), (2, whole.len() as u64));
        assert_eq!(read.torn.as_deref(), Some(&ROW[..20]));
        assert_eq!(read.rows[0].ball_y_deg, None);
        assert_eq!(read.rows[0].ball_x_deg, Some(-6.2));
        assert_eq!(frames(whole.as_bytes()).unwrap().torn, None);
        assert!(frames(b"").unwrap().rows.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = frames(&bytes);
            let _ = parse::<TrialRow>(&bytes, Path::new("beh.tsv"), TRIAL_COLUMNS);
            let mut after = header(FRAME_COLUMNS).into_bytes();
            after.extend(&bytes);
            let _ = frames(&after);
        }

        #[test]
        fn a_changed_byte_is_an_error_or_a_row(at in 0..ROW.len(), byte: u8) {
            let mut text = (header(FRAME_COLUMNS) + ROW).into_bytes();
            let from = text.len() - ROW.len();
            text[from + at] = byte;
            if let Ok(read) = frames(&text) {
                prop_assert!(read.rows.len() <= 2);
            }
        }
    }
}
