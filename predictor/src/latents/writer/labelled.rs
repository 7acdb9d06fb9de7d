//! Latents with named axes: NetCDF (every condition a record, so that a file of any size is written from its beginning to its
//! end) and Zarr (a chunk of each layer a condition).

use std::cell::RefCell;

use mental_pong_formats::labelled::{Labelled, Said, Values, Variable};

use super::{CLOCK, Content, Step};

/// What is written of latents; layers are read when they are.
pub(super) fn of<'a>(content: &'a RefCell<Content<'_>>) -> Labelled<'a> {
    let now = content.borrow();
    let (n, steps) = (now.conditions(), now.steps);
    let each = |of: &dyn Fn(Option<&Step>) -> f64| -> Vec<f64> {
        let condition = |k: usize| now.padded(k).map(of).collect::<Vec<_>>();
        (0..n).flat_map(condition).collect()
    };
    let frames = each(&|s| s.map_or(-1.0, |s| s.frame as f64));
    let status = each(&|s| s.map_or(-1.0, |s| f64::from(s.status.code())));
    let times = each(&|s| s.map_or(f64::NAN, |s| s.time_ms));
    let variable =
        |name: &str, axes: &[&str], values: Values<'a>, said: &[(&str, &str)]| Variable {
            name: name.into(),
            axes: axes.iter().map(ToString::to_string).collect(),
            values,
            attributes: said
                .iter()
                .map(|(k, v)| ((*k).to_owned(), Said::from(*v)))
                .collect(),
        };
    let ids = now.ids().map(String::from).collect();
    let counts = now.n_steps().collect();
    let per_step = ["condition", "step"];
    let ints = |values: Vec<f64>| values.into_iter().map(|v| v as i32).collect();
    let bytes = |values: Vec<f64>| values.into_iter().map(|v| v as i8).collect();
    let status_is = [("comment", "0 context, 1 visible, 2 hidden; -1 is padding")];
    let mut out = Labelled {
        axes: vec![("condition".into(), n), ("step".into(), steps)],
        variables: vec![
            variable("id", &per_step[..1], Values::Texts(ids), &[]),
            variable("n_steps", &per_step[..1], Values::Ints(counts), &[]),
            variable("frame", &per_step, Values::Ints(ints(frames)), &[]),
            variable(
                "time_ms",
                &per_step,
                Values::Floats(times),
                &[("comment", CLOCK)],
            ),
            variable(
                "status",
                &per_step,
                Values::Bytes(bytes(status)),
                &status_is,
            ),
        ],
        attributes: vec![
            ("set_name".into(), now.set.identity.name.as_str().into()),
            ("set_sha256".into(), now.set.identity.sha256.as_str().into()),
            ("rate_hz".into(), Said::Number(now.set.rate_hz)),
            ("clock".into(), CLOCK.into()),
            ("about_json".into(), now.about.as_str().into()),
        ],
        records: Some("condition".into()),
    };
    for (layer, info) in now.layers.iter().enumerate() {
        let axis = now.unit_axis(layer);
        if !out.axes.iter().any(|(name, _)| *name == axis) {
            out.axes.push((axis.clone(), info.units));
        }
        let rows =
            move |row: usize, bytes: &mut Vec<u8>| content.borrow_mut().layer(row, layer, bytes);
        let coordinates = [("coordinates", "id n_steps frame time_ms status")];
        let axes = ["condition", "step", &*axis];
        let values = Values::Rows(Box::new(rows));
        out.variables
            .push(variable(&info.name, &axes, values, &coordinates));
    }
    out
}
