//! The maps from features to responses, by name, and their fit on training rows.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use serde::{Deserialize, Serialize};

use super::basis::Basis;
use super::dense;
use super::factor_analysis::FactorAnalysis;
use super::pls::{Pls, PlsSource};
use super::ridge::{self, LeaveOneOut};
use super::solve::failed;
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::stats;

/// How responses are predicted from features. All have an intercept but the identity and the best unit.
///
/// Source: Nayebi et al. (2023) and their released mapping code; the scikit-learn estimator that each equals is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Map {
    /// `LinearRegression`: least squares, of minimum norm where there are many.
    LeastSquares,
    /// `Ridge(alpha)`; features and responses are centred, not scaled.
    Ridge {
        /// Penalty, positive.
        alpha: f64,
    },
    /// `RidgeCV(alphas)`: the penalty of least leave-one-out error, one for all units. The published map.
    RidgeCv {
        /// Penalties to choose from, see [`published_alphas`](super::published_alphas).
        alphas: Vec<f64>,
    },
    /// `RidgeCV(alphas, alpha_per_target=True)`: a penalty for each unit. Not the published map.
    RidgeCvPerUnit {
        /// Penalties to choose from.
        alphas: Vec<f64>,
    },
    /// `PLSRegression(n_components, scale)`.
    Pls {
        /// Number of components.
        components: usize,
        /// Divide features and responses by their standard deviations first. The published map does not.
        scale: bool,
    },
    /// For each unit, `Ridge(alpha)` on the features whose correlation with it is at least this percentile of all
    /// features' correlations (signed, in the training rows).
    Percentile {
        /// 0 to 100.
        percentile: f64,
        /// Penalty, positive.
        alpha: f64,
    },
    /// For each unit, the one feature of highest correlation in the training rows, as it is: one-to-one mapping.
    BestFeature,
    /// Features as they are; needs as many as units. For comparisons of geometry only.
    Identity,
}

impl Map {
    /// `RidgeCV` over the published penalties.
    #[must_use]
    pub fn published() -> Self {
        Self::RidgeCv {
            alphas: ridge::published_alphas(),
        }
    }

    /// Short name for tables: `ridge-cv`, `pls25`, …
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::LeastSquares => "least-squares".into(),
            Self::Ridge { alpha } => format!("ridge{alpha}"),
            Self::RidgeCv { .. } => "ridge-cv".into(),
            Self::RidgeCvPerUnit { .. } => "ridge-cv-per-unit".into(),
            Self::Pls { components, scale } => {
                format!("pls{components}{}", if *scale { "-scaled" } else { "" })
            }
            Self::Percentile { percentile, alpha } => {
                format!("percentile{percentile}-ridge{alpha}")
            }
            Self::BestFeature => "best-feature".into(),
            Self::Identity => "identity".into(),
        }
    }

    /// Fit on training rows and give the map as coefficients. `x` `[row, feature]`, `y` `[row, unit]`.
    ///
    /// Errors: [`Error::Shape`] for different numbers of rows, or of features and units for [`Map::Identity`];
    /// [`Error::NotFinite`]; [`Error::Invalid`] for fewer than two rows or an argument out of range.
    pub fn fit(&self, x: &Array2, y: &Array2) -> Result<LinearMap> {
        if x.rows() != y.rows() {
            return Err(Error::shape(
                "responses to map to",
                format!("{} rows, as the features", x.rows()),
                format!("{} rows", y.rows()),
            ));
        }
        dense::check_finite("features to map from", x)?;
        dense::check_finite("responses to map to", y)?;
        let (x, y) = (dense::to_mat(x), dense::to_mat(y));
        if let Self::Pls { components, scale } = self {
            let pls = PlsSource::new(x, *components, *scale)?.fit(y)?;
            return Ok(LinearMap {
                coefficients: pls.coefficients(),
                intercept: pls.intercept(),
                alpha: Vec::new(),
            });
        }
        // A map is linear: what it makes of the unit vectors are its coefficients.
        let features = x.ncols();
        let probes = Mat::from_fn(features + 1, features, |i, j| {
            f64::from(u8::from(i == j + 1))
        });
        let found = PreparedMap::new(self, None, x, probes, false)?.predict(&y)?;
        let intercept: Vec<f64> = (0..y.ncols()).map(|t| found.test[(0, t)]).collect();
        Ok(LinearMap {
            coefficients: Array2::from_fn(features, y.ncols(), |j, t| {
                found.test[(j + 1, t)] - intercept[t]
            }),
            intercept,
            alpha: found.alpha,
        })
    }
}

