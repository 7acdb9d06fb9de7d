//! Tables as Parquet, the column format that data frames of any language read.
//!
//! Written: numbers as `DOUBLE` (NaN where there is none), texts as UTF-8 `BYTE_ARRAY` (null where there is none),
//! compressed with zstd; the same table gives the same bytes. Read: truth values, whole numbers, floats and texts, flat,
//! compressed with snappy or zstd or not at all. A column of another kind is kept as what it was, not as values.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mental_pong_base::IoError;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::error::{Error, Result};

use crate::limits::{Budget, Limits, check_count};
use crate::table::{Cells, Table};

/// Most columns of a table.
const MOST_COLUMNS: usize = 1 << 14;
/// Rows of a group when written, and rows that are decoded at once when read.
const GROUP: usize = 1 << 16;
/// Name that stands in the file, so that its bytes do not change with the library's version.
const WRITER: &str = "mental-pong";

// By value, because `map_err` hands it over.
#[allow(clippy::needless_pass_by_value, reason = "signature of map_err")]
fn broken(error: ParquetError) -> Error {
    Error::format("Parquet", None, error.to_string())
}

/// A table as the bytes of a Parquet file. Columns of [`Cells::Other`] are left out.
///
/// [`Error::Shape`] for two columns of one name or a column of another length than the table.
pub fn to_bytes(table: &Table) -> Result<Vec<u8>> {
    let kept: Vec<&(String, Cells)> = table
        .columns
        .iter()
        .filter(|(_, cells)| !matches!(cells, Cells::Other(_)))
        .collect();
    let mut fields = Vec::with_capacity(kept.len());
    for (at, (name, cells)) in kept.iter().enumerate() {
        if kept[..at].iter().any(|(other, _)| other == name) {
            return Err(Error::shape(
                "columns",
                "each name once",
                format!("{name} twice"),
            ));
        }
        let length = match cells {
            Cells::Numbers(values) => values.len(),
            Cells::Texts(texts) => texts.len(),
            Cells::Other(_) => table.rows,
        };
        if length != table.rows {
            let found = format!("{length} rows");
            return Err(Error::shape(name, format!("{} rows", table.rows), found));
        }
        let field = match cells {
            Cells::Texts(_) => Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
                .with_repetition(Repetition::OPTIONAL),
            _ => Type::primitive_type_builder(name, Physical::DOUBLE)
                .with_repetition(Repetition::REQUIRED),
        };
        fields.push(Arc::new(field.build().map_err(broken)?));
    }
    let schema = Type::group_type_builder("table")
        .with_fields(fields)
        .build()
        .map_err(broken)?;
    let level = ZstdLevel::try_new(3).map_err(broken)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(WRITER.into())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
        .map_err(broken)?;
    for start in (0..table.rows).step_by(GROUP) {
        let rows = start..(start + GROUP).min(table.rows);
        let mut group = writer.next_row_group().map_err(broken)?;
        for (_, cells) in &kept {
            let Some(mut column) = group.next_column().map_err(broken)? else {
                return Err(Error::format("Parquet", None, "fewer columns than written"));
            };
            match (column.untyped(), cells) {
                (ColumnWriter::DoubleColumnWriter(out), Cells::Numbers(values)) => {
                    out.write_batch(&values[rows.clone()], None, None)
                        .map_err(broken)?;
                }
                (ColumnWriter::ByteArrayColumnWriter(out), Cells::Texts(texts)) => {
                    let texts = &texts[rows.clone()];
                    let there: Vec<i16> = texts.iter().map(|t| t.is_some().into()).collect();
                    let values: Vec<ByteArray> = texts
                        .iter()
                        .flatten()
                        .map(|text| ByteArray::from(text.as_str()))
                        .collect();
                    out.write_batch(&values, Some(&there), None)
                        .map_err(broken)?;
                }
                _ => return Err(Error::format("Parquet", None, "a column of another kind")),
            }
            column.close().map_err(broken)?;
        }
        group.close().map_err(broken)?;
    }
    writer.into_inner().map_err(broken)
}

/// Read the table of a Parquet file. The index that pandas adds (`__index_level_0__`) is a column like any other.
///
/// Errors: [`Error::Io`] if it cannot be opened; [`Error::Format`] for a damaged file or a
/// compression that is not read, [`Error::Limit`] for a table that is too large.
pub fn read(path: &Path, limits: &Limits) -> Result<Table> {
    let file = File::open(path).map_err(IoError::on("read", path))?;
    let length = file.metadata().map_err(IoError::on("read", path))?.len();
    contained(|| table(OnDisk { file, length }, limits))
}

/// [`read`] of bytes in memory.
pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Table> {
    contained(|| table(InMemory(Bytes::from(bytes)), limits))
}

