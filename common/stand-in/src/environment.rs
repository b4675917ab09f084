//! The environment of a pipeline that is to use the stand-in: variables, a Docker login, the certificates of the
//! authorities.
//! Written for `countersign stand-in --env-file` and for the tests' peers. Holds no secret of anybody but the stand-in.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{DEFAULT_ALIAS, options::Transport, stand_in::StandIn};

/// Why the environment could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct EnvironmentError {
    /// The file or folder.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl StandIn {
    /// Writes the Docker login, the certificates of the time-stamp authorities and, with TLS, that of its authority into
    /// a folder, which is made if it is not there, and gives the variables that make a program use the stand-in.
    ///
    /// `TSA_URL` is where the first time-stamp authority answers, `TSA_CHAIN` the PEM file of its certificates;
    /// `TSA_URL_2` and `TSA_CHAIN_2` are those of the second, and so on.
    pub fn environment(&self, folder: &Path) -> Result<Vec<(String, String)>, EnvironmentError> {
        let made = fs::create_dir_all(folder).and_then(|()| fs::canonicalize(folder));
        let folder = made.map_err(|source| EnvironmentError {
            path: folder.into(),
            source,
        })?;
        write(&folder.join("config.json"), &self.docker_config())?;
        let authority = folder.join("authority.pem");
        if let Some(pem) = self.authority_pem() {
            write(&authority, pem)?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut variables = self.variables(&text(&folder), &text(&authority));
        for ((url, authority), suffix) in self.services.stamps.made().zip(suffixes()) {
            let chain = folder.join(format!("tsa{suffix}.pem"));
            write(&chain, &authority.chain_pem())?;
            variables.push((format!("TSA_URL{suffix}"), url.to_string()));
            variables.push((format!("TSA_CHAIN{suffix}"), text(&chain)));
        }
        Ok(variables)
    }

    /// Writes the same variables as shell assignments, all at once, with the folder beside them as `FILE.d`.
    pub fn write_env_file(&self, file: &Path) -> Result<(), EnvironmentError> {
        let mut folder = file.as_os_str().to_owned();
        folder.push(".d");
        let assignments: Vec<_> = self
            .environment(Path::new(&folder))?
            .iter()
            .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', "'\\''")))
            .collect();
        let mut temporary = file.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        write(&temporary, &assignments.concat())?;
        fs::rename(&temporary, file).map_err(|source| EnvironmentError {
            path: file.into(),
            source,
        })
    }

    fn docker_config(&self) -> String {
        let mut auths = Map::new();
        if let Some((user, password)) = self.credentials() {
            let auth = STANDARD.encode(format!("{user}:{password}"));
            auths.insert(self.registry_host().into(), json!({"auth": auth}));
        }
        json!({"auths": Value::Object(auths)}).to_string()
    }

    fn variables(&self, folder: &str, authority: &str) -> Vec<(String, String)> {
        let region = self.options.region.as_str();
        let aws = self.addresses.aws.as_str().trim_end_matches('/');
        let kms_key = format!("awskms:///{DEFAULT_ALIAS}");
        let mut variables = vec![
            ("REGISTRY", self.registry_host()),
            ("KMS_KEY", kms_key.as_str()),
            ("AWS_REGION", region),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_ACCESS_KEY_ID", "AKIDSTANDIN"),
            ("AWS_SECRET_ACCESS_KEY", "stand-in"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("COUNTERSIGN_ACCEPT_STAND_IN", "1"),
            ("DOCKER_CONFIG", folder),
        ];
        if self.options.transport != Transport::AwsNames {
            variables.extend([
                ("AWS_ENDPOINT_URL", aws),
                ("AWS_ENDPOINT_URL_ECR", aws),
                ("AWS_ENDPOINT_URL_KMS", aws),
            ]);
        }
        if self.options.transport != Transport::Plain {
            variables.extend([("AWS_CA_BUNDLE", authority), ("SSL_CERT_FILE", authority)]);
        }
        if let Some(proxy) = self.proxy() {
            let proxy = proxy.as_str().trim_end_matches('/');
            variables.extend([("HTTPS_PROXY", proxy), ("https_proxy", proxy)]);
        }
        variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

/// The first authority is the one that most pipelines use.
fn suffixes() -> impl Iterator<Item = String> {
    std::iter::once(String::new()).chain((2..).map(|number| format!("_{number}")))
}

/// Writes a file that only its owner may read: it holds a login.
fn write(path: &Path, content: &str) -> Result<(), EnvironmentError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|source| EnvironmentError {
            path: path.into(),
            source,
        })
}
