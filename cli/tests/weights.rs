//! Published weights as a user meets them: listing, fetching from a server on this machine, checking,
//! and predicting with them.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use serde_json::Value;
use support::{fails, stdout};

fn mpong() -> Command {
    let mut command = Command::cargo_bin("mpong").unwrap();
    command.env_remove("RAYON_NUM_THREADS");
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../predictor/tests/data")
        .join(name)
}

/// How a server treats a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Ranges are served, with an `ETag`.
    Whole,
    /// The connection breaks after so many bytes of the first answer.
    Breaks(usize),
    /// The same, and ranges are ignored afterwards.
    BreaksWithoutRanges(usize),
    /// Never gives all.
    Short(usize),
    /// 404.
    Missing,
    /// Sends to itself.
    Loop,
    /// Sends no length.
    NoLength,
    /// After the break the file is another.
    Changes(usize),
}

struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A server of one file on a port of this machine, for as long as the test runs.
fn serve(content: Vec<u8>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (log, address) = (Arc::clone(&requests), url.clone());
    std::thread::spawn(move || {
        for (k, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { continue };
            // A client that goes away is no failure of the server.
            let _ = answer(&stream, &content, manner, k, &address, &log);
        }
    });
    Server { url, requests }
}

fn answer(
    mut stream: &TcpStream,
    content: &[u8],
    manner: Manner,
    k: usize,
    address: &str,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut request)? > 2 {}
    log.lock().unwrap().push(request.clone());
    let lower = request.to_lowercase();
    let header = |name: &str| {
        let line = lower
            .lines()
            .find(|l| l.starts_with(&format!("{name}: ")))?;
        Some(line.split_once(": ")?.1.trim().to_string())
    };
    let changed: Vec<u8> = content.iter().map(|b| b ^ 1).collect();
    let (content, tag) = match manner {
        Manner::Changes(_) if k > 0 => (changed.as_slice(), "\"two\""),
        _ => (content, "\"one\""),
    };
    match manner {
        Manner::Missing => {
            return stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone",
            );
        }
        Manner::Loop => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {address}/again{k}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return stream.write_all(head.as_bytes());
        }
        Manner::NoLength => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            return stream.write_all(content);
        }
        _ => {}
    }
    let ranges = !matches!(manner, Manner::BreaksWithoutRanges(_));
    let from = header("range")
        .filter(|_| ranges && header("if-range").as_deref() == Some(tag))
        .and_then(|r| {
            r.strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
    let (status, body, range) = match from {
        Some(at) if at >= content.len() => (
            "416 Range Not Satisfiable",
            &content[..0],
            format!("Content-Range: bytes */{}\r\n", content.len()),
        ),
        Some(at) => (
            "206 Partial Content",
            &content[at..],
            format!(
                "Content-Range: bytes {at}-{}/{}\r\n",
                content.len() - 1,
                content.len()
            ),
        ),
        None => ("200 OK", content, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}ETag: {tag}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let most = match manner {
        Manner::Breaks(n) | Manner::BreaksWithoutRanges(n) | Manner::Changes(n) if k == 0 => n,
        Manner::Short(n) => n,
        _ => body.len(),
    };
    stream.write_all(&body[..most.min(body.len())])
}

/// Bytes without a pattern that a lost or doubled piece could hide in.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    mental_pong_base::files::sha256_hex(bytes)
}

fn fetch(server: &Server, out: &Path, digits: &str) -> Command {
    let mut command = mpong();
    command
        .args([
            "weights",
            "fetch",
            "VC-1+CTRNN_physion.pt",
            "--json",
            "--base-url",
        ])
        .arg(&server.url)
        .args(["--sha256", digits, "--out"])
        .arg(out);
    command
}

fn files(folder: &Path) -> Vec<String> {
    let listing = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = listing
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const NAME: &str = "VC-1+CTRNN_physion.pt";

#[test]
fn a_file_is_fetched_whole_checked_and_not_fetched_again() {
    let (folder, content) = (tempfile::tempdir().unwrap(), content());
    let server = serve(content.clone(), Manner::Whole);
    let out = stdout(&mut fetch(&server, folder.path(), &sha256(&content)));
    let about: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(about["bytes"], 300_000);
    assert_eq!(about["sha256"], sha256(&content));
    assert!(about["licence"].as_str().unwrap().contains("none stated"));
    assert_eq!(files(folder.path()), [NAME]);
    assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), content);
    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].starts_with("GET /VC-1%2BCTRNN_physion.pt "),
        "{}",
        requests[0]
    );
    let again: Value = serde_json::from_str(&stdout(&mut fetch(
        &server,
        folder.path(),
        &sha256(&content),
    )))
    .unwrap();
    assert_eq!(again["already_there"], true);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let content = content();
    for (manner, ranges) in [
        (Manner::Breaks(100_000), true),
        (Manner::BreaksWithoutRanges(100_000), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(content.clone(), manner);
        let digits = sha256(&content);
        let message = fails(&mut fetch(&server, folder.path(), &digits), 75);
        assert!(message.contains("300000bytes"), "{message}");
        assert!(!folder.path().join(NAME).exists());
        let part = folder.path().join(format!("{NAME}.part"));
        let there = std::fs::metadata(&part).unwrap().len();
        assert!(there > 0 && there <= 100_000);
        stdout(&mut fetch(&server, folder.path(), &digits));
        assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), content);
        assert_eq!(files(folder.path()), [NAME]);
        let second = server.requests.lock().unwrap()[1].to_lowercase();
        assert!(
            second.contains(&format!("range: bytes={there}-")),
            "{second}"
        );
        assert!(second.contains("if-range: \"one\""), "{second} {ranges}");
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_begun_anew() {
    let (folder, content) = (tempfile::tempdir().unwrap(), content());
    let server = serve(content.clone(), Manner::Changes(50_000));
    let changed: Vec<u8> = content.iter().map(|b| b ^ 1).collect();
    let digits = sha256(&changed);
    fails(&mut fetch(&server, folder.path(), &digits), 75);
    stdout(&mut fetch(&server, folder.path(), &digits));
    assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), changed);
}

