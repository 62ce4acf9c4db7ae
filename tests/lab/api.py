"""A small client of the people's API, and one of the engine's socket."""

import http.client
import json
import socket
import urllib.parse

TIMEOUT = 30


class ApiError(Exception):
    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path} answered {status}: {body[:500]}")
        self.status = status
        self.body = body


class Api:
    """One person's session: login once, then get() and post()."""

    def __init__(self, port, host="127.0.0.1"):
        self.address = (host, port)
        self.cookie = None
        self.csrf = None

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, body bytes) of one request, with the session's cookie if there is one."""
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        try:
            sent = dict(headers or {})
            if self.cookie:
                sent["Cookie"] = self.cookie
            if self.csrf and method != "GET":
                sent["X-CSRF-Token"] = self.csrf
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        status, headers, text = self.raw(method, "/api/v1" + path, data, {"Content-Type": "application/json"} if data else {})
        if status >= 300:
            raise ApiError(method, path, status, text.decode(errors="replace"))
        if headers.get("Set-Cookie"):
            self.cookie = headers["Set-Cookie"].split(";", 1)[0]
        return json.loads(text) if text else None

    def get(self, path, **parameters):
        query = urllib.parse.urlencode({k.rstrip("_"): v for k, v in parameters.items() if v is not None})
        return self.call("GET", path + ("?" + query if query else ""))

    def login(self, name, password):
        answer = self.call("POST", "/login", {"name": name, "password": password})
        self.csrf = answer["csrf"]
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    """SQL straight to the engine's unix socket: what is stored, without our API in between."""

    def __init__(self, path):
        self.path = path

    def query(self, sql):
        """Rows as dictionaries. 64-bit integers come as Python integers."""
        body = self.execute(f"{sql} FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0")
        return [json.loads(line) for line in body.splitlines() if line]

    def value(self, sql):
        rows = self.query(sql)
        return next(iter(rows[0].values())) if rows else None

    def insert(self, table, data):
        """Rows in the engine's RowBinary."""
        self._post("/?" + urllib.parse.urlencode({"query": f"INSERT INTO {table} FORMAT RowBinary"}), data, f"insert into {table}")

    def execute(self, sql):
        """Any statement; its answer as text."""
        return self._post("/", sql.encode(), sql)

    def _post(self, target, body, what):
        connection = _UnixConnection(self.path)
        try:
            connection.request("POST", target, body)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise ApiError("POST", "engine", answer.status, f"{text} for {what}")
            return text
        finally:
            connection.close()
