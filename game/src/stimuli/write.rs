//! Writing a stimulus set so that it can be stopped, taken up again, and shared among machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::stimuli::drawer::{Adapter, Apart, Drawer, Drawn, Painted, Painter};
use crate::stimuli::journal::{Done, Journal};
use crate::stimuli::lock::Lock;
use crate::stimuli::manifest::{
    FILE_NAME, FileEntry, GENERATOR, Manifest, PoolInfo, SCHEMA_VERSION,
};
use crate::stimuli::movie::Format;
use crate::stimuli::pieces::{Pieces, file_name};
use crate::stimuli::plan::{PLAN_NAME, Plan, Shard};
use crate::stimuli::set::StimulusSet;
use crate::stimuli::truth::{write_truth_csv, write_truth_parquet};
use crate::stimuli::{encode, leftovers, need, video, zarr};
use crate::task::set::{ConditionSet, Pictures, TableRules};
use mental_pong_base::Monitor;
use mental_pong_base::files::{create_folder, sha256_file, sha256_hex, write_atomic, write_whole};

/// The condition table's name in a set's folder.
pub(crate) const CONDITIONS_NAME: &str = "conditions.csv";

/// How a set is to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Job<'a> {
    /// Goes into the manifest as it is; the same for every shard.
    pub command: &'a str,
    /// The part to write; the whole set without it.
    pub shard: Option<Shard>,
    /// The ffmpeg that makes videos.
    pub ffmpeg: Option<&'a Path>,
    /// Bytes that are free on the folder's disk; not looked at without it.
    pub free_bytes: Option<u64>,
}

/// What a call of [`write_set`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The set, or the shard.
    pub manifest: Manifest,
    /// Files written by this call.
    pub n_written: u64,
    /// Files that stood there already with the right content.
    pub n_kept: u64,
}

/// Writes a set, or a shard of it, into `folder`, and its manifest last.
///
/// The bytes depend neither on the number of threads, nor on how often the work was stopped, nor,
/// once [`merge`](super::merge()) has been called, on the number of shards. Files with the right
/// content are left alone, others are replaced, each as a whole; a file of the set that was damaged
/// is healed by the same call. The shards of a set may be written into one folder at the same time.
/// The monitor counts pieces: a condition, a tar shard, or a file of the pool.
///
/// # Errors
/// [`Error::ManifestMismatch`] when the folder holds another set, which is left alone;
/// [`Error::Busy`] when another run writes there; [`Error::NoSpace`] before anything is drawn;
/// [`Error::Tool`] when a video is asked for and ffmpeg is missing; [`Error::Io`] when it cannot be
/// written or the disk is full; [`Error::Interrupted`] when the monitor asks to stop: what was
/// written is whole.
pub fn write_set(
    folder: impl AsRef<Path>,
    set: &StimulusSet,
    job: &Job<'_>,
    monitor: &dyn Monitor,
) -> Result<Written> {
    write_with(folder.as_ref(), set, job, None, monitor)
}

/// As [`write_set`], drawn by `painter` where the set's setting asks for another drawer than the
/// rasteriser. Every frame is compared with the rasteriser's, and the manifest says how far they are
/// apart. Frames are drawn one after another: a graphics device is not shared.
///
/// The bytes are those of the painter's adapter and driver. A run that is taken up again on another
/// adapter draws everything again, and shards of different adapters are not merged.
///
/// # Errors
/// As [`write_set`], and what the painter says.
pub fn write_set_with(
    folder: impl AsRef<Path>,
    set: &StimulusSet,
    job: &Job<'_>,
    painter: &mut dyn Painter,
    monitor: &dyn Monitor,
) -> Result<Written> {
    let by_painter = set.setting().drawn_by != Drawer::Rasteriser;
    let painter = by_painter.then_some(painter);
    write_with(folder.as_ref(), set, job, painter, monitor)
}