#[test]
fn a_part_that_is_whole_is_only_checked() {
    let (folder, content) = (tempfile::tempdir().unwrap(), content());
    let server = serve(content.clone(), Manner::Whole);
    let part = folder.path().join(format!("{NAME}.part"));
    std::fs::write(&part, &content).unwrap();
    let url = format!("{}/VC-1%2BCTRNN_physion.pt", server.url);
    let notes = serde_json::json!({"url": url, "validator": "\"one\""}).to_string();
    std::fs::write(folder.path().join(format!("{NAME}.part.json")), notes).unwrap();
    stdout(&mut fetch(&server, folder.path(), &sha256(&content)));
    assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), content);
    assert!(
        server.requests.lock().unwrap()[0]
            .to_lowercase()
            .contains("range: bytes=300000-")
    );
}

#[test]
fn another_checksum_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::Whole);
    let message = fails(&mut fetch(&server, folder.path(), &"0".repeat(64)), 2);
    assert!(
        message.contains("sha256") && message.contains(&sha256(&content())),
        "{message}"
    );
    assert!(files(folder.path()).is_empty());
}

#[test]
fn what_a_server_can_do_wrong_is_said() {
    let digits = sha256(&content());
    for (manner, code, words) in [
        (Manner::Missing, 2, "404"),
        (Manner::Loop, 2, "redirect"),
        (Manner::Short(70_000), 75, "of300000bytes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(content(), manner);
        let message = fails(&mut fetch(&server, folder.path(), &digits), code);
        assert!(message.contains(words), "{manner:?}: {message}");
        assert!(!folder.path().join(NAME).exists());
    }
    // Nobody there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let nobody = Server {
        url: url.clone(),
        requests: Arc::default(),
    };
    let message = fails(&mut fetch(&nobody, folder.path(), &digits), 2);
    assert!(message.contains(&url), "{message}");
}

#[test]
fn a_file_above_the_bound_is_refused_with_and_without_a_stated_length() {
    let digits = sha256(&content());
    for manner in [Manner::Whole, Manner::NoLength] {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(content(), manner);
        let mut command = fetch(&server, folder.path(), &digits);
        let message = fails(command.args(["--max-bytes", "200k"]), 2);
        assert!(message.contains("200"), "{message}");
        assert!(!folder.path().join(NAME).exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::NoLength);
    stdout(&mut fetch(&server, folder.path(), &digits));
    assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), content());
}