/// A fitted map: `y = x · coefficients + intercept`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    coefficients: Array2,
    intercept: Vec<f64>,
    alpha: Vec<f64>,
}

impl LinearMap {
    /// `[feature, unit]`.
    #[must_use]
    pub fn coefficients(&self) -> &Array2 {
        &self.coefficients
    }

    /// `[unit]`.
    #[must_use]
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// Penalties chosen: one, or one for each unit; none for maps that choose none.
    #[must_use]
    pub fn alpha(&self) -> &[f64] {
        &self.alpha
    }

    /// Predictions `[row, unit]` for `x` `[row, feature]`. [`Error::Shape`] if the features differ.
    pub fn predict(&self, x: &Array2) -> Result<Array2> {
        if x.cols() != self.coefficients.rows() {
            return Err(Error::shape(
                "features to predict from",
                format!("{} features", self.coefficients.rows()),
                format!("{} features", x.cols()),
            ));
        }
        let mut out = dense::product(
            dense::to_mat(x).as_ref(),
            dense::to_mat(&self.coefficients).as_ref(),
        );
        let offset: Vec<f64> = self.intercept.iter().map(|v| -v).collect();
        dense::shift_columns(&mut out, &offset);
        Ok(dense::from_mat(out.as_ref()))
    }
}

/// Predictions of one map.
pub(crate) struct Predictions {
    /// `[test row, unit]`.
    pub(crate) test: Mat<f64>,
    /// `[train row, unit]`, if asked for.
    pub(crate) train: Option<Mat<f64>>,
    /// Penalties chosen, see [`LinearMap::alpha`].
    pub(crate) alpha: Vec<f64>,
}

/// Everything of a map on one split that does not depend on the responses, so that one preparation serves all of them.
pub(crate) struct PreparedMap {
    kind: Kind,
    train_too: bool,
}

enum Kind {
    /// A fixed linear smoother: predictions are these matrices times the centred responses.
    Smoother {
        test: Mat<f64>,
        train: Option<Mat<f64>>,
    },
    Choosing {
        basis: Basis,
        /// Projections of test rows, `[row, direction]`.
        test: Mat<f64>,
        search: LeaveOneOut,
        per_unit: bool,
    },
    Pls {
        source: PlsSource,
        train: Mat<f64>,
        test: Mat<f64>,
    },
    Percentile {
        train: Mat<f64>,
        test: Mat<f64>,
        percentile: f64,
        alpha: f64,
    },
    BestFeature {
        train: Mat<f64>,
        test: Mat<f64>,
    },
    Identity {
        train: Mat<f64>,
        test: Mat<f64>,
    },
}

