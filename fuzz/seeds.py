"""Makes fuzz seeds of the test vectors: seeds.py SRC OUT."""
import json
import pathlib
import sys

src, out = map(pathlib.Path, sys.argv[1:])


def from_hex(path):
    return bytes.fromhex("".join(line.split("#")[0] for line in path.read_text().splitlines()))


def put(target, name, content):
    (out / target).mkdir(parents=True, exist_ok=True)
    (out / target / name).write_bytes(content)


put("varint", "edges", bytes([0, 0x7F, 0x80, 1]) + b"\xff" * 9 + b"\x01" + b"\x05hello")
stream = []
for path in sorted((src / "wire/testdata").rglob("*.hex")):
    frame = from_hex(path)
    put("frame", path.stem, b"\x00" + frame)
    header = 48 if frame[5] else 40
    if path.stem.startswith("stream-"):
        stream.append(frame[header:])
    elif frame[7] == 0:
        put("dictionary", path.stem, b"\x00" + frame[header:])
        put("columns", path.stem, b"\x04\x10\x00" + frame[-100:])
    if frame[7] == 0:  # not compressed: the payload alone, which fuzz/frame.cc puts behind a valid header
        put("frame", path.stem + "-payload", b"\x01" + frame[header:])
put("dictionary", "stream", b"\x00" + b"\xff\x00".join(stream))
put("dictionary", "story", b"\x01" + bytes([0, 7, 5, 0, 5, 0, 4, 9, 2, 0, 3, 1, 0, 12, 1, 1]))
put("columns", "cells", b"\x01\x01\x00" + bytes([1, 5, 1, 7, 0, 0, 0x81, 9, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]))
for path in sorted((src / "wire/testdata").glob("*.json")):
    put("json_twin", path.stem, path.read_bytes())
for path in sorted((src / "journal/testdata").glob("*.hex")):
    put("journal", path.stem, b"\x00" + from_hex(path))
put("journal", "edits", b"\x01" + bytes([44, 0, 1, 200, 0, 255, 255, 3, 7]))
for number, line in enumerate((src / "sql/testdata/canaries.jsonl").read_text().splitlines()):
    put("sql_text", f"canary-{number}", b"\x40" + json.loads(line)["text"].replace("canary", "secret").encode())
for path in sorted((src / "sql/testdata").glob("plans-*.jsonl")):
    for number, line in enumerate(path.read_text().splitlines()):
        if len(line) < 3000:  # longer ones are cut by -max_len, and half a plan teaches nothing
            put("sql_plan", f"{path.stem}-{number}", json.loads(line)["text"].encode())
for path in sorted((src / "logs/testdata").iterdir()):
    # Events of one log, some lines at a time: the targets run with short inputs.
    lines = path.read_bytes().splitlines(keepends=True)
    target, before = {"csv": ("csvlog", b""), "json": ("jsonlog", b""), "log": ("stderrlog", b"%m [%p] %q%u@%d/%a %h %e \n")}[path.suffix[1:]]
    for at in range(0, len(lines), 6):
        put(target, f"{path.stem}-{at}", before + b"\x07" + b"".join(lines[at:at + 6]))
(out / "done").touch()
