//! NetCDF and Zarr as they are written, read back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use mental_pong_formats::Limits;
use mental_pong_formats::arrays::Arrays;
use mental_pong_formats::labelled::{Labelled, Values, Variable};
use mental_pong_formats::value::Value;

fn small() -> Labelled<'static> {
    let text = |t: &str| t.to_owned();
    Labelled {
        axes: vec![(text("unit"), 2), (text("condition"), 3)],
        variables: vec![
            Variable {
                name: text("responses"),
                axes: vec![text("unit"), text("condition")],
                values: Values::Floats(vec![1.0, 2.0, f64::NAN, -4.0, 5.5, 6.0]),
                attributes: vec![(text("units"), "spikes/ms".into())],
            },
            Variable {
                name: text("condition"),
                axes: vec![text("condition")],
                values: Values::Texts(vec![text("a"), text("bé"), text("29337")]),
                attributes: Vec::new(),
            },
            Variable {
                name: text("inside"),
                axes: vec![text("condition")],
                values: Values::Bytes(vec![1, 0, 1]),
                attributes: Vec::new(),
            },
        ],
        attributes: vec![(text("set_name"), "own".into())],
        records: None,
    }
}

#[test]
fn netcdf_reads_back_and_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nc");
    small().write_netcdf(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let read = || Arrays::open(&path)?.unwrap().tree(&Limits::default());
    let value = read().unwrap();
    assert_eq!(
        value.get("set_name").unwrap().as_str().as_deref(),
        Some("own")
    );
    let Some(Value::Array(responses)) = value.get("responses") else {
        unreachable!()
    };
    assert_eq!(responses.shape(), [2, 3]);
    assert_eq!(responses.to_f64().unwrap()[3..], [-4.0, 5.5, 6.0]);
    let Some(Value::Array(ids)) = value.get("condition") else {
        unreachable!()
    };
    let ids: Vec<Value> = ids.items().collect();
    assert_eq!(ids[1], Value::Str("bé".into()));
    // The last byte fills a word up and holds no value; what is shorter than a magic number is another file.
    for end in 4..bytes.len() - 1 {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(read().is_err(), "{end}");
    }
    let mut other = small();
    other.variables[0].axes.pop();
    assert!(other.write_netcdf(&path).is_err());
}

/// A row at a time, and NetCDF a record a row: the formula of the rows is that below.
#[test]
fn rows_of_records_read_back_from_netcdf_and_zarr() {
    let folder = tempfile::tempdir().unwrap();
    let text = |t: &str| t.to_owned();
    for name in ["a.nc", "a.zarr"] {
        let row = |row: usize, out: &mut Vec<u8>| {
            let values = (0..6).map(|k| (10 * row + k) as f32);
            out.extend(values.flat_map(f32::to_le_bytes));
            Ok(())
        };
        let variable = |name: &str, axes: &[&str], values| Variable {
            name: text(name),
            axes: axes.iter().map(|a| text(a)).collect(),
            values,
            attributes: Vec::new(),
        };
        let mut all = Labelled {
            axes: vec![(text("condition"), 3), (text("step"), 2), (text("unit"), 3)],
            variables: vec![
                variable("step", &["step"], Values::Ints(vec![5, 6])),
                variable(
                    "id",
                    &["condition"],
                    Values::Texts(["a", "bé", "c"].map(text).into()),
                ),
                variable(
                    "status",
                    &["condition", "step"],
                    Values::Bytes(vec![0, 1, 2, -1, 1, 0]),
                ),
                variable(
                    "mine",
                    &["condition", "step", "unit"],
                    Values::Rows(Box::new(row)),
                ),
            ],
            attributes: vec![(
                text("rate_hz"),
                mental_pong_formats::labelled::Said::Number(60.0),
            )],
            records: Some(text("condition")),
        };
        let path = folder.path().join(name);
        match name {
            "a.nc" => all.write_netcdf(&path).unwrap(),
            _ => all.write_zarr(&path).unwrap(),
        }
        let mut found = Arrays::open(&path).unwrap().unwrap();
        assert_eq!(found.notes["rate_hz"], "60", "{name}");
        assert_eq!(
            found.held["mine"].axes,
            ["condition", "step", "unit"],
            "{name}"
        );
        let mut budget = mental_pong_formats::limits::Budget::new(&Limits::default());
        let mine = found.numbers("mine", &mut budget).unwrap().unwrap();
        assert_eq!(mine[6..12], [10.0, 11.0, 12.0, 13.0, 14.0, 15.0], "{name}");
        let held = found.held["mine"].clone();
        assert_eq!(
            found.row(&held, 2).unwrap().to_f64().unwrap()[5],
            25.0,
            "{name}"
        );
        assert_eq!(
            found.texts("id", &mut budget).unwrap().unwrap(),
            ["a", "bé", "c"]
        );
        let status = found.numbers("status", &mut budget).unwrap().unwrap();
        assert_eq!(status, [0.0, 1.0, 2.0, -1.0, 1.0, 0.0], "{name}");
        assert_eq!(
            found.numbers("step", &mut budget).unwrap().unwrap(),
            [5.0, 6.0]
        );
    }
}
