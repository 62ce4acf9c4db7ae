"""./run bench reconnect: do a thousand collectors come back after their server was restarted, within the time that their jitter spreads
them over, and do they stay?

The collectors are real: outbox, spool, uplink, TLS 1.3 with a certificate of their own, a token bound to it (bench/reconnect). So are the
server and its engine, in processes of their own. Each collector enrols with one counted token and pushes a small frame every 10 s. Then the
server is killed (kill -9) and started again, by default twice: at once, and after a minute, when every pause between two tries has grown to
its cap. At last it is frozen for a while (SIGSTOP): when it goes on, the kernel has a connection of almost every collector for it, all at
once, and the older ones were given up."""

import argparse
import bisect
import collections
import signal
import socket
import sys
import threading
import time

from lab import machine, programs, trial
from lab.machine import LabError

PUSH_SECONDS = 10
PAUSE_CAP_SECONDS = 30        # uplink/uplink.h: full jitter, 0.5 s doubling to this
GRACE_SECONDS = 5             # for the handshake, the push and its answer of the last one
WINDOW_SECONDS = PAUSE_CAP_SECONDS + GRACE_SECONDS
WATCH_SECONDS = 60            # for a second collapse, after the last one is back
STEADY_SECONDS = 2 * PUSH_SECONDS
ENROL_SECONDS = 300
GIVE_UP_SECONDS = 180         # then those that are not back are not waited for
SETTLE_SECONDS = 60
EPILOG = f"""The window is {WINDOW_SECONDS} s from the moment in which the server listens: whoever failed to reach it pauses {PAUSE_CAP_SECONDS} s at most before the next
try ({GRACE_SECONDS} s are for the last one's handshake and push), and a collector that did not notice anything pushes again within {PUSH_SECONDS} s.

examples:
  ./run bench reconnect
  ./run bench reconnect --collectors 2000 --away 0 --frozen "" --json reconnect.json

Exit codes: 0 all came back within the window, stayed, and every acknowledged frame is stored once; 1 not so.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[reconnect] {text}", flush=True)


def percentile(values, share):
    values = sorted(values)
    return round(values[min(len(values) - 1, int(len(values) * share))], 2) if values else None


def greatest_in_a_second(times):
    """The most of these moments (ns) that lie within one second."""
    times = sorted(times)
    return max((bisect.bisect_left(times, t + 10**9) - i for i, t in enumerate(times)), default=0)


def counts(statuses):
    """{status: how often}, spelled as JSON would."""
    return {str(status): number for status, number in sorted(collections.Counter(statuses).items())}


class Events:
    """Follows what bench_reconnect notes."""

    def __init__(self, path):
        self.path, self.at = path, 0
        self.acked = {}         # collector: [ns]
        self.frames = []        # (epoch, sequence), as often as acknowledged
        self.tried = {}         # collector: [(ns, connections tried so far, handshakes so far)]
        self.answers = []       # (ns, collector, status) of frames, where it was not 200; 0: no answer
        self.unready = []       # the same of enrolling and of tokens

    def read(self):
        if not self.path.exists():
            return self
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.at += len(data)
        for line in data.decode().splitlines():
            what, *numbers = line.split()
            at, collector, *rest = map(int, numbers)
            if what == "acked":
                self.acked.setdefault(collector, []).append(at)
                self.frames.append(tuple(rest))
            elif what == "connections":
                self.tried.setdefault(collector, []).append((at, *rest))
            else:
                (self.answers if what == "answer" else self.unready).append((at, collector, *rest))
        return self

    def first_acked(self, since):
        """{collector: ns} of those that had a frame acknowledged after a moment."""
        found = {}
        for collector, times in self.acked.items():
            place = bisect.bisect_right(times, since)
            if place < len(times):
                found[collector] = times[place]
        return found

    def connections(self, collector, begin, end):
        """(connections tried, handshakes) of a collector between two moments."""
        seen = [(0, 0, 0), *self.tried.get(collector, [])]
        first = seen[bisect.bisect_right(seen, begin, key=lambda s: s[0]) - 1]
        last = seen[bisect.bisect_right(seen, end, key=lambda s: s[0]) - 1]
        return last[1] - first[1], last[2] - first[2]

    def moments(self, which, begin, end):
        """When connections were tried (which = 1) or handshakes ended (2), in ns."""
        found = []
        for seen in self.tried.values():
            before = 0
            for entry in seen:
                if begin < entry[0] <= end:
                    found += [entry[0]] * (entry[which] - before)
                before = entry[which]
        return found


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.server = self.load = None
        self.events = Events(directory / "events")
        self.failed = []

    def start(self):
        say("server and engine")
        self.server = programs.Server(self.directory / "server").create().start()
        token = self.directory / "token"
        token.write_text(self.server.token("--uses", str(self.options.collectors)))
        token.chmod(0o600)
        say(f"{self.options.collectors} collectors enrol, all at once, with one token")
        begun = time.monotonic()
        self.load = machine.Child("collectors", [
            machine.binary("bench_reconnect"), "--url", f"https://127.0.0.1:{self.server.collectors_port}", "--token-file", token,
            "--directory", self.directory / "collectors", "--events", self.events.path, "--collectors", self.options.collectors,
            "--every", PUSH_SECONDS], self.directory / "collectors.log")
        self.wait("every collector has had a frame acknowledged", lambda: len(self.events.acked) == self.options.collectors, ENROL_SECONDS)
        return time.monotonic() - begun

    def wait(self, what, check, seconds):
        end, said = time.monotonic() + seconds, time.monotonic()
        while True:
            self.events.read()
            if check():
                return True
            for child in (self.load, self.server.child):
                if not child.alive():
                    raise LabError(f"{child.name} ended by itself with {child.process.returncode}\n{child.tail()}")
            if time.monotonic() > end:
                if what:
                    raise LabError(f"not within {seconds} s: {what}, only {len(self.events.acked)} of {self.options.collectors}\n{self.load.tail()}\n{self.server.child.tail()}")
                return False
            if time.monotonic() - said > 30:
                said = time.monotonic()
                say(f"{len(self.events.acked)} collectors had a frame acknowledged, {len(self.events.frames):,} frames in all")
            time.sleep(0.1)

    def pause(self, seconds):
        self.wait(None, lambda: False, seconds)

    def kill(self, seconds):
        say(f"kill -9 of the server; it is started again after {seconds:.0f} s")
        self.server.kill()
        time.sleep(seconds)
        begun = time.monotonic_ns()
        self.server.launch()
        return begun

    def freeze(self, seconds):
        say(f"the server is frozen for {seconds:.0f} s")
        self.server.child.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        begun = time.monotonic_ns()
        self.server.child.process.send_signal(signal.SIGCONT)
        return begun

    def listening(self):
        with socket.create_connection(("127.0.0.1", self.server.collectors_port), timeout=1):
            return True

    def restart(self, how, away_seconds):
        """Takes the server away for so long, and judges what follows. `how`: kill or freeze."""
        self.pause(STEADY_SECONDS)
        rss_before = machine.resident_kib(self.server.child.pid)
        killed = time.monotonic_ns()
        launched = how(away_seconds)
        sampler = Sampler(self.server.child.pid)
        machine.wait_until("the server listens", self.listening, 60, self.server.child, pause=0.02)
        listening = time.monotonic_ns()
        machine.wait_until("the server is ready", self.server.ready, 60, self.server.child, pause=0.02)
        ready = time.monotonic_ns()
        say(f"it listens after {(listening - launched) / 1e9:.1f} s and is ready after {(ready - launched) / 1e9:.1f} s")
        everybody = set(range(1, self.options.collectors + 1))
        self.wait(None, lambda: len(self.events.first_acked(launched)) == len(everybody), GIVE_UP_SECONDS)
        back = self.events.first_acked(launched)
        missing = everybody - back.keys()
        last = max(back.values(), default=ready)
        after = {c: max(0.0, (t - listening) / 1e9) for c, t in back.items()}
        say(f"{len(back)} are back, the last one after {max(after.values(), default=0):.1f} s; {WATCH_SECONDS} s more")
        self.pause(WATCH_SECONDS)
        self.events.read()
        # Looked at every 50 ms: what was tried before a collector was back may be noted a moment after.
        lost = sorted(c for c, t in back.items() if self.events.connections(c, t + 200_000_000, time.monotonic_ns())[0])
        tried, handshakes = zip(*(self.events.connections(c, launched, t + 200_000_000) for c, t in back.items()))
        answers = counts(status for at, _, status in self.events.answers + self.events.unready if at > killed)
        late = sum(1 for s in after.values() if s > WINDOW_SECONDS)
        if missing or late:
            self.failed.append(f"{how.__name__}, {away_seconds:.0f} s: {late} collectors came back later than {WINDOW_SECONDS} s after the server listened, {len(missing)} not at all")
        if lost:
            self.failed.append(f"{how.__name__}, {away_seconds:.0f} s: {len(lost)} collectors lost their connection again")
        return {
            "how": how.__name__, "away_seconds": away_seconds, "listens_seconds": round((listening - launched) / 1e9, 2), "ready_seconds": round((ready - launched) / 1e9, 2), "back": len(back),
            "back_seconds": {"p50": percentile(after.values(), 0.5), "p99": percentile(after.values(), 0.99), "max": percentile(after.values(), 1)},
            "after_window": late + len(missing), "window_seconds": WINDOW_SECONDS,
            "connections_tried": {"mean": round(sum(tried) / len(tried), 2), "max": max(tried)},
            "handshakes": {"mean": round(sum(handshakes) / len(handshakes), 2), "max": max(handshakes)},
            "connections_tried_while_away": len(self.events.moments(1, killed, launched)),
            "connections_per_second_max": greatest_in_a_second(self.events.moments(1, launched, last + 10**9)),
            "handshakes_per_second_max": greatest_in_a_second(self.events.moments(2, launched, last + 10**9)),
            "no_answer": answers.pop("0", 0), "answers": answers,
            "server_rss_kib_before": rss_before, "server_rss_kib_max": sampler.stop(), "server_rss_kib_after": machine.resident_kib(self.server.child.pid),
            "lost_again": len(lost),
        }

    def judge_frames(self):
        """Every acknowledged frame is in the store, once. Returns the figures."""
        say("the collectors send what they have and end")
        self.load.process.terminate()
        code = self.load.process.wait(120)
        self.events.read()
        if code != 0:
            self.failed.append(f"the collectors ended with {code}\n{self.load.tail()}")
        acked, engine = set(self.events.frames), self.server.engine
        epochs = {int(line.split()[1]): int(line.split()[0]) for line in self.load.log.read_text().splitlines() if line[:1].isdigit()}
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            rows = engine.query("SELECT collector, epoch, sequence, count() AS n FROM pganalytics.batches GROUP BY collector, epoch, sequence")
            stored = {(r["epoch"], r["sequence"]) for r in rows}
            if acked <= stored or time.monotonic() > end:
                break
            time.sleep(1)
        owners = {r["epoch"]: set() for r in rows}
        for row in rows:
            owners[row["epoch"]].add(row["collector"])
        figures = {
            "frames_acknowledged": len(acked), "frames_stored": len(stored), "frames_lost": len(acked - stored), "frames_unasked": len(stored - acked),
            "frames_twice": len([r for r in rows if r["n"] != 1]) + len(rows) - len(stored), "streams": len(owners), "collectors_in_store": len(set().union(*owners.values())),
        }
        for what in ("frames_lost", "frames_unasked", "frames_twice"):
            if figures[what]:
                self.failed.append(f"{what.replace('_', ' ')}: {figures[what]}")
        if len(epochs) != self.options.collectors or figures["collectors_in_store"] != self.options.collectors:
            self.failed.append(f"{figures['collectors_in_store']} collectors in the store, {self.options.collectors} there were")
        return figures

    def run(self):
        enrolled = self.start()
        refused = counts(status for _, _, status in self.events.answers + self.events.unready)
        say(f"all enrolled and pushing after {enrolled:.1f} s")
        rounds = [self.restart(self.kill, seconds) for seconds in self.options.away]
        rounds += [self.restart(self.freeze, seconds) for seconds in self.options.frozen]
        return {"collectors": self.options.collectors, "enrolled_seconds": round(enrolled, 1), "answers_while_enrolling": refused,
                "restarts": rounds, **self.judge_frames(), "failures": self.failed}

    def close(self):
        if self.load is not None and self.load.alive():   # only after a failure, and then nobody waits for what it has to send
            self.load.kill()
        try:
            if self.server is not None:
                self.server.stop()
        except LabError as error:
            print(f"[reconnect] {error}", file=sys.stderr, flush=True)


class Sampler:
    """The most that a process had resident since this began."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.most = max(self.most, machine.resident_kib(self.pid))
            except OSError:
                return

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.most


