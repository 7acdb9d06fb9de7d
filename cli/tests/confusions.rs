//! What is easily confused, and what is said then: `confusions.toml` lists each with how its input is made, the command, and
//! the words that have to stand in the answer. The page of the book is made from the same table.
//!
//! `MPONG_SHOW=1` prints what each command says; `MPONG_WRITE=1` writes the page anew.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use mental_pong_formats::npz::{Column, write};
use mental_pong_game::task::ConditionSet;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    confusion: Vec<Confusion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confusion {
    /// What is mistaken for what.
    name: String,
    /// How the input is made: see [`Kitchen::make`]; or the text of a file.
    #[serde(default)]
    make: String,
    /// The file as it stands, where it is a text.
    #[serde(default)]
    text: String,
    /// The command; `FILE` is the input, `OWN` the set of the laboratory, `LAB` its recording, `OUT` a folder.
    run: String,
    /// Exit code.
    code: i32,
    /// Words of the answer, each without regard to white space.
    says: Vec<String>,
}

fn here(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// Latents that hold the visible ball: `[condition, step, unit]` at the frames of the laboratory's set.
struct Latents {
    ids: Vec<String>,
    /// `[condition][step]`, ms; NaN where there is none.
    time: Vec<Vec<f64>>,
    /// `[condition][step][unit]`.
    values: Vec<Vec<Vec<f64>>>,
}

impl Latents {
    fn of(set: &ConditionSet) -> Self {
        let mut latents = Self {
            ids: set.ids().iter().map(|id| (*id).to_owned()).collect(),
            time: Vec::new(),
            values: Vec::new(),
        };
        for condition in set.conditions() {
            let truth = condition.truth();
            let seen = truth
                .iter()
                .position(|f| f.visible <= 0.0)
                .unwrap_or(truth.len())
                - 1;
            let at = |n: usize| {
                let f = &truth[n.min(seen)];
                vec![f.x_deg, f.y_deg, f.x_deg * f.y_deg, f.y_deg * f.y_deg]
            };
            latents.time.push(truth.iter().map(|f| f.time_ms).collect());
            latents.values.push((0..truth.len()).map(at).collect());
        }
        latents
    }

    fn each(&mut self, change: impl Fn(&mut f64)) {
        self.values.iter_mut().flatten().flatten().for_each(change);
    }

    fn write(&self, path: &Path, more: &[(&str, Vec<f64>)], timed: bool, stated: Option<&str>) {
        let longest = self.values.iter().map(Vec::len).max().unwrap();
        let units = self.values[0][0].len();
        let (n, mut values, mut time) = (self.values.len(), Vec::new(), Vec::new());
        for (of, at) in self.values.iter().zip(&self.time) {
            for step in 0..longest {
                match of.get(step) {
                    Some(row) => values.extend(row),
                    None => values.extend(vec![0.0; units]),
                }
                time.push(at.get(step).copied().unwrap_or(f64::NAN));
            }
        }
        let mut arrays = vec![
            (
                "mine".into(),
                vec![n, longest, units],
                Column::Floats(&values),
            ),
            ("id".into(), vec![self.ids.len()], Column::Texts(&self.ids)),
        ];
        if timed {
            arrays.push(("time_ms".into(), vec![n, longest], Column::Floats(&time)));
        }
        for (name, values) in more {
            arrays.push((
                (*name).into(),
                vec![n, values.len() / n],
                Column::Floats(values),
            ));
        }
        let (name, hash) = (
            ["other".to_owned()],
            [stated.unwrap_or_default().to_owned()],
        );
        if stated.is_some() {
            arrays.push(("set_name".into(), vec![1], Column::Texts(&name)));
            arrays.push(("set_sha256".into(), vec![1], Column::Texts(&hash)));
        }
        write(path, &arrays).unwrap();
    }
}

/// A recording of a laboratory: `[unit, condition, bin]`, bins of 50 ms from -300 ms.
struct Recorded {
    ids: Vec<String>,
    units: usize,
    bins: usize,
    /// All trials and two halves.
    rates: [Vec<f64>; 3],
    unit: &'static str,
    set: Option<String>,
}

impl Recorded {
    fn of(set: &ConditionSet) -> Self {
        let (units, bins) = (12, 60);
        let axis = set.axis();
        let binned: Vec<_> = set.conditions().iter().map(|c| c.binned(&axis)).collect();
        let noise = |k: usize| ((k * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5;
        let of = |half: usize| -> Vec<f64> {
            let mut values = Vec::new();
            for unit in 0..units {
                for b in &binned {
                    for bin in 0..bins {
                        let place =
                            [b.x_deg[bin], b.y_deg[bin]].map(|v| if v.is_nan() { 0.0 } else { v });
                        let tuned = place[0] * noise(unit + 1) + place[1] * noise(unit + 31);
                        values.push((20.0 + tuned + noise(values.len() * (half + 1))).max(0.1));
                    }
                }
            }
            values
        };
        let (first, second) = (of(1), of(2));
        let full = first
            .iter()
            .zip(&second)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        Self {
            ids: set.ids().iter().map(|id| (*id).to_owned()).collect(),
            units,
            bins,
            rates: [full, first, second],
            unit: "Hz",
            set: None,
        }
    }

    fn each(&mut self, change: impl Fn(usize, &mut f64)) {
        for rates in &mut self.rates {
            rates
                .iter_mut()
                .enumerate()
                .for_each(|(at, v)| change(at, v));
        }
    }

    fn write(&self, path: &Path, turned: bool) {
        let n = self.ids.len();
        let shape = match turned {
            false => vec![self.units, n, self.bins],
            true => vec![n, self.units, self.bins],
        };
        let names = ["responses", "responses_sh1", "responses_sh2"];
        let mut arrays: Vec<(String, Vec<usize>, Column<'_>)> = names
            .iter()
            .zip(&self.rates)
            .map(|(name, rates)| ((*name).into(), shape.clone(), Column::Floats(rates)))
            .collect();
        arrays.push(("condition_ids".into(), vec![n], Column::Texts(&self.ids)));
        arrays.push(("bin_ms".into(), vec![1], Column::Floats(&[50.0])));
        let unit = [self.unit.to_owned()];
        if !self.unit.is_empty() {
            arrays.push(("response_unit".into(), vec![1], Column::Texts(&unit)));
        }
        let (name, hash) = (["other".to_owned()], [self.set.clone().unwrap_or_default()]);
        if self.set.is_some() {
            arrays.push(("set_name".into(), vec![1], Column::Texts(&name)));
            arrays.push(("set_sha256".into(), vec![1], Column::Texts(&hash)));
        }
        write(path, &arrays).unwrap();
    }
}

/// Makes inputs.
struct Kitchen {
    own: ConditionSet,
}

impl Kitchen {
    fn make(&self, how: &str, path: &Path) {
        match how.split_once(": ").unwrap_or(("", how)) {
            ("latents", what) => self.latents(what, path),
            ("recording", what) => self.recording(what, path),
            (_, what) => panic!("nobody knows how to make `{what}`"),
        }
    }

    fn latents(&self, what: &str, path: &Path) {
        let mut l = Latents::of(&self.own);
        let shape = |l: &Latents| (l.values.len(), l.values.iter().map(Vec::len).max().unwrap());
        let (n, longest) = shape(&l);
        let (mut more, mut timed, mut stated) = (Vec::new(), true, None);
        let all_times = |l: &mut Latents, change: &dyn Fn(f64) -> f64| {
            l.time.iter_mut().flatten().for_each(|t| *t = change(*t));
        };
        match what {
            "as they are" => {}
            "150 ms late" => all_times(&mut l, &|t| t + 150.0),
            "150 ms early" => all_times(&mut l, &|t| t - 150.0),
            "at 50 Hz instead of 60" => all_times(&mut l, &|t| t * 1.2),
            "in seconds" => all_times(&mut l, &|t| t / 1000.0),
            "from 300 ms before" => all_times(&mut l, &|t| t + 300.0),
            "time back to front" => l.time.iter_mut().for_each(|t| t.reverse()),
            "inside of time dealt anew" => l.values.iter_mut().for_each(|of| {
                let n = of.len();
                for k in 1..n - 1 {
                    of.swap(k, 1 + (k * 37) % (n - 2));
                }
            }),
            "rows 100 ms late" => l.values.iter_mut().for_each(|of| of.rotate_right(6)),
            "conditions dealt anew" => {
                for k in 0..n {
                    let len = l.values[k].len();
                    let mut other = l.values[(k + 7) % n].clone();
                    other.resize(len, other.last().unwrap().clone());
                    l.values.push(other);
                }
                l.values.drain(..n);
            }
            "ids of numbers" => l.ids = (0..n).map(|k| k.to_string()).collect(),
            "an id twice" => l.ids[1] = l.ids[0].clone(),
            "a condition missing" => {
                l.ids.pop();
                l.values.pop();
                l.time.pop();
            }
            "of another set" => stated = Some("0".repeat(64)),
            "half of the steps" => l.values.iter_mut().zip(&mut l.time).for_each(|(v, t)| {
                v.truncate(t.len() / 2);
                t.truncate(v.len());
            }),
            "zeros at the end" => {
                for t in &mut l.time {
                    let last = *t.last().unwrap();
                    let more = (t.len()..longest + 5).enumerate();
                    let more: Vec<f64> = more.map(|(k, _)| last + 16.7 * (k + 1) as f64).collect();
                    t.extend(more);
                }
                l.values
                    .iter_mut()
                    .for_each(|v| v.resize(longest + 5, vec![0.0; 4]));
            }
            "the last step again at the end" => {
                for (v, t) in l.values.iter_mut().zip(&mut l.time) {
                    v.resize(longest + 5, v.last().unwrap().clone());
                    t.resize(longest + 5, *t.last().unwrap());
                }
            }
            "bins that are not the times" => more.push(("bin", vec![7.0; n * longest])),
            "frames that are not the times" => more.push(("frame", vec![3.0; n * longest])),
            "without times" => {
                timed = false;
                l.values.iter_mut().for_each(|v| v.truncate(v.len() - 3));
            }
            "turned" => {
                let turned = (0..longest).map(|s| {
                    let row = |c: usize| l.values[c].get(s).cloned().unwrap_or(vec![0.0; 4]);
                    (0..n).map(row).collect()
                });
                l.values = turned.collect();
                l.time = vec![(0..n).map(|s| s as f64 * 16.0).collect(); longest];
                l.ids.truncate(n);
            }
            "one constant" => l.each(|v| *v = 0.5),
            "too small" => l.each(|v| *v *= 1e-60),
            "too large" => l.each(|v| *v = 1e300),
            "not a number" => l.values[4][7][2] = f64::NAN,
            other => panic!("no latents `{other}`"),
        }
        l.write(path, &more, timed, stated.as_deref());
    }

    fn recording(&self, what: &str, path: &Path) {
        let mut r = Recorded::of(&self.own);
        let size = r.ids.len() * r.bins;
        let mut turned = false;
        match what {
            "as it is" => {}
            "ids of numbers" => r.ids = (0..r.ids.len()).map(|k| k.to_string()).collect(),
            "an id twice" => r.ids[1] = r.ids[0].clone(),
            "of another set" => r.set = Some("0".repeat(64)),
            "turned" => turned = true,
            "no unit" => r.unit = "",
            "Hz called spikes/ms" => r.unit = "spikes/ms",
            "negative rates" => r.each(|at, v| *v -= if at % 2 == 0 { 30.0 } else { 0.0 }),
            "a unit of one value" => r.each(|at, v| {
                if at / size == 3 {
                    *v = 12.0;
                }
            }),
            "one half twice" => r.rates[2] = r.rates[1].clone(),
            "a unit without a condition" => r.each(|at, v| {
                if at / size == 3 && at % size < 60 {
                    *v = f64::NAN;
                }
            }),
            "without sense" => r.each(|at, v| *v = ((at * 7919) % 101) as f64),
            "infinite" => r.rates[0][77] = f64::INFINITY,
            "cut off" => {
                let (bins, kept) = (r.bins, 24);
                for rates in &mut r.rates {
                    *rates = rates
                        .chunks(bins)
                        .flat_map(|row| row[..kept].to_vec())
                        .collect();
                }
                r.bins = kept;
            }
            "seven conditions" => {
                let bins = r.bins;
                for rates in &mut r.rates {
                    *rates = rates
                        .chunks(size)
                        .flat_map(|of| of[..7 * bins].to_vec())
                        .collect();
                }
                r.ids.truncate(7);
            }
            other => panic!("no recording `{other}`"),
        }
        r.write(path, turned);
    }
}

fn without_space(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '│');
    kept.collect()
}

fn table() -> Table {
    toml::from_str(&fs::read_to_string(here("confusions.toml")).unwrap()).unwrap()
}

#[test]
fn no_confusion_passes_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let own = here("lab/own.csv");
    let kitchen = Kitchen {
        own: ConditionSet::open(own.to_str().unwrap()).unwrap(),
    };
    let lab = folder.path().join("lab.npz");
    kitchen.make("recording: as it is", &lab);
    let out = folder.path().join("out");
    let mut wrong = Vec::new();
    for (k, c) in table().confusion.iter().enumerate() {
        let ending = if c.make.is_empty() { "csv" } else { "npz" };
        let file = folder.path().join(format!("input{k}.{ending}"));
        if !c.make.is_empty() {
            kitchen.make(&c.make, &file);
        } else if !c.text.is_empty() {
            fs::write(&file, &c.text).unwrap();
        }
        let word = |word: &str| match word {
            "FILE" => file.display().to_string(),
            "OWN" => own.display().to_string(),
            "LAB" => lab.display().to_string(),
            "OUT" => out.display().to_string(),
            "QUICK" => "splits=2".into(),
            other => other.to_owned(),
        };
        let words: Vec<String> = c.run.split_whitespace().map(word).collect();
        let done = Command::cargo_bin("mpong")
            .unwrap()
            .args(&words)
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        if std::env::var_os("MPONG_SHOW").is_some() {
            eprintln!(
                "--- {} [{}]\n{said}",
                c.name,
                done.status.code().unwrap_or(-1)
            );
        }
        let plain = without_space(&said);
        let lacks = |words: &&String| !plain.contains(&without_space(words));
        let lacking: Vec<_> = c.says.iter().filter(lacks).collect();
        if done.status.code() != Some(c.code) || !lacking.is_empty() || c.says.is_empty() {
            let code = done.status.code();
            wrong.push(format!(
                "{}: exit {code:?}, lacks {lacking:?}\n{said}",
                c.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of the page, from the same list.
#[test]
fn the_page_of_confusions_is_the_list() {
    let list = table();
    assert!(list.confusion.len() >= 40, "{}", list.confusion.len());
    let mut made = String::from("| confusion | exit | what is said |\n|---|---|---|\n");
    for c in &list.confusion {
        let says = c.says.join(" … ").replace('|', "\\|");
        made.push_str(&format!("| {} | {} | {says} |\n", c.name, c.code));
    }
    let path = here("../../docs/src/reference/confusions.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("| confusion |").unwrap();
    if std::env::var_os("MPONG_WRITE").is_some() {
        fs::write(&path, format!("{before}{made}")).unwrap();
        return;
    }
    assert_eq!(
        text,
        format!("{before}{made}"),
        "MPONG_WRITE=1 writes the page anew"
    );
}
