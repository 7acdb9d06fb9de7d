//! Frames of other programs as a stimulus set: pictures, arrays and videos with a condition set that says
//! what is in them.
//!
//! | source | frames of a condition |
//! |---|---|
//! | folder of folders | `<id>/*.png`, `.jpg`, in natural order of the names |
//! | folder of files | `<id>.npy` (u8, `[frame, y, x]` or `[frame, y, x, channel]`), `<id>.gif`, or a video (`.mp4`, `.mov`, `.avi`, `.mkv`, `.webm`) through ffmpeg |
//! | `.npz` | an array named by the id, or one array `[condition, frame, y, x(, channel)]` in the set's order |
//! | `.npy` | `[condition, frame, y, x(, channel)]` in the set's order, all conditions of one length |
//! | `.tar`, or a folder of them | WebDataset: `<id>.npy`, `<id>.<any>.npy`, `<id>.gif`, or `<id>_<frame>.png`, `.jpg` |

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::decode::{Decoded, bad, check_size, decode_picture, read_video};
use crate::stimuli::lock::Lock;
use crate::stimuli::manifest::{FILE_NAME, GENERATOR, Manifest, SCHEMA_VERSION};
use crate::stimuli::pieces::{Pieces, file_name};
use crate::stimuli::write::{Counts, Output, Written, around, need_ffmpeg, put_manifest};
use crate::stimuli::{Job, Setting, StimulusSet, encode};
use crate::task::set::ConditionSet;
use mental_pong_base::Monitor;
use mental_pong_base::files::create_folder;

/// What the frames of an imported set are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// What they were: `png`, `npy`, `npz`, `gif`, `video`, `tar`.
    pub from: String,
    /// Height, pixels.
    pub height: usize,
    /// Width, pixels.
    pub width: usize,
    /// Channels: 1 grey, 3 RGB.
    pub channels: usize,
}

impl Imported {
    /// Shape of `n` frames: `[frame, y, x]`, or `[frame, y, x, channel]` where there are three.
    #[must_use]
    pub fn shape(&self, n: usize) -> Vec<usize> {
        let mut shape = vec![n, self.height, self.width];
        if self.channels > 1 {
            shape.push(self.channels);
        }
        shape
    }
}

/// The frames of a condition, all of one size.
struct Stack {
    n_frames: usize,
    size: [usize; 3],
    bytes: Vec<u8>,
    /// Frames per second, where the file says.
    rate_hz: Option<f64>,
}

/// Where the frames of one condition stand.
enum Place {
    Array(PathBuf),
    Member(PathBuf, String),
    Row(PathBuf, usize),
    Pictures(Vec<PathBuf>),
    Gif(PathBuf),
    Video(PathBuf),
    /// Members of a tar, `(place, length)`, each with its name.
    Tar(PathBuf, Vec<(String, u64, u64)>),
}

