//! The ball-interception task: its geometry, its conditions, the two laws of motion, the epochs of
//! a trial, and the published splits.

pub mod agent;
pub mod clock;
pub mod companion;
pub mod condition;
pub mod conditions79;
pub mod drawn;
pub mod environment;
pub mod epochs;
pub mod fresh400;
pub mod generator;
pub mod geometry;
pub mod headless;
pub mod law;
pub mod numpy_random;
pub mod own;
pub mod paddle;
pub mod schedule;
pub mod session;
pub mod set;
pub mod splits;
pub mod table;
pub mod trial;

pub use clock::BinAxis;
pub use condition::Condition;
pub use conditions79::{N_PRIMATE79, PRIMATE79_IDS, primate79};
pub use drawn::{Draw, draw};
pub use epochs::{Epoch, Masks, TruthBins, truth_bins};
pub use generator::{N_TRIALS, generate};
pub use law::{Law, Trajectory, trajectory, trajectory_until};
pub use own::{Rule, own_condition};
pub use paddle::{Direction, Paddle, PaddleRule};
pub use schedule::{Plan, Schedule, ScheduledTrial};
pub use set::{Bounce, ConditionSet, SetCondition, SetIdentity, SetLaw};
pub use splits::{Split, group_shuffle_split};
pub use table::{Part, Set, TableRow, select};
pub use trial::{Outcome, Phase, Stamped, Trial, TrialKind, TrialRules, TrialSpec};
