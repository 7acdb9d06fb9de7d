//! Published weight files over the network, only when asked.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mental_pong_base::Monitor;
use mental_pong_base::files::{create_folder, sha256_file, write_atomic};
use mental_pong_predictor::weights::catalogue::{self, Checksum, PUBLISHED};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::StatusCode;

use super::memory::{parse_bytes, shown};
use super::{output, output_json};
use crate::Done;
use crate::args::WeightsFetchArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// Largest file that is fetched where no size is stated, bytes.
const MOST_BYTES: u64 = 8_000_000_000;
/// Fewest bytes that have to come in a window of time, and the window.
const LEAST_BYTES: u64 = 60_000;
const WINDOW: Duration = Duration::from_secs(60);
/// What a whole fetch may take beside its bytes at [`SLOWEST`], seconds.
const GRACE_S: u64 = 600;
/// Slowest mean rate, bytes per second.
const SLOWEST: u64 = 50_000;

/// What a file that is begun remembers of its source.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    url: String,
    /// A strong `ETag`, or the `Last-Modified` date.
    validator: Option<String>,
    /// Bytes that were there when the work was stopped, and their SHA-256.
    #[serde(default)]
    held: Option<(u64, String)>,
}

pub(crate) fn fetch(args: &WeightsFetchArgs, progress: &Progress) -> Done {
    let Some(published) = catalogue::find(&args.name) else {
        let names: Vec<&str> = PUBLISHED.iter().map(|p| p.name).collect();
        return Err(Failure::Usage(format!(
            "{}: expected one of {}",
            args.name,
            names.join(", ")
        )));
    };
    let url = match &args.base_url {
        Some(base) => format!("{}/{}", base.trim_end_matches('/'), published.path),
        None => published.url(),
    };
    let most = match (&args.max_bytes, published.about_bytes) {
        (Some(text), _) => parse_bytes("--max-bytes", text)?,
        (None, Some(stated)) => stated + stated / 10,
        (None, None) => MOST_BYTES,
    };
    let expected = match (&args.sha256, published.checksum) {
        (Some(digits), _) if !whole_sha256(digits) => {
            return Err(Failure::Usage(format!(
                "--sha256 {digits}: expected all 64 hexadecimal digits, found {}",
                digits.chars().count()
            )));
        }
        (Some(digits), _) => Some(digits.to_lowercase()),
        (None, Checksum::Sha256(digits) | Checksum::Sha256Prefix(digits)) => Some(digits.into()),
        (None, Checksum::Unknown) => None,
    };
    create_folder(&args.out).map_err(of_file)?;
    let place = args.out.join(published.file);
    progress.note(&format!(
        "{}: licence {}; {}; size {}; sha256 {}; from {url}",
        published.name,
        published.licence,
        published.citation,
        published.about_bytes.map_or("unknown".into(), shown),
        match expected {
            Some(_) => "known, and checked",
            None => "not known beforehand: what comes is recorded beside it, not checked",
        }
    ));
    let there = place.exists();
    if !there {
        let part = args.out.join(format!("{}.part", published.file));
        let whole = args.timeout.unwrap_or(GRACE_S + most / SLOWEST);
        let from = Address {
            url: &url,
            part: &part,
            most,
            deadline: Instant::now() + Duration::from_secs(whole),
        };
        let resumed = from.begun().is_some();
        from.download(progress)?;
        let found = sha256_file(&part).map_err(of_file)?;
        if let Err(error) = check(&part, expected.as_deref(), &found) {
            // What is wrong as a whole is no beginning of what is right.
            from.forget();
            if !resumed {
                return Err(error);
            }
            progress.note("what was there of the file was damaged: it is fetched anew");
            from.download(progress)?;
            let found = sha256_file(&part).map_err(of_file)?;
            check(&part, expected.as_deref(), &found).inspect_err(|_| from.forget())?;
        }
        std::fs::rename(&part, &place).map_err(|e| failed(&place, e))?;
        let _ = std::fs::remove_file(from.notes());
    }
    let found = sha256_file(&place).map_err(of_file)?;
    let recorded = args.out.join(format!("{}.sha256", published.file));
    let before = std::fs::read_to_string(&recorded).ok();
    let before = before.and_then(|text| Some(text.split_whitespace().next()?.to_string()));
    check(&place, expected.as_deref().or(before.as_deref()), &found)?;
    if expected.is_none() && before.is_none() {
        // As `sha256sum -c` reads it.
        let line = format!("{found}  {}\n", published.file);
        write_atomic(&recorded, |out| out.write_all(line.as_bytes())).map_err(of_file)?;
    }
    let bytes = std::fs::metadata(&place)
        .map_err(|e| failed(&place, e))?
        .len();
    progress.finish();
    if args.json {
        return output_json(&json!({
            "name": published.name,
            "file": place,
            "url": url,
            "bytes": bytes,
            "sha256": found,
            "checked": expected.is_some(),
            "licence": published.licence,
            "citation": published.citation,
            "already_there": there,
        }));
    }
    output(|out| {
        let known = match (expected.is_some(), there) {
            (true, _) => "as expected",
            (false, _) => "not known beforehand",
        };
        let how = if there { "already there, " } else { "" };
        writeln!(
            out,
            "{}: {how}{bytes} bytes, sha256 {found} ({known}), licence {}",
            place.display(),
            published.licence
        )
    })
}

