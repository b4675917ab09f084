//! Passwords of key files: from a file descriptor, from a variable, or from whoever sits at the terminal. Never from an
//! argument, which everybody on the machine sees.

use std::{
    env::VarError,
    fs::File,
    io::{self, IsTerminal, Read},
    sync::{Mutex, PoisonError},
};

use countersign_common::Escaped;
use zeroize::Zeroizing;

use crate::{
    exit::Exit,
    output::{self, FileError, Stop},
};

/// Where a password is looked for; cosign's variable last.
const VARIABLES: [&str; 2] = ["COUNTERSIGN_KEY_PASSWORD", "COSIGN_PASSWORD"];
/// Longer than any password.
const LIMIT: usize = 4 << 10;

/// The descriptor that was named, opened once: each password is a line of it. Of a process, as the variables are.
static DESCRIPTOR: Mutex<Option<File>> = Mutex::new(None);

/// From now on passwords are read from this descriptor.
pub(crate) fn use_descriptor(number: u32) -> Result<(), Stop> {
    let path = format!("/dev/fd/{number}");
    let file = descriptor(number, &path)
        .map_err(|source| Stop::new(Exit::Usage, &FileError::Read { path, source }))?;
    *DESCRIPTOR.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    Ok(())
}

/// The descriptor itself, from where it stands. What is opened anew by its name begins at the beginning; a socket, or what
/// another user opened, cannot be; and of a pipe that is written to it is the other end.
#[cfg(target_os = "linux")]
fn descriptor(number: u32, path: &str) -> io::Result<File> {
    use std::os::fd::AsRawFd;

    use rustix::{
        io::Errno,
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    };

    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    let found = pidfd_open(getpid(), PidfdFlags::empty()).and_then(|own| {
        if own.as_raw_fd() == number {
            // It was closed, or this would not have got its number.
            return Err(Errno::BADF);
        }
        pidfd_getfd(own, number, PidfdGetfdFlags::empty())
    });
    match found {
        Ok(descriptor) => Ok(File::from(descriptor)),
        Err(Errno::BADF) => Err(Errno::BADF.into()),
        // An older kernel, or a sandbox.
        Err(_) => File::open(path),
    }
}

#[cfg(not(target_os = "linux"))]
fn descriptor(_: u32, path: &str) -> io::Result<File> {
    File::open(path)
}

/// The password of a file that is there.
pub(crate) fn of_existing(path: &str) -> io::Result<Zeroizing<String>> {
    match given()? {
        Some(password) => Ok(password),
        None => ask(&format!("Password of {}:", Escaped(path))),
    }
}

/// The password of a file that is to be written: typed twice, since nobody sees what is typed.
pub(crate) fn of_new(path: &str) -> io::Result<Zeroizing<String>> {
    let password = given()?.map_or_else(|| ask_twice(path), Ok)?;
    if password.is_empty() {
        return Err(io::Error::other("an empty one protects nothing"));
    }
    Ok(password)
}

/// The one that is given, if there is one; nobody is asked.
pub(crate) fn given() -> io::Result<Option<Zeroizing<String>>> {
    let mut descriptor = DESCRIPTOR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = descriptor.as_mut() {
        return line(file).map(Some);
    }
    for name in VARIABLES {
        match std::env::var(name) {
            Ok(password) => return Ok(Some(Zeroizing::new(password))),
            Err(VarError::NotPresent) => {}
            Err(VarError::NotUnicode(_)) => {
                return Err(io::Error::other(format!("`{name}` is not UTF-8")));
            }
        }
    }
    Ok(None)
}

/// One line, byte by byte: what a buffer took besides would be missing in the next one, and not wiped.
fn line(file: &mut File) -> io::Result<Zeroizing<String>> {
    if file.is_terminal() {
        return Err(io::Error::other(
            "the file descriptor is a terminal, which shows what is typed; it does not if none is named",
        ));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
    let mut byte = Zeroizing::new([0]);
    while file.read(byte.as_mut_slice())? == 1 {
        if *byte == *b"\n" {
            return text(line);
        }
        if line.len() == LIMIT {
            return Err(io::Error::other("it is longer than 4,096 bytes"));
        }
        line.extend_from_slice(byte.as_slice());
    }
    if line.is_empty() {
        return Err(io::Error::other(
            "the file descriptor has no line for it; each password is a line",
        ));
    }
    text(line)
}

fn text(mut line: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(std::mem::take(&mut line))
        .map(Zeroizing::new)
        .map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            io::Error::other("it is not UTF-8")
        })
}

fn ask_twice(path: &str) -> io::Result<Zeroizing<String>> {
    let password = ask(&format!("New password of {}:", Escaped(path)))?;
    if *password == *ask("The same again:")? {
        Ok(password)
    } else {
        Err(io::Error::other("the two passwords differ"))
    }
}

fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    output::note(question);
    rpassword::read_password().map(Zeroizing::new)
}
