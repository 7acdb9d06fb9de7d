//! The one reader of small text tables.
//!
//! A table is a header and rows of cells. What stands in the file decides how it is read:
//!
//! - **Bytes**: UTF-8 with or without a byte-order mark, UTF-16 with one, else Latin-1. Lines end with
//!   LF, CRLF or CR.
//! - **Separator**: tab, `;` or `,`, whichever the header has most of. With tabs there is no quoting, as
//!   in BIDS, unless every name of the header is quoted; with the others a cell may be quoted as in CSV.
//! - **Decimal sign**: a point, or a comma in a file that has no number with a point.
//!
//! What cannot be understood is an error with file, line, column, what was expected and what was found;
//! no row is ever left out.

use std::path::{Path, PathBuf};

use crate::IoError;
use crate::guess::nearest;

/// Longest table that is read, bytes.
pub const MAX_BYTES: u64 = 512 << 20;
/// Longest cell, bytes.
const CELL_BYTES: usize = 1 << 16;
/// Bytes at the beginning by which a file is known for no text.
pub const HEAD_BYTES: u64 = 1 << 16;
/// Bad cells that an error lists; it counts the others.
const LISTED: usize = 20;

/// A table could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Cells that cannot be used.
    #[error("{path}: {said}", path = path.display(), said = said(cells, *n_bad))]
    Cells {
        /// The table.
        path: PathBuf,
        /// How many cells are bad.
        n_bad: usize,
        /// The first of them.
        cells: Vec<Cell>,
    },
}

/// A cell of a table that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Line of the file, from 1, the header among them.
    pub line: u64,
    /// Column of the file, from 1; 0 where it is no single one.
    pub column: usize,
    /// The column's name.
    pub field: String,
    /// What the cell has to be.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.column > 0 {
            write!(f, ", column {}", self.column)?;
        }
        let Self {
            field,
            expected,
            found,
            ..
        } = self;
        write!(f, " (`{field}`): expected {expected}, found {found}")
    }
}

fn said(cells: &[Cell], n_bad: usize) -> String {
    if let ([cell], 1) = (cells, n_bad) {
        return cell.to_string();
    }
    let list: String = cells.iter().map(|cell| format!("\n  {cell}")).collect();
    let more = match n_bad - cells.len() {
        0 => String::new(),
        n => format!("\n  and {n} more"),
    };
    format!("{n_bad} bad cells{list}{more}")
}

/// Collects the bad cells of a table, so that all are said at once.
#[derive(Debug)]
pub struct Problems {
    path: PathBuf,
    n_bad: usize,
    cells: Vec<Cell>,
}

impl Problems {
    /// None so far with the table at `path`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            n_bad: 0,
            cells: Vec::new(),
        }
    }

    /// One more.
    pub fn push(&mut self, cell: Cell) {
        self.n_bad += 1;
        if self.cells.len() < LISTED {
            self.cells.push(cell);
        }
    }

    /// Whether there is none so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_bad == 0
    }

    /// The error of one cell after which nothing can be read.
    fn only(&self, cell: Cell) -> TableError {
        TableError::Cells {
            path: self.path.clone(),
            n_bad: 1,
            cells: vec![cell],
        }
    }

    /// The value of a reading, or nothing and one more problem.
    pub fn take<T>(&mut self, read: Result<T, Cell>) -> Option<T> {
        read.map_err(|cell| self.push(cell)).ok()
    }

    /// `value`, where there was no problem.
    ///
    /// # Errors
    /// [`TableError::Cells`] with all of them.
    pub fn or<T>(self, value: T) -> Result<T, TableError> {
        if self.n_bad == 0 {
            return Ok(value);
        }
        Err(TableError::Cells {
            path: self.path,
            n_bad: self.n_bad,
            cells: self.cells,
        })
    }
}