fn write_with(
    folder: &Path,
    set: &StimulusSet,
    job: &Job<'_>,
    painter: Option<&mut dyn Painter>,
    monitor: &dyn Monitor,
) -> Result<Written> {
    let tools = tools(set, job, painter.is_some())?;
    let pieces = Pieces::of(set);
    let n_shards = job.shard.map_or(1, |shard| shard.of);
    let mine = job.shard.map_or(0..pieces.n, |s| s.pieces(pieces.n));
    let suffix = job
        .shard
        .map_or_else(String::new, |s| format!("-{}", s.label()));

    let made = !folder.exists();
    create_folder(folder)?;
    let lock_name = format!(".lock{suffix}");
    let lock = Lock::take(folder, &lock_name)?;
    let plan = Plan::of(set, &pieces, job.command, n_shards)?;
    let claimed = folder.join(PLAN_NAME).exists();
    plan.claim(folder)?;
    leftovers::remove(folder, &lock_name)?;
    let adapter = painter.as_ref().map(|painter| painter.adapter());
    let drawn_with = match &adapter {
        Some(adapter) => format!("{GENERATOR}, {adapter}"),
        None => GENERATOR.to_owned(),
    };
    let journal = Journal::open(
        folder.join(format!(".journal{suffix}.jsonl")),
        &plan.stimuli_sha256,
        &drawn_with,
    )?;
    if let Some((need_bytes, free_bytes)) = lacking(folder, set, job, &pieces, &journal)? {
        if !claimed {
            // Nothing was drawn: the folder is free for another set.
            journal.remove()?;
            remove(&folder.join(PLAN_NAME))?;
            drop(lock);
            if made {
                // Only where it is empty: what is in it by now is somebody's.
                let _ = std::fs::remove_dir(folder);
            }
        }
        return Err(Error::NoSpace {
            path: folder.to_path_buf(),
            need_bytes,
            free_bytes,
        });
    }

    let total = mine.len() as u64;
    monitor.stage("stimuli", total);
    let counts = Counts::default();
    let done = AtomicU64::new(0);
    let run = Run {
        folder,
        set,
        job,
        pieces: &pieces,
        journal: &journal,
        monitor,
        counts: &counts,
        done: &done,
    };
    let drawn: Vec<Option<Done>> = match painter {
        None => mine
            .into_par_iter()
            .map(|piece| run.piece(piece, None))
            .collect::<Result<_>>()?,
        Some(painter) => {
            let one = |piece| run.piece(piece, Some(&mut *painter));
            mine.map(one).collect::<Result<_>>()?
        }
    };
    let Some(drawn) = drawn.into_iter().collect::<Option<Vec<_>>>() else {
        return Err(Error::Interrupted {
            done: done.into_inner(),
            total,
        });
    };
    let manifest = run.finish(plan, tools, adapter, drawn)?;
    journal.remove()?;
    drop(lock);
    Ok(Written {
        manifest,
        n_written: counts.written.into_inner(),
        n_kept: counts.kept.into_inner(),
    })
}

/// The programs that a set needs, with their versions, where it can be drawn as asked.
fn tools(set: &StimulusSet, job: &Job<'_>, painted: bool) -> Result<BTreeMap<String, String>> {
    if let Some(shard) = job.shard {
        shard.check()?;
    }
    if !painted && set.setting().drawn_by != Drawer::Rasteriser {
        return Err(Error::BadValue {
            field: "renderer",
            expected: "one that draws here (bevy: feature `play`)".into(),
            found: set.setting().drawn_by.name().into(),
        });
    }
    let mut tools = BTreeMap::new();
    if set.setting().format == Format::Mp4 {
        let version = video::ffmpeg_version(need_ffmpeg(job.ffmpeg)?)?;
        tools.insert("ffmpeg".to_owned(), version);
    }
    Ok(tools)
}

/// Bytes that a run needs and that are free, where these are too few.
fn lacking(
    folder: &Path,
    set: &StimulusSet,
    job: &Job<'_>,
    pieces: &Pieces,
    journal: &Journal,
) -> Result<Option<(u64, u64)>> {
    let Some(free_bytes) = job.free_bytes else {
        return Ok(None);
    };
    let mine = job.shard.map_or(0..pieces.n, |s| s.pieces(pieces.n));
    let whole = job.shard.is_none();
    let all = need::bytes(set, pieces, mine, whole, job.ffmpeg, folder)?;
    let need_bytes = all.saturating_sub(standing(folder, journal));
    Ok((need_bytes > free_bytes).then_some((need_bytes, free_bytes)))
}

/// A call of [`write_set`] at work.
struct Run<'a> {
    folder: &'a Path,
    set: &'a StimulusSet,
    job: &'a Job<'a>,
    pieces: &'a Pieces,
    journal: &'a Journal,
    monitor: &'a dyn Monitor,
    counts: &'a Counts,
    done: &'a AtomicU64,
}

