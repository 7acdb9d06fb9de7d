//! Pictures and the page. Each picture is drawn 400 units wide, so that its text stays legible on a phone.

mod loss;
pub mod number;
pub(crate) mod page;
pub(crate) mod plot;
mod recording;
pub mod side;
mod style;
pub(crate) mod svg;
pub(crate) mod trajectories;

pub use loss::{LossPoint, loss_figure};
pub use recording::recording_figure;

use std::path::Path;

use mental_pong_base::files::{create_folder, write_atomic};

use crate::error::Result;

/// Write texts by name (with `/`) below `folder`, in order, each whole or not at all.
///
/// # Errors
/// Naming the file.
pub fn write_texts(files: &[(String, String)], folder: &Path) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        create_folder(path.parent().unwrap_or(folder))?;
        write_atomic(&path, |out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}