/// Puts the frames of `source` into `folder` as a stimulus set of the conditions of `set`, whose truth
/// has to have as many frames for each, at the set's rate. The monitor counts conditions.
///
/// # Errors
/// [`Error::BadFrames`] for frames that are none or do not fit the set: another id, number, size or rate;
/// [`Error::ManifestMismatch`] for a folder with another set; [`Error::Tool`] for a video without ffmpeg;
/// [`Error::Busy`]; [`Error::Interrupted`].
pub fn import(
    folder: impl AsRef<Path>,
    source: impl AsRef<Path>,
    set: &ConditionSet,
    job: &Job<'_>,
    monitor: &dyn Monitor,
) -> Result<Written> {
    let (folder, source) = (folder.as_ref(), source.as_ref());
    let (from, places) = listed(source, set)?;
    if from == "video" {
        need_ffmpeg(job.ffmpeg)?;
    }
    let setting = Setting {
        frame_rate_hz: Some(set.rate_hz()),
        ..Setting::new(set.law(), crate::frames::Preset::Model224)
    };
    let stimuli = StimulusSet::new(set, setting)?;
    let pieces = Pieces::of(&stimuli);
    create_folder(folder)?;
    let _lock = Lock::take(folder, ".lock")?;
    refuse_another(folder, &stimuli)?;
    super::leftovers::remove(folder, ".lock")?;

    let total = places.len() as u64;
    monitor.stage("import", total);
    let counts = Counts::default();
    let mut out = Output::new(folder, job.ffmpeg, monitor, &counts);
    let mut size: Option<[usize; 3]> = None;
    for ((condition, place), (&n, done)) in set
        .conditions()
        .iter()
        .zip(&places)
        .zip(pieces.n_frames.iter().zip(0..))
    {
        if monitor.stopped() {
            return Err(Error::Interrupted { done, total });
        }
        let stack = place.read(job.ffmpeg)?;
        stack.fits(
            place.path(),
            condition.id(),
            n,
            set.rate_hz(),
            *size.get_or_insert(stack.size),
        )?;
        let name = format!("{}.npy", file_name(condition.id()));
        let [height, width, channels] = stack.size;
        let shape = Imported {
            from: String::new(),
            height,
            width,
            channels,
        }
        .shape(n);
        let mut bytes = encode::npy_header(&shape, &out.path(&name))?;
        bytes.extend(stack.bytes);
        out.file(name, &bytes)?;
        monitor.advance(1);
    }
    let [height, width, channels] = size.unwrap_or_default();
    let imported = Imported {
        from: from.to_owned(),
        height,
        width,
        channels,
    };
    around(&stimuli, &pieces, &mut out)?;
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        generator: GENERATOR.to_owned(),
        command: job.command.to_owned(),
        tools: BTreeMap::new(),
        set: set.identity(),
        geometry: set.geometry().map(|g| (*g).clone()),
        stimuli_sha256: stimuli.sha256()?,
        shard: None,
        setting: stimuli.setting(),
        rate_hz: set.rate_hz(),
        frame_shape: imported.shape(0).split_off(1),
        n_conditions: set.len(),
        n_frames: pieces.n_frames.iter().map(|&n| n as u64).sum(),
        painted: None,
        pool: None,
        imported: Some(imported),
        files: std::mem::take(&mut out.files),
    };
    put_manifest(&manifest, &folder.join(FILE_NAME))?;
    Ok(Written {
        manifest,
        n_written: counts.written.into_inner(),
        n_kept: counts.kept.into_inner(),
    })
}

fn refuse_another(folder: &Path, stimuli: &StimulusSet) -> Result<()> {
    if !folder.join(FILE_NAME).exists() {
        return Ok(());
    }
    let there = Manifest::read(folder)?;
    let expected = stimuli.sha256()?;
    if there.imported.is_some() && there.stimuli_sha256 == expected {
        return Ok(());
    }
    Err(Error::ManifestMismatch {
        path: folder.join(FILE_NAME),
        field: "stimuli_sha256",
        expected,
        found: format!("{}: name another folder", there.stimuli_sha256),
    })
}

impl Stack {
    fn fits(&self, path: &Path, id: &str, n: usize, rate_hz: f64, size: [usize; 3]) -> Result<()> {
        let field = |name: &str| format!("{name} of condition `{id}`");
        if self.n_frames != n {
            let expected = format!("{n}, as the truth has at {rate_hz} Hz");
            return Err(bad(
                path,
                &field("frames"),
                &expected,
                self.n_frames.to_string(),
            ));
        }
        if self.size != size {
            let say = |[h, w, c]: [usize; 3]| format!("{w} x {h} with {c} channels");
            let expected = format!("{}, as the first condition's", say(size));
            return Err(bad(path, &field("size"), &expected, say(self.size)));
        }
        if let Some(found) = self.rate_hz.filter(|hz| (hz / rate_hz - 1.0).abs() > 0.02) {
            // A GIF counts hundredths of a second.
            let hundredths = (1000.0 / found - 1000.0 / rate_hz).abs() <= 5.0;
            if !hundredths || path.extension().is_none_or(|e| e != "gif") {
                let expected = format!("{rate_hz} frames per second, as the set");
                return Err(bad(path, &field("rate"), &expected, format!("{found:.3}")));
            }
        }
        Ok(())
    }