/// A text table in memory.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    text: String,
    separator: char,
    header: Vec<String>,
    /// `[row][column]`, where each cell stands in `text`.
    cells: Vec<(usize, usize)>,
    lines: Vec<u64>,
    /// The first number with a decimal point: its line.
    point: Option<u64>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TableError::Io`], also for more than [`MAX_BYTES`]; [`TableError::Cells`] for what is no table:
    /// no header, a name twice, an open quotation, a row with more or fewer cells than the header.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let (table, problems) = Self::read_with_problems(path)?;
        problems.or(table)
    }

    /// As [`read`](Self::read) for a caller who says what is wrong with rows together with what is
    /// wrong with cells: the rows that fit the header, and the problems with the others.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for rows that do not fit the header.
    pub fn read_with_problems(path: impl AsRef<Path>) -> Result<(Self, Problems), TableError> {
        let path = path.as_ref();
        Self::of_text(read_text(path, MAX_BYTES)?, path)
    }

    /// Reads bytes; `path` names them in errors.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, TableError> {
        let (table, problems) = Self::of_text(text_of(bytes, path)?, path)?;
        problems.or(table)
    }

    /// As [`read_with_problems`](Self::read_with_problems) from bytes.
    ///
    /// # Errors
    /// As [`read_with_problems`](Self::read_with_problems).
    pub fn parse_with_problems(bytes: &[u8], path: &Path) -> Result<(Self, Problems), TableError> {
        Self::of_text(text_of(bytes, path)?, path)
    }

    fn of_text(text: String, path: &Path) -> Result<(Self, Problems), TableError> {
        let mut problems = Problems::of(path);
        let first = text.lines().map(str::trim).find(|line| !line.is_empty());
        let (separator, quoting) = dialect(first.unwrap_or_default(), path);
        let mut split = Split {
            text,
            extra: String::new(),
            at: 0,
            line: 1,
            separator: separator as u8,
            quoting,
        };
        let mut row = Vec::new();
        let header = match split.row(&mut row) {
            Ok(read) => names(read.unwrap_or(1), &row, &split),
            Err(cell) => Err(cell),
        };
        let (mut cells, mut lines) = (Vec::new(), Vec::new());
        let header = header.map_err(|cell| problems.only(cell))?;
        while let Some(line) = split.row(&mut row).map_err(|cell| problems.only(cell))? {
            // A spreadsheet ends rows with separators of empty columns.
            while row.len() > header.len() && row.last().is_some_and(|(a, b)| a == b) {
                row.pop();
            }
            if row.len() == header.len() {
                cells.extend_from_slice(&row);
                lines.push(line);
            } else {
                problems.push(unequal(line, row.len(), header.len(), separator));
            }
        }
        let mut table = Self {
            path: path.to_path_buf(),
            text: split.text + &split.extra,
            separator,
            header,
            cells,
            lines,
            point: None,
        };
        table.point = table.first_point();
        Ok((table, problems))
    }

    /// The line of the first number with a decimal point.
    fn first_point(&self) -> Option<u64> {
        let width = self.header.len().max(1);
        let number = |&(a, b): &(usize, usize)| {
            let cell = &self.text[a..b];
            cell.contains('.') && cell.parse::<f64>().is_ok()
        };
        let at = self.cells.iter().position(number)?;
        self.lines.get(at / width).copied()
    }

    /// The file that it is, as errors name it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// What stands between cells: `,`, `;` or tab.
    #[must_use]
    pub fn separator(&self) -> char {
        self.separator
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Where a column stands, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h == name)
    }

    /// Where a column stands that has to be there, by any of its names.
    ///
    /// # Errors
    /// A cell of the header that says which names were expected, which there are, and the nearest.
    pub fn need(&self, names: &[&str]) -> Result<usize, Cell> {
        if let Some(at) = names.iter().find_map(|name| self.column(name)) {
            return Ok(at);
        }
        let name = names.first().copied().unwrap_or_default();
        let there = self.header.iter().map(String::as_str);
        let guess = nearest(name, there).map_or_else(String::new, |near| format!(" (`{near}`?)"));
        let only = match self.header.len() {
            1 => format!(
                ". There is one column only: cells are separated by a comma, a semicolon or a tab, \
                 and the header has no {}",
                shown(self.separator)
            ),
            _ => String::new(),
        };
        Err(Cell {
            line: 1,
            column: 0,
            field: name.to_owned(),
            expected: format!("a column {}", names.join(" or ")),
            found: format!("{}{guess}{only}", self.header.join(", ")),
        })
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.lines.len()).map(move |row| Row { table: self, row })
    }
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    table: &'a Table,
    row: usize,
}

impl<'a> Row<'a> {
    /// The line of the file on which it begins, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.table.lines[self.row]
    }

    /// A cell's text, without spaces around it; nothing where there is no such column.
    #[must_use]
    pub fn text(&self, column: usize) -> &'a str {
        let width = self.table.header.len();
        if column >= width {
            return "";
        }
        let (from, to) = self.table.cells[self.row * width + column];
        &self.table.text[from..to]
    }

    /// A cell's text; nothing where it is empty or says that there is no value (`n/a`, `NA`, `NaN`).
    #[must_use]
    pub fn value(&self, column: usize) -> Option<&'a str> {
        let text = self.text(column);
        let absent = ["", "n/a", "na", "nan", "none", "null", "-"];
        (!absent.iter().any(|a| text.eq_ignore_ascii_case(a))).then_some(text)
    }

    /// A finite number; where the file has no number with a decimal point, a comma is one.
    ///
    /// # Errors
    /// The cell.
    pub fn number(&self, column: usize) -> Result<f64, Cell> {
        self.number_in(column, self.text(column))
    }

    /// A finite number that is a part of a cell, as [`number`](Self::number) reads a whole one.
    ///
    /// # Errors
    /// The cell.
    pub fn number_in(&self, column: usize, text: &str) -> Result<f64, Cell> {
        if let Some(number) = text.parse::<f64>().ok().filter(|v| v.is_finite()) {
            return Ok(number);
        }
        let with_point = text.replacen(',', ".", 1);
        let comma = with_point.parse::<f64>().ok().filter(|v| v.is_finite());
        match (comma.filter(|_| text.contains(',')), self.table.point) {
            (Some(number), None) => Ok(number),
            (Some(_), Some(line)) => Err(self.bad(
                column,
                &format!("a number with a decimal point, as on line {line}"),
            )),
            (None, _) => Err(self.bad(column, "a finite number")),
        }
    }

    /// A finite number, or nothing as [`value`](Self::value) says.
    ///
    /// # Errors
    /// The cell.
    pub fn optional_number(&self, column: usize) -> Result<Option<f64>, Cell> {
        match self.value(column) {
            Some(_) => self.number(column).map(Some),
            None => Ok(None),
        }
    }

    /// A whole number from 0.
    ///
    /// # Errors
    /// The cell.
    pub fn whole(&self, column: usize) -> Result<u64, Cell> {
        let text = self.text(column);
        // What a statistics program writes of a column with a hole in it.
        let text = text.strip_suffix(".0").unwrap_or(text);
        text.parse().map_err(|_| self.bad(column, "a whole number"))
    }

    /// The id of a condition, as its set has it.
    ///
    /// # Errors
    /// The cell, where it is empty or missing.
    pub fn id(&self, column: usize) -> Result<&'a str, Cell> {
        let id = self
            .value(column)
            .ok_or_else(|| self.bad(column, "a condition's id"))?;
        Ok(whole_id(id))
    }

    /// A cell of this row that cannot be used.
    #[must_use]
    pub fn bad(&self, column: usize, expected: &str) -> Cell {
        let found = format!("`{}`", self.text(column));
        self.bad_found(column, expected, found)
    }

    /// A cell of this row that cannot be used, with words of one's own for what was found.
    #[must_use]
    pub fn bad_found(&self, column: usize, expected: &str, found: String) -> Cell {
        let header = self.table.header.get(column);
        Cell {
            line: self.line(),
            column: column + 1,
            field: header.cloned().unwrap_or_default(),
            expected: expected.to_owned(),
            found,
        }
    }
}

/// The names of a header.
fn names(line: u64, row: &[(usize, usize)], split: &Split) -> Result<Vec<String>, Cell> {
    let text = |&(a, b): &(usize, usize)| match a >= split.text.len() {
        true => split.extra[a - split.text.len()..b - split.text.len()].to_owned(),
        false => split.text[a..b].to_owned(),
    };
    let names: Vec<String> = row.iter().map(text).collect();
    let bad = |column, field: &str, expected: &str, found| Cell {
        line,
        column,
        field: field.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    if names.is_empty() {
        let expected = "a header with the names of the columns";
        return Err(bad(0, "header", expected, "nothing".into()));
    }
    for (k, name) in names.iter().enumerate() {
        if !name.is_empty() && names[..k].contains(name) {
            return Err(bad(k + 1, name, "each column once", names.join(", ")));
        }
    }
    Ok(names)
}

fn unequal(line: u64, found: usize, expected: usize, separator: char) -> Cell {
    let hint = if separator == ',' && found > expected {
        " (a decimal comma? then separate the cells with semicolons)"
    } else {
        ""
    };
    Cell {
        line,
        column: 0,
        field: "row".into(),
        expected: format!(
            "as many cells as the header, separated by a {}",
            shown(separator)
        ),
        found: format!("{found} cells, not {expected}{hint}"),
    }
}

/// An id without the `.0` that a statistics program writes behind the whole numbers of a column with a hole in it.
#[must_use]
pub fn whole_id(id: &str) -> &str {
    match id.strip_suffix(".0") {
        Some(whole) if !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) => whole,
        _ => id,
    }
}

/// The text of a file of at most so many bytes: UTF-8 with or without a byte-order mark, UTF-16 with one,
/// else Latin-1. For tables and for settings, which carry the mark where a spreadsheet or an editor put it.
///
/// # Errors
/// [`IoError`] with the path: not readable, too long, or no text.
pub fn read_text(path: impl AsRef<Path>, most: u64) -> Result<String, IoError> {
    use std::io::Read;

    let path = path.as_ref();
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(IoError::on("read", path))?;
    let head = (&file).take(HEAD_BYTES).read_to_end(&mut start);
    head.map_err(IoError::on("read", path))?;
    // What is no text says so at once, however long it is.
    if !may_be_text(&start) {
        return Err(no_text(path));
    }
    text_of(&crate::files::read_on(&file, path, start, most)?, path)
}

/// Whether bytes from the beginning of a file are those of a text: without a zero, or UTF-16 with a mark.
#[must_use]
pub fn may_be_text(start: &[u8]) -> bool {
    let wide = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    wide || !start.contains(&0)
}

fn no_text(path: &Path) -> IoError {
    let message = std::io::Error::other("this is no text: it has zero bytes");
    IoError::on("read", path)(message)
}

fn text_of(bytes: &[u8], path: &Path) -> Result<String, IoError> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect::<String>()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                // Latin-1: each byte is the character of its number.
                Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
            }
        }
    };
    if text.contains('\0') {
        return Err(no_text(path));
    }
    Ok(text)
}

/// The separator of a header, and whether cells may be quoted.
fn dialect(header: &str, path: &Path) -> (char, bool) {
    let mut quoted = false;
    let mut count = [0_usize; 3];
    const ALL: [char; 3] = ['\t', ';', ','];
    for c in header.chars() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && let Some(k) = ALL.iter().position(|s| *s == c) {
            count[k] += 1;
        }
    }
    let most = count.iter().copied().max().unwrap_or(0);
    let tsv = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
    let separator = if most == 0 {
        if tsv { '\t' } else { ',' }
    } else {
        // Of two as frequent the earlier: a tab or a semicolon is rarely a part of a name.
        let at = count.iter().position(|n| *n == most);
        ALL[at.unwrap_or(2)]
    };
    let all_quoted = header
        .split(separator)
        .map(str::trim)
        .all(|name| name.len() > 1 && name.starts_with('"') && name.ends_with('"'));
    (separator, separator != '\t' || all_quoted)
}

/// Cuts a text into rows.
struct Split {
    text: String,
    /// Cells that do not stand in the text as they are: those with a doubled quotation mark.
    extra: String,
    at: usize,
    line: u64,
    separator: u8,
    quoting: bool,
}

impl Split {
    /// The next row that is not blank, as places in the text and what comes after it, and its line;
    /// nothing at the end.
    fn row(&mut self, cells: &mut Vec<(usize, usize)>) -> Result<Option<u64>, Cell> {
        loop {
            cells.clear();
            if self.at >= self.text.len() {
                return Ok(None);
            }
            let line = self.line;
            loop {
                let column = cells.len() + 1;
                let (from, to) = self.cell(column)?;
                if to - from > CELL_BYTES {
                    return Err(Cell {
                        line,
                        column,
                        field: "row".into(),
                        expected: format!("a cell of at most {CELL_BYTES} bytes"),
                        found: format!("one of {}", to - from),
                    });
                }
                cells.push((from, to));
                if !self.step_over() {
                    break;
                }
            }
            if cells.iter().any(|(a, b)| a < b) {
                return Ok(Some(line));
            }
        }
    }

    fn ends(&self, byte: u8) -> bool {
        byte == self.separator || byte == b'\n' || byte == b'\r'
    }

    /// Reads a cell up to what ends it.
    fn cell(&mut self, column: usize) -> Result<(usize, usize), Cell> {
        let from = self.at;
        let rest = &self.text.as_bytes()[from..];
        let blank = rest
            .iter()
            .take_while(|b| matches!(b, b' ') || (**b == b'\t' && self.separator != b'\t'));
        let blank = blank.count();
        if self.quoting && rest.get(blank) == Some(&b'"') {
            self.at = from + blank + 1;
            return self.quoted(column);
        }
        let n = rest.iter().take_while(|b| !self.ends(**b)).count();
        self.at = from + n;
        let cell = &self.text[from..self.at];
        let from = from + cell.len() - cell.trim_start().len();
        Ok((from, from + cell.trim().len()))
    }

    /// Reads a cell after its opening quotation mark.
    fn quoted(&mut self, column: usize) -> Result<(usize, usize), Cell> {
        let (from, opened) = (self.at, self.line);
        let mut doubled = false;
        let place = |line: u64, expected: &str, found: String| Cell {
            line,
            column,
            field: "row".into(),
            expected: expected.to_owned(),
            found,
        };
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(n) = rest.iter().position(|&b| b == b'"') else {
                let expected = "a quotation mark that closes the cell";
                let said: String = self.text[from..].chars().take(20).collect();
                return Err(place(opened, expected, format!("none after `\"{said}`")));
            };
            self.line += rest[..n].iter().filter(|&&b| b == b'\n').count() as u64;
            self.at += n + 1;
            if rest.get(n + 1) != Some(&b'"') {
                break;
            }
            self.at += 1;
            doubled = true;
        }
        let to = self.at - 1;
        let rest = &self.text.as_bytes()[self.at..];
        let after = rest.iter().take_while(|b| !self.ends(**b)).count();
        let after = self.text.get(self.at..self.at + after).unwrap_or_default();
        if !after.trim().is_empty() {
            let expected = format!(
                "a {} after the closing quotation mark",
                shown(self.separator as char)
            );
            let found = after.trim().chars().take(20).collect::<String>();
            let found = format!("`{found}` (the quotation began on line {opened})");
            return Err(place(self.line, &expected, found));
        }
        self.at += after.len();
        if !doubled {
            return Ok((from, to));
        }
        let start = self.text.len() + self.extra.len();
        self.extra += &self.text[from..to].replace("\"\"", "\"");
        Ok((start, self.text.len() + self.extra.len()))
    }

    /// Leaves a cell; whether another follows on the line.
    fn step_over(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        let crlf = rest.starts_with(b"\r\n");
        let Some(&end) = rest.first() else {
            return false;
        };
        self.at += 1 + usize::from(crlf);
        if end == self.separator {
            return true;
        }
        self.line += 1;
        false
    }
}

