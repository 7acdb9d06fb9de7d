//! Where the ball is in each frame, as CSV and Parquet.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::set::StimulusSet;
use crate::stimuli::zarr;
use crate::task::epochs::Epoch;
use crate::task::table::write_csv;

/// The truth of a frame. Field names are column names, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The condition.
    pub id: String,
    /// The frame of the movie, from 0.
    pub frame: u32,
    /// Milliseconds from motion onset.
    pub time_ms: f64,
    /// Horizontal position of the ball's centre, degrees.
    pub x_deg: f64,
    /// Height of the ball's centre, degrees.
    pub y_deg: f64,
    /// Horizontal velocity with which the ball leaves the frame, degrees per second.
    pub dx_deg_per_s: f64,
    /// Vertical velocity with which the ball leaves the frame, degrees per second.
    pub dy_deg_per_s: f64,
    /// `hidden` while the ball's centre is where an occluder stands in its geometry, whether or not one
    /// is shown, else `visible`.
    pub epoch: Epoch,
    /// Whether any of the ball can be seen: it is drawn and not wholly behind an opaque occluder.
    pub ball_visible: bool,
}

/// Writes the truth of a set as CSV with a header; numbers read back to the same bits.
///
/// # Errors
/// What `out` says.
pub fn write_truth_csv(set: &StimulusSet, out: impl Write) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, out);
    let mut first = true;
    for block in set.conditions().chunks(256) {
        let rows: Vec<Truth> = block
            .iter()
            .flat_map(|condition| {
                let movie = set.movie(condition);
                (0..movie.n_frames()).map_while(move |n| movie.truth(n))
            })
            .collect();
        let mut text = Vec::new();
        write_csv(&rows, &mut text)?;
        let header = text.iter().position(|&b| b == b'\n').map_or(0, |n| n + 1);
        out.write_all(&text[if first { 0 } else { header }..])?;
        first = false;
    }
    out.flush()
}

/// The columns; an id is a number where all are, as the published ones.
fn schema(numbers: bool) -> String {
    let id = if numbers {
        "int64 id"
    } else {
        "binary id (utf8)"
    };
    format!("message ground_truth {{ required {id}; {SCHEMA} }}")
}

const SCHEMA: &str = "
    required int32 frame;
    required double time_ms;
    required double x_deg;
    required double y_deg;
    required double dx_deg_per_s;
    required double dy_deg_per_s;
    required binary epoch (utf8);
    required boolean ball_visible;";

/// Rows of a row group.
const GROUP: usize = 1 << 19;

/// Writes the truth of a set as Parquet, the columns of [`Truth`], zstd.
///
/// # Errors
/// [`Error::Encode`] with `path`.
pub fn write_truth_parquet(set: &StimulusSet, out: impl Write + Send, path: &Path) -> Result<()> {
    let failed = |e: parquet::errors::ParquetError| Error::Encode {
        path: path.to_path_buf(),
        format: "parquet",
        message: e.to_string(),
    };
    let numbers = set
        .conditions()
        .iter()
        .all(|c| zarr::number(c.id()).is_some());
    let schema = Arc::new(parse_message_type(&schema(numbers)).map_err(failed)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("mental-pong-game ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer =
        SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(failed)?;
    let mut truth = set.truth();
    loop {
        let rows: Vec<Truth> = truth.by_ref().take(GROUP).collect();
        if rows.is_empty() {
            break;
        }
        let mut group = writer.next_row_group().map_err(failed)?;
        write_group(&mut group, &rows, numbers).map_err(failed)?;
        group.close().map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

fn write_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Truth],
    numbers: bool,
) -> std::result::Result<(), parquet::errors::ParquetError> {
    fn column<T: parquet::data_type::DataType, W: Write + Send>(
        group: &mut SerializedRowGroupWriter<'_, W>,
        values: &[T::T],
    ) -> std::result::Result<(), parquet::errors::ParquetError> {
        if let Some(mut column) = group.next_column()? {
            column.typed::<T>().write_batch(values, None, None)?;
            column.close()?;
        }
        Ok(())
    }
    let doubles = |of: fn(&Truth) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
    if numbers {
        let ids = rows
            .iter()
            .map(|r| zarr::number(&r.id).map_or(0, i64::from));
        column::<Int64Type, W>(group, &ids.collect::<Vec<_>>())?;
    } else {
        let ids = rows.iter().map(|r| ByteArray::from(r.id.as_str()));
        column::<ByteArrayType, W>(group, &ids.collect::<Vec<_>>())?;
    }
    let frames: Vec<i32> = rows.iter().map(|r| r.frame.cast_signed()).collect();
    column::<Int32Type, W>(group, &frames)?;
    column::<DoubleType, W>(group, &doubles(|r| r.time_ms))?;
    column::<DoubleType, W>(group, &doubles(|r| r.x_deg))?;
    column::<DoubleType, W>(group, &doubles(|r| r.y_deg))?;
    column::<DoubleType, W>(group, &doubles(|r| r.dx_deg_per_s))?;
    column::<DoubleType, W>(group, &doubles(|r| r.dy_deg_per_s))?;
    let epochs: Vec<ByteArray> = rows
        .iter()
        .map(|r| ByteArray::from(r.epoch.name()))
        .collect();
    column::<ByteArrayType, W>(group, &epochs)?;
    let seen: Vec<bool> = rows.iter().map(|r| r.ball_visible).collect();
    column::<BoolType, W>(group, &seen)
}