impl PreparedMap {
    /// Of features `[row, feature]`, all finite; with `factors`, through the scores of a factor analysis of the training
    /// rows ([`FactorAnalysis::published`]).
    pub(crate) fn new(
        map: &Map,
        factors: Option<usize>,
        mut train: Mat<f64>,
        mut test: Mat<f64>,
        train_too: bool,
    ) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        if let Some(k) = factors {
            let analysis = FactorAnalysis::published(&dense::from_mat(train.as_ref()), k)?;
            let scores = |x: &Mat<f64>| -> Result<Mat<f64>> {
                Ok(dense::to_mat(
                    &analysis.transform(&dense::from_mat(x.as_ref()))?,
                ))
            };
            (train, test) = (scores(&train)?, scores(&test)?);
        }
        if train.nrows() < 2 {
            return Err(Error::invalid(
                "linear map",
                format!("{} training rows; needs two", train.nrows()),
            ));
        }
        let kind = match map {
            Map::LeastSquares => smoother(&train, &test, 0.0, train_too)?,
            Map::Ridge { alpha } => {
                ridge::check_alphas(&[*alpha])?;
                smoother(&train, &test, *alpha, train_too)?
            }
            Map::RidgeCv { alphas } | Map::RidgeCvPerUnit { alphas } => {
                let basis = Basis::new(&train)?;
                Kind::Choosing {
                    test: basis.project(&test),
                    search: LeaveOneOut::new(&basis, alphas)?,
                    basis,
                    per_unit: matches!(map, Map::RidgeCvPerUnit { .. }),
                }
            }
            Map::Pls { components, scale } => Kind::Pls {
                source: PlsSource::new(train.clone(), *components, *scale)?,
                train: if train_too { train } else { Mat::new() },
                test,
            },
            Map::Percentile { percentile, alpha } => {
                ridge::check_alphas(&[*alpha])?;
                if !(0.0..=100.0).contains(percentile) {
                    return Err(Error::invalid(
                        "percentile",
                        format!("{percentile}; has to be in 0..=100"),
                    ));
                }
                Kind::Percentile {
                    train,
                    test,
                    percentile: *percentile,
                    alpha: *alpha,
                }
            }
            Map::BestFeature => Kind::BestFeature { train, test },
            Map::Identity => Kind::Identity { train, test },
        };
        Ok(Self { kind, train_too })
    }

    /// Fit to the responses of the training rows, `[row, unit]`, all finite, and predict.
    pub(crate) fn predict(&self, y: &Mat<f64>) -> Result<Predictions> {
        let plain = |test, train| Predictions {
            test,
            train,
            alpha: Vec::new(),
        };
        Ok(match &self.kind {
            Kind::Smoother { test, train } => {
                let (mean, centred) = centred(y);
                let apply =
                    |h: &Mat<f64>| shifted(dense::product(h.as_ref(), centred.as_ref()), &mean);
                plain(apply(test), train.as_ref().map(apply))
            }
            Kind::Choosing {
                basis,
                test,
                search,
                per_unit,
            } => {
                let (mean, centred) = centred(y);
                let mut z = basis.loadings(centred.as_ref());
                let alpha: Vec<f64> = if *per_unit {
                    let choices = search.choose_per_target(basis, &centred, &z);
                    for (t, choice) in choices.iter().enumerate() {
                        let by = ridge::shrinkage(&basis.s, choice.alpha);
                        for (value, by) in z.col_as_slice_mut(t).iter_mut().zip(by) {
                            *value *= by;
                        }
                    }
                    choices.iter().map(|c| c.alpha).collect()
                } else {
                    let choice = search.choose(basis, &centred, &z);
                    dense::scale_rows(&mut z, &ridge::shrinkage(&basis.s, choice.alpha));
                    vec![choice.alpha]
                };
                let train = self.train_too.then(|| {
                    let mut scaled = basis.u.clone();
                    dense::scale_columns(&mut scaled, &basis.s);
                    shifted(dense::product(scaled.as_ref(), z.as_ref()), &mean)
                });
                Predictions {
                    test: shifted(dense::product(test.as_ref(), z.as_ref()), &mean),
                    train,
                    alpha,
                }
            }
            Kind::Pls {
                source,
                train,
                test,
            } => {
                let pls: Pls = source.fit(y.clone())?;
                plain(
                    pls.predict_mat(test),
                    self.train_too.then(|| pls.predict_mat(train)),
                )
            }
            Kind::Percentile {
                train,
                test,
                percentile,
                alpha,
            } => {
                let (test, train) = self.percentile(train, test, y, *percentile, *alpha)?;
                plain(test, train)
            }
            Kind::BestFeature { train, test } => {
                let best: Vec<usize> = (0..y.ncols())
                    .map(|t| best_feature(train, y.col_as_slice(t)))
                    .collect();
                let take =
                    |x: &Mat<f64>| Mat::from_fn(x.nrows(), best.len(), |i, t| x[(i, best[t])]);
                plain(take(test), self.train_too.then(|| take(train)))
            }
            Kind::Identity { train, test } => {
                if test.ncols() != y.ncols() {
                    return Err(Error::shape(
                        "features of the identity map",
                        format!("{} features, as units", y.ncols()),
                        format!("{} features", test.ncols()),
                    ));
                }
                plain(test.clone(), self.train_too.then(|| train.clone()))
            }
        })
    }

    fn percentile(
        &self,
        train: &Mat<f64>,
        test: &Mat<f64>,
        y: &Mat<f64>,
        percentile: f64,
        alpha: f64,
    ) -> Result<(Mat<f64>, Option<Mat<f64>>)> {
        let features = train.ncols();
        let (mean_x, x) = centred(train);
        let (mean_y, y_centred) = centred(y);
        let gram = dense::gram(x.as_ref());
        let cross = dense::product(x.transpose(), y_centred.as_ref());
        let mut coefficients = Mat::zeros(features, y.ncols());
        for t in 0..y.ncols() {
            let r = correlations(train, y.col_as_slice(t));
            let kept = at_least_percentile(&r, percentile);
            let a = Mat::from_fn(kept.len(), kept.len(), |i, j| {
                gram[(kept[i], kept[j])] + if i == j { alpha } else { 0.0 }
            });
            let rhs = Mat::from_fn(kept.len(), 1, |i, _| cross[(kept[i], t)]);
            let solved = a
                .llt(Side::Lower)
                .map_err(|_| {
                    failed(
                        "percentile map",
                        "Cholesky factorisation",
                        kept.len(),
                        kept.len(),
                    )
                })?
                .solve(&rhs);
            for (i, &feature) in kept.iter().enumerate() {
                coefficients[(feature, t)] = solved[(i, 0)];
            }
        }
        let predict = |x: &Mat<f64>| {
            let mut x = x.clone();
            dense::shift_columns(&mut x, &mean_x);
            shifted(dense::product(x.as_ref(), coefficients.as_ref()), &mean_y)
        };
        Ok((predict(test), self.train_too.then(|| predict(train))))
    }
}

