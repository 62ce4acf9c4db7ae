"""What an attacker has in hand: identities, forged tokens and certificates, raw requests; and a second tenant to look from."""

import base64
import hashlib
import hmac
import json
import pathlib
import secrets
import socket
import sqlite3
import ssl
import subprocess
import time

from lab import machine

TIMEOUT = 15
PASSED = 415
FRAME = "application/vnd.pganalytics.frame"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, check=True, capture_output=True).stdout


# --- on the wire ----------------------------------------------------------------------------------------------------

def tls_context(ca=None, pair=None):
    """A client's context; without an authority the server's certificate is not looked at."""
    context = ssl.create_default_context(cadata=ca) if ca else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair:
        context.load_cert_chain(pair)
    return context


def connect(port, context=None, session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="localhost", session=session) if context else raw


def request_bytes(method, path, headers=(), body=b""):
    """A request with exactly these header fields, also doubled ones."""
    fields = [("Host", "localhost"), *headers, *([("Content-Length", str(len(body)))] if body or method != "GET" else [])]
    return f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode() for k, v in fields) + b"\r\n" + body


def read_answer(sock, without_body=False):
    """(status, head, body); status 0 when the connection ended instead, by an alert of TLS or without a word."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return 0, b"", data
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        size = 0 if without_body else next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < size:
            body += (more := sock.recv(65536))
            if not more:
                break
        return int(head.split(b" ", 2)[1]), head, body
    except (ssl.SSLError, ConnectionError) as error:
        return 0, b"", str(error).encode()


def ask(port, context, method, path, headers=(), body=b""):
    """One request on a connection of its own."""
    try:
        with connect(port, context) as sock:
            sock.sendall(request_bytes(method, path, headers, body))
            return read_answer(sock, method == "HEAD")
    except (ssl.SSLError, ConnectionError) as error:  # the refusal may come before the request is out
        return 0, b"", str(error).encode()


# --- a collector's identity -----------------------------------------------------------------------------------------

class Identity:
    """Certificate and key that a collector keeps, used by somebody who took them."""

    def __init__(self, collector, server):
        found = json.loads((collector.state / "identity.json").read_text())
        self.port, self.ca = server.collectors_port, found["ca"]
        self.pair = collector.directory / "taken.pem"
        self.pair.touch(0o600)
        self.pair.write_text(found["key"] + found["certificate"])
        self.context = tls_context(self.ca, self.pair)
        self.uri = openssl("x509", "-noout", "-ext", "subjectAltName", data=found["certificate"].encode()).decode().partition("URI:")[2].strip()
        self.uuid = self.uri.rpartition("/")[2]

    def token(self):
        status, _, body = ask(self.port, self.context, "POST", "/v1/token")
        if status != 200:
            raise machine.LabError(f"no token: {status} {body}")
        return json.loads(body)["token"]

    def push(self, *authorization):
        """The status of a frame of a type that nobody takes, so that nothing is ever stored: PASSED for whoever may push."""
        return ask(self.port, self.context, "POST", "/v1/frames", [("Content-Type", "text/plain"), *(("Authorization", v) for v in authorization)], b"none")[0]


# --- forged tokens --------------------------------------------------------------------------------------------------

class Forger:
    """Makes tokens out of a good one; `key` is the server's own, for tokens whose signature holds and whose claims do not."""

    def __init__(self, token, key):
        self.token, self.key = token, key
        self.header, self.payload = (json.loads(from_base64url(part)) for part in token.split(".")[:2])
        self.public = openssl("pkey", "-in", key, "-pubout")

    def parts(self, header, payload):
        return ".".join(base64url(json.dumps({k: v for k, v in part.items() if v is not None}, separators=(",", ":")).encode())
                        for part in ({**self.header, **header}, {**self.payload, **payload}))

    def signed(self, header=None, payload=None):
        """By the server's key: only the change is wrong."""
        text = self.parts(header or {}, payload or {})
        file = pathlib.Path(self.key).parent / f"to-sign-{secrets.token_hex(4)}"
        file.write_text(text)
        try:
            return f"{text}.{base64url(openssl('pkeyutl', '-sign', '-rawin', '-inkey', self.key, '-in', file))}"
        finally:
            file.unlink()

    def hmac(self, key, header=None):
        text = self.parts({"alg": "HS256", **(header or {})}, {})
        return f"{text}.{base64url(hmac.new(key, text.encode(), hashlib.sha256).digest())}"

    def changed(self, header=None, payload=None):
        """The signature of the good token under other words."""
        return f"{self.parts(header or {}, payload or {})}.{self.token.rpartition('.')[2]}"


def certificate(directory, name, authority, uri, usage="clientAuth", ended=False):
    """Key and certificate in one file. `authority` is a pair of files (certificate, key)."""
    pair, key, csr, conf = (pathlib.Path(directory) / f"{name}.{end}" for end in ("pem", "key", "csr", "cnf"))
    (conf.parent / f"{name}.txt").write_text("")
    conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={conf.parent}/{name}.txt\nnew_certs_dir={conf.parent}\ndefault_md=sha256\npolicy=p\n"
                    f"rand_serial=yes\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:FALSE\nextendedKeyUsage={usage}\nsubjectAltName=URI:{uri}\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", f"/CN={name}", "-out", csr)
    dates = ("20200101000000Z", "20200102000000Z") if ended else ("20200101000000Z", "20400101000000Z")
    out = openssl("ca", "-batch", "-config", conf, "-extensions", "e", "-cert", authority[0], "-keyfile", authority[1], "-in", csr, "-notext",
                  "-startdate", dates[0], "-enddate", dates[1])
    pair.write_bytes(key.read_bytes() + out)
    pair.chmod(0o600)
    return pair


def foreign_authority(directory):
    files = pathlib.Path(directory) / "foreign-ca.crt", pathlib.Path(directory) / "foreign-ca.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files[1], "-out", files[0], "-days", "3650",
            "-subj", "/CN=pgAnalytics")
    return files


# --- the directory --------------------------------------------------------------------------------------------------

class Directory:
    """The server's SQLite file, as somebody with its host in hand sees it. The server may run meanwhile."""

    def __init__(self, server):
        self.server = server
        self.file = server.state / "directory.sqlite"

    def sql(self, text, *parameters):
        connection = sqlite3.connect(self.file, timeout=20)
        try:
            with connection:
                return connection.execute(text, parameters).fetchall()
        finally:
            connection.close()

    def add_tenant(self, name):
        self.sql("INSERT INTO tenants (name, created_us) VALUES (?, ?)", name, time.time_ns() // 1000)
        return self.sql("SELECT id FROM tenants WHERE name = ?", name)[0][0]

    def add_user(self, tenant, name, role):
        """With the administrator's password, whose hash is copied."""
        self.sql("INSERT INTO users (tenant_id, name, role, password_hash, created_us) SELECT ?, ?, ?, password_hash, created_us FROM users "
                 "WHERE name = ?", tenant, name, role, self.server.administrator)

    def enrolment_token(self, tenant):
        """A new token that enrols into a tenant of one's choice."""
        head, authority, secret = self.server.token().split(".")
        self.sql("UPDATE enrolment_tokens SET tenant_id = ? WHERE secret_sha256 = ?", tenant, base64url(hashlib.sha256(secret.encode()).digest()))
        return f"{head}.{authority}.{secret}"

    def audit(self, action, outcome):
        """[(actor, address, detail)], newest last."""
        return self.sql("SELECT actor, address, detail FROM audit WHERE action = ? AND outcome = ? ORDER BY id", action, outcome)
