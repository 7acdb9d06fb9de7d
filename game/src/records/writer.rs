//! Writing records so that a run which is killed loses at most the running trial.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::records::columns::{FRAME_COLUMNS, TRIAL_COLUMNS, header};
use crate::records::frames_parquet::convert_frames;
use crate::records::name::SessionName;
use crate::records::reader::{ReadRows, read_frames, read_trials};
use crate::records::rows::{TrialRow, in_order, to_tsv};
use crate::records::sidecar::{Display, Run, Sidecar, json_text};
use crate::task::schedule::Plan;
use crate::task::session::Finished;
use mental_pong_base::files::{create_folder, write_atomic};

/// The open records of a session.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    name: SessionName,
    trials: File,
    trials_path: PathBuf,
    frames: File,
    frames_path: PathBuf,
    /// Held as long as the records are open; the system lets go of it when the process ends, however.
    _lock: File,
    lock_path: PathBuf,
    done: Vec<TrialRow>,
    /// Trials that a replayed session plays again before it comes to those that are not there yet.
    earlier: usize,
    torn: Option<String>,
    sidecar: Sidecar,
    /// Whether this run has trials to play.
    goes_on: bool,
    /// Whether an earlier run left the frames as Parquet too.
    had_parquet: bool,
    /// The file of the observer beside, once it has a trial.
    beside: Option<(PathBuf, File)>,
}

impl Recorder {
    /// Opens the records of `name` below `out`, new or to go on with.
    ///
    /// Where a run was stopped or killed, its whole trials are kept, what was torn is cut off, and
    /// [`Self::done`] says how far it came.
    ///
    /// # Errors
    /// [`Error::RecordsTaken`] where another run writes there, or the folder holds the records of
    /// another schedule or observer; [`Error::BadRow`] for records that are damaged elsewhere than at their end;
    /// [`Error::Io`].
    pub fn open(out: &Path, name: &SessionName, plan: &Plan, run: Run) -> Result<Self> {
        Self::opened(out, name, plan, run, false)
    }

