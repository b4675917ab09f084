//! Slowness, throttling, broken connections, tokens that end, and TLS.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use countersign_stand_in::{
    Certificate, Fault, Lie, Login, Options, Part, RegistryMode, StandIn, Transport,
};
use serde_json::json;

use super::super::{
    Asked, Case,
    End::{Honestly, Unknown},
    scene::{ALL, BLOBS, LIST, Listener, Rig, Scene, TAG, TOKEN, Told, each, told},
};

fn drips() -> [Lie; 2] {
    let every = Duration::from_millis(300);
    [Part::Head, Part::Body].map(|part| Lie::Drip { every, part })
}

/// A fault so many times.
fn times(pattern: &str, lie: Lie, times: u32) -> Told {
    Told {
        faults: vec![Fault::on(pattern, lie).times(times)],
        ..Told::default()
    }
}

/// The error of throttling, under another status than its own.
fn throttled_as(status: u16) -> Lie {
    let mut lie = Lie::throttled("0");
    if let Lie::Instead { status: told, .. } = &mut lie {
        *told = status;
    }
    lie
}

/// An image at a listener that reads and then does this.
fn listening(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Told {
    let listener = Listener::start(move |mut stream| {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello);
        script(&mut stream);
    });
    listener.image()
}

/// An image at a registry without TLS that answers with one text, and then with another without end.
fn flooding(first: &'static str, endless: &'static str) -> Told {
    let listener = Listener::start(move |mut stream| {
        let mut asked = [0; 4096];
        let length = stream.read(&mut asked).unwrap_or_default();
        // The beginning of a TLS handshake: a closed connection sends the client to plain HTTP.
        if length == 0 || asked[0] == 22 {
            return;
        }
        let endless = endless.repeat(4096 / endless.len().max(1));
        let mut sent = stream.write_all(first.as_bytes());
        while sent.is_ok() && !endless.is_empty() {
            sent = stream.write_all(endless.as_bytes());
        }
    });
    listener.image()
}