impl Run<'_> {
    /// Puts what stands beside the frames, and last the manifest.
    fn finish(
        &self,
        plan: Plan,
        tools: BTreeMap<String, String>,
        adapter: Option<Adapter>,
        drawn: Vec<Done>,
    ) -> Result<Manifest> {
        let painted = adapter.map(|adapter| {
            let mut difference = Apart::default();
            for piece in drawn.iter().filter_map(|piece| piece.difference.as_ref()) {
                difference.add(piece);
            }
            Painted {
                adapter,
                difference,
            }
        });
        let mut manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            generator: plan.generator,
            command: plan.command,
            tools,
            set: plan.set,
            geometry: self.set.set().geometry().map(|g| (*g).clone()),
            stimuli_sha256: plan.stimuli_sha256,
            shard: self.job.shard,
            setting: plan.setting,
            rate_hz: plan.setting.rate_hz(),
            frame_shape: plan.setting.shape(0).split_off(1),
            n_conditions: plan.n_conditions,
            n_frames: plan.n_frames,
            pool: self.pieces.pool.as_ref().map(|pool| PoolInfo {
                n_pictures: pool.pictures.len(),
                per_file: pool.per_file,
            }),
            imported: None,
            painted,
            files: drawn.into_iter().flat_map(|piece| piece.files).collect(),
        };
        let (folder, job) = (self.folder, self.job);
        let mut out = Output::new(folder, job.ffmpeg, self.monitor, self.counts);
        match job.shard {
            None => {
                around(self.set, self.pieces, &mut out)?;
                manifest.files.append(&mut out.files);
                put_manifest(&manifest, &folder.join(FILE_NAME))?;
                remove(&folder.join(PLAN_NAME))?;
            }
            Some(shard) => {
                conditions_table(self.set, &mut out)?;
                put_manifest(&manifest, &folder.join(shard.manifest_name()))?;
            }
        }
        Ok(manifest)
    }

    /// Draws a piece unless it stands already; nothing when asked to stop before it was whole.
    fn piece(&self, piece: usize, painter: Option<&mut dyn Painter>) -> Result<Option<Done>> {
        let mut out = Output::new(self.folder, self.job.ffmpeg, self.monitor, self.counts);
        if out.stopped() {
            return Ok(None);
        }
        let known = self.journal.done.get(&piece);
        let done = match known.filter(|known| all_stand(self.folder, &known.files)) {
            Some(known) => {
                let n = known.files.len() as u64;
                self.counts.kept.fetch_add(n, Ordering::Relaxed);
                known.clone()
            }
            None => {
                let drawn = match painter {
                    Some(painter) => {
                        let Some(drawn) = self.paint(piece, painter)? else {
                            return Ok(None);
                        };
                        Some(drawn)
                    }
                    None => None,
                };
                let (difference, set) = match drawn {
                    Some((drawn, apart)) => (Some(apart), &self.set.with_drawn(drawn)),
                    None => (None, self.set),
                };
                if !self.pieces.draw(set, piece, &mut out)? {
                    return Ok(None);
                }
                let done = Done {
                    files: out.files,
                    difference,
                };
                self.journal.note(piece, &done)?;
                done
            }
        };
        self.done.fetch_add(1, Ordering::Relaxed);
        self.monitor.advance(1);
        Ok(Some(done))
    }

    /// Has the frames of a piece drawn, and says how far they are from the rasteriser's.
    fn paint(&self, piece: usize, painter: &mut dyn Painter) -> Result<Option<(Drawn, Apart)>> {
        let (mut frames, mut apart) = (BTreeMap::new(), Apart::default());
        for condition in &self.set.conditions()[self.pieces.range(piece)] {
            let mut movie = self.set.movie(condition);
            painter.set_geometry(condition.geometry());
            let mut drawn = Vec::with_capacity(movie.n_frames());
            for n in 0..movie.n_frames() {
                if self.monitor.stopped() {
                    return Ok(None);
                }
                let frame = painter.paint(&movie.scene(n))?;
                let exact = movie.draw(n);
                if frame.len() != exact.len() {
                    return Err(Error::BadValue {
                        field: "renderer",
                        expected: format!("a picture of {} bytes", exact.len()),
                        found: frame.len().to_string(),
                    });
                }
                apart.add(&Apart::of(&frame, exact));
                drawn.push(frame);
            }
            frames.insert(condition.id().to_owned(), drawn);
        }
        Ok(Some((Drawn(frames.into()), apart)))
    }
}

