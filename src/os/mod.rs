//! Operating system interfaces that the standard library lacks, by rustix.

mod fd_passing;
mod files;
mod machine;
mod new_file;
mod path_owners;
mod poller;
mod process;
mod sockets;

pub(crate) use fd_passing::{receive_files, send_files};
pub(crate) use files::{
    FileId, create_private_file, directory_of, is_missing_locks, may_write, open_directory_of,
    open_only_regular_file, open_regular_file, sync_directory_of, try_file_lock_beside, unexpected_link,
};
pub(crate) use machine::{
    FileSystem, available_memory, file_system_of, is_in_container, is_in_read_only_mount,
};
pub(crate) use new_file::{NewFile, link_to_free_name, rename_to_free_name};
pub(crate) use path_owners::{PathOwners, refuse_directory_of_others_as_root, refuse_other_owners_as_root};
pub(crate) use poller::{Poller, Readiness, Waker, wait_to_read};
#[cfg(feature = "strict")]
pub(crate) use process::close_descriptors_on_exec;
pub(crate) use process::{
    become_user, effective_ids, end_with_parent, explain_descriptors, group_of_user, is_set_user_id,
    kill_process_group, leave_terminal, lower_priority_of_this_thread, make_new_files_private,
    max_descriptors, reap_orphans, send_signal, stderr_is_journal, system_descriptors,
    with_mode_of_new_files,
};
pub(crate) use sockets::{
    ListeningSocket, bound_socket_buffers, connect_unix, is_socket, set_nodelay, set_nonblocking,
    take_listening_stdin,
};
