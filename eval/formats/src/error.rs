//! What can be wrong with a file.

use mental_pong_base::IoError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can be wrong with a file. Whoever opened it adds its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not what its format says.
    #[error("{format}{}: {why}", at.map(|at| format!(", byte {at}")).unwrap_or_default())]
    Format {
        /// Which format.
        format: &'static str,
        /// Where in the file, after decompression, in bytes. `None` where the position is not known.
        at: Option<u64>,
        /// What is wrong.
        why: String,
    },
    /// A pickle asks for a class, a function or a feature that is not data. Nothing of it was run.
    #[error(
        "pickle, byte {at}: refused {what}; only plain data, numpy arrays and pandas frames are read"
    )]
    Refused {
        /// What it asked for, as `module.name`.
        what: String,
        /// Where in the file, after decompression, in bytes.
        at: u64,
    },
    /// A file asks for more than it may.
    #[error("{what}: at least {needed} needed, the limit is {limit}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What the file asks for.
        needed: u64,
    },
    /// An array or table to be made has another shape than its parts.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which.
        what: String,
        /// The shape that was needed.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// A file cannot be opened or written.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl Error {
    /// [`Error::Format`] at a byte, where it is known.
    pub fn format(
        format: &'static str,
        at: impl Into<Option<u64>>,
        why: impl Into<String>,
    ) -> Self {
        Self::Format {
            format,
            at: at.into(),
            why: why.into(),
        }
    }

    pub(crate) fn shape(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Text of a file as a message may show it: one line, control characters escaped, at most 80 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    one_line(text, 80)
}

/// Text as one line of at most so many characters, control characters escaped.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let shown = |c: char| -> String {
        if c.is_control() {
            c.escape_debug().collect()
        } else {
            c.into()
        }
    };
    let mut line: String = text.chars().take(most).map(shown).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_are_one_short_line() {
        assert_eq!(super::quoted("a\tb\u{1b}[31m"), "a\\tb\\u{1b}[31m");
        let long = super::quoted(&"x\n".repeat(1000));
        assert!(long.lines().count() == 1 && long.chars().count() < 200);
    }
}
