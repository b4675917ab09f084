//! A program, watched until it ends: what it took of memory and of time.

use std::{
    fs::{self, File},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::world::Run;

/// What a run took.
pub(super) struct Measured {
    pub(super) run: Run,
    pub(super) took: Duration,
    /// The most memory that was resident at once, in MiB; 0 where the system does not tell.
    pub(super) peak: u64,
}

/// How often the high-water mark is read: what is missed of it is what can be written in so long.
const LOOK: Duration = Duration::from_millis(2);

/// Nothing under test may take longer, whatever it was told.
const WATCHDOG: Duration = Duration::from_mins(1);

pub(super) fn measured(mut command: Command) -> Measured {
    let folder = TempDir::new().unwrap();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
    command.stdin(std::process::Stdio::null());
    command.stdout(File::create(&stdout).unwrap());
    command.stderr(File::create(&stderr).unwrap());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > WATCHDOG {
            child.kill().unwrap();
            panic!("{command:?} did not end");
        }
        thread::sleep(LOOK);
    };
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let (stdout, stderr) = (text(stdout), text(stderr));
    let code = status.code();
    Measured {
        run: Run {
            code: code.unwrap_or_else(|| panic!("{command:?}: {status}\n{stdout}{stderr}")),
            stdout,
            stderr,
        },
        took: began.elapsed(),
        peak,
    }
}

/// In MiB. Of a child that is not the program yet it is this process's.
fn high_water(child: &Child) -> u64 {
    let is_program = fs::read_link(format!("/proc/{}/exe", child.id()))
        .is_ok_and(|path| path.file_name().is_some_and(|name| name == "countersign"));
    if !is_program {
        return 0;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
