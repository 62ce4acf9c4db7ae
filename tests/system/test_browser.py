"""The user interface in real Chromium: every script of web/tests/e2e against a running product under a workload."""

import os
import pathlib
import shutil
import subprocess
import time
import unittest

from support import SystemTest, machine, server_named, shop_cluster

SCRIPTS = [s for s in (machine.ROOT / "web/tests/e2e/run.mjs",) if s.exists()]
WARM_UP_SECONDS = 25   # so that there is something to brush


class Browser(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not SCRIPTS:
            raise unittest.SkipTest("no script in web/tests/e2e")
        for need in ("node", "chromium"):
            if not shutil.which(need):
                raise unittest.SkipTest(f"{need} is not installed: ./run setup installs it")
        pg = shop_cluster()
        cls.watched = cls.server()
        cls.probe = cls.collector("collector", cls.watched, [cls.target(pg, "shop")], host=True)
        cls.probe.wait_pushed()
        workload = machine.Child("workload", ["/usr/bin/python3", "-B", "-m", "lab.shop", "--port", pg.port],
                                 cls.directory / "workload.log", env={"PYTHONPATH": str(machine.ROOT / "tests")})
        cls.addClassCleanup(workload.stop)
        api = cls.watched.login()
        end = time.monotonic() + WARM_UP_SECONDS
        machine.wait_until("the shop's load is in the API", lambda: time.monotonic() > end and server_named(api, "shop"), 60, cls.probe.child)

    def test_every_script_passes(self):
        screenshots = pathlib.Path(os.environ.get("PGA_SCREENSHOTS", machine.ROOT / "build/screenshots"))
        screenshots.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PGA_URL": self.watched.url, "PGA_USER": self.watched.administrator,
                       "PGA_PASSWORD": self.watched.password, "PGA_SCREENSHOTS": str(screenshots)}
        for script in SCRIPTS:
            with self.subTest(script.name):
                done = subprocess.run(["node", str(script)], cwd=machine.ROOT / "web", env=environment, capture_output=True, text=True,
                                      stdin=subprocess.DEVNULL, timeout=480)
                print("\n".join(f"[browser] {line}" for line in done.stdout.splitlines()[-15:]), flush=True)
                self.assertEqual(done.returncode, 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