fn smoother(train: &Mat<f64>, test: &Mat<f64>, alpha: f64, train_too: bool) -> Result<Kind> {
    if alpha > 0.0
        && let Some(kind) = ridge_smoother(train, test, alpha, train_too)
    {
        return Ok(kind);
    }
    let basis = Basis::new(train)?;
    let by = ridge::shrinkage(&basis.s, alpha);
    let mut projected = basis.project(test);
    dense::scale_columns(&mut projected, &by);
    let train = train_too.then(|| {
        let mut scaled = basis.u.clone();
        let both: Vec<f64> = by.iter().zip(&basis.s).map(|(b, s)| b * s).collect();
        dense::scale_columns(&mut scaled, &both);
        dense::product(scaled.as_ref(), basis.u.transpose())
    });
    Ok(Kind::Smoother {
        test: dense::product(projected.as_ref(), basis.u.transpose()),
        train,
    })
}

/// Ridge by Cholesky of the smaller of the two Gram matrices; `None` where the penalty is too small beside it.
fn ridge_smoother(train: &Mat<f64>, test: &Mat<f64>, alpha: f64, train_too: bool) -> Option<Kind> {
    let (mean, x) = centred(train);
    let mut t = test.clone();
    dense::shift_columns(&mut t, &mean);
    let tall = x.nrows() > x.ncols();
    let mut a = if tall {
        dense::gram(x.as_ref())
    } else {
        dense::gram(x.transpose())
    };
    let trace: f64 = (0..a.nrows()).map(|i| a[(i, i)]).sum();
    // The trace bounds the largest eigenvalue, the penalty the smallest.
    if alpha.partial_cmp(&(super::solve::GRAM_RCOND_MIN * trace))
        != Some(std::cmp::Ordering::Greater)
    {
        return None;
    }
    for i in 0..a.nrows() {
        a[(i, i)] += alpha;
    }
    let factor = a.llt(Side::Lower).ok()?;
    // h = t (xᵀx + α)⁻¹ xᵀ = t xᵀ (x xᵀ + α)⁻¹
    let smooth = |rows: &Mat<f64>| {
        if tall {
            let solved = factor.solve(rows.transpose());
            dense::product(solved.transpose(), x.transpose())
        } else {
            let cross = dense::product(x.as_ref(), rows.transpose());
            factor.solve(&cross).transpose().to_owned()
        }
    };
    Some(Kind::Smoother {
        test: smooth(&t),
        train: train_too.then(|| smooth(&x)),
    })
}

fn centred(y: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let mean = dense::column_means(y);
    let mut out = y.clone();
    dense::shift_columns(&mut out, &mean);
    (mean, out)
}

fn shifted(mut m: Mat<f64>, mean: &[f64]) -> Mat<f64> {
    let offset: Vec<f64> = mean.iter().map(|v| -v).collect();
    dense::shift_columns(&mut m, &offset);
    m
}

fn correlations(x: &Mat<f64>, y: &[f64]) -> Vec<f64> {
    (0..x.ncols())
        .map(|j| stats::pearson(x.col_as_slice(j), y))
        .collect()
}

/// The first feature of highest correlation; the last feature where no correlation is defined, as the published code.
fn best_feature(x: &Mat<f64>, y: &[f64]) -> usize {
    let mut best: Option<(usize, f64)> = None;
    for (j, r) in correlations(x, y).into_iter().enumerate() {
        if !r.is_nan() && best.is_none_or(|(_, highest)| r > highest) {
            best = Some((j, r));
        }
    }
    best.map_or(x.ncols().saturating_sub(1), |(j, _)| j)
}

/// Features whose correlation reaches the percentile of those that are defined; by position where none is.
fn at_least_percentile(r: &[f64], percentile: f64) -> Vec<usize> {
    let defined: Vec<f64> = r.iter().copied().filter(|v| !v.is_nan()).collect();
    let values: Vec<f64> = if defined.is_empty() {
        (0..r.len()).map(|j| j as f64).collect()
    } else {
        r.to_vec()
    };
    let bound = stats::quantile(
        if defined.is_empty() {
            &values
        } else {
            &defined
        },
        percentile / 100.0,
    );
    (0..r.len()).filter(|&j| values[j] >= bound).collect()
}
