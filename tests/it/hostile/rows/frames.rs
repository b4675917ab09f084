//! HTTP/2: what comes in frames without end ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-10.5)).

use std::{
    io::{self, Read as _, Write as _},
    sync::{Arc, LazyLock},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::super::{
    Case,
    End::{Refused, Unknown},
    scene::{Listener, Scene, Told},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0xfa;

/// What a client begins with, in bytes.
const PREFACE: usize = 24;
/// The flag of a block of fields that is whole.
const END_HEADERS: u8 = 4;
/// `:status: 200`, of the static table.
const STATUS: &[u8] = &[0x88];
/// `:status: 103`, written out.
const INTERIM: &[u8] = b"\x08\x03103";
/// `x: y`, written out, in no table.
const FIELD: &[u8] = b"\0\x01x\x01y";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Of all of them, and by whom they are certified.
static TLS: LazyLock<(Arc<ServerConfig>, String)> = LazyLock::new(tls);

fn tls() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(config), authority.pem())
}

/// An image at a registry that answers the first request with some frames, and then with others without end.
fn flooding(scene: &Scene, first: Vec<u8>, endless: &[u8]) -> Told {
    let (config, authority) = &*TLS;
    let config = Arc::clone(config);
    let authority = scene.world.write("frames.pem", authority);
    let endless = endless.repeat(16_384 / endless.len().max(1));
    let listener = Listener::start(move |stream| {
        let wait = stream.set_read_timeout(Some(Duration::from_millis(1)));
        let connection = ServerConnection::new(Arc::clone(&config));
        let (Ok(()), Ok(connection)) = (wait, connection) else {
            return;
        };
        let mut stream = StreamOwned::new(connection, stream);
        let _ = flood(&mut stream, &first, &endless);
    });
    Told {
        more: vec!["--ca-file".to_owned(), authority],
        ..listener.image()
    }
}

fn flood(
    stream: &mut StreamOwned<ServerConnection, std::net::TcpStream>,
    first: &[u8],
    endless: &[u8],
) -> io::Result<()> {
    let mut asked = Vec::new();
    while !has_request(asked.get(PREFACE..).unwrap_or_default()) {
        read(stream, &mut asked)?;
    }
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    stream.write_all(first)?;
    loop {
        stream.write_all(endless)?;
        // So that answers to it are taken, and it goes on.
        asked.clear();
        read(stream, &mut asked)?;
    }
}

/// Whether one of these frames begins a request.
fn has_request(mut frames: &[u8]) -> bool {
    while let [high, middle, low, kind, rest @ ..] = frames {
        if *kind == HEADERS {
            return true;
        }
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        // Flags and stream come before the payload.
        frames = rest
            .get(5 + usize::try_from(length).unwrap()..)
            .unwrap_or_default();
    }
    false
}

/// What has come.
fn read(
    stream: &mut StreamOwned<ServerConnection, std::net::TcpStream>,
    into: &mut Vec<u8>,
) -> io::Result<()> {
    let mut buffer = [0; 16_384];
    match stream.read(&mut buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => {
            into.extend(&buffer[..length]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// An answer of which a body is to come.
fn head() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, STATUS)
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "frames",
        "offers HTTP/2, and sends frames without end that say nothing, or fields whose end never comes",
        |scene| {
            let ping = frame(PING, 0, 0, &[0; 8]);
            let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
            let open = frame(HEADERS, 0, 1, STATUS);
            let mut ways = vec![
                flooding(scene, head(), &ping),
                flooding(scene, head(), &reset),
                flooding(scene, open, &[]),
            ];
            let endless = [
                ping,
                reset,
                frame(SETTINGS, 0, 0, &[]),
                frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
                frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
                frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
                frame(UNKNOWN, 0, 0, &[0; 1_000]),
                frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
                frame(HEADERS, END_HEADERS, 1, INTERIM),
            ];
            ways.extend(endless.map(|endless| flooding(scene, Vec::new(), &endless)));
            ways
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "frames",
        "offers HTTP/2, and sends fields or empty bodies without end, or what nobody asked for",
        |scene| {
            let open = frame(HEADERS, 0, 1, STATUS);
            let empty = frame(CONTINUATION, 0, 1, &[]);
            let short = frame(CONTINUATION, 0, 1, FIELD);
            let long = frame(CONTINUATION, 0, 1, &FIELD.repeat(1_000));
            let promise = frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]);
            let gone = frame(GOAWAY, 0, 0, &[0; 8]);
            let nothing = frame(DATA, 0, 1, &[]);
            let mut ways: Vec<_> = [&empty, &short, &long]
                .map(|endless| flooding(scene, open.clone(), endless))
                .into();
            for endless in [&short, &promise, &nothing] {
                ways.push(flooding(scene, Vec::new(), endless));
                ways.push(flooding(scene, head(), endless));
            }
            ways.push(flooding(scene, Vec::new(), &gone));
            ways
        },
        Unknown("registry-unavailable"),
    )
    .within(5),
    Case::new(
        "frames",
        "offers HTTP/2, and goes away in the middle of an answer as if that were all",
        |scene| vec![flooding(scene, head(), &frame(GOAWAY, 0, 0, &[0; 8]))],
        Refused("malformed"),
    ),
];
