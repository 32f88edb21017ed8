//! Copies parts of a server's files, as far as there is room.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::search::Piece;
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::files;

/// An archive is never larger, whatever is free. Its text comes on top.
const MOST: u64 = 256 << 20;
/// This part of what is free, and not more: a full disk would stop the server and the cluster.
const OF_FREE: u64 = 8;

/// How many bytes may be copied to this directory.
pub(super) fn room(directory: &Path) -> Result<u64> {
    Ok(MOST.min(files::free_space(directory)? / OF_FREE))
}

/// What there is room for, from the first transaction on, and what that leaves out. A piece that is too long ends where a
/// transaction ends.
pub(super) fn fitting(pieces: Vec<Piece>, room: u64) -> (Vec<Piece>, Vec<Piece>) {
    let mut left = room;
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    for piece in pieces {
        if left_out.is_empty() && piece.length() <= left {
            left -= piece.length();
            taken.push(piece);
            continue;
        }
        let most = piece.from.saturating_add(left.saturating_sub(piece.head));
        let fits = |start: &&u64| **start > piece.from && **start <= most;
        let cut = piece.starts.iter().filter(fits).max().copied();
        match cut.filter(|_| left_out.is_empty()) {
            Some(cut) => {
                left_out.push(Piece {
                    from: cut,
                    ..piece.clone()
                });
                taken.push(Piece { to: cut, ..piece });
            }
            None => left_out.push(piece),
        }
    }
    (taken, left_out)
}

/// Copies a piece to a new file of root's; returns its SHA-256.
pub(super) fn copy(piece: &Piece, to: &Path, deadline: Deadline) -> Result<String> {
    let unreadable = |error| Error::file("cannot read", &piece.path, error);
    let unwritable = |error| Error::file("cannot write", to, error);
    let mut source = files::open_regular(&piece.path).map_err(unreadable)?;
    let mut target = files::create_private(to).map_err(unwritable)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    for (from, mut left) in [(0, piece.head), (piece.from, piece.to - piece.from)] {
        source.seek(SeekFrom::Start(from)).map_err(unreadable)?;
        while left > 0 {
            if deadline.expired() {
                return Err(deadline.timeout(format!("the copy of {}", piece.path.display())));
            }
            let length = left.min(block.len() as u64) as usize;
            let block = &mut block[..length];
            source.read_exact(block).map_err(unreadable)?;
            digest.update(&*block);
            target.write_all(block).map_err(unwritable)?;
            left -= length as u64;
        }
    }
    target.sync_all().map_err(unwritable)?;
    Ok(hex(&digest.finalize()))
}

/// Length and SHA-256 of a file of root's.
pub(super) fn sha256(path: &Path) -> Result<(u64, String)> {
    let mut digest = Sha256::new();
    let bytes = File::open(path)
        .and_then(|mut file| std::io::copy(&mut file, &mut digest))
        .map_err(|error| Error::file("cannot read", path, error))?;
    Ok((bytes, hex(&digest.finalize())))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(head: u64, from: u64, to: u64, starts: &[u64]) -> Piece {
        Piece {
            path: "binlog.000001".into(),
            size: to,
            head,
            from,
            to,
            starts: starts.to_vec(),
        }
    }

    #[test]
    fn what_fits_is_taken_from_the_first_transaction_on() {
        let pieces = vec![piece(10, 100, 200, &[100, 150]), piece(0, 0, 300, &[50])];
        let all = fitting(pieces.clone(), 410);
        assert_eq!(all, (pieces.clone(), vec![]));
        let (taken, left_out) = fitting(pieces.clone(), 200);
        assert_eq!(
            taken,
            [
                pieces[0].clone(),
                Piece {
                    to: 50,
                    ..pieces[1].clone()
                }
            ]
        );
        assert_eq!(
            left_out,
            [Piece {
                from: 50,
                ..pieces[1].clone()
            }]
        );
        let (taken, left_out) = fitting(pieces.clone(), 159);
        assert_eq!(taken, [pieces[0].clone()], "no transaction ends in what fits");
        assert_eq!(left_out, [pieces[1].clone()]);
        let (taken, left_out) = fitting(pieces.clone(), 60);
        assert_eq!(
            taken,
            [Piece {
                to: 150,
                ..pieces[0].clone()
            }]
        );
        assert_eq!(left_out.len(), 2, "nothing behind a gap");
        assert_eq!(fitting(pieces.clone(), 59), (vec![], pieces));
    }

    #[test]
    fn a_copy_is_the_beginning_and_the_part_and_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("binlog.000001");
        std::fs::write(&path, "headskipped!part..").unwrap();
        let part = Piece {
            path,
            ..piece(4, 12, 16, &[])
        };
        let to = directory.path().join("copy");
        let soon = Deadline::after(std::time::Duration::from_secs(5));
        let sum = copy(&part, &to, soon).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "headpart");
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(sha256(&to).unwrap(), (8, sum.clone()));
        // As `printf headpart | sha256sum` says.
        assert!(sum.starts_with("1baa82e88b38a81e"), "{sum}");
        let again = copy(&part, &to, soon).unwrap_err();
        assert!(again.to_string().contains("exists"), "{again}");
        let late = copy(
            &part,
            &directory.path().join("late"),
            Deadline::after(std::time::Duration::ZERO),
        );
        assert!(late.unwrap_err().to_string().contains("did not happen"));
    }
}
