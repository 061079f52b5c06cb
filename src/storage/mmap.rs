//! Files as memory: the one place where the operating system may read for us.

use std::fs::File;
use std::io;

use bytes::Bytes;

/// Maps a whole file, read-only. Its first byte is aligned to a page.
pub fn map_file(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(unsafe_code, reason = "mapping a file is unsafe because somebody else could change it")]
    // SAFETY: the map is sound as long as nobody changes or shortens the file while it is mapped. Only snapshots are
    // mapped: they get mode 0400 in a folder of mode 0700 that this process has locked, they are complete before they
    // get their name, and this program never opens them for writing again; removal and replacement go by name and
    // leave the mapped file as it is.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}
