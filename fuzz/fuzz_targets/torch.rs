#![no_main]

use libfuzzer_sys::fuzz_target;
use mental_pong_formats::torch::File;

fuzz_target!(|data: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join("file.pth");
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok((mut file, objects)) = File::open(&path)
        && let Some(entries) = objects.root().entries()
    {
        for (_, value) in entries {
            if let Some(tensor) = value.tensor() {
                let _ = file.values(tensor);
            }
        }
    }
});
