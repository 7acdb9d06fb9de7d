//! The eight scenarios and the names of their clips.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A scenario of Physion, in the order of its published tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// A cloth falls over objects (`clothiness` in file names).
    Drape,
    /// Objects thrown at each other (`collision`).
    Collide,
    /// Objects in containers (`containment`).
    Contain,
    /// Rows of objects that topple (`dominoes`).
    Dominoes,
    /// Objects falling on others (`drop`).
    Drop,
    /// Rings and rods (`linking`).
    Link,
    /// Objects that roll or slide (`rollingsliding`).
    Roll,
    /// Towers that stand or fall (`towers`).
    Support,
}

impl Scenario {
    /// In the order of the published tables.
    pub const EVERY: [Self; 8] = [
        Self::Drape,
        Self::Collide,
        Self::Contain,
        Self::Dominoes,
        Self::Drop,
        Self::Link,
        Self::Roll,
        Self::Support,
    ];

    /// Name in the paper.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Drape => "Drape",
            Self::Collide => "Collide",
            Self::Contain => "Contain",
            Self::Dominoes => "Dominoes",
            Self::Drop => "Drop",
            Self::Link => "Link",
            Self::Roll => "Roll",
            Self::Support => "Support",
        }
    }

    /// Name in the released files.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Drape => "clothiness",
            Self::Collide => "collision",
            Self::Contain => "containment",
            Self::Dominoes => "dominoes",
            Self::Drop => "drop",
            Self::Link => "linking",
            Self::Roll => "rollingsliding",
            Self::Support => "towers",
        }
    }

    /// From either name, in any case, with or without `_`. [`Error::Invalid`] for any other.
    pub fn parse(name: &str) -> Result<Self> {
        let plain: String = name
            .chars()
            .filter(|c| *c != '_')
            .flat_map(char::to_lowercase)
            .collect();
        Self::EVERY
            .into_iter()
            .find(|s| plain == s.file_name() || plain == s.name().to_lowercase())
            .ok_or_else(|| {
                let known: Vec<&str> = Self::EVERY.iter().map(|s| s.name()).collect();
                Error::invalid(
                    "scenario",
                    format!("{name:?} is none of {}", known.join(", ")),
                )
            })
    }

    /// The scenario that a file name tells, as in `human_accuracy-clothiness_….csv`. [`Error::Invalid`] if none or several
    /// are in it.
    pub fn of_file(name: &str) -> Result<Self> {
        let lower = name.to_lowercase();
        let found: Vec<Self> = Self::EVERY
            .into_iter()
            .filter(|s| lower.contains(s.file_name()))
            .collect();
        match found[..] {
            [one] => Ok(one),
            _ => Err(Error::invalid(
                "scenario",
                format!(
                    "the file name {name:?} names {} scenarios, not one",
                    found.len()
                ),
            )),
        }
    }
}

/// The name that people's and models' files share: without `-redyellow` (models) and without `_img` and what follows
/// (people).
#[must_use]
pub fn clip_name(name: &str) -> String {
    let name = name.trim();
    let name = name.rfind("_img").map_or(name, |at| &name[..at]);
    name.replace("-redyellow", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_each_scenario_are_known() {
        for scenario in Scenario::EVERY {
            for name in [scenario.name(), scenario.file_name()] {
                assert_eq!(Scenario::parse(name).unwrap(), scenario);
                assert_eq!(Scenario::parse(&name.to_uppercase()).unwrap(), scenario);
            }
            let file = format!(
                "human_accuracy-{}_pilot-production_2.csv",
                scenario.file_name()
            );
            assert_eq!(Scenario::of_file(&file).unwrap(), scenario);
        }
        assert!(Scenario::parse("table").is_err());
        assert!(Scenario::of_file("human_accuracy.csv").is_err());
    }

    #[test]
    fn names_of_people_and_models_meet() {
        assert_eq!(clip_name("test10_0001_img"), "test10_0001");
        assert_eq!(clip_name("test10_0001-redyellow"), "test10_0001");
        assert_eq!(clip_name("test10-redyellow_0001_img.mp4"), "test10_0001");
        assert_eq!(clip_name("plain_0001"), "plain_0001");
    }
}
