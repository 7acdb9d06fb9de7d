//! A tree of dictionaries, built from paths of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};

use mental_pong_formats::value::{Dict, Value};

/// Most keys of a path. The release needs three.
const DEEPEST: usize = 16;

/// Keys in the order in which they came.
#[derive(Default)]
pub(super) struct Branch {
    places: BTreeMap<String, usize>,
    entries: Vec<(String, Node)>,
}

enum Node {
    Leaf(Value),
    Branch(Branch),
}

impl Branch {
    /// Put a value under a path of keys. [`Error::Field`] for a path that is there already, or that goes through a value.
    pub(super) fn insert(&mut self, path: &[&str], value: Value) -> Result<()> {
        let again = || Error::field(path.join("/"), "one value", "two, or values below it");
        let [first, rest @ ..] = path else {
            return Err(Error::field("a value", "a name", "none"));
        };
        if path.len() > DEEPEST {
            return Err(Error::limit(
                "keys of a path",
                DEEPEST as u64,
                path.len() as u64,
            ));
        }
        let mut branch = self;
        let mut key = *first;
        for next in rest {
            let place = branch.place(key, || Node::Branch(Self::default()));
            match &mut branch.entries[place].1 {
                Node::Branch(inner) => branch = inner,
                Node::Leaf(_) => return Err(again()),
            }
            key = next;
        }
        let before = branch.entries.len();
        let place = branch.place(key, || Node::Leaf(value));
        if place < before {
            return Err(again());
        }
        Ok(())
    }

    fn place(&mut self, key: &str, make: impl FnOnce() -> Node) -> usize {
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        let place = self.entries.len();
        self.places.insert(key.to_owned(), place);
        self.entries.push((key.to_owned(), make()));
        place
    }

    /// The whole as dictionaries.
    pub(super) fn into_value(self) -> Value {
        let entries = self
            .entries
            .into_iter()
            .map(|(key, node)| {
                let value = match node {
                    Node::Leaf(value) => value,
                    Node::Branch(branch) => branch.into_value(),
                };
                (Value::Str(key.into()), value)
            })
            .collect();
        Value::Dict(Arc::new(Dict::new(entries)))
    }
}