    /// As [`Self::open`], for a session without a window that is played again from its first trial: what is there already is held
    /// against what [`Self::record`] gets, and the records come out as if nothing had stopped the session.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn replayed(out: &Path, name: &SessionName, plan: &Plan, run: Run) -> Result<Self> {
        Self::opened(out, name, plan, run, true)
    }

    fn opened(
        out: &Path,
        name: &SessionName,
        plan: &Plan,
        run: Run,
        replayed: bool,
    ) -> Result<Self> {
        let folder = name.folder(out);
        create_folder(&folder)?;
        let path = |suffix: &str| folder.join(name.file(suffix));
        let lock_path = path("beh.lock");
        let lock = lock(&lock_path)?;

        let schedule_path = path("schedule.tsv");
        let trials_path = path("beh.tsv");
        let frames_path = path("frames.tsv");
        let sidecar_path = path("beh.json");
        let known = if trials_path.exists() {
            Some(read_sidecar(&sidecar_path)?)
        } else {
            write_atomic(&schedule_path, |out| {
                out.write_all(plan.to_tsv().as_bytes())
            })?;
            None
        };
        let mut sidecar = Sidecar::resumed(known, plan, &folder)?;
        let (done, torn) = if trials_path.exists() {
            let read = read_trials(&trials_path)?;
            in_order(&read.rows, plan, &trials_path)?;
            if read.torn.is_some() || read.whole_bytes == 0 {
                cut(&trials_path, read.whole_bytes)?;
            }
            (read.rows, read.torn)
        } else {
            (Vec::new(), None)
        };
        // A session that is whole already has no further run.
        let goes_on = done.len() < plan.trials.len();
        if goes_on {
            sidecar.begin(run, done.len(), replayed, &trials_path)?;
        }
        // The sidecar is there before the first row that it describes.
        write_json(&sidecar_path, &sidecar.of_trials())?;
        write_json(&path("frames.json"), &sidecar.of_frames())?;
        cut_frames(&frames_path, done.len() as u32)?;
        // Made of the frames as they were: it would say less than they will.
        let frames_parquet = path("frames.parquet");
        let had_parquet = frames_parquet.exists();
        if goes_on && had_parquet {
            std::fs::remove_file(&frames_parquet).map_err(Error::io("remove", &frames_parquet))?;
        }
        let trials = append(&trials_path, &header(TRIAL_COLUMNS))?;
        let frames = append(&frames_path, &header(FRAME_COLUMNS))?;
        Ok(Self {
            folder,
            name: name.clone(),
            trials,
            trials_path,
            frames,
            frames_path,
            _lock: lock,
            lock_path,
            earlier: if replayed { done.len() } else { 0 },
            done,
            torn,
            sidecar,
            goes_on,
            had_parquet,
            beside: None,
        })
    }

    /// The trials that earlier runs recorded, in order.
    #[must_use]
    pub fn done(&self) -> &[TrialRow] {
        &self.done
    }

    /// What a killed run had written of a trial; it was cut off, and that trial comes again.
    #[must_use]
    pub fn torn(&self) -> Option<&str> {
        self.torn.as_deref()
    }

    /// The folder of the records.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the trials.
    #[must_use]
    pub fn trials_path(&self) -> &Path {
        &self.trials_path
    }

    /// Where a further file of the session belongs.
    #[must_use]
    pub fn path(&self, suffix: &str) -> PathBuf {
        self.folder.join(self.name.file(suffix))
    }

    /// Says what shows the task in this run, once that is known.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn describe(&mut self, display: &Display) -> Result<()> {
        match self.sidecar.runs.last_mut() {
            Some(run) if self.goes_on => run.display.clone_from(display),
            _ => return Ok(()),
        }
        write_json(&self.path("beh.json"), &self.sidecar.of_trials())?;
        write_json(&self.path("frames.json"), &self.sidecar.of_frames())
    }

    /// Appends a trial and syncs it: its frames first, so that a trial that is there has them.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::RecordsTaken`] for a trial that was recorded otherwise before.
    pub fn record(&mut self, finished: &Finished) -> Result<()> {
        if finished.trial.trial as usize <= self.earlier {
            return self.again(&finished.trial);
        }
        put(
            &mut self.frames,
            &self.frames_path,
            to_tsv(&finished.frames),
        )?;
        if let Some(row) = &finished.beside {
            self.record_beside(row)?;
        }
        let row = to_tsv(std::slice::from_ref(&finished.trial));
        put(&mut self.trials, &self.trials_path, row)?;
        self.done.push(finished.trial.clone());
        Ok(())
    }

    /// Holds a trial that is played again against the one that is there.
    fn again(&self, row: &TrialRow) -> Result<()> {
        let there = self.done.get(row.trial as usize - 1);
        if there == Some(row) {
            return Ok(());
        }
        Err(Error::RecordsTaken {
            path: self.trials_path.clone(),
            message: format!(
                "trial {} is not what {} plays there: these records were made otherwise; give another session or folder",
                row.trial, row.observer
            ),
        })
    }

    /// Makes `*_frames.parquet` of the frames, where it is `asked` for or an earlier run had made
    /// it, and says where it is. For the end of a run: the TSV is what survives a kill.
    ///
    /// # Errors
    /// As [`convert_frames`].
    pub fn finish(&self, asked: bool) -> Result<Option<PathBuf>> {
        let path = self.path("frames.parquet");
        if !(asked || self.had_parquet) || (!self.goes_on && path.exists()) {
            return Ok(path.exists().then_some(path));
        }
        convert_frames(&self.frames_path, &path)?;
        Ok(Some(path))
    }

    /// Appends the row of an observer beside to a file of its own, `…_desc-NAME_beh.tsv`.
    fn record_beside(&mut self, row: &TrialRow) -> Result<()> {
        if self.beside.is_none() {
            let path = self.path(&format!("desc-{}_beh.tsv", label(&row.observer)));
            if path.exists() {
                cut_trials(&path, self.done.len() as u32)?;
            }
            let file = append(&path, &header(TRIAL_COLUMNS))?;
            self.beside = Some((path, file));
        }
        match &mut self.beside {
            Some((path, file)) => put(file, path, to_tsv(std::slice::from_ref(row))),
            None => Ok(()),
        }
    }
}

