//! Packed positions in a snapshot: the codes as they are in memory, read where they lie.
//!
//! At a multiple of 16: base (i128), step (u64), length (u32), width (u8), three zeros, then the codes; of split codes
//! the whole steps first.

use bytes::Bytes;

use crate::codec::{
    aligned::aligned_copy,
    cursor::{Cursor, Writer},
    damage::Damage,
    section::{SectionSink, SinkError},
};
use crate::index::{
    packed::{Codes, PACKED_MAX, Packed, Plane},
    packed_fit::FINE,
};

impl Packed {
    /// Appends to the open section of `out`.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        let mut head = Writer::with_capacity(32);
        head.i128(self.base);
        head.u64(self.step);
        head.u32(self.len() as u32);
        head.u8(match &self.codes {
            Codes::None => 0,
            Codes::U8(_) => 1,
            Codes::U16(_) => 2,
            Codes::U32(_) => 4,
            Codes::U64(_) => 8,
            Codes::Split(_) => 6,
            Codes::Wide(_) => 16,
        });
        head.bytes(&[0; 3]);
        out.align(16)?;
        out.put(head.as_slice())?;
        match &self.codes {
            Codes::None => Ok(()),
            Codes::U8(codes) => out.put(codes.slice()),
            Codes::U16(codes) => out.put(bytemuck::cast_slice(codes.slice())),
            Codes::U32(codes) => out.put(bytemuck::cast_slice(codes.slice())),
            Codes::U64(codes) => out.put(bytemuck::cast_slice(codes.slice())),
            Codes::Split(planes) => {
                out.put(bytemuck::cast_slice(planes.0.slice()))?;
                out.put(bytemuck::cast_slice(planes.1.slice()))
            }
            Codes::Wide(positions) => out.put(bytemuck::cast_slice(positions.slice())),
        }
    }

    /// Reads in place. The cursor must count from the start of the section, whose bytes are 64-byte aligned; elsewhere
    /// the codes are copied.
    pub fn decode(from: &mut Cursor) -> Result<Packed, Damage> {
        from.align(16)?;
        let (base, step, len, width) = (from.i128()?, from.u64()?, from.u32()?, from.u8()?);
        if from.take(3)?[..] != [0; 3] {
            return Err(from.damage("three zeros", "others"));
        }
        if len as usize > PACKED_MAX {
            return Err(from.damage(format!("at most {PACKED_MAX} positions"), len));
        }
        let split = width == 6;
        if split != (split && step == FINE) || (step == 0 && (width != 0 || len > 0)) {
            return Err(from.damage("a step that its codes may have", step));
        }
        let codes = match width {
            0 => Codes::None,
            1 => Codes::U8(plane(from, len)?),
            2 => Codes::U16(plane(from, len)?),
            4 => Codes::U32(plane(from, len)?),
            8 => Codes::U64(plane(from, len)?),
            6 => Codes::Split(Box::new((plane(from, len)?, plane(from, len)?))),
            16 => Codes::Wide(plane(from, len)?),
            other => return Err(from.damage("codes of 0, 1, 2, 4, 6, 8 or 16 bytes", other)),
        };
        if let Codes::Split(planes) = &codes
            && planes.1.slice().iter().any(|&fine| u64::from(fine) >= FINE)
        {
            return Err(from.damage("less than a whole step besides whole steps", "more"));
        }
        Ok(Packed { base, step, len, codes })
    }
}

fn plane<T>(from: &mut Cursor, len: u32) -> Result<Plane<T>, Damage> {
    let bytes: Bytes = from.take_array(len as usize, size_of::<T>())?;
    let aligned = bytes.as_ptr().addr().is_multiple_of(align_of::<T>());
    Ok(Plane::Mapped(Box::new(if aligned { bytes } else { aligned_copy(&bytes) })))
}
