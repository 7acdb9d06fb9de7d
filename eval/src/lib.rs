//! Evaluation of latent predictors on Mental-Pong: how well can the hidden ball be read out of features?
//!
//! In order:
//!
//! 1. [`decode::Layout`] says which rows (bins) there are, what the truth is and which of them are hidden.
//! 2. [`decode::OnlineDecoder`] fits one linear map on some conditions and tests it on others, as was done with the
//!    recordings of dorsomedial frontal cortex (DMFC); [`decode::EndpointDecoder`] reads the end of the path over time.
//!    [`encoding`] goes the other way: what single units respond to.
//! 3. [`behavior`] takes the last decoded height as the model's paddle and looks at its errors.
//! 4. [`controls`] makes features that must do badly, and checks that a model does better.
//! 5. [`nulls`] says what needs no simulation, and how much better a forecast is.
//! 6. [`recordings`] reads neural recordings, data only, and checks them against the released schema.
//! 6. [`reliability`] says how well any model could do, [`dimensionality`] how many dimensions a population spans, and
//!    [`predictivity`] how much of each unit a model's features predict.
//! 7. [`rsa`] compares a model's states with recorded ones by their distances.
//! 8. [`contact`] predicts object contact in Physion videos and compares it with people.
//! 9. [`compare`] sets models against each other, with intervals, tests and corrections.
//!
//! [`linear`] and [`stats`] are what these are made of. Everything works on plain arrays: features may come from anywhere.
//!
//! ```
//! use mental_pong_eval::array::Array2;
//! use mental_pong_eval::decode::{ConditionRows, Epoch, Layout, OnlineDecoder, Split};
//! use mental_pong_eval::linear::Readout;
//!
//! # fn main() -> mental_pong_eval::error::Result<()> {
//! // Four conditions of ten 50-ms bins; the last four bins are hidden.
//! let conditions = (0..4)
//!     .map(|c| ConditionRows {
//!         id: c.to_string(),
//!         bins: (6..16).collect(),
//!         targets: Array2::from_fn(10, 2, |bin, t| if t == 0 { bin as f64 } else { f64::from(c) * bin as f64 }),
//!         visible: (0..10).map(|bin| bin < 6).collect(),
//!         hidden: (0..10).map(|bin| bin >= 6).collect(),
//!     })
//!     .collect();
//! let layout = Layout::new(vec!["x".into(), "y".into()], 50.0, conditions)?;
//!
//! // Features that hold the state in another basis.
//! let features: Vec<Array2> = layout
//!     .conditions()
//!     .iter()
//!     .map(|c| Array2::from_fn(10, 2, |bin, u| c.targets.get(bin, 0) + (u as f64 - 0.5) * c.targets.get(bin, 1)))
//!     .collect();
//!
//! let splits = [Split { train: vec![0, 3], test: vec![1, 2] }, Split { train: vec![1, 2], test: vec![0, 3] }];
//! let result = OnlineDecoder::new(&layout, &features)?.run(&splits, Readout::Full)?;
//! let hidden_y = result.get(Epoch::Hidden, 1).map(|score| score.r.mean);
//! assert!(hidden_y > Some(0.999));
//! # Ok(())
//! # }
//! ```

pub mod array;
pub mod behavior;
pub mod compare;
pub mod contact;
pub mod controls;
pub mod decode;
pub mod dimensionality;
pub mod encoding;
pub mod error;
pub mod linear;
pub mod nan_as_null;
pub mod nulls;
pub mod predictivity;
pub mod recordings;
pub mod reliability;
pub mod rsa;
pub mod stats;
