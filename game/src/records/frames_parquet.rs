//! The rows of frames as Parquet, beside the TSV.
//!
//! While a session runs, frames go to the TSV: a line that is appended and synced is there after
//! `kill -9`, a Parquet file without its footer is not. The Parquet file is made from the TSV when a
//! run ends, as a whole, and a run that goes on removes it first, so that it never says less than
//! the TSV beside it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;

use crate::error::{Error, Result};
use crate::records::columns::FRAME_COLUMNS;
use crate::records::reader::{ReadRows, read_frames};
use crate::records::rows::FrameRow;
use mental_pong_base::files::write_atomic;

const SCHEMA: &str = "message frames {
    required int32 trial;
    required int32 frame;
    required binary phase (utf8);
    required double intended_ms;
    required double presented_ms;
    required boolean late;
    optional double ball_x_deg;
    optional double ball_y_deg;
    required double paddle_y_deg;
    required boolean paddle_moved;
    required binary input (utf8);
    required boolean fixating;
}";

/// Rows of a row group.
const GROUP: usize = 1 << 18;

/// Writes the whole rows of a `*_frames.tsv` as Parquet: the same columns in the same order, numbers
/// to the bit, a missing one as null, zstd.
///
/// # Errors
/// Those of [`read_frames`]; [`Error::Encode`]; [`Error::Io`]. A file that stood at `parquet` stays
/// as it was.
pub fn convert_frames(tsv: impl AsRef<Path>, parquet: impl AsRef<Path>) -> Result<()> {
    let path = parquet.as_ref();
    let rows = read_frames(tsv)?.rows;
    let bytes = encode(&rows).map_err(|e| Error::Encode {
        path: path.to_path_buf(),
        format: "parquet",
        message: e.to_string(),
    })?;
    Ok(write_atomic(path, |out| out.write_all(&bytes))?)
}

fn encode(rows: &[FrameRow]) -> std::result::Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("mental-pong-game ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    for rows in rows.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        put_group(&mut group, rows)?;
        group.close()?;
    }
    writer.close()?;
    Ok(bytes)
}

fn put_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[FrameRow],
) -> std::result::Result<(), ParquetError> {
    fn put<T: DataType, W: Write + Send>(
        group: &mut SerializedRowGroupWriter<'_, W>,
        values: &[T::T],
        there: Option<&[i16]>,
    ) -> std::result::Result<(), ParquetError> {
        if let Some(mut column) = group.next_column()? {
            column.typed::<T>().write_batch(values, there, None)?;
            column.close()?;
        }
        Ok(())
    }
    fn all<V>(rows: &[FrameRow], of: impl Fn(&FrameRow) -> V) -> Vec<V> {
        rows.iter().map(of).collect()
    }
    fn maybe<W: Write + Send>(
        group: &mut SerializedRowGroupWriter<'_, W>,
        rows: &[FrameRow],
        of: impl Fn(&FrameRow) -> Option<f64>,
    ) -> std::result::Result<(), ParquetError> {
        let there: Vec<i16> = all(rows, |r| i16::from(of(r).is_some()));
        let values: Vec<f64> = rows.iter().filter_map(of).collect();
        put::<DoubleType, W>(group, &values, Some(&there))
    }
    let text = |name: &str| ByteArray::from(name);
    put::<Int32Type, W>(group, &all(rows, |r| r.trial.cast_signed()), None)?;
    put::<Int32Type, W>(group, &all(rows, |r| r.frame.cast_signed()), None)?;
    put::<ByteArrayType, W>(group, &all(rows, |r| text(r.phase.name())), None)?;
    put::<DoubleType, W>(group, &all(rows, |r| r.intended_ms), None)?;
    put::<DoubleType, W>(group, &all(rows, |r| r.presented_ms), None)?;
    put::<BoolType, W>(group, &all(rows, |r| r.late), None)?;
    maybe(group, rows, |r| r.ball_x_deg)?;
    maybe(group, rows, |r| r.ball_y_deg)?;
    put::<DoubleType, W>(group, &all(rows, |r| r.paddle_y_deg), None)?;
    put::<BoolType, W>(group, &all(rows, |r| r.paddle_moved), None)?;
    put::<ByteArrayType, W>(group, &all(rows, |r| text(r.input.name())), None)?;
    put::<BoolType, W>(group, &all(rows, |r| r.fixating), None)
}

