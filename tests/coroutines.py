#!/usr/bin/env python3
"""Fails on a co_await inside the condition of an if or a loop, when what it yields needs a destructor.

g++ 12.2 resumes a wrong frame there: with `if (!co_await loop.sleep(t)) break;` the program crashes on the way out of the block, with a named
variable or an init-statement it does not. Whether the type needs a destructor cannot be seen here, so all such conditions are refused
outside net, whose own conditions await bool.
"""
import pathlib
import re
import sys

DECLARES = re.compile(r"\s*(?:const\s+)?auto\s+\w+\s*=")  # `if (auto x = co_await f())` names it
START = re.compile(r"\b(?:if|while)\s*\(")


def conditions(text: str):
    """(line, condition without its init-statement) of every if and while."""
    for found in START.finditer(text):
        depth, at, semicolon = 1, found.end(), found.end()
        while depth and at < len(text):
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            if text[at] == ";" and depth == 1:
                semicolon = at + 1
            at += 1
        yield text.count("\n", 0, found.start()) + 1, text[semicolon : at - 1]


def faults_of(root: pathlib.Path) -> list[str]:
    faults = []
    for file in sorted([*root.glob("src/*/*.cc"), *root.glob("apps/*/*.cc"), *root.glob("src/*/*/*.cc")]):
        if file.parent.name == "net":
            continue
        for line, condition in conditions(file.read_text(encoding="utf-8")):
            if "co_await" in condition and not DECLARES.match(condition):
                faults.append(f"{file}:{line}: co_await in a condition: give the result a name first")
    return faults


def main() -> int:
    planted = "if (x && !co_await f(a, b)) break;\nif (const auto s = co_await f(); !s) break;\nif (ready) co_await f();\n"
    assert [line for line, c in conditions(planted) if "co_await" in c] == [1]
    faults = faults_of(pathlib.Path(sys.argv[1]))
    print("\n".join([*faults, f"{len(faults)} conditions that g++ 12 would get wrong"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