/// The library may panic on damaged pages in ways that are not known. Nothing of its state outlives the call,
/// so the panic ends here as an error.
fn contained(read: impl FnOnce() -> Result<Table>) -> Result<Table> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let why = "damaged in a way that its library does not survive";
        Err(Error::format("Parquet", None, why))
    })
}

fn outside() -> ParquetError {
    ParquetError::EOF("a piece outside of the file".into())
}

/// A file whose pieces are checked against its length before memory is taken for them.
struct OnDisk {
    file: File,
    length: u64,
}

impl Length for OnDisk {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for OnDisk {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start
            .checked_add(length as u64)
            .is_none_or(|end| end > self.length)
        {
            return Err(outside());
        }
        self.file.get_bytes(start, length)
    }
}

/// The same in memory.
struct InMemory(Bytes);

impl Length for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl ChunkReader for InMemory {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        if start > self.len() {
            return Err(outside());
        }
        let mut cursor = std::io::Cursor::new(self.0.clone());
        cursor.set_position(start);
        Ok(cursor)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let start = usize::try_from(start).map_err(|_| outside())?;
        let end = start
            .checked_add(length)
            .filter(|&end| end <= self.0.len())
            .ok_or_else(outside)?;
        Ok(self.0.slice(start..end))
    }
}

/// The pages of a column. The library panics on values that point into a dictionary that is not there, and makes room for
/// as many values as a page states.
struct Pages {
    inner: Box<dyn PageReader>,
    /// Whether the dictionary has come.
    dictionary: bool,
    /// Rows of the table.
    rows: usize,
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> parquet::errors::Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        if let Some(page) = &page {
            // Each value of a dictionary takes a byte at least, and a page has no more values than the table rows.
            let most = match page {
                Page::DictionaryPage { buf, .. } => buf.len(),
                _ => self.rows,
            };
            if page.num_values() as usize > most {
                let why = format!("a page states {} values of {most}", page.num_values());
                return Err(ParquetError::General(why));
            }
        }
        match &page {
            Some(Page::DictionaryPage { .. }) => self.dictionary = true,
            Some(page)
                if !self.dictionary
                    && matches!(
                        page.encoding(),
                        Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY
                    ) =>
            {
                let why = "a page points into a dictionary that is not there";
                return Err(ParquetError::General(why.into()));
            }
            _ => {}
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> parquet::errors::Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> parquet::errors::Result<()> {
        self.inner.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> parquet::errors::Result<bool> {
        self.inner.at_record_boundary()
    }
}

impl Iterator for Pages {
    type Item = parquet::errors::Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn table<R: ChunkReader + 'static>(source: R, limits: &Limits) -> Result<Table> {
    let mut budget = Budget::new(limits);
    let reader = SerializedFileReader::new(source).map_err(broken)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr_ptr();
    check_count("columns of the table", schema.num_columns(), MOST_COLUMNS)?;
    let rows = usize::try_from(metadata.file_metadata().num_rows())
        .map_err(|_| Error::format("Parquet", None, "a negative number of rows"))?;
    // A cell takes a byte at least in the end, whatever the pages say.
    budget.take_usize(rows.saturating_mul(schema.num_columns()))?;
    let mut columns = Vec::with_capacity(schema.num_columns());
    for place in 0..schema.num_columns() {
        let description = schema.column(place);
        let name = description.path().string();
        let mut cells = match description.physical_type() {
            _ if description.max_rep_level() > 0 || description.path().parts().len() > 1 => {
                Cells::Other("a nested column".into())
            }
            Physical::BYTE_ARRAY => Cells::Texts(Vec::new()),
            Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => {
                Cells::Other(format!("{:?}", description.physical_type()))
            }
            _ => Cells::Numbers(Vec::new()),
        };
        let optional = description.max_def_level() > 0;
        for group in 0..reader.num_row_groups() {
            if matches!(cells, Cells::Other(_)) {
                break;
            }
            let group = reader.get_row_group(group).map_err(broken)?;
            if place >= group.num_columns() {
                return Err(Error::format("Parquet", None, "a group lacks a column"));
            }
            check_chunk(group.metadata().column(place), &name)?;
            let pages = Pages {
                inner: group.get_column_page_reader(place).map_err(broken)?,
                dictionary: false,
                rows,
            };
            let column = get_column_reader(Arc::clone(&description), Box::new(pages));
            let rows = Rows {
                name: &name,
                optional,
                budget: &mut budget,
                most: rows,
            };
            rows.append(&mut cells, column)?;
        }
        let length = match &cells {
            Cells::Numbers(values) => values.len(),
            Cells::Texts(texts) => texts.len(),
            Cells::Other(_) => rows,
        };
        if length != rows {
            let why = format!("column {name} has {length} rows of {rows}");
            return Err(Error::format("Parquet", None, why));
        }
        columns.push((name, cells));
    }
    Ok(Table {
        rows,
        has_index: false,
        columns,
    })
}

/// That a column of a group of rows can be read.
fn check_chunk(chunk: &ColumnChunkMetaData, name: &str) -> Result<()> {
    let start = chunk.dictionary_page_offset().unwrap_or(0);
    if start
        .min(chunk.data_page_offset())
        .min(chunk.compressed_size())
        < 0
    {
        let why = format!("column {name} begins before the file or has a negative size");
        return Err(Error::format("Parquet", None, why));
    }
    let compression = chunk.compression();
    if !matches!(
        compression,
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)
    ) {
        let why =
            format!("column {name}: expected snappy, zstd or no compression, found {compression}");
        return Err(Error::format("Parquet", None, why));
    }
    Ok(())
}

/// One column of one group of rows.
struct Rows<'a> {
    name: &'a str,
    optional: bool,
    budget: &'a mut Budget,
    most: usize,
}