def show(result):
    say(f"{result['collectors']} collectors, enrolled and pushing within {result['enrolled_seconds']} s; answers but 200 meanwhile: {result['answers_while_enrolling'] or 'none'}")
    for r in result["restarts"]:
        b = r["back_seconds"]
        what = "killed and started again after" if r["how"] == "kill" else "frozen for"
        say(f"server {what} {r['away_seconds']:.0f} s; it listened {r['listens_seconds']} s later and was ready after {r['ready_seconds']} s:")
        say(f"  back after it listened: p50 {b['p50']} s, p99 {b['p99']} s, last {b['max']} s (window {r['window_seconds']} s); {r['after_window']} later or never")
        say(f"  from then until back, per collector: {r['connections_tried']['mean']} connections tried (at most {r['connections_tried']['max']}), "
            f"{r['handshakes']['mean']} handshakes (at most {r['handshakes']['max']}); {r['connections_tried_while_away']} tried in all while it was away")
        say(f"  at most {r['handshakes_per_second_max']} handshakes and {r['connections_per_second_max']} connections in one second; "
            f"429: {r['answers'].get('429', 0)}, 503: {r['answers'].get('503', 0)}, others: { {k: v for k, v in r['answers'].items() if k not in ('429', '503')} or 'none'}, no answer: {r['no_answer']}")
        say(f"  server: {r['server_rss_kib_before'] / 1024:.1f} MiB resident before, {r['server_rss_kib_max'] / 1024:.1f} at most and {r['server_rss_kib_after'] / 1024:.1f} after; "
            f"{r['lost_again']} lost their connection again within {WATCH_SECONDS} s")
    say(f"{result['frames_acknowledged']:,} frames acknowledged, {result['frames_stored']:,} stored, {result['frames_lost']} lost, {result['frames_twice']} twice")


def parse():
    parser = argparse.ArgumentParser(prog="./run bench reconnect", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=1000)
    parser.add_argument("--away", default="0,60", help="seconds from a kill of the server to its next start, one restart for each; default 0,60")
    parser.add_argument("--frozen", default="45", help="seconds for which it stands still, once for each; default 45")
    trial.add_json(parser)
    options = parser.parse_args()
    for name in ("away", "frozen"):
        setattr(options, name, [float(seconds) for seconds in getattr(options, name).split(",") if seconds])
    return options


def main():
    options = parse()
    trial.measure("reconnect", options.json, lambda directory: Run(options, directory), lambda result: result["failures"], show)


if __name__ == "__main__":
    main()