#[test]
fn the_list_says_source_licence_and_checksum() {
    let rows: Value =
        serde_json::from_str(&stdout(mpong().args(["weights", "list", "--json"]))).unwrap();
    let row = |name: &str| {
        let rows = rows.as_array().unwrap();
        rows.iter().find(|r| r["name"] == name).unwrap().clone()
    };
    assert_eq!(row("vc1-large")["licence"], "CC-BY-NC-4.0");
    assert_eq!(row("vc1-large")["values"], 303_301_632);
    assert_eq!(row("dinov2-giant")["sha256"], "unknown");
    assert_eq!(row("VC-1+LSTM_k700.pt")["dynamics"], "lstm");
    let text = stdout(mpong().args(["weights", "list"]));
    assert_eq!(text.lines().count(), rows.as_array().unwrap().len() + 1);
    let message = fails(mpong().args(["weights", "fetch", "vc2"]), 2);
    assert!(message.contains("vc1-large"), "{message}");
}

/// A tiny checkpoint with its network described beside it.
fn tiny(folder: &Path, case: &str, network: &Value) -> PathBuf {
    let path = folder.join(format!("{case}.pth"));
    std::fs::copy(data(&format!("{case}.pth")), &path).unwrap();
    std::fs::write(folder.join(format!("{case}.pth.json")), network.to_string()).unwrap();
    path
}

fn vc1(dim: usize, depth: usize, heads: usize, published: bool) -> Value {
    let resize = if published {
        serde_json::json!([256, "bicubic"])
    } else {
        Value::Null
    };
    serde_json::json!({
        "name": "vc1-tiny",
        "architecture": {"vit": {
            "dim": dim, "depth": depth, "heads": heads, "patch": 16, "hidden": 4 * dim,
            "image": 224, "grid": 14, "layer_scale": false, "gated": false,
        }},
        "preprocess": {
            "resize": resize, "crop": 224,
            "mean": [0.485, 0.456, 0.406], "sd": [0.229, 0.224, 0.225],
        },
    })
}

fn about(out: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(out.with_extension("json")).unwrap()).unwrap()
}

#[test]
fn a_released_checkpoint_predicts_and_names_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let case = "frozen_vc1_ctrnn_tiny";
    let model = tiny(folder.path(), case, &vc1(24, 1, 2, true));
    let out = folder.path().join("latents.npz");
    let seen = folder.path().join("seen");
    let predict = |more: &[&str]| {
        let mut command = mpong();
        command
            .args([
                "predict",
                "--ids",
                "29337,55062",
                "--subsample",
                "6",
                "--model",
            ])
            .arg(&model)
            .arg("--out")
            .arg(&out)
            .args(more);
        command
    };
    let mut command = predict(&["--context", "visible", "--show-input"]);
    let output = command.arg(&seen).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{message}");
    // The published crop loses the screen's border.
    assert!(message.contains("cuts off a part of the ball"), "{message}");
    assert!(message.contains("to encode"), "{message}");
    assert_eq!(
        files(&seen),
        [
            "29337_first.png",
            "29337_last.png",
            "29337_occlusion.png",
            "55062_first.png",
            "55062_last.png",
            "55062_occlusion.png",
        ]
    );
    let first = about(&out);
    let bytes = std::fs::read(data(&format!("{case}.pth"))).unwrap();
    assert_eq!(first["encoder_weights"]["sha256"], sha256(&bytes));
    assert_eq!(first["dynamics"], "ctrnn");
    assert_eq!(first["protocol"]["clock"], "display");
    assert_eq!(first["random_weights"], false);
    assert!(
        first["encoder"]["preprocessing"]
            .as_str()
            .unwrap()
            .contains("256 bicubic")
    );
    let once = std::fs::read(&out).unwrap();
    stdout(&mut predict(&["--context", "visible"]));
    assert_eq!(std::fs::read(&out).unwrap(), once);
    for more in [
        ["--context", "vis-end"],
        ["--context", "3"],
        ["--rollout", "carried"],
        ["--layer", "dynamics"],
    ] {
        stdout(&mut predict(&more));
        assert_ne!(std::fs::read(&out).unwrap(), once, "{more:?}");
    }
    let message = fails(&mut predict(&["--context", "7", "--subsample", "40"]), 2);
    assert!(
        message.contains("cannotbeusedmultipletimes") || message.contains("condition"),
        "{message}"
    );
    let message = fails(&mut predict(&["--max-memory", "1k"]), 2);
    assert!(message.contains("--max-memory"), "{message}");
}