/// A TLS record of this version with a `ServerHello` that chooses a version and a cipher.
fn server_hello(version: u8, cipher: u16) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend(cipher.to_be_bytes());
    hello.push(0);
    let mut message = vec![2, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![22, 3, version, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

/// The same image at a registry whose certificate is like this.
fn certified(scene: &Scene, certificate: Certificate) -> Told {
    let stand_in = StandIn::start(Options {
        certificate,
        registry: RegistryMode::PlainOci(Login::Anonymous),
        transport: Transport::Tls,
        ..Options::default()
    })
    .unwrap();
    let authority = scene
        .world
        .write("other.pem", stand_in.authority_pem().unwrap());
    Told {
        image: Some(format!("{}/app:1", stand_in.registry_host())),
        // Flags and variables with which other programs look away.
        environment: [
            ("SSL_CERT_FILE", authority.as_str()),
            ("COUNTERSIGN_INSECURE", "1"),
            ("COUNTERSIGN_PLAIN_HTTP", "1"),
            ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
            ("GIT_SSL_NO_VERIFY", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        stage: Some(Box::new(stand_in)),
        ..Told::default()
    }
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "slow-loris",
        "sends a byte now and then: of the head, or of a body",
        |_| {
            let [head, body] = drips();
            vec![told(TAG, head), told(LIST, body.clone()), told(BLOBS, body)]
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "slow-loris",
        "takes a request and answers nothing",
        |_| {
            [TAG, BLOBS]
                .map(|pattern| told(pattern, Lie::Silence))
                .into()
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "slow-loris",
        "gives no token, or one byte of it now and then",
        |_| {
            let [_, body] = drips();
            vec![told(TOKEN, body), told(TOKEN, Lie::Silence)]
        },
        Unknown("fetch-timeout"),
    )
    .at(Rig::Bearer)
    .within(1),
    Case::new(
        "slow-loris",
        "takes a connection and never finishes its handshake",
        |_| {
            vec![
                listening(|_| thread::sleep(Duration::from_secs(5))),
                listening(|stream| {
                    for byte in server_hello(3, 0x1301) {
                        let _ = stream.write_all(&[byte]);
                        thread::sleep(Duration::from_millis(300));
                    }
                }),
            ]
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "slow-loris",
        "sends interim answers without end",
        |_| vec![flooding("", "HTTP/1.1 100 Continue\r\n\r\n")],
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "infinite-body",
        "sends a header, a status or a chunk's extension without end, or a chunk of 2⁶⁸ bytes",
        |_| {
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            vec![
                flooding("HTTP/1.1 200 OK\r\nX-Junk: ", "x"),
                flooding("HTTP/1.1 200 OK\r\n", "X: x\r\n"),
                flooding("HTTP/1.1 200 ", "x"),
                flooding(chunked, "1;x"),
                flooding(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                    "",
                ),
                flooding(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                    "X: x\r\n",
                ),
            ]
        },
        Unknown("registry-unavailable"),
    )
    .within(3),
    Case::new(
        "slow-loris",
        "is behind a proxy that answers nothing",
        |_| {
            let listener = Listener::start(|_| thread::sleep(Duration::from_secs(5)));
            let proxy = format!("http://{}", listener.address);
            let variables = ["HTTPS_PROXY", "https_proxy"];
            let environment = variables
                .map(|name| (name.to_owned(), proxy.clone()))
                .into();
            vec![Told {
                environment,
                ..Told::of("registry.example/app:1")
            }]
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "slow-loris",
        "is slow, where another image is at a registry that is not",
        |scene| {
            let listener = Listener::start(|_| thread::sleep(Duration::from_secs(5)));
            let images = format!("{}/app:1 {}", listener.address, scene.image.tagged());
            vec![Told::of(images)]
        },
        Unknown("fetch-timeout"),
    )
    .within(1),
    Case::new(
        "slow-loris",
        "answers nothing to a signer",
        |_| {
            ["GET /v2/*", "PUT /v2/*"]
                .map(|pattern| told(pattern, Lie::Silence))
                .into()
        },
        Unknown("fetch-timeout"),
    )
    .of(Asked::Sign)
    .within(1),
    Case::new(
        "throttling",
        "throttles the first requests, or fails at them",
        |_| {
            let mut ways = Vec::new();
            for pattern in [TAG, LIST] {
                ways.extend(
                    [Lie::throttled("0"), Lie::status(503)].map(|lie| times(pattern, lie, 2)),
                );
            }
            ways
        },
        Honestly,
    ),
    Case::new(
        "throttling",
        "throttles every request, with a `Retry-After` of 0, a day, a date or garbage",
        |_| {
            let after = [
                "0",
                "99999",
                "18446744073709551616",
                "-1",
                "soon",
                "Wed, 21 Oct 2099 07:28:00 GMT",
            ];
            let mut ways = Vec::new();
            for pattern in [TAG, LIST, BLOBS] {
                ways.extend(after.map(|after| told(pattern, Lie::throttled(after))));
            }
            ways
        },
        Unknown("registry-throttled"),
    )
    .within(3),
    Case::new(
        "throttling",
        "throttles every request, under the status of something else",
        |_| {
            let statuses = [400, 403, 404, 500, 503];
            let mut ways = Vec::new();
            for pattern in [TAG, LIST] {
                ways.extend(statuses.map(|status| told(pattern, throttled_as(status))));
            }
            ways
        },
        Unknown("registry-throttled"),
    )
    .within(3),
    Case::new(
        "throttling",
        "throttles its login realm",
        |_| vec![told(TOKEN, Lie::throttled("0"))],
        Unknown("registry-throttled"),
    )
    .at(Rig::Bearer)
    .within(3),
    Case::new(
        "throttling",
        "fails at every request",
        |_| each(ALL, [500, 502, 503, 504, 418].map(Lie::status)),
        Unknown("registry-unavailable"),
    )
    .within(3),
    Case::new(
        "throttling",
        "refuses every request",
        |_| each(ALL, [401, 403].map(Lie::status)),
        Unknown("registry-denied"),
    ),
    Case::new(
        "throttling",
        "throttles a signer",
        |_| {
            ["GET /v2/*", "PUT /v2/*", "POST /v2/*"]
                .map(|pattern| told(pattern, Lie::throttled("0")))
                .into()
        },
        Unknown("registry-throttled"),
    )
    .of(Asked::Sign)
    .within(3),
    Case::new(
        "throttling",
        "throttles a signer who writes the tag of signatures",
        |_| {
            let tag = "PUT /v2/*/manifests/sha256-*";
            let after = ["0", "1", "3600"].map(Lie::throttled);
            each(tag, after.into_iter().chain([throttled_as(404)]))
        },
        Unknown("registry-throttled"),
    )
    .at(Rig::NoReferrers)
    .of(Asked::Sign)
    .within(3),
    Case::new(
        "reset-mid-body",
        "resets a connection once, after any part of a body",
        |scene| {
            let length = scene.image.manifest.len();
            let mut ways = Vec::new();
            for bytes in [0, 1, length / 2, length - 1, length] {
                ways.extend([TAG, LIST].map(|pattern| times(pattern, Lie::ResetAfter(bytes), 1)));
            }
            ways
        },
        Honestly,
    ),
    Case::new(
        "reset-mid-body",
        "resets every connection",
        |scene| {
            let length = scene.image.manifest.len();
            let mut ways = Vec::new();
            for bytes in [0, 1, length / 2] {
                ways.extend(
                    [TAG, LIST, BLOBS].map(|pattern| told(pattern, Lie::ResetAfter(bytes))),
                );
            }
            ways
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "token-expiry",
        "gives a token that lives for −1 s, 0 s, 10⁹⁹ s, or no number of seconds",
        |_| {
            let lives = ["-1", "0", "1e99", "1.5", "null"];
            each(
                TOKEN,
                lives.map(|life| Lie::Member("expires_in".to_owned(), life.to_owned())),
            )
        },
        Honestly,
    )
    .at(Rig::Bearer),
    Case::new(
        "token-expiry",
        "gives a token whose life is a text",
        |_| {
            each(
                TOKEN,
                [Lie::Member("expires_in".to_owned(), "\"x\"".to_owned())],
            )
        },
        Unknown("credentials-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "token-expiry",
        "lets a token end in the middle of a run",
        |_| {
            let challenge = || Fault::on(LIST, Lie::status(401)).times(1);
            vec![Told {
                faults: vec![challenge()],
                ..Told::default()
            }]
        },
        Honestly,
    )
    .at(Rig::Bearer),
    Case::new(
        "token-expiry",
        "takes none of its own tokens",
        |_| {
            let lives = |life: &str| Lie::Member("token".to_owned(), json!(life).to_string());
            vec![
                told(TOKEN, lives("wrong")).and(
                    TOKEN,
                    Lie::Member("access_token".to_owned(), "\"wrong\"".to_owned()),
                ),
                told(LIST, Lie::status(401)),
            ]
        },
        Unknown("registry-denied"),
    )
    .at(Rig::Bearer),
    Case::new(
        "tls",
        "has a certificate that has expired, or is for another name",
        |scene| {
            [Certificate::Expired, Certificate::OtherName]
                .map(|kind| certified(scene, kind))
                .into()
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::Tls),
    Case::new(
        "tls",
        "has a certificate of an authority that nobody knows",
        |scene| {
            let mut told = certified(scene, Certificate::Good);
            told.environment.clear();
            vec![told]
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::Tls),
    Case::new(
        "tls",
        "speaks TLS 1.0 or 1.1, or chooses a cipher that hides nothing",
        |_| {
            let hellos = [(1, 0xc013), (2, 0xc013), (3, 0x0002), (3, 0x003b)];
            hellos
                .map(|(version, cipher)| {
                    listening(move |stream| {
                        let _ = stream.write_all(&server_hello(version, cipher));
                        let _ = stream.read(&mut [0; 4096]);
                    })
                })
                .into()
        },
        Unknown("registry-unavailable"),
    )
    .within(3),
    Case::new(
        "tls",
        "speaks something that is neither TLS nor HTTP",
        |_| {
            let garbage = [
                "SSH-2.0-x\r\n",
                "\0\0\0\0",
                "HTTP/9.9 200 OK\r\n\r\n",
                "HTTP/1.1 999999 X\r\n\r\n",
            ];
            garbage
                .map(|bytes| listening(move |stream| drop(stream.write_all(bytes.as_bytes()))))
                .into()
        },
        Unknown("registry-unavailable"),
    )
    .within(3),
    Case::new(
        "throttling",
        "throttles what is shown",
        |_| vec![told(BLOBS, Lie::throttled("0"))],
        Unknown("registry-throttled"),
    )
    .of(Asked::Inspect)
    .within(3),
];