impl Rows<'_> {
    /// Puts what the column holds behind the cells.
    fn append(self, cells: &mut Cells, column: ColumnReader) -> Result<()> {
        match (cells, column) {
            (Cells::Numbers(into), ColumnReader::BoolColumnReader(from)) => {
                self.numbers(from, into, |v| f64::from(u8::from(*v)))?;
            }
            (Cells::Numbers(into), ColumnReader::Int32ColumnReader(from)) => {
                self.numbers(from, into, |&v| f64::from(v))?;
            }
            (Cells::Numbers(into), ColumnReader::Int64ColumnReader(from)) => {
                #[allow(clippy::cast_precision_loss, reason = "as every reader here: f64")]
                self.numbers(from, into, |&v| v as f64)?;
            }
            (Cells::Numbers(into), ColumnReader::FloatColumnReader(from)) => {
                self.numbers(from, into, |&v| f64::from(v))?;
            }
            (Cells::Numbers(into), ColumnReader::DoubleColumnReader(from)) => {
                self.numbers(from, into, |&v| v)?;
            }
            (Cells::Texts(into), ColumnReader::ByteArrayColumnReader(from)) => {
                self.texts(from, into)?;
            }
            _ => return Err(Error::format("Parquet", None, "a column of another kind")),
        }
        Ok(())
    }

    /// Calls `each` with the values in order, `None` where there is none.
    fn read<T: DataType>(
        self,
        mut from: ColumnReaderImpl<T>,
        have: usize,
        mut each: impl FnMut(&mut Budget, Option<&T::T>) -> Result<()>,
    ) -> Result<()> {
        let mut total = have;
        loop {
            let mut values = Vec::new();
            let mut there = Vec::new();
            let (records, ..) = from
                .read_records(
                    GROUP,
                    self.optional.then_some(&mut there),
                    None,
                    &mut values,
                )
                .map_err(broken)?;
            if records == 0 {
                return Ok(());
            }
            total += records;
            let wrong = || {
                let why = format!("column {} is longer or shorter than stated", self.name);
                Error::format("Parquet", None, why)
            };
            if total > self.most {
                return Err(wrong());
            }
            let mut next = values.iter();
            for row in 0..records {
                let value = if self.optional && *there.get(row).ok_or_else(wrong)? == 0 {
                    None
                } else {
                    Some(next.next().ok_or_else(wrong)?)
                };
                each(self.budget, value)?;
            }
        }
    }

    fn numbers<T: DataType>(
        self,
        from: ColumnReaderImpl<T>,
        into: &mut Vec<f64>,
        number: impl Fn(&T::T) -> f64,
    ) -> Result<()> {
        self.read(from, into.len(), |budget, value| {
            budget.take(8)?;
            into.push(value.map_or(f64::NAN, &number));
            Ok(())
        })
    }

    fn texts(
        self,
        from: ColumnReaderImpl<parquet::data_type::ByteArrayType>,
        into: &mut Vec<Option<String>>,
    ) -> Result<()> {
        let name = self.name;
        self.read(from, into.len(), |budget, value| {
            let text = match value {
                None => None,
                Some(bytes) => {
                    budget.take_usize(bytes.len())?;
                    let text = std::str::from_utf8(bytes.data()).map_err(|_| {
                        let why = format!("column {name} holds bytes that are no text");
                        Error::format("Parquet", None, why)
                    })?;
                    Some(text.to_owned())
                }
            };
            budget.take_usize(size_of::<Option<String>>())?;
            into.push(text);
            Ok(())
        })
    }
}
