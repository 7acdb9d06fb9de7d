//! Chunks packed by Blosc 1, as Zarr 2 packs by default: blocks of LZ4, zlib or zstd with their bytes shuffled.
//!
//! Source: the chunk format of c-blosc 1, and the block format of LZ4.

use std::io::Read;

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_le_bytes(word) as usize)
}

/// The content of a chunk, of at most `most` bytes.
///
/// # Errors
/// What is wrong with it.
pub(super) fn unpacked(chunk: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let damaged = || "a damaged Blosc chunk".to_owned();
    let (flags, typesize) = match chunk {
        [1..=2, _, flags, typesize, ..] => (*flags, usize::from(*typesize)),
        _ => return Err(damaged()),
    };
    let (size, block, _) = match [word(chunk, 4), word(chunk, 8), word(chunk, 12)] {
        [Some(size), Some(block), Some(packed)] => (size, block, packed),
        _ => return Err(damaged()),
    };
    if size > most {
        return Err(format!("{size} bytes in a Blosc chunk of {most}"));
    }
    if flags & 2 != 0 {
        return Ok(chunk.get(16..16 + size).ok_or_else(damaged)?.to_vec());
    }
    if flags & 4 != 0 {
        return Err("Blosc with its bits shuffled; only bytes are".into());
    }
    if block == 0 || typesize == 0 {
        return Err(damaged());
    }
    let mut out = Vec::with_capacity(size);
    for number in 0..size.div_ceil(block) {
        let length = block.min(size - number * block);
        let mut at = word(chunk, 16 + 4 * number).ok_or_else(damaged)?;
        // Whole blocks are split by the bytes of an element, unless the chunk says otherwise.
        let whole = length == block && typesize <= 16 && block / typesize >= 128;
        let pieces = if flags & 0x10 == 0 && whole {
            typesize
        } else {
            1
        };
        let mut bytes = Vec::with_capacity(length);
        for _ in 0..pieces {
            let packed = word(chunk, at).ok_or_else(damaged)?;
            let end = (at + 4).checked_add(packed).ok_or_else(damaged)?;
            let content = chunk.get(at + 4..end).ok_or_else(damaged)?;
            at = end;
            let each = length / pieces;
            let piece = if packed == each {
                content.to_vec()
            } else {
                piece(flags >> 5, content, each)?
            };
            if piece.len() != each {
                return Err(damaged());
            }
            bytes.extend(piece);
        }
        if flags & 1 != 0 && typesize > 1 {
            let count = bytes.len() / typesize;
            let mut plain = bytes.clone();
            for element in 0..count {
                for byte in 0..typesize {
                    plain[element * typesize + byte] = bytes[byte * count + element];
                }
            }
            bytes = plain;
        }
        out.extend(bytes);
    }
    Ok(out)
}

fn piece(codec: u8, content: &[u8], length: usize) -> Result<Vec<u8>, String> {
    match codec {
        1 => lz4(content, length).ok_or_else(|| "a damaged LZ4 block".into()),
        3 => limited(flate2::read::ZlibDecoder::new(content), length),
        4 => zstd(content, length),
        0 => Err("Blosc's own codec blosclz; pack with lz4, zlib or zstd".into()),
        other => Err(format!("the codec {other} of Blosc")),
    }
}

/// What a source gives, at most `most` bytes and one.
pub(super) fn limited(source: impl Read, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = source.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// One zstd frame.
pub(super) fn zstd(content: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let decoder = zstd::stream::read::Decoder::new(content).map_err(|error| error.to_string())?;
    limited(decoder, most)
}

/// A block of LZ4.
fn lz4(mut from: &[u8], length: usize) -> Option<Vec<u8>> {
    fn more(from: &mut &[u8], mut n: usize) -> Option<usize> {
        if n == 15 {
            loop {
                let (byte, rest) = from.split_first()?;
                *from = rest;
                n += usize::from(*byte);
                if *byte < 255 {
                    break;
                }
            }
        }
        Some(n)
    }
    let mut out = Vec::with_capacity(length);
    while let Some((token, rest)) = from.split_first() {
        from = rest;
        let literals = more(&mut from, usize::from(token >> 4))?;
        let (text, rest) = from.split_at_checked(literals)?;
        out.extend(text);
        if rest.is_empty() {
            break;
        }
        let (&[a, b], rest) = rest.split_first_chunk::<2>()?;
        from = rest;
        let back = usize::from(u16::from_le_bytes([a, b]));
        let matched = more(&mut from, usize::from(token & 15))? + 4;
        let start = out.len().checked_sub(back).filter(|_| back > 0)?;
        if out.len() + matched > length {
            return None;
        }
        for at in start..start + matched {
            out.push(out[at]);
        }
    }
    (out.len() == length).then_some(out)
}
