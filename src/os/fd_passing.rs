//! Descriptor passing across execve(2), by SCM_RIGHTS (unix(7)).
//!
//! Adopting an inherited descriptor number is `unsafe`. So the files are sent in one message on a socket that
//! becomes the new program's standard input. The first of them is the real standard input.

use core::mem::MaybeUninit;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer, SendAncillaryMessage};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Including standard input.
const MAX_FILES: usize = 8;
/// Size of the note, which has the paths.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// Sends a standard input, these files and a note to a new socket, the standard input of the new program.
/// Errors: [`io::ErrorKind::InvalidInput`] for too many files or too long a note.
pub(crate) fn send_files(
    stdin: BorrowedFd<'_>,
    files: &[BorrowedFd<'_>],
    note: &[u8],
) -> io::Result<OwnedFd> {
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

/// Receives the note and the files of [`send_files`], and restores standard input.
/// Errors: [`io::ErrorKind::InvalidData`] if standard input is not such a socket.
pub(crate) fn receive_files() -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
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
