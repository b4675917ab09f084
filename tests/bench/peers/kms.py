#!/usr/bin/env python3
"""Small AWS KMS emulator with one asymmetric key. Standard library + the openssl program.

  kms.py --port 5003 --key kms.pem --alias alias/bench

Answers GetPublicKey, DescribeKey and Sign (ECDSA_SHA_256, MessageType RAW *and* DIGEST).
No request signature is checked.
"""
import argparse, base64, hashlib, json, subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--port", type=int, required=True)
p.add_argument("--key", required=True, help="EC P-256 private key, PEM")
p.add_argument("--alias", required=True)
A = p.parse_args()
KEY_ID = "11111111-2222-4333-8444-555555555555"
ARN = f"arn:aws:kms:us-east-1:123456789012:key/{KEY_ID}"
DER = subprocess.run(["openssl", "pkey", "-in", A.key, "-pubout", "-outform", "DER"], check=True,
                     capture_output=True).stdout


def answer(action, body):
    if body.get("KeyId", "").rsplit(":", 1)[-1] not in (A.alias, KEY_ID, f"key/{KEY_ID}"):
        return 400, {"__type": "NotFoundException", "message": f"Key '{body.get('KeyId')}' does not exist"}
    if action == "GetPublicKey":
        return 200, {"KeyId": ARN, "PublicKey": base64.b64encode(DER).decode(), "KeySpec": "ECC_NIST_P256",
                     "CustomerMasterKeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY",
                     "SigningAlgorithms": ["ECDSA_SHA_256"]}
    if action == "DescribeKey":
        return 200, {"KeyMetadata": {"AWSAccountId": "123456789012", "KeyId": KEY_ID, "Arn": ARN, "Enabled": True,
                                     "CreationDate": 1767225600, "Description": "", "KeyState": "Enabled",
                                     "KeyUsage": "SIGN_VERIFY", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
                                     "KeySpec": "ECC_NIST_P256", "CustomerMasterKeySpec": "ECC_NIST_P256",
                                     "SigningAlgorithms": ["ECDSA_SHA_256"], "MultiRegion": False}}
    if action == "Sign":
        if body.get("SigningAlgorithm") != "ECDSA_SHA_256":
            return 400, {"__type": "InvalidKeyUsageException", "message": "only ECDSA_SHA_256"}
        msg = base64.b64decode(body["Message"])
        if body.get("MessageType", "RAW") == "RAW":
            msg = hashlib.sha256(msg).digest()
        if len(msg) != 32:
            return 400, {"__type": "ValidationException", "message": "Digest is invalid length for algorithm"}
        sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", A.key], input=msg, check=True,
                             capture_output=True).stdout
        return 200, {"KeyId": ARN, "Signature": base64.b64encode(sig).decode(), "SigningAlgorithm": "ECDSA_SHA_256"}
    return 400, {"__type": "UnknownOperationException", "message": action}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1                       # one write for head and body

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        status, doc = answer(self.headers.get("X-Amz-Target", "").split(".")[-1], body)
        data = json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", A.port), Handler).serve_forever()