/// Bytes that a set, or a shard of it, takes on the disk: about, and rather too many. A video that is
/// tried for this goes through a temporary file in `scratch`.
///
/// # Errors
/// [`Error::Encode`] or [`Error::Tool`] when a sample cannot be encoded.
pub fn needed_bytes(set: &StimulusSet, job: &Job<'_>, scratch: &Path) -> Result<u64> {
    let pieces = Pieces::of(set);
    let mine = job.shard.map_or(0..pieces.n, |s| s.pieces(pieces.n));
    let whole = job.shard.is_none();
    need::bytes(set, &pieces, mine, whole, job.ffmpeg, scratch)
}

/// Puts the plan of a sharded set into a folder before any shard runs, so that what is missing can be
/// told from the beginning.
///
/// # Errors
/// As [`write_set`] of a shard.
pub fn plan_shards(
    folder: impl AsRef<Path>,
    set: &StimulusSet,
    command: &str,
    n_shards: u32,
) -> Result<Plan> {
    let folder = folder.as_ref();
    Shard {
        index: 0,
        of: n_shards,
    }
    .check()?;
    let plan = Plan::of(set, &Pieces::of(set), command, n_shards)?;
    create_folder(folder)?;
    plan.claim(folder)?;
    Ok(plan)
}

/// The set that a folder holds, as its manifest and its condition table say, to draw from.
///
/// # Errors
/// As [`Manifest::read`]; [`Error::BadRow`] for a damaged table; [`Error::ManifestMismatch`] when
/// the two do not belong together.
pub fn open_set(folder: impl AsRef<Path>) -> Result<(Manifest, StimulusSet)> {
    let folder = folder.as_ref();
    let manifest = Manifest::read(folder)?;
    if manifest.imported.is_some() {
        return Err(Error::ManifestMismatch {
            path: folder.join(FILE_NAME),
            field: "imported",
            expected: "frames that are drawn".into(),
            found: "imported frames, which are read from the folder: it is a condition set".into(),
        });
    }
    let set = set_of(folder, &manifest)?;
    Ok((manifest, set))
}

/// The condition set of a stimulus folder. The conditions of an imported one have their pictures.
///
/// # Errors
/// As [`open_set`], but for imported frames.
pub fn condition_set(folder: impl AsRef<Path>) -> Result<ConditionSet> {
    let folder = folder.as_ref();
    let manifest = Manifest::read(folder)?;
    let set = set_of(folder, &manifest)?;
    Ok(match &manifest.imported {
        None => set.set().clone(),
        Some(imported) => set.set().with_pictures(|id| {
            Pictures::new(
                folder.join(format!("{}.npy", file_name(id))),
                [imported.height, imported.width, imported.channels],
            )
        }),
    })
}

/// The set of a manifest, whose condition table is in `folder`.
pub(crate) fn set_of(folder: &Path, manifest: &Manifest) -> Result<StimulusSet> {
    let path = folder.join(CONDITIONS_NAME);
    let rules = TableRules {
        law: manifest.setting.law.law(),
        ..TableRules::default()
    };
    let table = ConditionSet::read_csv(&path, rules)?;
    let set = table.claimed(&manifest.set, &path)?;
    let set = StimulusSet::new(&set, manifest.setting)?;
    let found = set.sha256()?;
    if found != manifest.stimuli_sha256 {
        return Err(Error::ManifestMismatch {
            path,
            field: "stimuli_sha256",
            expected: manifest.stimuli_sha256.clone(),
            found,
        });
    }
    Ok(set)
}

/// What stands beside the frames of a whole set: tables, truth, index, metadata.
pub(crate) fn around(set: &StimulusSet, pieces: &Pieces, out: &mut Output) -> Result<()> {
    let setting = set.setting();
    if setting.format == Format::Zarr {
        let ids = set.set().ids();
        let path = out.path(zarr::FOLDER);
        for (name, bytes) in zarr::around(&ids, &pieces.n_frames, &setting, &path)? {
            out.file(name, &bytes)?;
        }
    }
    if let Some(pool) = &pieces.pool {
        let path = out.path("index.npy");
        let bytes = encode::npy_u32(&pool.index(set), &path)?;
        out.file("index.npy".into(), &bytes)?;
    }
    conditions_table(set, out)?;
    out.stream("ground_truth.csv", |file, path| {
        write_truth_csv(set, file).map_err(Error::io("write", path))
    })?;
    out.stream("ground_truth.parquet", |file, path| {
        write_truth_parquet(set, file, path)
    })
}

fn conditions_table(set: &StimulusSet, out: &mut Output) -> Result<()> {
    let bytes = set.conditions_csv(&out.path(CONDITIONS_NAME))?;
    out.file(CONDITIONS_NAME.into(), &bytes)
}