fn shown(separator: char) -> &'static str {
    match separator {
        '\t' => "tab",
        ';' => "semicolon",
        _ => "comma",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Result<Table, TableError> {
        Table::parse(bytes, Path::new(name))
    }

    fn texts(table: &Table) -> Vec<Vec<&str>> {
        let width = table.header().len();
        table
            .rows()
            .map(|row| (0..width).map(|c| row.text(c)).collect())
            .collect()
    }

    fn says(name: &str, text: &str, parts: &[&str]) {
        let message = of(name, text.as_bytes()).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn what_never_ends_and_cells_without_measure_are_refused() {
        let zeros = Path::new("/dev/zero");
        if zeros.exists() {
            let said = read_text(zeros, MAX_BYTES).unwrap_err().to_string();
            assert!(said.contains("no text"), "{said}");
        }
        let cell = "a".repeat(CELL_BYTES + 1);
        let said = of("t.csv", format!("id,y\n{cell},1\n").as_bytes());
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains("line 2") && said.contains("65537") && said.len() < 200,
            "{said}"
        );
        assert!(of("t.csv", format!("id,y\n{},1\n", &cell[1..]).as_bytes()).is_ok());
    }

    #[test]
    fn a_table_is_the_same_whatever_marks_and_line_ends_it_has() {
        let plain = "id,x\n1,0.5\nzwölf,-2\n";
        let wide = |unit: fn(u16) -> [u8; 2], mark: u16| -> Vec<u8> {
            let units = std::iter::once(mark).chain(plain.encode_utf16());
            units.flat_map(unit).collect()
        };
        let latin1: Vec<u8> = plain
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        let expected = [["1", "0.5"], ["zwölf", "-2"]];
        for bytes in [
            plain.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
            plain.replace('\n', "\r\n").into_bytes(),
            plain.replace('\n', "\r").into_bytes(),
            plain.trim_end().as_bytes().to_vec(),
            plain.replace('\n', "\n\n").into_bytes(),
            latin1,
            wide(u16::to_le_bytes, 0xfeff),
            wide(u16::to_be_bytes, 0xfeff),
        ] {
            assert_eq!(texts(&of("t.csv", &bytes).unwrap()), expected, "{bytes:?}");
        }
        assert!(
            of("t.csv", b"id\0x\n")
                .unwrap_err()
                .to_string()
                .contains("zero bytes")
        );
    }

    #[test]
    fn separators_are_recognised_and_spaces_around_cells_are_none() {
        for separator in [",", ";", "\t"] {
            let text = ["a|b|c", "1 | 2| 3", "|5|"]
                .join("\n")
                .replace('|', separator);
            let table = of("t", text.as_bytes()).unwrap();
            assert_eq!(table.separator().to_string(), separator);
            assert_eq!(texts(&table), [["1", "2", "3"], ["", "5", ""]]);
        }
        // Columns without a name at the end, as a spreadsheet writes them.
        let table = of("t.csv", b"a;b\n1;2;;\n").unwrap();
        assert_eq!(texts(&table), [["1", "2"]]);
    }

    #[test]
    fn a_mark_in_a_tsv_is_text_and_in_a_csv_a_quotation() {
        // shared/cases/02: tidyverse/readr#1491; BIDS tables have no quoting.
        let text = "n\tremark\n1\t\"too fast\n2\tok\n3\tblinked\" then ok\n";
        let table = of("t.tsv", text.as_bytes()).unwrap();
        assert_eq!(texts(&table)[0], ["1", "\"too fast"]);
        assert_eq!(table.len(), 3);
        let csv = "n,remark\n1,\"a, \"\"b\"\"\nc\" \n2,d\"e\n";
        let table = of("t.csv", csv.as_bytes()).unwrap();
        assert_eq!(texts(&table), [["1", "a, \"b\"\nc"], ["2", "d\"e"]]);
        let lines: Vec<u64> = table.rows().map(|row| row.line()).collect();
        assert_eq!(lines, [2, 4]);
        // A TSV whose writer quoted everything.
        let table = of("t.tsv", b"\"a\"\t\"b\"\n\"1\"\t\"x\ty\"\n").unwrap();
        assert_eq!(texts(&table), [["1", "x\ty"]]);
        says(
            "t.csv",
            "a,b\n1,\"x\n2,y\n",
            &["line 2, column 2", "closes the cell"],
        );
        says(
            "t.csv",
            &text.replace('\t', ","),
            &["line 4", "began on line 2", "then ok"],
        );
    }

    #[test]
    fn decimal_commas_are_numbers_where_no_point_is() {
        let number = |name: &str, text: &str| {
            let table = of(name, text.as_bytes()).unwrap();
            table
                .rows()
                .map(|row| row.number(1).map_err(|c| c.to_string()))
                .collect::<Vec<_>>()
        };
        // shared/cases/04: psychopy/psychopy#2891, jasp-stats/jasp-issues#3608.
        assert_eq!(
            number("t.csv", "id;x\n1;-0,435\n2;1\n"),
            [Ok(-0.435), Ok(1.0)]
        );
        assert_eq!(number("t.tsv", "id\tx\n1\t0,377\n"), [Ok(0.377)]);
        assert_eq!(number("t.csv", "id,x\n1,\"0,5\"\n"), [Ok(0.5)]);
        let mixed = number("t.csv", "id;x\n1;1.5\n2;1,435\n");
        assert_eq!(mixed[0], Ok(1.5));
        assert!(
            mixed[1]
                .as_ref()
                .unwrap_err()
                .contains("as on line 2, found `1,435`")
        );
        for text in ["1,2,3", "wide", "inf", "", ","] {
            assert!(
                number("t.csv", &format!("id;x\n1;{text}\n"))[0].is_err(),
                "{text}"
            );
        }
        says(
            "t.csv",
            "id,x\n1,0,5\n",
            &["line 2", "3 cells, not 2", "decimal comma?", "semicolons"],
        );
    }

    #[test]
    fn absent_columns_and_values_are_said() {
        let table = of("t.csv", b"id,x_dge,y\n1,n/a,2.0\n").unwrap();
        let cell = table.need(&["x_deg"]).unwrap_err().to_string();
        assert!(
            cell.contains("`x_deg`") && cell.contains("(`x_dge`?)"),
            "{cell}"
        );
        let row = table.rows().next().unwrap();
        assert_eq!(row.optional_number(1), Ok(None));
        assert_eq!((row.whole(2), row.whole(0)), (Ok(2), Ok(1)));
        assert!(
            row.whole(1)
                .unwrap_err()
                .to_string()
                .contains("line 2, column 2 (`x_dge`)")
        );
        let one = of("t.csv", b"id|x\n1|2\n").unwrap();
        assert!(
            one.need(&["x"])
                .unwrap_err()
                .to_string()
                .contains("no comma")
        );
        says("t.csv", "", &["a header"]);
        says("t.csv", "a,b,a\n", &["column 3 (`a`)", "each column once"]);
    }

    #[test]
    fn every_row_that_does_not_fit_is_said() {
        let rows: String = (0..30).map(|n| format!("{n}\n")).collect();
        let Err(TableError::Cells { n_bad, cells, .. }) =
            of("t.csv", format!("a,b\n{rows}").as_bytes())
        else {
            panic!("the rows were taken")
        };
        assert_eq!((n_bad, cells.len(), cells[3].line), (30, 20, 5));
    }

    #[test]
    fn damaged_bytes_never_panic() {
        // Every cut and every byte of a small alphabet at every place.
        let text = b"a;\"b\"\r\n\"1\"\"\";2,5\n\n\xe4;\n";
        for at in 0..text.len() {
            let _ = of("t.csv", &text[..at]);
            for byte in [b'"', b';', b'\n', b'\r', b'\t', 0xff, 0xc3, 0] {
                let mut other = text.to_vec();
                other[at] = byte;
                if let Ok(table) = of("t.csv", &other) {
                    for row in table.rows() {
                        let _ = (row.number(0), row.text(1), row.value(9));
                    }
                }
            }
        }
    }
}