impl Drop for Recorder {
    /// Leaves no lock behind.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// The label of an observer in a file's name: its letters and digits.
fn label(observer: &str) -> String {
    let label: String = observer
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    if label.is_empty() {
        "observer".into()
    } else {
        label
    }
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    Ok(write_atomic(path, |out| {
        out.write_all(json_text(value)?.as_bytes())
    })?)
}

fn put(file: &mut File, path: &Path, text: std::io::Result<Vec<u8>>) -> Result<()> {
    text.and_then(|text| file.write_all(&text))
        .and_then(|()| file.sync_data())
        .map_err(Error::io("write", path))
}

fn lock(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("open", path))?;
    match file.try_lock() {
        // A run that ended meanwhile took the file away: a lock on it would hold nobody off.
        Ok(()) if !same_file(&file, path) => return lock(path),
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::RecordsTaken {
                path: path.to_path_buf(),
                message: format!(
                    "is held: another run ({}) writes these records; end it, or give another \
                     session or folder",
                    holder.trim()
                ),
            });
        }
        Err(TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
    }
    // For people only: the lock itself is the system's, so that none outlives its process.
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "process {}", std::process::id()))
        .map_err(Error::io("write", path))?;
    Ok(file)
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |of: std::io::Result<std::fs::Metadata>| of.ok().map(|m| (m.dev(), m.ino()));
    id(file.metadata()) == id(std::fs::metadata(path))
}

/// Elsewhere a file that is open is not taken away.
#[cfg(not(unix))]
fn same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}

fn read_sidecar(path: &Path) -> Result<Sidecar> {
    let text = mental_pong_base::files::read(path, mental_pong_base::table::MAX_BYTES)?;
    serde_json::from_slice(&text)
        .ok()
        .and_then(|value| Sidecar::from_json(&value))
        .ok_or_else(|| Error::RecordsTaken {
            path: path.to_path_buf(),
            message: "does not say which schedule the records beside it are of".into(),
        })
}

/// Shortens a file to its whole rows.
fn cut(path: &Path, bytes: u64) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| {
            file.set_len(bytes)?;
            file.sync_all()
        })
        .map_err(Error::io("shorten", path))
}

/// Cuts off the frames of trials after number `done`: those trials come again.
fn cut_frames(path: &Path, done: u32) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let read = read_frames(path)?;
    cut_rows(path, &read, |row| row.trial <= done)
}

/// Cuts off the trials after number `done`: they come again.
fn cut_trials(path: &Path, done: u32) -> Result<()> {
    let read = read_trials(path)?;
    cut_rows(path, &read, |row| row.trial <= done)
}

/// Cuts off everything after the first rows that are kept.
fn cut_rows<R>(path: &Path, read: &ReadRows<R>, keeps: impl Fn(&R) -> bool) -> Result<()> {
    let keep = read.rows.partition_point(keeps);
    if keep == read.rows.len() && read.torn.is_none() {
        return Ok(());
    }
    let bytes = mental_pong_base::files::read(path, mental_pong_base::table::MAX_BYTES)?;
    // The header is a line too. Rows hold no line break.
    let end: usize = bytes
        .split_inclusive(|&b| b == b'\n')
        .take(keep + usize::from(read.whole_bytes > 0))
        .map(<[u8]>::len)
        .sum();
    cut(path, end as u64)
}

/// Opens a file to append to, with its header.
fn append(path: &Path, header: &str) -> Result<File> {
    let open = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() == 0 {
            file.write_all(header.as_bytes())?;
            file.sync_all()?;
        }
        Ok(file)
    };
    open().map_err(Error::io("open", path))
}
