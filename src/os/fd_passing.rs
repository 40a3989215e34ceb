//! Open files handed over to a program that this process becomes (SCM_RIGHTS, unix(7)).
//!
//! An inherited descriptor is only a number, and taking one as one's own is `unsafe`. So the files travel in one message on a
//! socket that is the new program's standard input; the first of them is the real standard input, which takes its place again.

use core::mem::MaybeUninit;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer, SendAncillaryMessage};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

/// With standard input.
const MAX_FILES: usize = 8;
/// What is said of them: their paths.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// Packs a standard input, these files and a note on them into a socket, which is to be the new program's standard input.
///
/// # Errors
/// What the system reports; [`io::ErrorKind::InvalidInput`] for too many files or too long a note.
pub fn send_files(stdin: BorrowedFd<'_>, files: &[BorrowedFd<'_>], note: &[u8]) -> io::Result<OwnedFd> {
    if files.len() >= MAX_FILES || note.len() > MAX_NOTE_BYTES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let descriptors: Vec<_> = [stdin].into_iter().chain(files.iter().copied()).collect();
    let (sender, receiver) =
        net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    net::sendmsg(&sender, &[IoSlice::new(note)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(receiver)
}

/// Receives what [`send_files`] packed: the note and the files. Standard input is the real one again.
///
/// # Errors
/// What the system reports; [`io::ErrorKind::InvalidData`] where standard input is no such socket.
pub fn receive_files() -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut note = vec![0; MAX_NOTE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = net::recvmsg(io::stdin(), &mut [IoSliceMut::new(&mut note)], &mut control, flags)?;
    note.truncate(received.bytes);
    let mut files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let stdin = files.next().ok_or(io::ErrorKind::InvalidData)?;
    let files = files.collect();
    rustix::stdio::dup2_stdin(stdin)?;
    Ok((note, files))
}
