//! How fast trials and frames are made: `cargo bench -p mental-pong-game`.
//!
//! Prints rates by process CPU time, which other work on the machine does not change, then runs
//! criterion for wall time. Where `python3` (or `$PYTHON`) has Pillow, the peer draws the same
//! `rnn100` frames in the same command and has to agree in every pixel.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where a step fails"
)]

use std::hint::black_box;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use mental_pong_base::files::sha256_hex;
use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Setting, StimulusSet};
use mental_pong_game::task::{Law, generate, primate79};

/// CPU time of this process, all threads; wall time where the system does not tell.
fn cpu() -> Duration {
    #[cfg(unix)]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    }
    #[cfg(not(unix))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// Seconds of CPU and of wall of one call, the best of five.
fn seconds(mut work: impl FnMut()) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        let (from, wall) = (cpu(), Instant::now());
        work();
        best.0 = best.0.min((cpu() - from).as_secs_f64());
        best.1 = best.1.min(wall.elapsed().as_secs_f64());
    }
    best
}

fn report(name: &str, n: usize, unit: &str, (cpu, wall): (f64, f64)) {
    println!(
        "{name:44} {:>12.0} {unit}/s CPU {:>12.0} {unit}/s wall  ({cpu:.4} s, {wall:.4} s)",
        n as f64 / cpu,
        n as f64 / wall
    );
}

fn set(preset: Preset, law: Law) -> StimulusSet {
    StimulusSet::of_trials(&primate79(), Setting::new(law, preset)).unwrap()
}

/// Every frame of a set, one after another, in one buffer.
fn all_frames(set: &StimulusSet, into: &mut Vec<u8>) -> usize {
    into.clear();
    let mut frames = set.frames();
    let mut n = 0;
    while let Some((_, pixels)) = frames.draw_next() {
        into.extend_from_slice(pixels);
        n += 1;
    }
    n
}

/// Frames drawn and looked at in place.
fn lent(set: &StimulusSet) -> usize {
    let mut frames = set.frames();
    let mut n = 0;
    while let Some((_, pixels)) = frames.draw_next() {
        black_box(pixels);
        n += 1;
    }
    n
}

/// Ours, of the same pictures: reads `x y` in units a line, draws as the published code does.
const PEER: &str = r#"
import hashlib, sys, time
from PIL import Image, ImageDraw
balls = [tuple(map(float, line.split())) for line in sys.stdin]
best, r = 1e9, 3.125
for _ in range(3):
    t = time.process_time()
    frames = []
    for x, y in balls:
        im = Image.new('L', (100, 100), 0)
        d = ImageDraw.Draw(im)
        d.ellipse([x * 3.125 - r, y * 3.125 - r, x * 3.125 + r, y * 3.125 + r], fill=255)
        d.rectangle([75, 0, 100, 100], fill=128)
        frames.append(im.tobytes())
    best = min(best, time.process_time() - t)
import PIL
print(hashlib.sha256(b''.join(frames)).hexdigest(), best, PIL.__version__)
"#;

fn peer(set: &StimulusSet, ours: &[u8], n: usize) {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let child = Command::new(&python)
        .args(["-c", PEER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        println!("peer: no {python}");
        return;
    };
    let mut pipe = child.stdin.take().unwrap();
    let balls: String = set
        .truth()
        .map(|t| format!("{} {}\n", t.x_deg * 1.6 + 16.0, t.y_deg * 1.6 + 16.0))
        .collect();
    let sent = pipe.write_all(balls.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    if sent.is_err() || !output.status.success() {
        println!("peer: {python} has no Pillow");
        return;
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let [sha, s, version] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    assert_eq!(sha, sha256_hex(ours), "Pillow draws other pixels");
    let s: f64 = s.parse().unwrap();
    report(
        &format!("rnn100, Pillow {version}, same pixels"),
        n,
        "frames",
        (s, s),
    );
}

fn main() {
    let (rnn, model) = (
        set(Preset::Rnn100, Law::Design),
        set(Preset::Model224, Law::Display),
    );
    let mut bytes = Vec::new();

    // `cargo test --benches` only sees that it runs.
    if std::env::args().any(|arg| arg == "--test") {
        assert!(all_frames(&rnn, &mut bytes) > 4000);
        return;
    }

    report(
        "generator, all trials, all cores",
        472_225,
        "trials",
        seconds(|| {
            black_box(generate());
        }),
    );
    let n = all_frames(&rnn, &mut bytes);
    let time = seconds(|| {
        black_box(all_frames(&rnn, &mut bytes));
    });
    report("rnn100 into memory, one core", n, "frames", time);
    let time = seconds(|| {
        black_box(lent(&rnn));
    });
    report("rnn100 lent, one core", n, "frames", time);
    all_frames(&rnn, &mut bytes);
    peer(&rnn, &bytes, n);

    let n = all_frames(&model, &mut bytes);
    let ours = seconds(|| {
        black_box(all_frames(&model, &mut bytes));
    });
    report("model224 into memory, one core", n, "frames", ours);
    let time = seconds(|| {
        black_box(lent(&model));
    });
    report("model224 lent, one core", n, "frames", time);
    let frame = vec![7_u8; 224 * 224 * 3];
    let copy = seconds(|| {
        bytes.clear();
        for _ in 0..n {
            bytes.extend_from_slice(black_box(&frame));
        }
        black_box(&bytes);
    });
    report("model224, the same bytes copied", n, "frames", copy);
    println!("model224 takes {:.2} times the copy (CPU)", ours.0 / copy.0);

    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    criterion.bench_function("generator", |b| {
        b.iter_batched(|| (), |()| generate(), BatchSize::PerIteration);
    });
    for (name, set) in [("rnn100", &rnn), ("model224", &model)] {
        let n = all_frames(set, &mut bytes) as u64;
        let mut group = criterion.benchmark_group("frames into memory");
        group.throughput(Throughput::Elements(n));
        group.bench_function(name, |b| b.iter(|| all_frames(set, &mut bytes)));
        group.finish();
    }
    criterion.final_summary();
}
