"""The operations of api/openapi.yaml, for tests that call every one of them."""

import dataclasses
import itertools
import urllib.parse

import yaml

from lab import machine

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclasses.dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    port: str
    policy: str
    parameters: tuple  # (name, in, schema)

    def target(self, values, query=()):
        """Path and query, with `values` in the placeholders."""
        path = self.path
        for name, where, _ in self.parameters:
            if where == "path":
                path = path.replace("{" + name + "}", urllib.parse.quote(str(values[name]), safe=""))
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    def queries(self):
        """No parameters at all, and every value of every parameter that has a list of them."""
        listed = [[(name, value)] for name, where, schema in self.parameters if where == "query" for value in schema.get("enum", ())]
        return list(itertools.chain([()], listed))


def load():
    """(operations, {path: methods that are not declared there})"""
    text = yaml.safe_load((machine.ROOT / "api/openapi.yaml").read_text(encoding="utf-8"))

    def resolved(value):
        while "$ref" in value:
            found = text
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    found, undeclared = [], {}
    for path, item in text["paths"].items():
        shared = item.get("parameters", [])
        for method in METHODS:
            if method not in item:
                undeclared.setdefault(path, []).append(method.upper())
                continue
            given = item[method]
            parameters = tuple((p["name"], p["in"], resolved(p.get("schema", {}))) for p in map(resolved, shared + given.get("parameters", [])))
            found.append(Operation(given["operationId"], method.upper(), path, given["x-port"], given["x-policy"], parameters))
    return found, undeclared