#[test]
fn a_published_encoder_takes_a_file_dynamics_and_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let weights = tiny(folder.path(), "vit_tiny_vc1", &vc1(36, 2, 3, false));
    let (out, cache) = (folder.path().join("a.npz"), folder.path().join("cache"));
    let predict = |more: &[&str]| {
        let mut command = mpong();
        command
            .args([
                "predict", "--model", "vc1-base", "--ids", "29337", "--frames", "bins",
            ])
            .arg("--weights")
            .arg(&weights)
            .arg("--cache")
            .arg(&cache)
            .arg("--out")
            .arg(&out)
            .args(more);
        command
    };
    stdout(&mut predict(&["--dynamics", "identity"]));
    let once = std::fs::read(&out).unwrap();
    let entries = files(&cache);
    assert!(!entries.is_empty());
    // Again from the cache, and again after the cache was poisoned.
    stdout(&mut predict(&["--dynamics", "identity"]));
    assert_eq!(std::fs::read(&out).unwrap(), once);
    let entry = cache.join(&entries[0]);
    let mut bytes = std::fs::read(&entry).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 0x11;
    std::fs::write(&entry, &bytes).unwrap();
    stdout(&mut predict(&["--dynamics", "identity"]));
    assert_eq!(std::fs::read(&out).unwrap(), once);
    assert_eq!(about(&out)["dynamics"], "identity");
    // Dynamics drawn at random are marked.
    let random = [
        "--dynamics",
        "gru",
        "--hidden",
        "12",
        "--random-weights",
        "5",
    ];
    stdout(&mut predict(&random));
    assert_eq!(about(&out)["random_weights"], true);
    assert_eq!(about(&out)["dynamics_weights"]["random_seed"], 5);
    assert_eq!(about(&out)["encoder_weights"]["random_seed"], Value::Null);
    let message = fails(&mut predict(&["--dynamics", "lstm"]), 2);
    assert!(message.contains("dynamics-weights"), "{message}");
    let other = data("dyn_ctrnn_small.pth");
    let message = fails(predict(&[]).arg("--dynamics-weights").arg(&other), 2);
    assert!(message.contains("10latents"), "{message}");
}

#[test]
fn a_model_without_weights_says_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.npz");
    let predict = |model: &str| {
        let mut command = mpong();
        command
            .current_dir(folder.path())
            .args(["predict", "--ids", "29337", "--model", model, "--out"])
            .arg(&out);
        fails(&mut command, 2)
    };
    assert!(predict("dinov2-small").contains("weightsfetchdinov2-small"));
    assert!(predict("R3M+LSTM_k700.pt").contains("weightsfetchR3M+LSTM_k700.pt"));
    let message = predict("resnet-51");
    assert!(
        message.contains("ctrnn") && message.contains("vip"),
        "{message}"
    );
}

#[test]
fn a_file_of_any_kind_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let bundled = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../data/weights")
            .join(name)
    };
    let combined = tiny(folder.path(), "frozen_vc1_lstm_tiny", &vc1(24, 1, 2, true));
    for (file, words) in [
        (bundled("playnet.safetensors"), "encoder playnet"),
        (bundled("lstm.safetensors"), "dynamics lstm"),
        (data("dyn_mlp_small.pth"), "dynamics mlp of 10 latents"),
        (combined, "encoder vc1-tiny and dynamics lstm"),
    ] {
        let said = stdout(mpong().args(["weights", "check"]).arg(&file));
        assert!(said.contains(words), "{said}");
    }
    let message = fails(
        mpong()
            .args(["weights", "check"])
            .arg(data("preprocess.safetensors")),
        2,
    );
    assert!(message.contains("preprocess.safetensors"), "{message}");
}

