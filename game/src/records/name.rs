//! The names of subjects, sessions and their files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A subject and a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionName {
    /// Letters and digits.
    pub subject: String,
    /// Letters and digits.
    pub session: String,
}

impl SessionName {
    /// A name of letters and digits only, as BIDS asks for.
    ///
    /// # Errors
    /// [`Error::BadValue`] for any other character, or none.
    pub fn new(subject: &str, session: &str) -> Result<Self> {
        for (field, value) in [("subject", subject), ("session", session)] {
            let fits = !value.is_empty()
                && value.len() <= 64
                && value.bytes().all(|b| b.is_ascii_alphanumeric());
            if !fits {
                return Err(Error::BadValue {
                    field,
                    expected: "1 to 64 letters and digits (a BIDS label)".into(),
                    found: format!("`{value}`"),
                });
            }
        }
        Ok(Self {
            subject: subject.to_owned(),
            session: session.to_owned(),
        })
    }

    /// The folder of the session below `out`.
    #[must_use]
    pub fn folder(&self, out: &Path) -> PathBuf {
        out.join(format!("sub-{}", self.subject))
            .join(format!("ses-{}", self.session))
            .join("beh")
    }

    /// A file's name: `sub-01_ses-01_task-mentalpong_` and `suffix`.
    #[must_use]
    pub fn file(&self, suffix: &str) -> String {
        format!(
            "sub-{}_ses-{}_task-mentalpong_{suffix}",
            self.subject, self.session
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bids_labels() {
        let name = SessionName::new("01", "a2").unwrap();
        assert_eq!(
            name.file("beh.tsv"),
            "sub-01_ses-a2_task-mentalpong_beh.tsv"
        );
        assert!(name.folder(Path::new("out")).ends_with("sub-01/ses-a2/beh"));
        for bad in ["", "a b", "a/b", "..", "é", "a_b", "x\t"] {
            assert!(SessionName::new(bad, "1").is_err(), "{bad}");
            assert!(SessionName::new("1", bad).is_err(), "{bad}");
        }
    }
}