fn of_file(error: mental_pong_base::IoError) -> Failure {
    mental_pong_predictor::Error::from(error).into()
}

fn whole_sha256(digits: &str) -> bool {
    digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn failed(path: &Path, error: std::io::Error) -> Failure {
    mental_pong_predictor::Error::io(path, error).into()
}

/// Refuses a file whose SHA-256 does not begin with the digits expected.
fn check(path: &Path, expected: Option<&str>, found: &str) -> Done {
    match expected {
        Some(digits) if digits.is_empty() || !found.starts_with(digits) => {
            Err(Failure::Usage(format!(
                "{}: sha256: expected {digits}, found {found}",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

struct Address<'a> {
    url: &'a str,
    /// The file that grows.
    part: &'a Path,
    most: u64,
    /// When all of it has to be there.
    deadline: Instant,
}

impl Address<'_> {
    /// Takes away what is begun.
    fn forget(&self) {
        let _ = std::fs::remove_file(self.part);
        let _ = std::fs::remove_file(self.notes());
    }

    /// Notes how much is there, so that damage done meanwhile is seen.
    fn note_held(&self, bytes: u64) {
        let text = std::fs::read_to_string(self.notes()).unwrap_or_default();
        let Ok(mut begun) = serde_json::from_str::<Begun>(&text) else {
            return;
        };
        begun.held = sha256_file(self.part).ok().map(|sha256| (bytes, sha256));
        let notes = json!(begun);
        let _ = write_atomic(self.notes(), |out| write!(out, "{notes}"));
    }

    fn notes(&self) -> PathBuf {
        let mut name = self.part.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }

    fn refuse(&self, expected: &str, found: impl std::fmt::Display) -> Failure {
        Failure::Usage(format!("{}: expected {expected}, found {found}", self.url))
    }

    /// Bytes that are there already, and what says that the rest belongs to them.
    fn begun(&self) -> Option<(u64, String)> {
        let text = std::fs::read_to_string(self.notes()).ok()?;
        let begun: Begun = serde_json::from_str(&text).ok()?;
        let bytes = std::fs::metadata(self.part).ok()?.len();
        let whole = match &begun.held {
            Some((held, sha256)) => {
                *held == bytes && sha256_file(self.part).ok().as_ref() == Some(sha256)
            }
            None => true,
        };
        let usable = begun.url == self.url && bytes > 0 && whole;
        Some((bytes, begun.validator?)).filter(|_| usable)
    }

    /// Fills the part file until it is whole.
    fn download(&self, progress: &Progress) -> Done {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .https_only(self.url.starts_with("https:"))
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(WINDOW))
            .user_agent(concat!("mpong/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build()
            .into();
        let begun = self.begun();
        let mut request = agent.get(self.url);
        if let Some((bytes, validator)) = &begun {
            request = request
                .header("Range", format!("bytes={bytes}-"))
                .header("If-Range", validator);
        }
        let response = request.call().map_err(|e| self.refuse("an answer", e))?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(ToString::to_string)
        };
        let length = response.body().content_length();
        let (at, total) = match (response.status(), &begun) {
            (StatusCode::OK, _) => (0, length),
            (StatusCode::PARTIAL_CONTENT, Some((bytes, _))) => {
                let range = header("content-range").unwrap_or_default();
                let total = whole_of(&range, *bytes)
                    .ok_or_else(|| self.refuse(&format!("bytes from {bytes} on"), &range))?;
                (*bytes, Some(total))
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((bytes, _))) => {
                // All of it is there, or it is of another file.
                let range = header("content-range").unwrap_or_default();
                if range.strip_prefix("bytes */") == Some(&bytes.to_string()) {
                    return Ok(());
                }
                // Begun of another file: it is fetched anew.
                self.forget();
                return self.download(progress);
            }
            (status, _) => return Err(self.refuse("the file (200)", status)),
        };
        if let Some(total) = total.filter(|total| *total > self.most) {
            return Err(self.refuse(
                &format!("at most {} (--max-bytes)", shown(self.most)),
                format!("{total} bytes"),
            ));
        }
        let validator = header("etag")
            .filter(|tag| !tag.starts_with("W/"))
            .or_else(|| header("last-modified"));
        let notes = json!(Begun {
            url: self.url.into(),
            validator,
            held: None,
        });
        write_atomic(self.notes(), |out| write!(out, "{notes}")).map_err(of_file)?;
        let mut body = response.into_body().into_reader();
        self.fill(&mut body, at, total, progress)
    }

    fn fill(
        &self,
        body: &mut dyn Read,
        from: u64,
        total: Option<u64>,
        progress: &Progress,
    ) -> Done {
        let io = |e| failed(self.part, e);
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.part)
            .map_err(io)?;
        file.set_len(from).map_err(io)?;
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        progress.stage("fetching (bytes)", total.unwrap_or(0));
        progress.advance(from);
        let (mut at, mut piece) = (from, vec![0; 1 << 16]);
        let again = "run the same command again to go on";
        let (mut window, mut window_at) = (Instant::now(), from);
        loop {
            let late = Instant::now() > self.deadline;
            let slow = window.elapsed() > WINDOW && at - window_at < LEAST_BYTES;
            if progress.stopped() || late || slow {
                file.sync_all().map_err(io)?;
                self.note_held(at);
                let why = match (late, slow) {
                    (true, _) => "it took longer than it may (--timeout)",
                    (_, true) => "less than 1 kB came in a second",
                    _ => "stopped",
                };
                return Err(Failure::Resumable(format!("{}: {why}; {again}", self.url)));
            }
            if window.elapsed() > WINDOW {
                (window, window_at) = (Instant::now(), at);
            }
            let read = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    file.sync_all().map_err(io)?;
                    self.note_held(at);
                    let all = total.map_or("unknown".to_string(), |t| t.to_string());
                    return Err(Failure::Resumable(format!(
                        "{}: {at} of {all} bytes came, then: {e}; {again}",
                        self.url
                    )));
                }
            };
            at += read as u64;
            if at > self.most || total.is_some_and(|total| at > total) {
                let _ = std::fs::remove_file(self.part);
                let most = total.unwrap_or(self.most).min(self.most);
                return Err(self.refuse(&format!("at most {most} bytes"), "more"));
            }
            file.write_all(&piece[..read]).map_err(io)?;
            progress.advance(read as u64);
        }
        file.sync_all().map_err(io)?;
        match total {
            Some(total) if at != total => {
                self.note_held(at);
                Err(Failure::Resumable(format!(
                    "{}: {at} of {total} bytes came; {again}",
                    self.url
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The size of the whole file in `bytes <from>-<last>/<whole>`, when it goes on at `from`.
fn whole_of(range: &str, from: u64) -> Option<u64> {
    let (span, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let whole: u64 = whole.parse().ok()?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first == from && last + 1 == whole).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_must_go_on_where_the_file_ends() {
        assert_eq!(whole_of("bytes 5-9/10", 5), Some(10));
        for wrong in [
            "bytes 4-9/10",
            "bytes 5-8/10",
            "bytes 5-9/*",
            "",
            "items 5-9/10",
        ] {
            assert_eq!(whole_of(wrong, 5), None, "{wrong}");
        }
    }
}