#[test]
fn a_checksum_has_to_be_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::Whole);
    for digits in ["a", "", &"g".repeat(64), &sha256(&content())[..63]] {
        let message = fails(&mut fetch(&server, folder.path(), digits), 2);
        assert!(message.contains("all64hexadecimaldigits"), "{message}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_damaged_beginning_is_fetched_anew_in_the_same_run() {
    let (folder, content) = (tempfile::tempdir().unwrap(), content());
    let server = serve(content.clone(), Manner::Breaks(100_000));
    let digits = sha256(&content);
    fails(&mut fetch(&server, folder.path(), &digits), 75);
    let part = folder.path().join(format!("{NAME}.part"));
    let mut damaged = std::fs::read(&part).unwrap();
    damaged[7] ^= 1;
    std::fs::write(&part, damaged).unwrap();
    stdout(&mut fetch(&server, folder.path(), &digits));
    assert_eq!(std::fs::read(folder.path().join(NAME)).unwrap(), content);
    assert_eq!(files(folder.path()), [NAME]);
}

#[test]
fn what_comes_without_a_known_checksum_is_recorded() {
    let (folder, content) = (tempfile::tempdir().unwrap(), content());
    let server = serve(content.clone(), Manner::Whole);
    let fetch = || {
        let mut command = mpong();
        command
            .args(["weights", "fetch", NAME, "--base-url", &server.url, "--out"])
            .arg(folder.path());
        command
    };
    let output = fetch().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("not known beforehand"), "{said}");
    let recorded = folder.path().join(format!("{NAME}.sha256"));
    let text = std::fs::read_to_string(recorded).unwrap();
    assert_eq!(text, format!("{}  {NAME}\n", sha256(&content)));
    // Another file of that name is not taken for it.
    std::fs::write(folder.path().join(NAME), b"other").unwrap();
    let message = fails(&mut fetch(), 2);
    assert!(message.contains("sha256"), "{message}");
}

#[test]
fn a_checkpoint_converts_whole_and_is_the_same_predictor() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = tiny(folder.path(), "frozen_vc1_lstm_tiny", &vc1(24, 1, 2, true));
    let converted = folder.path().join("both.safetensors");
    let convert = |file: &Path, out: &Path| {
        let mut command = mpong();
        command
            .args(["weights", "convert"])
            .arg(file)
            .arg("--out")
            .arg(out);
        stdout(&mut command);
    };
    convert(&checkpoint, &converted);
    let said = stdout(mpong().args(["weights", "check"]).arg(&converted));
    assert!(
        said.contains("encoder vc1-tiny and dynamics lstm"),
        "{said}"
    );
    let latents = |model: &Path, name: &str| {
        let out = folder.path().join(name);
        let mut command = mpong();
        command
            .args(["predict", "--ids", "29337", "--subsample", "6", "--model"])
            .arg(model)
            .arg("--out")
            .arg(&out);
        stdout(&mut command);
        let set = mental_pong_game::task::ConditionSet::open("primate79").unwrap();
        let set = set.narrowed(&["29337"]).unwrap();
        mental_pong_predictor::latents::Latents::open(&out, Some(&set)).unwrap()
    };
    let (a, b) = (latents(&checkpoint, "a.npz"), latents(&converted, "b.npz"));
    assert_eq!(a, b);
    // Dynamics alone.
    let dynamics = folder.path().join("dynamics.safetensors");
    convert(&data("dyn_ctrnn_small.pth"), &dynamics);
    let said = stdout(mpong().args(["weights", "check"]).arg(&dynamics));
    assert!(said.contains("dynamics ctrnn"), "{said}");
}

#[test]
fn an_example_of_a_description_is_whole_and_errors_in_one_are_named() {
    let example = stdout(mpong().args(["weights", "convert", "--example", "vc1-base"]));
    let value: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(value["name"], "vc1-base");
    let folder = tempfile::tempdir().unwrap();
    let file = tiny(folder.path(), "frozen_vc1_lstm_tiny", &vc1(24, 1, 2, true));
    let beside = folder.path().join("frozen_vc1_lstm_tiny.pth.json");
    let whole = serde_json::to_string_pretty(&vc1(24, 1, 2, true)).unwrap();
    for (from, to, words) in [
        ("\"dim\": 24", "\"dim\": \"24\"", ["dim", "usize"]),
        ("\"depth\": 1,", "", ["depth", "nothing"]),
        ("\"depth\": 1", "\"layers\": 1", ["layers", "depth"]),
        ("{", "", ["pth.json", "expectedstruct"]),
    ] {
        let text = whole.replacen(from, to, 1);
        assert_ne!(text, whole);
        std::fs::write(&beside, text).unwrap();
        let message = fails(mpong().args(["weights", "check"]).arg(&file), 2);
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}