    fn of_pictures(place: &Path, pictures: impl Iterator<Item = Result<Decoded>>) -> Result<Self> {
        let mut stack = Self {
            n_frames: 0,
            size: [0; 3],
            bytes: Vec::new(),
            rate_hz: None,
        };
        for picture in pictures {
            stack.push(place, &picture?)?;
        }
        Ok(stack)
    }

    fn push(&mut self, place: &Path, picture: &Decoded) -> Result<()> {
        let size = [picture.height, picture.width, 3];
        if self.n_frames > 0 && size != self.size {
            let [height, width, _] = self.size;
            let expected = format!("{width} x {height}, as the frame before");
            let found = format!("{} x {}", picture.width, picture.height);
            return Err(bad(
                place,
                &format!("frame {}", self.n_frames),
                &expected,
                found,
            ));
        }
        self.size = size;
        self.n_frames += 1;
        self.bytes.extend_from_slice(&picture.rgb);
        Ok(())
    }

    /// An array of bytes; `row` of the first axis where it is a stack of conditions.
    fn of_npy(place: &Path, from: impl Read, row: Option<usize>) -> Result<Self> {
        let array = npyz::NpyFile::new(from)
            .map_err(|e| bad(place, "array", "a numpy array", e.to_string()))?;
        Self::of_array(place, array, row)
    }

    fn of_array<R: Read>(
        place: &Path,
        array: npyz::NpyFile<R>,
        row: Option<usize>,
    ) -> Result<Self> {
        let mut rest = checked_shape(place, array.header(), row.is_some())?;
        if row.is_some() {
            rest.remove(0);
        }
        let frames: usize = rest.iter().product();
        let mut from = array.into_inner();
        let skip = row.unwrap_or(0) as u64 * frames as u64;
        std::io::copy(&mut (&mut from).take(skip), &mut std::io::sink())
            .map_err(Error::io("read", place))?;
        let mut bytes = Vec::new();
        let read = from.take(frames as u64).read_to_end(&mut bytes);
        read.map_err(|e| bad(place, "array", "all of its bytes", e.to_string()))?;
        if bytes.len() != frames {
            let expected = format!("{frames} bytes");
            return Err(bad(place, "array", &expected, bytes.len().to_string()));
        }
        Ok(Self {
            n_frames: rest[0],
            size: [rest[1], rest[2], rest.get(3).copied().unwrap_or(1)],
            bytes,
            rate_hz: None,
        })
    }
}

