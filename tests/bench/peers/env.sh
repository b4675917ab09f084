# Source me: settings for the whole harness. Everything can be overridden from outside.
# PEERS_BIN   folder(s) with cosign, notation, crane, oras, docker-registry (put first on PATH)
# BENCH_DIR   scratch folder: keys, images.json, logs, results
HARNESS_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export HARNESS_DIR
export PEERS_BIN="${PEERS_BIN:-}"
export BENCH_DIR="${BENCH_DIR:-$PWD/.ocibench}"
[ -n "$PEERS_BIN" ] && export PATH="$PEERS_BIN:$PATH"
# Ours: what `cargo build --profile dist` makes.
export OURS_BIN="${OURS_BIN:-$HARNESS_DIR/../../../target/dist}"
export PATH="$(cd "$OURS_BIN" && pwd):$PATH"

# Direct ports (registry itself), and ports through the counting/delaying proxy.
export PORT_CRANE="${PORT_CRANE:-5001}"          # in-memory registry; the PROXY adds the referrers API to it
export PORT_DIST="${PORT_DIST:-5002}"            # distribution 2.8, no referrers API: fallback tags
export PORT_KMS="${PORT_KMS:-5003}"            # AWS KMS emulator (kms.py)
export PROXY_CRANE="${PROXY_CRANE:-5101}"        # plain HTTP through the proxy
export PROXY_DIST="${PROXY_DIST:-5102}"
export PROXY_KMS="${PROXY_KMS:-5103}"
export TLS_CRANE="${TLS_CRANE:-5201}"            # HTTPS through the proxy
export TLS_DIST="${TLS_DIST:-5202}"
export TLS_KMS="${TLS_KMS:-5203}"
export ECR_CRANE="${ECR_CRANE:-5301}"            # as ECR does it: HTTPS, Basic challenge, blob GETs redirected
export S3_CRANE="${S3_CRANE:-5302}"              # ... to this port
export PORT_ADMIN="${PORT_ADMIN:-5199}"          # the proxy's control port

# Keep every tool's state in BENCH_DIR, away from the user's own HOME.
mkdir -p "$BENCH_DIR/home" "$BENCH_DIR/keys" "$BENCH_DIR/log" "$BENCH_DIR/results"
export HOME="$BENCH_DIR/home" XDG_CONFIG_HOME="$BENCH_DIR/home/.config" DOCKER_CONFIG="$BENCH_DIR/home/.docker"
mkdir -p "$XDG_CONFIG_HOME" "$DOCKER_CONFIG"
export SSL_CERT_FILE="$BENCH_DIR/keys/ca.pem" AWS_CA_BUNDLE="$BENCH_DIR/keys/ca.pem" CURL_CA_BUNDLE="$BENCH_DIR/keys/ca.pem"
export SSL_CERT_DIR="${SSL_CERT_DIR:-/etc/ssl/certs}"    # Go's default too: TLS clients also parse the system's roots
export COSIGN_PASSWORD="${COSIGN_PASSWORD:-}"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export KMS_ALIAS="${KMS_ALIAS:-alias/bench}"
export NO_PROXY="127.0.0.1,localhost" no_proxy="127.0.0.1,localhost"
