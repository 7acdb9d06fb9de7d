//! The condition table of a set: `conditions.csv`, which reads back as a table of one's own.

use std::io::Write;

use serde::Serialize;

use crate::task::set::SetCondition;
use crate::task::set::read::occluders_text;

/// A condition in the published geometry.
#[derive(Serialize)]
pub(super) struct Start<'a> {
    id: &'a str,
    x0: f64,
    y0: f64,
    heading0_rad: f64,
    speed0: f64,
    n_bounce: u32,
    y_final: f64,
    x_final: f64,
    t_end: u32,
    t_occ: u32,
}

/// A condition in a geometry of its own.
#[derive(Serialize)]
pub(super) struct StartIn<'a> {
    id: &'a str,
    x0: f64,
    y0: f64,
    heading0_rad: f64,
    speed0: f64,
    wall_low_deg: f64,
    wall_high_deg: f64,
    ball_radius_deg: Option<f64>,
    occluders: String,
    intercept_x_deg: f64,
    draw_walls: bool,
}

/// Conditions with starts as rows.
pub(super) fn starts(conditions: &[SetCondition]) -> Vec<Start<'_>> {
    conditions
        .iter()
        .filter_map(|condition| {
            let start = condition.start()?;
            Some(Start {
                id: condition.id(),
                x0: start.x0,
                y0: start.y0,
                heading0_rad: start.heading0_rad,
                speed0: start.speed0,
                n_bounce: start.n_bounce,
                y_final: start.y_final,
                x_final: start.x_final,
                t_end: start.t_end,
                t_occ: start.t_occ,
            })
        })
        .collect()
}

/// Conditions with starts and geometries as rows.
pub(super) fn starts_in(conditions: &[SetCondition]) -> Vec<StartIn<'_>> {
    conditions
        .iter()
        .filter_map(|condition| {
            let start = condition.start()?;
            let geometry = condition.geometry();
            Some(StartIn {
                id: condition.id(),
                x0: start.x0,
                y0: start.y0,
                heading0_rad: start.heading0_rad,
                speed0: start.speed0,
                wall_low_deg: geometry.wall_low_deg,
                wall_high_deg: geometry.wall_high_deg,
                ball_radius_deg: geometry.ball_radius_deg,
                occluders: occluders_text(geometry),
                intercept_x_deg: geometry.intercept_x_deg,
                draw_walls: geometry.draw_walls,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct Place<'a> {
    id: &'a str,
    frame: usize,
    time_ms: f64,
    x_deg: f64,
    y_deg: f64,
    visible: f64,
    rate_hz: f64,
    end_y_deg: Option<f64>,
    wall_low_deg: f64,
    wall_high_deg: f64,
    ball_radius_deg: Option<f64>,
    occluders: &'a str,
    intercept_x_deg: f64,
    draw_walls: bool,
}

/// Writes conditions with recorded paths, a row a frame.
pub(super) fn paths(conditions: &[SetCondition], out: impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for condition in conditions {
        let geometry = condition.geometry();
        let occluders = occluders_text(geometry);
        for (frame, truth) in condition.truth().into_iter().enumerate() {
            let row = Place {
                id: condition.id(),
                frame,
                time_ms: truth.time_ms,
                x_deg: truth.x_deg,
                y_deg: truth.y_deg,
                visible: truth.visible,
                rate_hz: condition.rate_hz(),
                end_y_deg: condition.given_end_deg(),
                wall_low_deg: geometry.wall_low_deg,
                wall_high_deg: geometry.wall_high_deg,
                ball_radius_deg: geometry.ball_radius_deg,
                occluders: &occluders,
                intercept_x_deg: geometry.intercept_x_deg,
                draw_walls: geometry.draw_walls,
            };
            writer.serialize(row).map_err(std::io::Error::other)?;
        }
    }
    writer.flush()
}
