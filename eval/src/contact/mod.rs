//! Object-contact prediction: from a model's features of a video, will two objects touch, and does it err where people do?
//!
//! Physion (Bear et al. 2021) as in Nayebi et al. 2023: features of all frames of a clip in one row, [`Scaler`] and
//! L2-penalised [`LogisticPath`], C chosen by [`StratifiedKFold`] and accuracy, refitted on all training clips
//! ([`ContactModel`]). Eight [`Scenario`]s are pooled into one classifier, where Physion's own protocol fits one each.
//! [`people`] reads the published answers, [`against_people`] compares: accuracy, Pearson's r of P(contact) with the share of
//! "yes", and Cohen's [`kappa`].
//!
//! Features come from the user: `[clip, feature]`. Nothing of Physion is bundled.

mod agreement;
mod folds;
pub mod kappa;
mod logistic;
mod model;
pub mod people;
mod scaler;
mod scenario;

pub use agreement::{
    Accuracy, AgainstPeople, Prediction, ScenarioAccuracy, ScenarioAgreement, Unmatched,
    against_people, per_scenario_accuracy,
};
pub use folds::StratifiedKFold;
pub use kappa::{model_with_people, people_with_people};
pub use logistic::{LogisticFit, LogisticPath};
pub use model::{ContactModel, ContactSettings, GridPoint};
pub use people::{Exclusions, People, Responses, read_files, read_responses};
pub use scaler::Scaler;
pub use scenario::{Scenario, clip_name};
