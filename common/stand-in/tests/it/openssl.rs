//! The `openssl` program as the judge of time stamps, in a folder of its own.

use std::{
    fs,
    process::{Command, Output},
};

use tempfile::TempDir;

/// 2025-06-01T00:00:00Z, when openssl checks certificates.
pub(crate) const NOW: i64 = 1_748_736_000;

/// A folder with a request that openssl made, for judging the answers to it.
pub(crate) struct Openssl {
    folder: TempDir,
    pub(crate) request: Vec<u8>,
}

impl Openssl {
    /// Asks for SHA-256 and for certificates.
    pub(crate) fn new() -> Self {
        Self::asking(&["-sha256", "-cert"])
    }

    /// Asks with these options of `openssl ts -query`.
    pub(crate) fn asking(options: &[&str]) -> Self {
        let mut openssl = Self {
            folder: tempfile::tempdir().unwrap(),
            request: Vec::new(),
        };
        openssl.write("stamped", "stamped");
        let query = ["ts", "-query", "-data", "stamped", "-out", "request"];
        let asked = openssl.run(&query, options);
        assert!(asked.status.success(), "{asked:?}");
        openssl.request = openssl.read("request");
        openssl
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// What `openssl ts -verify` says against a response, if anything.
    pub(crate) fn refusal(&self, response: &[u8], root: &str, options: &[&str]) -> Option<String> {
        self.write("response", response);
        let verify = ["ts", "-verify", "-queryfile", "request", "-in", "response"];
        self.judge(&[&verify, options].concat(), root)
    }

    /// What `openssl cms -verify` says against a token, if anything. It knows more of CMS than `openssl ts`.
    pub(crate) fn cms_refusal(&self, token: &[u8], root: &str) -> Option<String> {
        self.write("token", token);
        let verify = ["cms", "-verify", "-inform", "DER", "-in", "token"];
        let purpose = ["-purpose", "timestampsign", "-out", "content"];
        self.judge(&[verify.as_slice(), &purpose].concat(), root)
    }

    /// The response as openssl prints it.
    pub(crate) fn text(&self, response: &[u8]) -> String {
        self.write("response", response);
        let printed = self.run(&["ts", "-reply", "-in", "response", "-text"], &[]);
        assert!(printed.status.success(), "{printed:?}");
        String::from_utf8_lossy(&printed.stdout).into_owned()
    }

    fn judge(&self, command: &[&str], root: &str) -> Option<String> {
        self.write("root", root);
        let now = NOW.to_string();
        let judged = self.run(command, &["-CAfile", "root", "-attime", &now]);
        let said = String::from_utf8_lossy(&judged.stderr).into_owned();
        (!judged.status.success()).then_some(said)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    fn run(&self, command: &[&str], options: &[&str]) -> Output {
        Command::new("openssl")
            .args(command)
            .args(options)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}

/// The token in a granted response; `openssl ts -token_out` is not for every CMS.
pub(crate) fn token(response: &[u8]) -> &[u8] {
    assert_eq!((response[1], &response[4..9]), (0x82, &GRANTED[..]));
    &response[9..]
}

/// A `PKIStatusInfo`.
const GRANTED: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x00];