pub(crate) fn put_manifest(manifest: &Manifest, path: &Path) -> Result<()> {
    let text = manifest.to_json().map_err(Error::io("write", path))?;
    if holds(path, &text) {
        return Ok(());
    }
    Ok(write_atomic(path, |out| out.write_all(&text))?)
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Whether a file holds exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.len() == bytes.len() as u64)
        && std::fs::read(path).is_ok_and(|there| there == bytes)
}

/// Whether files stand as an entry says.
fn all_stand(folder: &Path, files: &[FileEntry]) -> bool {
    files.iter().all(|file| {
        let path = folder.join(&file.path);
        std::fs::metadata(&path).is_ok_and(|m| m.len() == file.bytes)
            && sha256_file(&path).is_ok_and(|found| found == file.sha256)
    })
}

/// Bytes of this run's files that are there already.
fn standing(folder: &Path, journal: &Journal) -> u64 {
    if let Ok(manifest) = Manifest::read(folder) {
        return manifest.bytes();
    }
    let files = journal.done.values().flat_map(|done| &done.files);
    files
        .filter(|file| folder.join(&file.path).exists())
        .map(|file| file.bytes)
        .fold(0, u64::saturating_add)
}

pub(crate) fn need_ffmpeg(ffmpeg: Option<&Path>) -> Result<&Path> {
    ffmpeg.ok_or_else(|| Error::Tool {
        tool: "ffmpeg",
        message: "not found, and MP4 needs it: install it (Debian and Ubuntu `apt install ffmpeg`, \
                  macOS `brew install ffmpeg`, Windows `winget install ffmpeg`), name it (--ffmpeg FILE), or choose \
                  another format, as gif"
            .into(),
    })
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) written: AtomicU64,
    pub(crate) kept: AtomicU64,
}

/// Where a piece puts its files.
pub(crate) struct Output<'a> {
    folder: &'a Path,
    ffmpeg: Option<&'a Path>,
    monitor: &'a dyn Monitor,
    counts: &'a Counts,
    pub(crate) files: Vec<FileEntry>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(
        folder: &'a Path,
        ffmpeg: Option<&'a Path>,
        monitor: &'a dyn Monitor,
        counts: &'a Counts,
    ) -> Self {
        Self {
            folder,
            ffmpeg,
            monitor,
            counts,
            files: Vec::new(),
        }
    }

    pub(crate) fn folder(&self) -> &'a Path {
        self.folder
    }

    pub(crate) fn ffmpeg(&self) -> Result<&'a Path> {
        need_ffmpeg(self.ffmpeg)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn stopped(&self) -> bool {
        self.monitor.stopped()
    }

    /// Puts a file in its place unless it is there.
    pub(crate) fn file(&mut self, name: String, bytes: &[u8]) -> Result<()> {
        let path = self.path(&name);
        if holds(&path, bytes) {
            self.counts.kept.fetch_add(1, Ordering::Relaxed);
        } else {
            if let Some(parent) = path.parent()
                && parent != self.folder
            {
                create_folder(parent)?;
            }
            write_whole(&path, bytes)?;
            self.counts.written.fetch_add(1, Ordering::Relaxed);
        }
        self.files.push(FileEntry {
            path: name,
            bytes: bytes.len() as u64,
            sha256: sha256_hex(bytes),
        });
        Ok(())
    }

    /// Puts a file that is too long for memory in its place.
    pub(crate) fn stream(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut std::fs::File, &Path) -> Result<()>,
    ) -> Result<()> {
        let path = self.path(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".part-");
        // A temporary file is private; the finished one follows the user's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder
            .tempfile_in(self.folder)
            .map_err(Error::io("write", &path))?;
        write(file.as_file_mut(), &path)?;
        let bytes = file
            .as_file()
            .metadata()
            .map_err(Error::io("read", &path))?
            .len();
        let sha256 = sha256_file(file.path())?;
        let entry = FileEntry {
            path: name.to_owned(),
            bytes,
            sha256,
        };
        if all_stand(self.folder, std::slice::from_ref(&entry)) {
            self.counts.kept.fetch_add(1, Ordering::Relaxed);
        } else {
            file.as_file()
                .sync_all()
                .map_err(Error::io("write", &path))?;
            file.persist(&path)
                .map_err(|e| Error::io("write", &path)(e.error))?;
            self.counts.written.fetch_add(1, Ordering::Relaxed);
        }
        self.files.push(entry);
        Ok(())
    }
}