/// The shape of an array of u8 in C order, of a condition or of a stack of them.
fn checked_shape(place: &Path, header: &npyz::NpyHeader, stacked: bool) -> Result<Vec<usize>> {
    let kind = header.dtype().descr();
    if !kind.trim_matches('\'').ends_with("u1") {
        return Err(bad(place, "data type", "uint8, 0 to 255", kind));
    }
    if header.order() == npyz::Order::Fortran {
        let expected = "C order (numpy.ascontiguousarray)";
        return Err(bad(place, "order", expected, "Fortran order"));
    }
    let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
    let rest = shape.get(usize::from(stacked)..).unwrap_or_default();
    let channels = rest.get(3).copied().unwrap_or(1);
    if !(3..=4).contains(&rest.len()) || !matches!(channels, 1 | 3) {
        let expected = match stacked {
            true => {
                "[condition, frame, y, x] or [condition, frame, y, x, channel] with 1 or 3 channels"
            }
            false => "[frame, y, x] or [frame, y, x, channel] with 1 or 3 channels",
        };
        return Err(bad(place, "shape", expected, format!("{shape:?}")));
    }
    check_size(place, rest[2], rest[1])?;
    Ok(shape)
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Pictures(files) => files.first().map_or(Path::new(""), PathBuf::as_path),
            Self::Array(path)
            | Self::Member(path, _)
            | Self::Row(path, _)
            | Self::Gif(path)
            | Self::Video(path)
            | Self::Tar(path, _) => path,
        }
    }

    fn read(&self, ffmpeg: Option<&Path>) -> Result<Stack> {
        let open = |path: &Path| std::fs::File::open(path).map_err(Error::io("read", path));
        match self {
            Self::Array(path) => Stack::of_npy(path, std::io::BufReader::new(open(path)?), None),
            Self::Row(path, row) => {
                Stack::of_npy(path, std::io::BufReader::new(open(path)?), Some(*row))
            }
            Self::Member(path, name) => member(path, name),
            Self::Pictures(files) => {
                let place = self.path();
                let read = files.iter().map(|file| {
                    let bytes = mental_pong_base::files::read(file, PICTURE_BYTES)?;
                    decode_picture(file, &bytes)
                });
                Stack::of_pictures(place, read)
            }
            Self::Gif(path) => {
                let bytes = mental_pong_base::files::read(path, PICTURE_BYTES)?;
                animation(path, &bytes)
            }
            Self::Video(path) => {
                let mut stack = Stack {
                    n_frames: 0,
                    size: [0; 3],
                    bytes: Vec::new(),
                    rate_hz: None,
                };
                let ffmpeg = need_ffmpeg(ffmpeg)?;
                read_video(ffmpeg, path, 1_000_000, |picture| {
                    stack.push(path, &picture)
                })?;
                stack.rate_hz = super::video::rate_hz(ffmpeg, path);
                Ok(stack)
            }
            Self::Tar(path, members) => {
                let mut file = open(path)?;
                let mut bytes_of = |at: u64, length: u64| -> Result<Vec<u8>> {
                    let mut bytes = Vec::new();
                    file.seek(SeekFrom::Start(at))
                        .map_err(Error::io("read", path))?;
                    let read = (&mut file).take(length).read_to_end(&mut bytes);
                    read.map_err(Error::io("read", path))?;
                    Ok(bytes)
                };
                match &members[..] {
                    [(name, at, length)] if name.ends_with(".npy") => {
                        Stack::of_npy(path, &bytes_of(*at, *length)?[..], None)
                    }
                    [(name, at, length)] if name.ends_with(".gif") => {
                        animation(path, &bytes_of(*at, *length)?)
                    }
                    many => {
                        let pictures = many.iter().map(|(name, at, length)| {
                            decode_picture(&path.join(name), &bytes_of(*at, *length)?)
                        });
                        Stack::of_pictures(path, pictures)
                    }
                }
            }
        }
    }
}

fn member(path: &Path, name: &str) -> Result<Stack> {
    let failed = |e: std::io::Error| bad(path, "npz", "a readable archive", e.to_string());
    let mut archive = npyz::npz::NpzArchive::open(path).map_err(failed)?;
    let array = archive.by_name(name).map_err(failed)?;
    let array = array.ok_or_else(|| bad(path, "npz", &format!("an array `{name}`"), "none"))?;
    let place = path.join(name);
    Stack::of_array(&place, array, None)
}

/// The frames of a GIF as they are shown.
fn animation(path: &Path, bytes: &[u8]) -> Result<Stack> {
    let failed = |e: gif::DecodingError| bad(path, "GIF", "a whole moving picture", e.to_string());
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut reader = options.read_info(bytes).map_err(failed)?;
    let (width, height) = (usize::from(reader.width()), usize::from(reader.height()));
    check_size(path, width, height)?;
    let mut canvas = vec![0_u8; 3 * width * height];
    let mut stack = Stack {
        n_frames: 0,
        size: [0; 3],
        bytes: Vec::new(),
        rate_hz: None,
    };
    let mut hundredths = 0.0;
    while let Some(frame) = reader.read_next_frame().map_err(failed)? {
        let before = (frame.dispose == gif::DisposalMethod::Previous).then(|| canvas.clone());
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let (w, h) = (usize::from(frame.width), usize::from(frame.height));
        let mut clear = Vec::new();
        for (k, rgba) in frame.buffer.chunks_exact(4).enumerate().take(w * h) {
            let (x, y) = (left + k % w.max(1), top + k / w.max(1));
            if x >= width || y >= height {
                continue;
            }
            let at = 3 * (y * width + x);
            clear.push(at);
            if rgba[3] > 0 {
                canvas[at..at + 3].copy_from_slice(&rgba[..3]);
            }
        }
        hundredths += f64::from(frame.delay);
        let dispose = frame.dispose;
        stack.push(
            path,
            &Decoded {
                width,
                height,
                rgb: canvas.clone(),
            },
        )?;
        if let Some(before) = before {
            canvas = before;
        } else if dispose == gif::DisposalMethod::Background {
            for at in clear {
                canvas[at..at + 3].fill(0);
            }
        }
    }
    if hundredths > 0.0 {
        stack.rate_hz = Some(100.0 * stack.n_frames as f64 / hundredths);
    }
    Ok(stack)
}

