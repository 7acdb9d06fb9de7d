//! `mpong walls`: whether a predictor sees walls, on sets with others than the task's.

use mental_pong_predictor::device::device;
use mental_pong_predictor::latents::Protocol;
use mental_pong_predictor::predictor::{Choices, PredictorSpec};
use mental_pong_predictor::training::{Mean, TowersTraining, walls};

use super::predict::context;
use super::train::{ROOMNET, bundled_recipe};
use super::{output, output_json};
use crate::Done;
use crate::args::WallsArgs;
use crate::progress::Progress;

pub(crate) fn run(args: &WallsArgs, progress: &Progress) -> Done {
    let context = context(&args.context)?;
    let choices = Choices {
        weights: args.weights.clone(),
        ..Choices::default()
    };
    let spec = PredictorSpec::choose(&args.model, &choices)?;
    if let Some(long) = spec.long_work() {
        progress.note(&long);
    }
    let predictor = spec.load(&device("cpu")?, progress)?;
    let protocol = Protocol {
        context,
        ..*predictor.protocol()
    };
    let predictor = predictor.with_protocol(protocol)?;
    let recipe: TowersTraining = bundled_recipe(ROOMNET)?;
    let trials = args.trials as usize;
    let rows = walls(&predictor, &recipe.playworld, trials, args.seed, progress)?;
    progress.finish();
    if args.json {
        return output_json(&rows);
    }
    output(|out| {
        writeln!(
            out,
            "{trials} trials a set; errors in degrees while nothing is seen of the ball, mean over trials [95 % interval]; place by a read-out fitted on held-out playworld\n\n\
             | set | model | bounces a trial | MAE x | signed x | MAE y | end height |\n|---|---|---|---|---|---|---|"
        )?;
        let shown = |m: &Mean| format!("{:.2} [{:.2}, {:.2}]", m.value, m.low, m.high);
        for row in &rows {
            let cells = [&row.mae_x, &row.signed_x, &row.mae_y, &row.end].map(shown);
            let (set, model, bounces) = (&row.set, &row.model, row.bounces);
            writeln!(
                out,
                "| {set} | {model} | {bounces:.2} | {} |",
                cells.join(" | ")
            )?;
        }
        Ok(())
    })
}