/// Reads a `*_frames.parquet`. Nothing of it is ever torn: it is whole or no Parquet file.
pub(crate) fn read(path: &Path) -> Result<ReadRows<FrameRow>> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let whole_bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let bad = |row: u64, field: &str, expected: &str, found: String| Error::BadRow {
        path: path.to_path_buf(),
        row,
        field: field.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let broken = |e: ParquetError| bad(0, "?", "a Parquet file of frames", e.to_string());
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let names: Vec<&str> = schema.columns().iter().map(|c| c.name()).collect();
    if let Some(missing) = FRAME_COLUMNS.iter().find(|c| !names.contains(&c.name)) {
        let expected = format!("a column `{}`", missing.name);
        return Err(bad(0, missing.name, &expected, names.join(", ")));
    }
    let mut rows = Vec::new();
    for (row, number) in reader.get_row_iter(None).map_err(broken)?.zip(1..) {
        let row = row.map_err(broken)?;
        let read = from_row(&row).map_err(|(field, expected)| {
            let found = row.get_column_iter().find(|(name, _)| *name == field);
            let found = found.map_or_else(|| "nothing".into(), |(_, value)| value.to_string());
            bad(number, field, expected, found)
        })?;
        rows.push(read);
    }
    Ok(ReadRows {
        rows,
        torn: None,
        whole_bytes,
    })
}

/// A row, or the field that cannot be read and what it has to be.
fn from_row(row: &Row) -> std::result::Result<FrameRow, (&'static str, &'static str)> {
    fn field<'a>(row: &'a Row, name: &str) -> Option<&'a Field> {
        row.get_column_iter()
            .find(|(of, _)| *of == name)
            .map(|(_, value)| value)
    }
    let count = |name: &'static str| match field(row, name) {
        Some(Field::Int(v)) => u32::try_from(*v).map_err(|_| (name, "a count")),
        _ => Err((name, "an int32")),
    };
    let number = |name: &'static str| match field(row, name) {
        Some(Field::Double(v)) => Ok(*v),
        _ => Err((name, "a double")),
    };
    let maybe = |name: &'static str| match field(row, name) {
        Some(Field::Double(v)) => Ok(Some(*v)),
        Some(Field::Null) => Ok(None),
        _ => Err((name, "a double or null")),
    };
    let flag = |name: &'static str| match field(row, name) {
        Some(Field::Bool(v)) => Ok(*v),
        _ => Err((name, "a boolean")),
    };
    fn level<T: serde::de::DeserializeOwned>(
        row: &Row,
        name: &'static str,
    ) -> std::result::Result<T, (&'static str, &'static str)> {
        match field(row, name) {
            Some(Field::Str(v)) => serde_json::from_value(v.clone().into()).ok(),
            _ => None,
        }
        .ok_or((name, "one of its levels"))
    }
    Ok(FrameRow {
        trial: count("trial")?,
        frame: count("frame")?,
        phase: level(row, "phase")?,
        intended_ms: number("intended_ms")?,
        presented_ms: number("presented_ms")?,
        late: flag("late")?,
        ball_x_deg: maybe("ball_x_deg")?,
        ball_y_deg: maybe("ball_y_deg")?,
        paddle_y_deg: number("paddle_y_deg")?,
        paddle_moved: flag("paddle_moved")?,
        input: level(row, "input")?,
        fixating: flag("fixating")?,
    })
}