/// Longest picture or animation that is read, bytes.
const PICTURE_BYTES: u64 = 1 << 30;
const VIDEOS: [&str; 5] = ["mp4", "mov", "avi", "mkv", "webm"];
const PICTURES: [&str; 3] = ["png", "jpg", "jpeg"];

/// What kind the source is, and the place of each condition's frames, in the set's order.
fn listed(source: &Path, set: &ConditionSet) -> Result<(&'static str, Vec<Place>)> {
    let ext = |path: &Path| {
        let ext = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        ext.unwrap_or_default()
    };
    if source.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(source)
            .map_err(Error::io("read", source))?
            .map(|entry| entry.map(|e| e.path()).map_err(Error::io("read", source)))
            .collect::<Result<_>>()?;
        entries.sort();
        if entries.iter().any(|path| ext(path) == "tar") {
            let tars = entries.iter().filter(|path| ext(path) == "tar");
            return Ok(("tar", in_tars(tars, source, set)?));
        }
        return in_folder(source, &entries, set, ext);
    }
    match ext(source).as_str() {
        "tar" => Ok((
            "tar",
            in_tars(std::iter::once(&source.to_path_buf()), source, set)?,
        )),
        "npz" => Ok(("npz", in_npz(source, set)?)),
        "npy" => {
            let file = std::fs::File::open(source).map_err(Error::io("read", source))?;
            let header = npyz::NpyHeader::from_reader(std::io::BufReader::new(file))
                .map_err(|e| bad(source, "array", "a numpy array", e.to_string()))?;
            let shape = checked_shape(source, &header, true)?;
            if shape[0] != set.len() {
                let expected = format!("{}, as the set has", set.len());
                return Err(bad(source, "conditions", &expected, shape[0].to_string()));
            }
            let row = |row| Place::Row(source.to_path_buf(), row);
            Ok(("npy", (0..set.len()).map(row).collect()))
        }
        other => {
            let expected = "a folder, .npy, .npz or .tar; videos and GIFs in a folder, named by id";
            Err(bad(source, "format", expected, format!("`.{other}`")))
        }
    }
}

/// Gives each condition what is there for it, and refuses conditions without anything and things without
/// a condition.
fn matched<T>(source: &Path, set: &ConditionSet, mut there: BTreeMap<String, T>) -> Result<Vec<T>> {
    let mut found = Vec::with_capacity(set.len());
    let mut absent = Vec::new();
    for condition in set.conditions() {
        let id = condition.id();
        match there.remove(id).or_else(|| there.remove(&file_name(id))) {
            Some(one) => found.push(one),
            None => absent.push(id),
        }
    }
    let list = |ids: &[&str]| {
        let first = ids.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        if ids.len() > 5 {
            format!("{first} and {} more", ids.len() - 5)
        } else {
            first
        }
    };
    let other: Vec<&str> = there.keys().map(String::as_str).collect();
    if !absent.is_empty() {
        let more = match other.is_empty() {
            true => String::new(),
            false => format!("; there are {}", list(&other)),
        };
        let found = format!("none for {}{more}", list(&absent));
        return Err(bad(
            source,
            "conditions",
            "frames named by each id of the set",
            found,
        ));
    }
    if !other.is_empty() {
        let expected = format!(
            "frames of the {} conditions of `{}` alone",
            set.len(),
            set.name()
        );
        return Err(bad(
            source,
            "conditions",
            &expected,
            format!("also {}", list(&other)),
        ));
    }
    Ok(found)
}

