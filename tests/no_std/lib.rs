//! The token without std: two functions for C, on an allocator that is C's, with a panic that stops the machine.
//!
//! Whatever brought std in would bring std's panic handler, and two of them do not build (E0152, `panic_impl`).

#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::panic::PanicInfo;
use core::slice;
use core::time::Duration;
use gatekey::clock::UnixTime;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims};
use gatekey::user_id::{Generation, UserId};

const MAX_SESSION: Duration = Duration::from_secs(30 * 86_400);

/// Writes a token for a user into `room` bytes and gives its length; 0 where the key is too short, the id is none, the
/// time is beyond what a token can say, or the token is longer than `room`.
///
/// # Safety
/// `key` points to `key_len` bytes, `token` to `room` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gatekey_issue(
    key: *const u8,
    key_len: usize,
    id: i64,
    now: u64,
    lifetime: u64,
    token: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller's promise.
    let (key, room) =
        unsafe { (slice::from_raw_parts(key, key_len), slice::from_raw_parts_mut(token, room)) };
    let Some(issued) = issue(key, id, now, Duration::from_secs(lifetime)) else { return 0 };
    let Some(room) = room.get_mut(..issued.len()) else { return 0 };
    room.copy_from_slice(issued.as_bytes());
    issued.len()
}

/// Whose token it is, if it is good at this time; else 0, which is no user's id.
///
/// # Safety
/// `key` points to `key_len` bytes, `token` to `token_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gatekey_verify(
    key: *const u8,
    key_len: usize,
    token: *const u8,
    token_len: usize,
    now: u64,
) -> i64 {
    // SAFETY: the caller's promise.
    let (key, token) =
        unsafe { (slice::from_raw_parts(key, key_len), slice::from_raw_parts(token, token_len)) };
    verify(key, token, now).map_or(0, UserId::number)
}

fn issue(key: &[u8], id: i64, now: u64, lifetime: Duration) -> Option<alloc::string::String> {
    let ring = KeyRing::from_key(SigningKey::new(key).ok()?);
    let now = UnixTime::new(now)?;
    let expires_at = now.saturating_add(lifetime);
    let claims = Claims {
        id: UserId::new(id)?,
        generation: Generation::FIRST,
        issued_at: now,
        expires_at,
        auth_time: now,
    };
    Some(token::issue(&claims, &ring))
}

fn verify(key: &[u8], token: &[u8], now: u64) -> Option<UserId> {
    let ring = KeyRing::from_key(SigningKey::new(key).ok()?);
    let token = core::str::from_utf8(token).ok()?;
    token::verify(token, &ring, UnixTime::new(now)?, MAX_SESSION).ok().map(|claims| claims.id)
}

unsafe extern "C" {
    fn malloc(bytes: usize) -> *mut c_void;
    fn free(block: *mut c_void);
    safe fn abort() -> !;
}

/// C's own, which every small C library has.
struct C;

/// What malloc aligns to on every machine of 32 or 64 bits; nothing of the token asks for more.
const ALIGNMENT: usize = 8;

// SAFETY: malloc's and free's own promises are those of `alloc` and `dealloc`, up to that alignment.
unsafe impl GlobalAlloc for C {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return core::ptr::null_mut();
        }
        // SAFETY: it takes any size.
        unsafe { malloc(layout.size()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: `alloc` made it.
        unsafe { free(block.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: C = C;

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    abort()
}

/// What the tables of core's functions name for the case that something unwinds, which nothing here does: the profile
/// says `panic = "abort"`, and a C program finds no other function of this name.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {
    abort()
}
