"""What python-tuf says about chains of TUF roots, and chains that it writes. Called by tests/it/peers/python_tuf.rs.

    tuf_oracle.py accept FOLDER…            each a chain: its files *.root.json in the order of their names
    tuf_oracle.py write FOLDER RSA_KEY      a chain of three versions, with members of ours
    tuf_oracle.py next PREVIOUS NEXT KEY…   the version after PREVIOUS, signed by the keys in these files (PEM)

Each prints JSON. The chains are followed by python-tuf's public client. Nothing is fetched, and no clock decides: what
expired counts as good.
"""

import json
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

EXPIRES = datetime(2027, 11, 23, tzinfo=timezone.utc)


class Chain(FetcherInterface):
    """A repository that has roots and nothing else, and gives the next one whatever version is asked for."""

    def __init__(self, files):
        self.files = files

    def _fetch(self, url):
        if url.endswith(".root.json") and self.files:
            return iter([self.files.pop(0)])
        raise DownloadHTTPError("absent", 404)


def accept(folder):
    first, *rest = [file.read_bytes() for file in sorted(Path(folder).glob("*.root.json"))]
    chain = Chain(rest)
    # The default, which ours is: to the byte, whatever a later one has.
    config = UpdaterConfig(root_max_length=512_000)
    with tempfile.TemporaryDirectory() as state:
        newest = Path(state, "root.json")
        error = None
        try:
            updater = Updater(state, "https://tuf.example/", fetcher=chain, config=config, bootstrap=first)
            updater.refresh()
        except DownloadHTTPError:
            # The roots are followed to their end before anything else is asked for.
            pass
        except (DownloadError, RepositoryError) as refusal:
            error = f"{type(refusal).__name__}: {refusal.__cause__ or refusal}"
        version = json.loads(newest.read_bytes())["signed"]["version"] if newest.exists() else None
    return {"accepted": error is None and not chain.files, "version": version, "error": error}


def signer(private, scheme=None):
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), scheme=scheme))


def publish(root, signers, path):
    metadata = Metadata(root)
    for one in signers:
        metadata.sign(one, append=True)
    metadata.to_file(path)
    return {"version": root.version, "keys": sorted(root.keys), "root_keys": list(root.roles["root"].keyids)}


def write(folder, rsa_key):
    """Three people with P-256, of whom all but one are replaced by one with P-384 and one with RSA-PSS."""
    one, two, three, release = (signer(ec.derive_private_key(number, ec.SECP256R1())) for number in (21, 22, 23, 24))
    larger = signer(ec.derive_private_key(25, ec.SECP384R1()))
    rsa = signer(load_pem_private_key(Path(rsa_key).read_bytes(), None), "rsassa-pss-sha256")
    root = Root(version=1, expires=EXPIRES)
    root.roles["root"].threshold = 2
    for key in one, two, three:
        root.add_key(key.public_key, "root")
    for role in "targets", "snapshot", "timestamp":
        root.add_key(release.public_key, role)
    root.unrecognized_fields["x-countersign"] = extension(release.public_key.keyid)
    said = [publish(root, [one, two], Path(folder, "1.root.json"))]

    root.version = 2
    for key in two, three:
        root.revoke_key(key.public_key.keyid, "root")
    for key in larger, rsa:
        root.add_key(key.public_key, "root")
    said.append(publish(root, [one, two, larger, rsa], Path(folder, "2.root.json")))

    root.version = 3
    said.append(publish(root, [larger, rsa], Path(folder, "3.root.json")))
    owner = root.unrecognized_fields["x-countersign"]["keyInfo"][release.public_key.keyid]["owner"]
    return {"versions": said, "release": release.public_key.keyid, "owner": owner}


def extension(release):
    return {
        "schema": 1,
        "name": "acme",
        "keyInfo": {release: {"owner": "the \"release\" team\\Zürich\n東京 🗝 \u2028\x7f\x01"}},
        "scopes": [
            {
                "repositories": ["registry.example/shop/**"],
                "sign": {"keyids": [release]},
                "publish": {"keyids": [release]},
            }
        ],
        # What is signed has its members in order; these two change places where it is that of UTF-16.
        "trustedRoot": {
            "mediaType": "application/vnd.dev.sigstore.trustedroot.v0.2+json",
            "x-\U0001f5dd": 18446744073709551615,
            "x-\uff5e": [None, True, -9223372036854775808, "", {}],
        },
    }


def next_version(previous, path, *keys):
    metadata = Metadata[Root].from_file(previous)
    root = metadata.signed
    root.version += 1
    privates = [load_pem_private_key(Path(key).read_bytes(), None) for key in keys]
    signers = []
    for private in privates:
        # By its own id and scheme, which the file before says.
        public = SSlibKey.from_crypto(private.public_key()).keyval["public"]
        listed = [key for key in root.keys.values() if key.keyval["public"].strip() == public.strip()]
        signers += [CryptoSigner(private, key) for key in listed]
    return publish(root, signers, path)


commands = {
    "accept": lambda *folders: {Path(folder).name: accept(folder) for folder in folders},
    "next": next_version,
    "write": write,
}
json.dump(commands[sys.argv[1]](*sys.argv[2:]), sys.stdout)