fn in_folder(
    source: &Path,
    entries: &[PathBuf],
    set: &ConditionSet,
    ext: impl Fn(&Path) -> String,
) -> Result<(&'static str, Vec<Place>)> {
    let mut kinds: BTreeMap<&'static str, BTreeMap<String, Place>> = BTreeMap::new();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let ext = ext(path);
        let (kind, id, place) = if path.is_dir() {
            let mut files: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(Error::io("read", path))?
                .filter_map(|entry| entry.ok().map(|e| e.path()))
                .filter(|file| {
                    let ext = file.extension().map(|e| e.to_string_lossy().to_lowercase());
                    ext.is_some_and(|e| PICTURES.contains(&e.as_str()))
                })
                .collect();
            files.sort_by_cached_key(|file| natural(&file.to_string_lossy()));
            if files.is_empty() {
                return Err(bad(path, "frames", "PNG or JPEG files", "none"));
            }
            ("png", name.into_owned(), Place::Pictures(files))
        } else if ext == "npy" {
            let id = stem.strip_suffix(".frames").unwrap_or(&stem).to_owned();
            ("npy", id, Place::Array(path.clone()))
        } else if ext == "gif" {
            ("gif", stem, Place::Gif(path.clone()))
        } else if VIDEOS.contains(&ext.as_str()) {
            ("video", stem, Place::Video(path.clone()))
        } else {
            continue;
        };
        kinds.entry(kind).or_default().insert(id, place);
    }
    let names: Vec<&str> = kinds.keys().copied().collect();
    let mut kinds = kinds.into_iter();
    match (kinds.next(), kinds.next()) {
        (Some((kind, there)), None) => Ok((kind, matched(source, set, there)?)),
        (None, _) => {
            let expected = "folders of PNG or JPEG files, .npy, .gif, videos or .tar";
            Err(bad(source, "frames", expected, "none of them"))
        }
        _ => Err(bad(
            source,
            "frames",
            "one kind of them",
            names.join(" and "),
        )),
    }
}

fn in_npz(source: &Path, set: &ConditionSet) -> Result<Vec<Place>> {
    let failed = |e: std::io::Error| bad(source, "npz", "a readable archive", e.to_string());
    let archive = npyz::npz::NpzArchive::open(source).map_err(failed)?;
    let member = |name: &str| Place::Member(source.to_path_buf(), name.to_owned());
    let there = archive
        .array_names()
        .map(|name| (name.to_owned(), member(name)));
    matched(source, set, there.collect())
}

fn in_tars<'a>(
    tars: impl Iterator<Item = &'a PathBuf>,
    source: &Path,
    set: &ConditionSet,
) -> Result<Vec<Place>> {
    // Name, first byte and length of the pictures of each clip, and the shard that they are in.
    type Shard = (PathBuf, Vec<(String, u64, u64)>);
    let mut there: BTreeMap<String, Shard> = BTreeMap::new();
    for path in tars {
        let failed = |e: std::io::Error| bad(path, "tar", "a readable archive", e.to_string());
        let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            let (Some((stem, _)), Some((_, ext))) = (name.split_once('.'), name.rsplit_once('.'))
            else {
                continue;
            };
            let id = match ext.to_lowercase().as_str() {
                "npy" | "gif" => stem.to_owned(),
                e if PICTURES.contains(&e) => match stem.rsplit_once('_') {
                    Some((id, number)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                        id.to_owned()
                    }
                    _ => stem.to_owned(),
                },
                _ => continue,
            };
            let (_, members) = there
                .entry(id)
                .or_insert_with(|| (path.clone(), Vec::new()));
            members.push((name, entry.raw_file_position(), entry.size()));
        }
    }
    for (_, members) in there.values_mut() {
        members.sort_by_cached_key(|(name, ..)| natural(name));
    }
    let there = there
        .into_iter()
        .map(|(id, (path, members))| (id, Place::Tar(path, members)));
    matched(source, set, there.collect())
}

/// A key by which `frame_2` comes before `frame_10`.
fn natural(name: &str) -> Vec<(String, Option<u64>)> {
    let mut key: Vec<(String, Option<u64>)> = vec![(String::new(), None)];
    for c in name.chars() {
        let Some((text, number)) = key.last_mut() else {
            break;
        };
        match (c.to_digit(10).map(u64::from), *number) {
            (Some(digit), known) => {
                let before = known.unwrap_or(0).saturating_mul(10);
                *number = Some(before.saturating_add(digit));
            }
            (None, None) => text.push(c),
            (None, Some(_)) => key.push((c.to_string(), None)),
        }
    }
    key
}
