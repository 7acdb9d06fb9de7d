//! The rows of a stage, in the order of the tables: what is tested, what it is held against.

use mental_pong_game::task::SetCondition;
use mental_pong_predictor::Null;
use mental_pong_predictor::observers::Observer;

use super::Stage;
use super::networks::{BUNDLED, Net, bundled_encoder};
use super::rows::{Row, Source};
use crate::card::RowKind;
use crate::error::Result;
use crate::inputs::{Inputs, Model};

fn net(name: &str, kind: RowKind, description: &str, net: Net) -> Row {
    Row::new(name, kind, description, Source::Net(net))
}

/// Rows of a set's own stimuli, in the order of the tables: models, references, controls.
pub(super) fn task_rows(inputs: &Inputs, stage: &Stage<'_>) -> Result<Vec<Row>> {
    let mut rows = models(inputs, stage);
    let models = rows.len();
    rows.extend(references(stage));
    let bundled = rows.iter().position(|r| r.name == "inertia");
    for place in 0..models {
        let model = &rows[place];
        // Models on one encoder share an inertia: there is one of the first bundled model's.
        let source = match &model.source {
            Source::Net(Net::Model(name))
                if bundled_encoder(name)
                    .is_some_and(|e| Some(e) == bundled_encoder(BUNDLED[0])) =>
            {
                rows[place].inertia = bundled;
                continue;
            }
            Source::Net(Net::Model(name)) => Source::Net(Net::Null(name.clone(), Null::Inertia)),
            _ => Source::InertiaOf(place),
        };
        let what = format!(
            "the visible latents of {}, going on with their smoothed velocity, nothing learned",
            model.name
        );
        let row = Row::new(
            format!("inertia: {}", model.name),
            RowKind::Control,
            what,
            source,
        );
        rows[place].inertia = Some(rows.len());
        rows.push(row.not_drawn());
    }
    Ok(rows)
}

/// What is tested.
fn models(inputs: &Inputs, stage: &Stage<'_>) -> Vec<Row> {
    use RowKind::Model as Tested;
    let mut rows = Vec::new();
    for model in inputs.models_of_study() {
        match model {
            Model::Named(_) if stage.unseen.is_some() => {}
            Model::Named(name) if let Some(encoder) = bundled_encoder(&name) => {
                let what = format!(
                    "bundled encoder {encoder}; forecast by the bundled dynamics {name} while the ball is hidden"
                );
                rows.push(net(&name, Tested, &what, Net::Model(name.clone())));
            }
            Model::Named(name) => {
                let path = std::path::Path::new(&name);
                let short = if path.is_file() {
                    path.file_stem()
                        .map_or_else(|| name.clone(), |s| s.to_string_lossy().into_owned())
                } else {
                    name.clone()
                };
                let what = format!("the predictor {short}");
                rows.push(net(&short, Tested, &what, Net::Model(name)));
            }
            // Latents are of the study's own conditions.
            Model::Latents { name, layer } if stage.main => {
                let what = format!("layer {} of the latents that were given", layer.name);
                rows.push(Row::new(name, Tested, what, Source::Given(layer)));
            }
            Model::Latents { .. } => {}
        }
    }
    rows
}

/// References and controls, as far as the set can have them.
fn references(stage: &Stage<'_>) -> Vec<Row> {
    use RowKind::{Control, Reference};
    let null = |null: Null| Net::Null(BUNDLED[0].into(), null);
    let observer = |name: &str, kind, what: &str, observer| {
        Row::new(name, kind, what, Source::Observer(observer))
    };
    let mut rows = vec![
        net(
            "upper-visible",
            Reference,
            "bundled encoder of the same flights without occluder: nothing is hidden",
            null(Null::UpperVisible),
        ),
        observer(
            "oracle",
            Reference,
            "the ball's true state throughout",
            Observer::Oracle,
        )
        .not_drawn(),
        observer(
            "constant-velocity",
            Reference,
            "the true state, then straight on, through walls",
            Observer::ConstantVelocity,
        )
        .not_drawn(),
        observer(
            "kinematic",
            Reference,
            "the true state, then straight on, mirrored at the walls",
            Observer::Kinematic,
        ),
        net(
            "no-dynamics",
            Control,
            "bundled encoder; the last visible latent is held",
            null(Null::NoDynamics),
        ),
        Row::new(
            "constant",
            Control,
            "one constant: the read-out's best guess without features",
            Source::Constant,
        )
        .not_drawn(),
        observer(
            "last-seen",
            Control,
            "the ball's true state, held from the moment it is hidden",
            Observer::LastSeen,
        ),
        Row::new(
            "shuffled",
            Control,
            "the CTRNN's latents of another condition, same bin: what the clock alone tells",
            Source::Shuffled(Net::Model(BUNDLED[0].into())),
        )
        .not_drawn(),
        net(
            "random-weights",
            Control,
            "encoder and CTRNN of the same size, untrained",
            null(Null::RandomWeights(stage.common.config.seed)),
        ),
        net(
            "pixels",
            Control,
            "grey levels of 14 x 14 blocks of the video with its occluder",
            Net::Model("pixels".into()),
        )
        .not_drawn(),
        net(
            "inertia",
            Control,
            "bundled encoder; latents go on with their smoothed velocity, nothing learned",
            null(Null::Inertia),
        ),
    ];
    let imported = |c: &SetCondition| c.pictures().is_some();
    let imported = stage.set.conditions().iter().any(imported);
    rows.retain(|row| match &row.source {
        // What was imported cannot be had without its occluder.
        Source::Net(Net::Null(_, Null::UpperVisible)) if imported => false,
        Source::Net(_) | Source::Shuffled(_) => stage.unseen.is_none(),
        // No law says where a recorded ball turns.
        Source::Observer(Observer::Kinematic) => stage.set.law().law().is_some(),
        _ => true,
    });
    rows
}

/// References and controls that need no stimuli, from the recording's own ball.
pub(super) fn recorded_rows() -> Vec<Row> {
    vec![
        Row::new(
            "oracle",
            RowKind::Reference,
            "the ball's true place throughout",
            Source::Truth,
        ),
        Row::new(
            "constant",
            RowKind::Control,
            "one constant: the read-out's best guess without features",
            Source::Constant,
        ),
        Row::new(
            "last-seen",
            RowKind::Control,
            "the ball's true place, held from the moment it is hidden",
            Source::HeldTruth,
        ),
    ]
}
