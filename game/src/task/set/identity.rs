//! What names a set, and whether two files are of the same one.

use serde::{Deserialize, Serialize};

use super::condition::SetCondition;
use crate::error::{Error, Result};
use crate::task::law::Law;
use crate::task::table::Set;
use mental_pong_base::files::sha256_hex;

/// The name and the hash of a condition set, as every file carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetIdentity {
    /// The set's name; it may be changed freely.
    #[serde(rename = "set_name")]
    pub name: String,
    /// The hash of all that the set is, 64 hexadecimal digits.
    #[serde(rename = "set_sha256")]
    pub sha256: String,
}

impl SetIdentity {
    /// The published set and law that the hash names, whatever the name says.
    #[must_use]
    pub fn published(&self) -> Option<(Set, Law)> {
        let known = PUBLISHED.iter().find(|(_, _, sha)| *sha == self.sha256);
        known.map(|&(set, law, _)| (set, law))
    }

    /// Whether an id means the same condition in both: the hash is the same, or both are published sets
    /// under one law, whose ids are rows of one table.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        if self.sha256 == other.sha256 {
            return true;
        }
        match (self.published(), other.published()) {
            (Some((_, a)), Some((_, b))) => a == b,
            _ => false,
        }
    }

    /// Refuses two inputs that are not [the same set](Self::same_as); `file` and `other_file` say what
    /// each input is.
    ///
    /// # Errors
    /// [`Error::OtherSet`], which names both sides.
    pub fn check(&self, file: &str, other: &Self, other_file: &str) -> Result<()> {
        if self.same_as(other) {
            return Ok(());
        }
        Err(Error::OtherSet {
            first: file.to_owned(),
            first_set: self.to_string(),
            second: other_file.to_owned(),
            second_set: other.to_string(),
        })
    }
}

impl std::fmt::Display for SetIdentity {
    /// The name, the law of a published set, and the first 12 digits of the hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = self.sha256.get(..12).unwrap_or(&self.sha256);
        match self.published() {
            Some((_, law)) => write!(f, "`{}` (law {law}, {short})", self.name),
            None => write!(f, "`{}` ({short})", self.name),
        }
    }
}

/// What a set is, as one string of bytes for the hash: every condition in order.
pub(super) fn hash(conditions: &[SetCondition]) -> String {
    let mut bytes = b"mental-pong condition set 1\n".to_vec();
    for condition in conditions {
        condition.write_identity(&mut bytes);
    }
    sha256_hex(&bytes)
}

/// The hash of a published set under a law; a test computes each anew.
pub(super) fn of_published(set: Set, law: Law) -> &'static str {
    let known = PUBLISHED.iter().find(|(s, l, _)| (*s, *l) == (set, law));
    known.map_or("", |(_, _, sha256)| sha256)
}

const PUBLISHED: [(Set, Law, &str); 10] = [
    (
        Set::Primate79,
        Law::Design,
        "16fb3d81663fb840ba20cddb30dff6996b5bc0cfa243fe859a85a5a8581074c1",
    ),
    (
        Set::Primate79,
        Law::Display,
        "92068e14cd1d447ca2a958f5f181745f22c2b1967f3d82d3d85d985374ed6974",
    ),
    (
        Set::Valid,
        Law::Design,
        "0a82c2b178f1bc75ffe4a9262dafd505a528ba13417dd39e05081481801a0c48",
    ),
    (
        Set::Valid,
        Law::Display,
        "6280a90e5a4d1bd5e2ba8f653c4d37707752314a489ab4135b8c31d398490e12",
    ),
    (
        Set::Train,
        Law::Design,
        "fff3e7dabd5e2594f3b8d63360559aef147da49aed5350067f525f2173867c56",
    ),
    (
        Set::Train,
        Law::Display,
        "8131b9114c71e67e28fe929e4b70272eb3ff6910eefd7c6bdacd4bd4895b810e",
    ),
    (
        Set::All,
        Law::Design,
        "ef00e628acd4e9133848d93eb592b56f12bca507e71535528009c7ce8bb71507",
    ),
    (
        Set::All,
        Law::Display,
        "aa7d12c52f24a2d0e6e75cb6efc07e7369f45505303e280a13073da6bf4b69a0",
    ),
    (
        Set::Fresh400,
        Law::Design,
        "b49daba3c51dab406aa32af5673a66187c754585b58bd5cab66b69b38d4b341c",
    ),
    (
        Set::Fresh400,
        Law::Display,
        "9114cbe179093d1a3ae3d052efd1b67c30ab007afb67d2d8c9ff91ea6971e6e6",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::set::ConditionSet;

    #[test]
    fn the_hashes_of_the_published_sets_are_those_of_their_conditions() {
        let mut wrong = Vec::new();
        for (set, law, sha256) in PUBLISHED {
            let found = hash(ConditionSet::published(set, law).conditions());
            if found != sha256 {
                wrong.push(format!("(Set::{set:?}, Law::{law:?}, \"{found}\"),"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn published_sets_share_their_ids_and_no_other_set_has_them() {
        let of = |set, law| ConditionSet::published(set, law).identity();
        let recorded = of(Set::Primate79, Law::Display);
        assert!(recorded.same_as(&of(Set::Valid, Law::Display)));
        assert!(!recorded.same_as(&of(Set::Primate79, Law::Design)));
        let own = SetIdentity {
            name: "primate79".into(),
            sha256: sha256_hex(b"another"),
        };
        let message = own
            .check("latents.npz", &recorded, "recording.nwb")
            .unwrap_err()
            .to_string();
        for part in [
            "latents.npz",
            "recording.nwb",
            &own.sha256[..12],
            &recorded.sha256[..12],
        ] {
            assert!(message.contains(part), "{message}");
        }
        // A name decides nothing.
        let renamed = SetIdentity {
            name: "lab".into(),
            ..recorded.clone()
        };
        assert!(renamed.check("a", &recorded, "b").is_ok());
    }
}
