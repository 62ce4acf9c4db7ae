"""What a collector has in its spool, read by the second implementation of the wire: batches of a source, and rows with the names of their columns."""

import json
import struct

from lab import frame

SEGMENT_HEADER_BYTES, RECORD_HEADER_BYTES = 40, 24


def spooled_frames(state):
    """Payloads of the records in a collector's spool, by docs/journal.md."""
    for path in sorted((state / "spool").glob("*.seg")):
        data, at = path.read_bytes(), SEGMENT_HEADER_BYTES
        while at + RECORD_HEADER_BYTES <= len(data):
            size = struct.unpack_from("<I", data, at)[0]
            if at + RECORD_HEADER_BYTES + size > len(data):
                return  # being written
            yield data[at + RECORD_HEADER_BYTES:at + RECORD_HEADER_BYTES + size]
            at += RECORD_HEADER_BYTES + size


class Spooled:
    """The frames of one collector by its directory, of which each is decoded once, and none is forgotten."""

    def __init__(self, state):
        self.state = state
        self.frames = {}

    def contents(self):
        for payload in spooled_frames(self.state):
            if payload not in self.frames:
                self.frames[payload] = frame.Frame(payload).content()
        return list(self.frames.values())

    def batches(self, source=None, target=None):
        """In the order in which they were read."""
        return [batch for content in self.contents() for batch in content["batches"]
                if source in (None, batch["source"]) and target in (None, batch["target"][1])]

    def rows(self, source, target=None, **keys):
        return [row for batch in self.batches(source, target) for row in rows_of(batch) if all(row[key] == value for key, value in keys.items())]

    def total(self, source, target, column, **keys):
        """The sum of a counter's increments."""
        return sum(row[column] or 0 for row in self.rows(source, target, **keys))

    def text(self):
        """Everything, for who looks for a word in it."""
        return json.dumps(self.contents(), default=repr, ensure_ascii=False)


def rows_of(batch):
    names = [column[0] for column in batch["columns"]]
    return [dict(zip(names, row)) for row in batch["rows"]]
