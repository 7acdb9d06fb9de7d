use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// All that a latent depends on but the frame: the key of caches and a line of every card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderIdentity {
    /// The encoder's name.
    pub name: String,
    /// SHA-256 of its weights; empty where it has none.
    pub weights_sha256: String,
    /// What is done to the screen's pixels before the first layer.
    pub preprocessing: String,
    /// Raised whenever the same weights and frames give other latents.
    pub code_version: u32,
}

impl EncoderIdentity {
    /// One hash of the whole identity, hexadecimal.
    #[must_use]
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.name, &self.weights_sha256, &self.preprocessing] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(self.code_version.to_le_bytes());
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}
