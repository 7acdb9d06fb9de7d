//! What every recording goes through, whatever its file: whose conditions it has, what it lacks, its checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use mental_pong_formats::table::Cells;
use mental_pong_formats::value::Array;
use mental_pong_game::task::{BinAxis, Condition, ConditionSet, Epoch, Law, Set};

use crate::error::{Error, Result};

use super::dmfc::{
    Expected, Half, Mask, NEEDED_MASKS, Opening, Population, Recording, TrialType, find_mask,
    numbers,
};
use super::lab::Missing;
use super::reliability;

/// Rates above this are hardly spikes of one unit, spikes/ms.
const FASTEST: f64 = 1.0;

impl Recording {
    /// The recording as it may be used.
    pub(super) fn finished(mut self, opening: &Opening) -> Result<Self> {
        self.settle_set(opening.conditions.as_ref())?;
        let own = self.released;
        let names = |of: &Self| -> BTreeSet<(TrialType, String)> {
            let behaviors = of
                .behaviors
                .iter()
                .map(|(kind, name, _)| (*kind, name.clone()));
            let masks = of.masks.iter().map(|(kind, name, _)| (*kind, name.clone()));
            behaviors.chain(masks).collect()
        };
        let given = names(&self);
        if !own {
            self.fill_from_set()?;
        }
        self.check_shapes()?;
        self.treat_missing(opening.missing)?;
        if !self.unit_stated {
            let expected = "spikes/ms, Hz or spikes/bin, in the file or said by --response-unit";
            return Err(Error::field("response_unit", expected, "no unit"));
        }
        self.check_values()?;
        self.check_reliable()?;
        if let Some(bin_ms) = opening.rebin_ms {
            self.rebin(bin_ms)?;
            if !own {
                // What is derived is derived in the bins that are analysed.
                let given = |kind: TrialType, name: &String| given.contains(&(kind, name.clone()));
                self.behaviors.retain(|(kind, name, _)| given(*kind, name));
                self.masks.retain(|(kind, name, _)| given(*kind, name));
                self.fill_from_set()?;
                let mut said = BTreeSet::new();
                self.notes.retain(|note| said.insert(note.clone()));
            }
        }
        self.name_odd_values()?;
        self.notes.extend(self.whose_units());
        if !self.released {
            self.find_reliable()?;
        }
        Ok(self)
    }

    /// Who the units are of, where they are not all of one animal and session.
    fn whose_units(&self) -> Option<String> {
        let units = self.table("neural_meta")?;
        let counts = |name: &str| {
            let mut found: BTreeMap<&str, usize> = BTreeMap::new();
            for text in units.texts(name).into_iter().flatten().flatten() {
                *found.entry(text).or_default() += 1;
            }
            found
        };
        let (animals, sessions) = (counts("animal"), counts("session"));
        if animals.len().max(sessions.len()) < 2 {
            return None;
        }
        let list = animals
            .iter()
            .take(8)
            .map(|(name, n)| format!("{name} {n}"));
        let list: Vec<String> = list.collect();
        let more = if animals.len() > list.len() {
            ", …"
        } else {
            ""
        };
        let mut of = Vec::new();
        if animals.len() > 1 {
            of.push(format!(
                "{} animals ({}{more})",
                animals.len(),
                list.join(", ")
            ));
        }
        if sessions.len() > 1 {
            of.push(format!("{} sessions", sessions.len()));
        }
        Some(format!(
            "MIXED UNITS: of {}, taken as one population; units of different ones were not recorded together",
            of.join(" and ")
        ))
    }

