//! Frames of several generations of pandas: what can be read is, the rest is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::path::PathBuf;

use mental_pong_formats::value::{Frame, Value};
use mental_pong_formats::{Limits, pickle};

fn frame(name: &str) -> std::sync::Arc<Frame> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    match pickle::read(&*bytes, &Limits::default()).unwrap() {
        Value::Frame(frame) => frame,
        other => panic!("{}", other.describe()),
    }
}

// Made by tests/data/frames.py, which says what is in them.
#[test]
fn strings_and_categories_are_read_and_times_are_named() {
    for name in ["pandas3_arrow.pkl", "pandas3_object.pkl"] {
        let frame = frame(name);
        let texts = |column: &str| -> Vec<Option<String>> {
            frame
                .column(column)
                .unwrap()
                .items()
                .map(|v| v.as_str())
                .collect()
        };
        let some = |t: &str| Some(t.to_owned());
        assert_eq!(texts("who"), [some("p"), None, some("qé")], "{name}");
        assert_eq!(texts("kind"), [some("a"), some("b"), None], "{name}");
        assert_eq!(
            frame.column("t_occ").unwrap().to_f64().unwrap(),
            [1.5, 2.5, 3.5]
        );
        let unread: Vec<String> = frame
            .unread
            .iter()
            .map(|(label, what)| format!("{} {what}", label.as_str().unwrap()))
            .collect();
        assert_eq!(unread.len(), 2, "{unread:?}");
        assert!(unread[0].starts_with("at ") && unread[1].starts_with("whole "));
        assert!(unread[1].contains("IntegerArray"), "{unread:?}");
    }
}
