"""The results of ./run bench load for people: table, CSV, Markdown, and a page with plots."""

import csv
import gzip
import html
import io
import json
import math
import random
import uuid

import zstandard

# The figures that were published for this load: (mean, p95) in ms of the client's POST, by collectors and protocol.
PUBLISHED = {
    10: {"json": (9.90, 17.39), "binary": (10.90, 20.94)},
    50: {"json": (12.86, 28.92), "binary": (19.27, 41.42)},
    100: {"json": (17.05, 42.65), "binary": (13.84, 28.21)},
    500: {"json": (15.19, 40.95), "binary": (12.04, 31.11)},
}
PUBLISHED_BYTES = {"json": 7_522, "binary": 3_009}   # of a push: 56.42 MB and 22.57 MB in 7,500
METRICS = ("cpu_usage_percent", "memory_usage_percent", "disk_usage_percent", "connection_count", "queries_per_second", "transactions_per_second",
           "cache_hit_ratio", "index_scan_count", "sequential_scan_count")
COLUMNS = ("collectors", "protocol", "workload", "start", "pushes", "success", "tried_again", "rows_acked", "rows_stored", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms",
           "post_mean_ms", "body_bytes_per_push", "socket_bytes_per_push", "server_cpu_ms_per_push", "engine_cpu_ms_per_push", "generator_cpu_ms_per_push",
           "server_rss_kib", "engine_rss_kib", "seconds")


def published_mean_ms(collectors, protocol):
    return PUBLISHED.get(collectors, {}).get(protocol, (None,))[0]


def published_document(number):
    """A push as it was published: JSON with 50 metrics."""
    chance = random.Random(number)
    metrics = [{"name": METRICS[i % len(METRICS)], "value": chance.random() * 100, "timestamp": 1_795_900_000,
                "labels": {"instance": f"app-{number}:9187", "job": "postgres"}} for i in range(50)]
    return json.dumps({"collector_id": str(uuid.UUID(int=chance.getrandbits(128))), "hostname": f"app-{number}", "version": "1.0.0",
                       "timestamp": "2026-11-28T12:00:00Z", "metrics": metrics}, separators=(",", ":")).encode()


def sizes(scenarios):
    """Bytes of a push: the published document raw and compressed, and what our collectors sent."""
    documents = [published_document(n) for n in range(200)]
    compressor = zstandard.ZstdCompressor(level=3)

    def mean(lengths):
        return round(sum(lengths) / len(documents), 1)
    ours = {s["protocol"]: s["body_bytes_per_push"] for s in sorted(scenarios, key=lambda s: s["collectors"])}
    return {"json_raw": mean(map(len, documents)), "json_gzip6": mean(len(gzip.compress(d, 6)) for d in documents),
            "json_zstd3": mean(len(compressor.compress(d)) for d in documents), "binary": ours.get("binary"), "json_twin": ours.get("json")}


def line(s):
    published = published_mean_ms(s["collectors"], s["protocol"]) if s["workload"] == "W0" else None
    return (f"{s['pushes']:,} pushes, {s['success']:.2%}; from due mean {s['mean_ms']} ms{f' (published: {published})' if published else ''}, p50 {s['p50_ms']}, p95 {s['p95_ms']}, "
            f"p99 {s['p99_ms']}, max {s['max_ms']}; {s['body_bytes_per_push']:,} B body, {s['socket_bytes_per_push']:,} B at the socket; "
            f"{s['rows_stored']:,} of {s['rows_acked']:,} acknowledged rows stored")


def rows_of(result):
    """(heads, rows of cells as text)."""
    heads = ["collectors", "protocol", "pushes", "success", "mean ms", "published", "p50", "p95", "p99", "max", "published p95", "body B", "socket B", "server CPU ms", "engine CPU ms",
             "generator CPU ms", "server MiB", "rows acked", "rows stored"]
    rows = []
    for s in result["scenarios"] + result["null"]:
        published = PUBLISHED.get(s["collectors"], {}).get(s["protocol"], ("", "")) if s["workload"] == "W0" else ("", "")
        name = f"{s['collectors']}" + (" (null server)" if s["null"] else "")
        rows.append([name, s["protocol"], f"{s['pushes']:,}", f"{s['success']:.2%}", f"{s['mean_ms']:.2f}", "" if s["null"] else str(published[0]), f"{s['p50_ms']:.2f}",
                     f"{s['p95_ms']:.2f}", f"{s['p99_ms']:.2f}", f"{s['max_ms']:.2f}", "" if s["null"] else str(published[1]), f"{s['body_bytes_per_push']:,.0f}", f"{s['socket_bytes_per_push']:,.0f}",
                     f"{s['server_cpu_ms_per_push']:.2f}", f"{s['engine_cpu_ms_per_push']:.2f}", f"{s['generator_cpu_ms_per_push']:.2f}", f"{s['server_rss_kib'] / 1024:.0f}",
                     f"{s['rows_acked']:,}", "" if s["null"] else f"{s['rows_stored']:,}"])
    return heads, rows