    /// Whose conditions these are: what the file states, held against what was said. A file in the released layout is of
    /// the published set; any other that states none needs to be told.
    fn settle_set(&mut self, told: Option<&ConditionSet>) -> Result<()> {
        let file = self.path.as_ref().map(|path| path.display().to_string());
        let file = file.unwrap_or_else(|| "the recording".into());
        let recorded = ConditionSet::published(Set::Primate79, Law::Display);
        let stated = self.stated.clone();
        let stated = stated.or_else(|| self.released.then(|| recorded.identity()));
        if let (Some(stated), Some(told)) = (&stated, told) {
            stated.check(&file, &told.identity(), "--conditions")?;
        }
        let ids = self.ids.clone();
        let whole = match (stated.map(|stated| (stated.published(), stated)), told) {
            (Some((Some((set, law)), _)), _) => ConditionSet::published(set, law),
            (_, Some(told)) => told.clone(),
            (Some((None, stated)), None) => {
                let expected = "the set that the file is of, said by --conditions NAME|DIR|FILE";
                return Err(Error::field("set_sha256", expected, stated.to_string()));
            }
            (None, None) => {
                return Err(Error::field(
                    "conditions",
                    "a set that the file states, or one that is said by --conditions NAME|DIR|FILE",
                    "neither: the same id means another condition in another set",
                ));
            }
        };
        let Some(ids) = ids else {
            return Ok(());
        };
        let mut sorted: Vec<&String> = ids.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let field = if self.released {
                "meta/py_meta_index"
            } else {
                "condition_ids"
            };
            return Err(Error::field(
                field,
                "each id once",
                format!("{} twice", pair[0]),
            ));
        }
        // Rows of the published table are of every published set, so those of the release are looked up in all of it.
        let of = if self.released && ids.iter().any(|id| whole.condition(id).is_err()) {
            ConditionSet::published(Set::All, Law::Display)
        } else {
            whole
        };
        let set = of.narrowed(&ids)?;
        if self.released {
            self.check_meta(&set)?;
        }
        self.set = Some(set);
        Ok(())
    }

    /// Whether the table of a released file is that of its conditions.
    fn check_meta(&self, set: &ConditionSet) -> Result<()> {
        let Some(meta) = self.tables.get("meta") else {
            return Ok(());
        };
        type Of = fn(&Condition) -> f64;
        let columns: [(&str, Of); 2] = [("t_occ", |c| c.t_occ.into()), ("t_f", |c| c.t_end.into())];
        for (name, of) in columns {
            let Some(values) = meta.numbers(name) else {
                continue;
            };
            for (value, condition) in values.iter().zip(set.conditions()) {
                let Some(start) = condition.start() else {
                    continue;
                };
                if (value - of(start)).abs() > 1e-6 {
                    return Err(Error::field(
                        format!("meta/{name}"),
                        format!(
                            "{} steps, as condition {} of the published table has",
                            of(start),
                            condition.id()
                        ),
                        value.to_string(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Masks and ball that the file lacks, from its set of conditions.
    fn fill_from_set(&mut self) -> Result<()> {
        let Some(set) = self.set.clone() else {
            return Ok(());
        };
        let kinds: BTreeSet<TrialType> = self.responses.keys().map(|&(kind, ..)| kind).collect();
        let axis = self.axis();
        // Fewer bins than the published axis has are still of it.
        let published = BinAxis {
            n_bins: axis.n_bins,
            ..BinAxis::PUBLISHED
        };
        let bins = axis.n_bins;
        let over = if axis == published && bins <= BinAxis::PUBLISHED.n_bins {
            BinAxis::PUBLISHED
        } else {
            axis
        };
        let binned: Vec<_> = set.conditions().iter().map(|c| c.binned(&over)).collect();
        for kind in kinds {
            if !self.masks.iter().any(|(of, ..)| *of == kind) {
                let epochs = [Epoch::All, Epoch::Visible, Epoch::Hidden];
                for (name, epoch) in NEEDED_MASKS.into_iter().zip(epochs) {
                    let mut inside = vec![false; binned.len() * bins];
                    for (condition, of) in binned.iter().enumerate() {
                        for &bin in of.bins(epoch).iter().filter(|&&bin| bin < bins) {
                            inside[condition * bins + bin] = true;
                        }
                    }
                    let mask = Mask::new(binned.len(), bins, inside)?;
                    self.masks.push((kind, name.into(), mask));
                }
                self.notes.push(format!(
                    "masks/{}: derived from the conditions of {}; the file has none",
                    kind.key(),
                    set.identity()
                ));
            }
            let ball = |name: &str| name.starts_with("ball_pos_");
            if self
                .behaviors
                .iter()
                .any(|(of, n, _)| *of == kind && ball(n))
            {
                continue;
            }
            for (name, of) in [
                ("ball_pos_x_TRUE", 0),
                ("ball_pos_y_TRUE", 1),
                ("ball_pos_dx_TRUE", 2),
                ("ball_pos_dy_TRUE", 3),
            ] {
                let values: Vec<f64> = binned
                    .iter()
                    .flat_map(|b| {
                        let all = [&b.x_deg, &b.y_deg, &b.dx_deg_per_bin, &b.dy_deg_per_bin];
                        all[of][..bins].iter().copied()
                    })
                    .collect();
                let array = Array::from_f64(vec![binned.len(), bins], &values)?;
                self.behaviors.push((kind, name.into(), Arc::new(array)));
            }
            let law = set.conditions().first().map_or("", |c| c.law().name());
            self.notes.push(format!(
                "behavioral_responses/{}: the ball is derived from the conditions of {} ({law} law); the file has none",
                kind.key(),
                set.identity()
            ));
        }
        Ok(())
    }

    /// That every array has the axes of the recording.
    fn check_shapes(&self) -> Result<()> {
        let Expected {
            conditions, bins, ..
        } = self.expected;
        for (&(kind, population, half), array) in &self.responses {
            let field = format!("{}/{}", population.key(half), kind.key());
            super::dmfc::shaped(&field, array, &self.expected, true)?;
        }
        for (kind, name, array) in &self.behaviors {
            let field = format!("behavioral_responses/{}/{name}", kind.key());
            super::dmfc::shaped(&field, array, &self.expected, false)?;
        }
        for (_, _, mask) in &self.masks {
            mask.check(conditions, bins)?;
        }
        if let Some(ids) = &self.ids
            && ids.len() != conditions
        {
            let expected = format!("{conditions} ids, one for each condition");
            return Err(Error::field(
                "condition_ids",
                expected,
                ids.len().to_string(),
            ));
        }
        if !self
            .responses
            .contains_key(&(TrialType::Occ, Population::All, Half::Full))
        {
            let expected = "responses of occluded trials";
            return Err(Error::field("responses", expected, "none"));
        }
        for name in NEEDED_MASKS {
            if find_mask(&self.masks, TrialType::Occ, name).is_none_or(|mask| mask.count() == 0) {
                let field = format!("masks/occ/{name}");
                let axis = self.axis();
                let found = format!(
                    "none in {axis}, which end {} ms from motion onset: are axes [unit, condition, bin] and times milliseconds?",
                    axis.start_ms(axis.n_bins)
                );
                return Err(Error::field(field, "at least one cell inside", found));
            }
        }
        Ok(())
    }

    /// The first hole of each unit and condition inside of the trials, `[(unit, condition), bin]`.
    fn holes(
        &self,
        key: (TrialType, Population, Half),
        array: &Array,
    ) -> Result<BTreeMap<(usize, usize), usize>> {
        let Expected {
            conditions, bins, ..
        } = self.expected;
        let Some(inside) = find_mask(&self.masks, key.0, "start_end_pad0") else {
            return Ok(BTreeMap::new());
        };
        let mut holes = BTreeMap::new();
        for (at, value) in numbers("responses", array)?.iter().enumerate() {
            let (unit, condition, bin) =
                (at / (conditions * bins), at / bins % conditions, at % bins);
            if value.is_nan() && inside.contains(condition, bin) {
                holes.entry((unit, condition)).or_insert(bin);
            }
        }
        Ok(holes)
    }

    /// Does with units and conditions that lack responses what was asked for, and says what it cost.
    fn treat_missing(&mut self, missing: Missing) -> Result<()> {
        let mut bad_units: BTreeMap<(TrialType, Population, Half), BTreeSet<usize>> =
            BTreeMap::new();
        let mut bad_conditions = BTreeSet::new();
        for (&key, array) in &self.responses {
            let holes = self.holes(key, array)?;
            let Some((&(unit, condition), &bin)) = holes.first_key_value() else {
                continue;
            };
            let (kind, population, half) = key;
            let drops = matches!(missing, Missing::DropUnits | Missing::DropConditions);
            if !drops || matches!(population, Population::Factors(_)) {
                let name = self.ids.as_ref().map(|ids| &*ids[condition]);
                let mut found = format!("NaN at unit {unit}, condition {condition}, bin {bin}");
                if let Some(name) = name {
                    let _ = write!(found, " (id {name})");
                }
                let _ = write!(
                    found,
                    "; {} of {} pairs of unit and condition have such a hole; --missing drop-units or drop-conditions leaves them out",
                    holes.len(),
                    array.shape()[0] * self.expected.conditions
                );
                let field = format!("{}/{}", population.key(half), kind.key());
                return Err(Error::field(
                    field,
                    "a value in every cell of start_end_pad0",
                    found,
                ));
            }
            bad_units.insert(key, holes.keys().map(|&(unit, _)| unit).collect());
            bad_conditions.extend(holes.keys().map(|&(_, condition)| condition));
        }
        match missing {
            Missing::DropUnits if !bad_units.is_empty() => self.drop_units(&bad_units),
            Missing::DropConditions if !bad_conditions.is_empty() => {
                self.drop_conditions(&bad_conditions)
            }
            _ => Ok(()),
        }
    }

    fn drop_units(
        &mut self,
        bad: &BTreeMap<(TrialType, Population, Half), BTreeSet<usize>>,
    ) -> Result<()> {
        for kind in TrialType::ALL {
            let all = |half| self.responses.get(&(kind, Population::All, half));
            let Some(units) = all(Half::Full).map(|array| array.shape()[0]) else {
                continue;
            };
            let aligned = Half::ALL
                .into_iter()
                .filter_map(all)
                .all(|array| array.shape()[0] == units)
                && self.unit_ids.get(&(kind, Half::Sh1)) == self.unit_ids.get(&(kind, Half::Sh2));
            if !aligned {
                return Err(Error::field(
                    format!("neural_responses/{}", kind.key()),
                    "the same units in the mean and in both halves, to leave some out",
                    "others; --missing drop-conditions leaves conditions out",
                ));
            }
            let mut gone: BTreeSet<usize> = BTreeSet::new();
            for (&(of, population, _), units) in bad {
                if of != kind {
                    continue;
                }
                match population {
                    Population::Reliable => {
                        let rows = self.reliable.get(&kind);
                        let row = |&unit: &usize| rows.and_then(|r| r.get(unit).copied());
                        gone.extend(units.iter().filter_map(row));
                    }
                    _ => gone.extend(units),
                }
            }
            if gone.is_empty() {
                continue;
            }
            self.keep_units(kind, units, &gone)?;
            self.notes.push(format!(
                "{}: {} of {units} units lack a condition (in the mean or in a half) and are left out",
                kind.key(),
                gone.len(),
            ));
        }
        Ok(())
    }

    fn keep_units(&mut self, kind: TrialType, units: usize, gone: &BTreeSet<usize>) -> Result<()> {
        let kept: Vec<usize> = (0..units).filter(|unit| !gone.contains(unit)).collect();
        let reliable = self.reliable.get(&kind).cloned().unwrap_or_default();
        let kept_reliable: Vec<usize> = (0..reliable.len())
            .filter(|&row| !gone.contains(&reliable[row]))
            .collect();
        let keys: Vec<_> = self.responses.keys().copied().collect();
        for key in keys.into_iter().filter(|&(of, ..)| of == kind) {
            let rows = match key.1 {
                Population::All => &kept,
                Population::Reliable => &kept_reliable,
                // Factors were fitted to units of which some are gone.
                Population::Factors(_) => {
                    self.responses.remove(&key);
                    continue;
                }
            };
            let responses = self.responses(key.0, key.1, key.2)?.select(rows)?;
            let shape = vec![rows.len(), responses.conditions(), responses.bins()];
            let array = Array::from_f64(shape, responses.as_slice())?;
            self.responses.insert(key, Arc::new(array));
        }
        if let Some(rows) = self.reliable.get_mut(&kind) {
            *rows = kept_reliable
                .iter()
                .filter_map(|&row| kept.binary_search(&reliable[row]).ok())
                .collect();
        }
        for (_, ids) in self.unit_ids.iter_mut().filter(|((of, _), _)| *of == kind) {
            *ids = kept
                .iter()
                .filter_map(|&unit| ids.get(unit).copied())
                .collect();
        }
        Ok(())
    }

    fn drop_conditions(&mut self, gone: &BTreeSet<usize>) -> Result<()> {
        let Expected {
            conditions, bins, ..
        } = self.expected;
        let kept: Vec<usize> = (0..conditions).filter(|c| !gone.contains(c)).collect();
        if kept.is_empty() {
            let why = "no condition would be left; --missing drop-units leaves units out";
            return Err(Error::invalid("responses", why));
        }
        // `[…, condition, bin]`, whatever stands before.
        let narrowed = |values: &[f64]| -> Vec<f64> {
            let of_all = values.chunks_exact(conditions * bins);
            let rows = |of: &'_ [f64]| -> Vec<f64> {
                let row = |&c: &usize| of[c * bins..(c + 1) * bins].to_vec();
                kept.iter().flat_map(row).collect()
            };
            of_all.flat_map(rows).collect()
        };
        for array in self.responses.values_mut() {
            let shape = vec![array.shape()[0], kept.len(), bins];
            let values = narrowed(&numbers("responses", array)?);
            *array = Arc::new(Array::from_f64(shape, &values)?);
        }
        for (_, _, array) in &mut self.behaviors {
            let values = narrowed(&numbers("behavioral_responses", array)?);
            *array = Arc::new(Array::from_f64(vec![kept.len(), bins], &values)?);
        }
        for (_, _, mask) in &mut self.masks {
            let row = |&c: &usize| mask.as_slice()[c * bins..(c + 1) * bins].to_vec();
            let inside = kept.iter().flat_map(row).collect();
            *mask = Mask::new(kept.len(), bins, inside)?;
        }
        if let Some(meta) = self.tables.get_mut("meta") {
            meta.rows = kept.len();
            for (_, cells) in &mut meta.columns {
                match cells {
                    Cells::Numbers(values) => *values = kept.iter().map(|&c| values[c]).collect(),
                    Cells::Texts(texts) => {
                        *texts = kept.iter().map(|&c| texts[c].clone()).collect();
                    }
                    Cells::Other(_) => {}
                }
            }
        }
        let name = |&c: &usize| {
            self.ids
                .as_ref()
                .map_or(c.to_string(), |ids| ids[c].clone())
        };
        let names: Vec<String> = gone.iter().map(name).collect();
        self.notes.push(format!(
            "{} of {conditions} conditions lack responses of some unit and are left out: {}",
            gone.len(),
            names.join(", ")
        ));
        if let Some(ids) = &mut self.ids {
            *ids = kept.iter().map(|&c| ids[c].clone()).collect();
            if let Some(set) = &mut self.set {
                *set = set.narrowed(ids.as_slice())?;
            }
        }
        self.expected.conditions = kept.len();
        Ok(())
    }

    /// No infinite value anywhere; what else is unusual is noted.
    fn check_values(&mut self) -> Result<()> {
        let Expected {
            conditions, bins, ..
        } = self.expected;
        let mut notes = Vec::new();
        for (kind, name, array) in &self.behaviors {
            let field = format!("behavioral_responses/{}/{name}", kind.key());
            let values = numbers(&field, array)?;
            if let Some(at) = values.iter().position(|v| v.is_infinite()) {
                let found = format!(
                    "an infinite value at condition {}, bin {}",
                    at / bins,
                    at % bins
                );
                return Err(Error::field(field, "finite values or NaN", found));
            }
        }
        for (&(kind, population, half), array) in &self.responses {
            let field = format!("{}/{}", population.key(half), kind.key());
            let inside = find_mask(&self.masks, kind, "start_end_pad0");
            let mut outside = [0_usize; 2];
            let mut last_bin_finite = 0_usize;
            for (at, &value) in numbers(&field, array)?.iter().enumerate() {
                let (condition, bin) = (at / bins % conditions, at % bins);
                if value.is_infinite() {
                    let unit = at / (conditions * bins);
                    let found = format!("{value} at unit {unit}, condition {condition}, bin {bin}");
                    return Err(Error::field(field, "finite values or NaN", found));
                }
                if bin + 1 == bins {
                    last_bin_finite += usize::from(!value.is_nan());
                } else if !inside.is_some_and(|mask| mask.contains(condition, bin)) {
                    outside[usize::from(value.is_nan())] += 1;
                }
            }
            match population {
                Population::Factors(_) => {
                    if inside.is_some() && outside[0] > 0 {
                        notes.push(format!(
                            "{field}: {} values outside of start_end_pad0, where factors are NaN in the release",
                            outside[0]
                        ));
                    }
                }
                _ => {
                    if outside[1] > 0 && self.released {
                        notes.push(format!(
                            "{field}: {} NaN before the last bin and outside of start_end_pad0; the release has none",
                            outside[1]
                        ));
                    }
                    if last_bin_finite > 0 && self.released {
                        notes.push(format!(
                            "{field}: {last_bin_finite} values in the last bin, which is NaN in the release"
                        ));
                    }
                }
            }
        }
        self.notes.extend(notes);
        Ok(())
    }

    /// That the reliable units are the rows of all units that are said to be.
    fn check_reliable(&self) -> Result<()> {
        let size = self.expected.conditions * self.expected.bins;
        for (&kind, rows) in &self.reliable {
            let of = |population| self.responses.get(&(kind, population, Half::Full));
            let (Some(all), Some(kept)) = (of(Population::All), of(Population::Reliable)) else {
                continue;
            };
            let field = format!("neural_responses_reliable/{}", kind.key());
            let (all, kept) = (numbers(&field, all)?, numbers(&field, kept)?);
            let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            let equal = rows
                .iter()
                .zip(kept.chunks_exact(size))
                .all(|(&row, kept)| {
                    let all = &all[row * size..(row + 1) * size];
                    all.iter().zip(kept).all(|(a, b)| same(a, b))
                });
            if !equal {
                let expected = format!(
                    "the rows of neural_responses that reliable_neural_idx/{} names",
                    kind.key()
                );
                return Err(Error::field(field, expected, "other values"));
            }
        }
        Ok(())
    }

    /// A note, once.
    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Bins of another length: means of whole bins of the file. The ball of a set is taken anew.
    fn rebin(&mut self, bin_ms: f64) -> Result<()> {
        let ratio = bin_ms / self.expected.bin_ms;
        let wrong = |found: String| {
            let expected = "a whole multiple of the recorded bins, of which two fit or more";
            Error::field("--rebin", expected, found)
        };
        if !(ratio.round() >= 1.0 && (ratio - ratio.round()).abs() < 1e-6) {
            let found = format!("{bin_ms} ms for bins of {} ms", self.expected.bin_ms);
            return Err(wrong(found));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        let width = ratio.round() as usize;
        let (conditions, before) = (self.expected.conditions, self.expected.bins);
        let after = before / width;
        if width == 1 {
            return Ok(());
        }
        if after < 2 {
            return Err(wrong(format!("{after} bins of {bin_ms} ms")));
        }
        #[allow(clippy::cast_precision_loss, reason = "a few bins")]
        let merged = |values: &[f64], sum: bool, keep: fn(f64) -> bool| -> Vec<f64> {
            let of_row = |row: &[f64]| -> Vec<f64> {
                let whole = row.chunks_exact(width).take(after);
                let of_bin = |bin: &[f64]| {
                    let there: Vec<f64> = bin.iter().copied().filter(|v| keep(*v)).collect();
                    let scale = if sum { 1.0 } else { 1.0 / there.len() as f64 };
                    match there.is_empty() {
                        true => f64::NAN,
                        false => there.iter().sum::<f64>() * scale,
                    }
                };
                whole.map(of_bin).collect()
            };
            values.chunks_exact(before).flat_map(of_row).collect()
        };
        for array in self.responses.values_mut() {
            let values = merged(&numbers("responses", array)?, false, |_| true);
            let shape = vec![array.shape()[0], conditions, after];
            *array = Arc::new(Array::from_f64(shape, &values)?);
        }
        for (_, name, array) in &mut self.behaviors {
            let sum = super::dmfc::behavior_unit(name) == Some("deg/bin");
            // As the release averages behaviour: what is missing in a part of a bin does not take the rest away.
            let values = merged(&numbers(name, array)?, sum, f64::is_finite);
            *array = Arc::new(Array::from_f64(vec![conditions, after], &values)?);
        }
        for (_, _, mask) in &mut self.masks {
            let of_row = |row: &[bool]| -> Vec<bool> {
                let whole = row.chunks_exact(width).take(after);
                whole.map(|bin| bin.contains(&true)).collect()
            };
            let inside = mask.as_slice().chunks_exact(before).flat_map(of_row);
            *mask = Mask::new(conditions, after, inside.collect())?;
        }
        self.notes.push(format!(
            "rebinned from {} ms to {bin_ms} ms: means of {width} bins{}",
            self.expected.bin_ms,
            match before % width {
                0 => String::new(),
                left => format!("; {left} bins at the end are left out"),
            }
        ));
        self.expected.bin_ms = bin_ms;
        self.expected.bins = after;
        self.released = false;
        Ok(())
    }

    /// The units that pass the published criterion, where the file names none and has halves.
    fn find_reliable(&mut self) -> Result<()> {
        for kind in TrialType::ALL {
            let halved = [Half::Sh1, Half::Sh2];
            let halved = halved
                .iter()
                .all(|&half| self.has(kind, Population::All, half));
            if self.reliable.contains_key(&kind) || !halved {
                continue;
            }
            // Too few cells to tell are no reason to refuse the rest.
            let Ok(found) = reliability::published(self, kind) else {
                continue;
            };
            let rows: Vec<usize> = (0..found.len()).filter(|&u| found[u].reliable).collect();
            self.note(format!(
                "{}: {} of {} units are reliable by the published criterion (halves correlate, p < 0.01), computed here",
                kind.key(),
                rows.len(),
                found.len()
            ));
            if rows.is_empty() {
                continue;
            }
            for half in Half::ALL {
                let responses = self.responses(kind, Population::All, half)?.select(&rows)?;
                let shape = vec![rows.len(), responses.conditions(), responses.bins()];
                let array = Array::from_f64(shape, responses.as_slice())?;
                let key = (kind, Population::Reliable, half);
                self.responses.insert(key, Arc::new(array));
            }
            self.reliable.insert(kind, rows);
        }
        Ok(())
    }

    /// Notes on values that are seldom meant: negative or very high rates, units of one value, halves that are one.
    fn name_odd_values(&mut self) -> Result<()> {
        let size = self.expected.conditions * self.expected.bins;
        let mut notes = Vec::new();
        for (&(kind, population, half), array) in &self.responses {
            if (population, half) != (Population::All, Half::Full) {
                continue;
            }
            let field = format!("{}/{}", population.key(half), kind.key());
            let values = numbers(&field, array)?;
            let count = |odd: &dyn Fn(f64) -> bool| values.iter().filter(|v| odd(**v)).count();
            let (negative, fast) = (count(&|v| v < 0.0), count(&|v| v > FASTEST));
            if negative > 0 {
                notes.push(format!("{field}: {negative} negative rates"));
            }
            if fast > 0 {
                notes.push(format!(
                    "{field}: {fast} rates above 1000 Hz; is the unit spikes/ms?"
                ));
            }
            let constant = values.chunks_exact(size).filter(|unit| {
                let mut finite = unit.iter().filter(|v| v.is_finite());
                let first = finite.next();
                finite.all(|v| Some(v) == first)
            });
            let constant = constant.count();
            if constant > 0 {
                notes.push(format!("{field}: {constant} units of one value throughout"));
            }
            if values.len() > size && other_axes(&values, size, self.expected.bins) {
                notes.push(format!(
                    "{field}: units that stand beside one another are more alike than bins that do; are the axes [unit, condition, bin]?"
                ));
            }
            let of = |half| self.responses.get(&(kind, population, half));
            if let (Some(first), Some(second)) = (of(Half::Sh1), of(Half::Sh2))
                && first.to_f64().map(bits) == second.to_f64().map(bits)
            {
                notes.push(format!(
                    "{field}: the two halves are the same values: no reliability can be told from them"
                ));
            }
        }
        notes.into_iter().for_each(|text| self.note(text));
        Ok(())
    }
}

/// Whether rates `[unit, condition, bin]` go on more smoothly from unit to unit than from bin to bin: units have rates of their
/// own, so that neighbours among them are strangers, and in time they are not. A tenth is more than noise does.
fn other_axes(values: &[f64], size: usize, bins: usize) -> bool {
    let steps = |apart: usize, inside: &dyn Fn(usize) -> bool| {
        let pairs = (apart..values.len()).filter(|&at| inside(at));
        let squares = pairs.map(|at| (values[at] - values[at - apart]).powi(2));
        let (mut sum, mut n) = (0.0, 0.0);
        for square in squares.filter(|square| square.is_finite()) {
            sum += square;
            n += 1.0;
        }
        sum / n
    };
    steps(size, &|_| true) < 0.9 * steps(1, &|at| at % bins != 0)
}

fn bits(values: Vec<f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}
