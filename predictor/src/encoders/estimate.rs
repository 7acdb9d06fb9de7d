use super::{Architecture, PublishedEncoder};

/// Pictures that go through a network together (windows: one).
const BATCH: u64 = 8;

impl PublishedEncoder {
    /// Values of the network.
    #[must_use]
    pub fn values(&self) -> u64 {
        let shapes = self.shapes();
        let sizes = shapes
            .iter()
            .map(|(_, s)| s.iter().map(|n| *n as u64).product::<u64>());
        sizes.sum()
    }

    /// Memory that loading the network takes at its peak, bytes: its f32 values, and once more while
    /// they are put in the order of the network.
    #[must_use]
    pub fn loading_bytes(&self) -> u64 {
        2 * 4 * self.values()
    }

    /// Memory that a batch of frames takes on its way through the network, bytes: an estimate from
    /// above of the activations of its widest stage, f32.
    #[must_use]
    pub fn batch_bytes(&self) -> u64 {
        let transformer = |batch: u64, tokens: usize, dim: usize, hidden: usize, heads: usize| {
            let (t, d) = (tokens as u64, dim as u64);
            // The residual, its norm, three projections twice, the hidden layer twice, two
            // attention maps.
            4 * batch * (t * (8 * d + 2 * 2 * hidden as u64) + 2 * heads as u64 * t * t)
        };
        let pixels = 4 * BATCH * 3 * (self.preprocess.crop as u64).pow(2);
        let widest = match &self.architecture {
            Architecture::Vit(c) => {
                let tokens = (c.image / c.patch.max(1)).pow(2) + 1;
                transformer(BATCH, tokens, c.dim, c.hidden, c.heads)
            }
            Architecture::Clip(c) => {
                let tokens = (224 / c.patch.max(1)).pow(2) + 1;
                transformer(BATCH, tokens, c.dim, c.hidden, c.heads)
            }
            Architecture::Vjepa2(c) => transformer(1, c.tokens(), c.dim, c.hidden, c.heads),
            // A block's input, its shortcut, what is between its convolutions and what comes out.
            Architecture::Resnet(c) => 4 * BATCH * 5 * 56 * 56 * 4 * c.width as u64,
            // Half a batch at a time: two maps and their pooling.
            Architecture::Vgg(c) => 4 * (BATCH / 2) * 3 * 224 * 224 * c.width as u64,
        };
        pixels + widest
    }
}