def size_lines(result):
    s = result["sizes"]
    if result["workload"] != "W0":
        return [f"a push of ours in {name} {s[key]:,.0f} B" for name, key in (("binary", "binary"), ("JSON", "json_twin")) if s[key]]
    found = [f"a push as JSON {s['json_raw']:,.0f} B, gzip level 6 {s['json_gzip6']:,.0f} B, zstd level 3 {s['json_zstd3']:,.0f} B (200 documents of the published shape)"]
    if s["binary"]:
        found.append(f"ours in binary {s['binary']:,.0f} B: {1 - s['binary'] / s['json_raw']:.1%} under the raw JSON, {1 - s['binary'] / s['json_gzip6']:.1%} under gzip; "
                     f"{PUBLISHED_BYTES['binary']:,} B were published")
    if s["json_twin"]:
        found.append(f"ours as JSON {s['json_twin']:,.0f} B; {PUBLISHED_BYTES['json']:,} B were published")
    return found


def conditions(result):
    m = result["machine"]
    return (f"{result['date']}, {m['cpus']} × {m['model']}, Linux {m['kernel']}; server, engine and generator on the same processors. {result['pushes_per_collector']} pushes of each collector, one in "
            f"{result['interval_seconds'] / result['time_scale']:g} s (a push a minute, {result['time_scale']:g} times as fast), {result['start']} start, {result['runs']} run(s) of each scenario.")


def table(result):
    heads, rows = rows_of(result)
    widths = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [heads, *rows]]
    return "\n".join(["", conditions(result), "", *lines, "", *size_lines(result), ""])


def csv_of(result):
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(result["scenarios"])
    return out.getvalue()


def markdown_of(result, failed):
    heads, rows = rows_of(result)
    lines = ["# Results of the load test", "", f"Written by `{result['command']}`; how it is measured: docs/load-testing.md.", "", conditions(result), "",
             "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows), "",
             "Milliseconds count from the moment in which a push was due to its durable acknowledgement; CPU is that of one push.", "",
             *(f"- {text[0].upper()}{text[1:]}." for text in size_lines(result)), ""]
    if failed:
        lines += ["What was not met:", "", *(f"- {failure}" for failure in failed), ""]
    return "\n".join(lines)


def polyline(points, colour):
    return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def curves(result):
    """Latency by percentile, a curve for each scenario: the share that is slower, on a logarithmic axis, to the right."""
    width, height, left, bottom, nines = 760, 300, 60, 30, 4
    most = max((s["max_ms"] for s in result["scenarios"]), default=1) or 1
    colours = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
    parts, legend = [], []
    for s, colour in zip(result["scenarios"], colours * 4):
        total, seen, points = sum(n for _, n in s["histogram_ns"]), 0, []
        for upper_ns, count in s["histogram_ns"]:
            seen += count
            slower = max((total - seen) / total, 10 ** -nines) if total else 1
            x = left + (width - left) * min(1, -math.log10(slower) / nines)
            points.append((x, height - bottom - (height - bottom - 10) * min(1, upper_ns / 1e6 / most)))
        parts.append(polyline(points, colour))
        legend.append(f'<span style="color:{colour}">■</span> {s["collectors"]} {html.escape(s["protocol"])}')
    for n, label in enumerate(("0 %", "90 %", "99 %", "99.9 %", "99.99 %")):
        x = left + (width - left) * n / nines
        parts.append(f'<line x1="{x}" y1="10" x2="{x}" y2="{height - bottom}" stroke="#8884"/><text x="{x - 18}" y="{height - 8}" font-size="12" fill="currentColor">{label}</text>')
    for n in range(5):
        y = height - bottom - (height - bottom - 10) * n / 4
        parts.append(f'<line x1="{left}" y1="{y}" x2="{width}" y2="{y}" stroke="#8884"/><text x="2" y="{y + 4}" font-size="12" fill="currentColor">{most * n / 4:.1f} ms</text>')
    return f'<svg viewBox="0 0 {width + 20} {height}" role="img" aria-label="Latency by percentile">{"".join(parts)}</svg><p>{" &nbsp; ".join(legend)}</p>'


def html_of(result):
    heads, rows = rows_of(result)
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Load test</title>
<style>:root {{ color-scheme: light dark; font: 15px system-ui, sans-serif; }} body {{ max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }} td, th {{ padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }}
.wide {{ overflow-x: auto; }} svg {{ width: 100%; height: auto; }}</style></head>
<body><h1>Load test</h1><p>{html.escape(conditions(result))}</p><p><code>{html.escape(result['command'])}</code></p>
<h2>Latency from the moment a push was due</h2>{curves(result)}
<h2>Figures</h2><div class="wide"><table><tr>{"".join(f"<th>{html.escape(head)}</th>" for head in heads)}</tr>{cells}</table></div>
<ul>{"".join(f"<li>{html.escape(text)}</li>" for text in size_lines(result))}</ul></body></html>
"""
