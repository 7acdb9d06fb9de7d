//! Published weight files over the network, only when asked.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// What a file that is begun remembers of its source.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    url: String,
    /// A strong `ETag`, or the `Last-Modified` date.
    validator: Option<String>,
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
        (Some(digits), _) => Some(digits.to_lowercase()),
        (None, Checksum::Sha256(digits) | Checksum::Sha256Prefix(digits)) => Some(digits.into()),
        (None, Checksum::Unknown) => None,
    };
    create_folder(&args.out)?;
    let place = args.out.join(published.file);
    progress.note(&format!(
        "{}: licence {}; {}; size {}; from {url}",
        published.name,
        published.licence,
        published.citation,
        published.about_bytes.map_or("unknown".into(), shown),
    ));
    let there = place.exists();
    if !there {
        let part = args.out.join(format!("{}.part", published.file));
        let from = Address {
            url: &url,
            part: &part,
            most,
        };
        from.download(progress)?;
        let found = sha256_file(&part)?;
        check(&part, expected.as_deref(), &found).inspect_err(|_| {
            // What is wrong as a whole is no beginning of what is right.
            let _ = std::fs::remove_file(&part);
            let _ = std::fs::remove_file(from.notes());
        })?;
        std::fs::rename(&part, &place).map_err(|e| failed(&place, e))?;
        let _ = std::fs::remove_file(from.notes());
    }
    let found = sha256_file(&place)?;
    check(&place, expected.as_deref(), &found)?;
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
}

impl Address<'_> {
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
        let usable = begun.url == self.url && bytes > 0;
        Some((bytes, begun.validator?)).filter(|_| usable)
    }

    /// Fills the part file until it is whole.
    fn download(&self, progress: &Progress) -> Done {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .https_only(self.url.starts_with("https:"))
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
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
                let _ = std::fs::remove_file(self.notes());
                return Err(Failure::Resumable(format!(
                    "{}: the file has changed; run the same command again to begin anew",
                    self.url
                )));
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
            validator
        });
        write_atomic(self.notes(), |out| write!(out, "{notes}"))?;
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
        loop {
            if progress.stopped() {
                file.sync_all().map_err(io)?;
                return Err(Failure::Resumable(format!("stopped; {again}")));
            }
            let read = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    file.sync_all().map_err(io)?;
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
            Some(total) if at != total => Err(Failure::Resumable(format!(
                "{}: {at} of {total} bytes came; {again}",
                self.url
            ))),
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
