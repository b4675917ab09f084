//! The folder in many processes, which end as they like.
//!
//! Each is this test program again: it runs the one test that started it, with a variable that tells it what to do.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Stdio},
    thread,
};

use super::*;

/// The folder that a started process works in, and which of them it is.
const FOLDER: &str = "COUNTERSIGN_TEST_CACHE";
const WORKER: &str = "COUNTERSIGN_TEST_WORKER";

const WORKERS: u32 = 50;
/// What they all read and write; more than fits.
const CONTENTS: u32 = 60;
const LIMIT: u64 = 200 * 4_096;
/// More than a process lives to make that is to be killed.
const FOR_EVER: u32 = 1_000_000;

fn content(number: u32) -> Vec<u8> {
    let length = 1 + usize::try_from(number).unwrap() * 997 % 50_000;
    number.to_be_bytes().repeat(length.div_ceil(4))
}

fn is_killed(worker: u32) -> bool {
    worker.is_multiple_of(4)
}

/// Reads, and writes what is not there, as a client does. What is read is always whole.
async fn work(folder: &Path, worker: u32) {
    let cache = limited(folder, LIMIT);
    let mut said = std::io::stdout();
    writeln!(said).unwrap();
    for round in 0..if is_killed(worker) { FOR_EVER } else { 40 } {
        let number = (worker * 31 + round * 7) % CONTENTS;
        let content = content(number);
        match read(&cache, &content) {
            Some(read) => assert!(read == content),
            None => drop(keep(&cache, &content).await),
        }
        assert!(!cache.has_failed.load(Ordering::Relaxed));
        writeln!(said, "done").unwrap();
        said.flush().unwrap();
    }
}

fn again(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads", "1"])
        .arg(format!("cache::tests::processes::{test}"))
        .env(FOLDER, folder)
        .stdin(Stdio::null());
    command
}

/// Waits for its end, by itself or by a kill somewhere in its work.
fn watch(worker: u32, mut process: Child) {
    let mut kill_after = is_killed(worker).then_some(1 + worker * 13 % 60);
    let mut rounds = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        rounds += u32::from(line.unwrap() == "done");
        if kill_after == Some(rounds) {
            kill_after = None;
            for _ in 0..worker * 37 % 2_000 {
                thread::yield_now();
            }
            process.kill().unwrap();
        }
    }
    let status = process.wait().unwrap();
    if is_killed(worker) {
        assert_eq!(status.signal(), Some(9), "{worker}: {status}");
    } else {
        assert!(status.success() && rounds == 40, "{worker}: {status}");
    }
}

#[tokio::test]
async fn fifty_processes_and_a_dozen_kills_leave_it_whole_and_within_its_limit() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let worker = std::env::var(WORKER).unwrap().parse().unwrap();
        return work(Path::new(&folder), worker).await;
    }
    let home = TempDir::new().unwrap();
    let start = |worker: u32| {
        again(
            "fifty_processes_and_a_dozen_kills_leave_it_whole_and_within_its_limit",
            home.path(),
        )
        .env(WORKER, worker.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
    };
    let processes: Vec<_> = (0..WORKERS).map(|worker| (worker, start(worker))).collect();
    thread::scope(|scope| {
        for (worker, process) in processes {
            scope.spawn(move || watch(worker, process));
        }
    });
    let total: u64 = (0..CONTENTS)
        .map(|number| content(number).len().div_ceil(4_096) as u64 * 4_096)
        .sum();
    assert!(total > LIMIT, "nothing had to go");
    // What is written while another sweeps is counted with the next.
    assert!(
        taken(home.path()) <= LIMIT / 4 * 5,
        "{}",
        taken(home.path())
    );
    assert!(kept(home.path()).len() > 10);
    let is_whole = |name: &String| {
        let bytes = fs::read(home.path().join(name)).unwrap();
        entry(&bytes).name == *name
    };
    assert!(kept(home.path()).iter().all(is_whole), "torn");
    // No lock is left over, and the next sweep removes what the killed ones left.
    used(&home.path().join(".swept"), Duration::from_hours(25));
    let cache = limited(home.path(), LIMIT);
    keep(&cache, b"after").await;
    assert!(read(&cache, b"after").is_some());
    assert_eq!(unfinished(home.path()), 0);
    assert!(taken(home.path()) <= LIMIT);
}

/// A test in a process whose files cannot grow beyond a kilobyte.
fn cramped(prepare: &str, test: &str, folder: &Path) -> std::process::Output {
    let test = again(test, folder);
    let script = format!("{prepare}; ulimit -c 0; ulimit -f 2; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(test.get_program())
        .args(test.get_args())
        .env(FOLDER, folder)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_ends_the_keeping_and_nothing_else() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let cache = cache(Path::new(&folder));
        let path = keep(&cache, &[7; 10_000]).await;
        assert!(!path.exists() && cache.has_failed.load(Ordering::Relaxed));
        // It would fit; the disk is not tried again.
        assert!(!keep(&cache, b"short").await.exists());
        assert_eq!(read(&cache, b"before").unwrap(), &b"before"[..]);
        return;
    }
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    keep(&cache, b"before").await;
    // Without the trap the limit would end the process, which a full disk does not.
    let test = "a_full_disk_ends_the_keeping_and_nothing_else";
    let ended = cramped("trap '' XFSZ", test, home.path());
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(kept(home.path()).len(), 1);
    assert_eq!(unfinished(home.path()), 0);
}

#[tokio::test]
async fn a_writer_that_is_killed_while_it_writes_leaves_nothing_that_is_used() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        keep(&cache(Path::new(&folder)), &[7; 10_000]).await;
        return;
    }
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    keep(&cache, b"before").await;
    // The limit's signal comes in the middle of the new file.
    let test = "a_writer_that_is_killed_while_it_writes_leaves_nothing_that_is_used";
    let killed = cramped(":", test, home.path());
    assert!(killed.status.signal().is_some(), "{killed:?}");
    assert_eq!(unfinished(home.path()), 1);
    assert_eq!(read(&cache, &[7; 10_000]), None);
    used(&home.path().join(".swept"), Duration::from_hours(25));
    keep(&cache, &[7; 10_000]).await;
    assert_eq!(read(&cache, &[7; 10_000]).unwrap(), [7; 10_000][..]);
    assert_eq!(unfinished(home.path()), 0);
}
