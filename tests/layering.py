#!/usr/bin/env python3
"""Reads the includes and the CMake links of src/ and apps/ and fails on a dependency that points the wrong way.

The table is the architecture (docs/architecture.md): what a library may use. `--self-test` proves that a back edge is found.
"""
import pathlib
import re
import sys

MAY_USE = {
    "base": "",
    "settings": "base",
    "wire": "base",
    "catalog": "base settings wire",
    "journal": "base",
    "net": "base",
    "identity": "base",
    "pg": "base net",
    "sql": "base",
    "logs": "base sql",
    "collect": "base sql logs wire catalog journal net pg",
    "uplink": "base wire journal net identity",
    "store": "base wire catalog net",
    "directory": "base",
    "ingest": "base wire catalog journal store directory identity net",
    "api": "base wire catalog net identity store directory ingest",
}
# Headers of others that only the named libraries may include; asio/awaitable and io_context are net/task.h's.
ONLY_IN = {
    r"boost/beast": {"net"},
    r"boost/asio": {"net"},
    r"openssl/": {"net", "identity"},
    r"libpq-fe\.h": {"pg"},
    r"sqlite3\.h": {"directory"},
    r"yaml-cpp/": {"settings", "api"},
    r"spdlog/": {"base"},
    r"zstd\.h": {"wire"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def faults_of(root: pathlib.Path) -> list[str]:
    faults = []
    for file in sorted(root.glob("src/*/*")):
        if file.suffix not in (".h", ".cc"):
            continue
        library = file.parent.name
        if library not in MAY_USE:
            faults.append(f"{file}: library {library} is not in the table of tests/layering.py")
            continue
        allowed = set(MAY_USE[library].split()) | {library}
        for bracket, target in INCLUDE.findall(file.read_text(encoding="utf-8")):
            head = target.split("/")[0]
            if bracket == '"' and head in MAY_USE and head not in allowed:
                faults.append(f"{file}: {library} may not include {target}")
            if bracket == '"' and target.endswith("_internal.h") and head in MAY_USE and head != library:
                faults.append(f"{file}: {target} is internal to {head}")
            for pattern, owners in ONLY_IN.items():
                if bracket == "<" and re.match(pattern, target) and library not in owners:
                    faults.append(f"{file}: only {', '.join(sorted(owners))} may include <{target}>")
    for cmake in sorted(root.glob("src/*/CMakeLists.txt")):
        library = cmake.parent.name
        for arguments in re.findall(r"pga_library\(\s*\w+\s+DEPENDS\s+([a-z ]+)", cmake.read_text(encoding="utf-8")):
            for used in arguments.split():
                if used not in MAY_USE.get(library, "").split():
                    faults.append(f"{cmake}: {library} may not link {used}")
    return faults


def self_test() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        (root / "src/wire").mkdir(parents=True)
        (root / "src/wire/a.h").write_text('#include "store/store.h"\n#include <boost/asio.hpp>\n#include "base/x_internal.h"\n')
        (root / "src/wire/CMakeLists.txt").write_text("pga_library(wire DEPENDS base net)\n")
        found = faults_of(root)
        assert len(found) == 4, found


def main() -> int:
    self_test()
    faults = faults_of(pathlib.Path(sys.argv[1]))
    for fault in faults:
        print(fault)
    print(f"{len(faults)} dependencies point the wrong way")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
