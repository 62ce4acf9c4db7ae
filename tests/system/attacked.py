"""A server under attack, with an honest collector that must not notice, and a second tenant to look from."""

import threading

from support import SystemTest, cluster

from lab import intruder
from lab.api import Api

MARK = "canary-8e1f"
OURS = {"server": f"{MARK}-server", "collector": f"{MARK}-collector", "application": f"{MARK}-application", "text": f"{MARK}-column"}
THEIRS = "canary-77ab"


class Attacked(SystemTest):
    """The first tenant has an honest collector and one whose identity was taken; the second has its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = cluster(18)
        cls.watched = cls.server()
        cls.book = intruder.Directory(cls.watched)
        cls.honest = cls.collector(OURS["collector"], cls.watched, [cls.target(cls.pg, OURS["server"])])
        cls.robbed = cls.collector("robbed", cls.watched, [cls.target(cls.pg, "robbed")])
        for probe in (cls.honest, cls.robbed):
            probe.wait_pushed()
        cls.robbed.stop()
        cls.taken = intruder.Identity(cls.robbed, cls.watched)

    @classmethod
    def add_tenant(cls):
        cls.tenant = cls.book.add_tenant("other")
        for tenant, name, role in ((1, "viewer", "viewer"), (cls.tenant, "them", "administrator"), (cls.tenant, "their-viewer", "viewer")):
            cls.book.add_user(tenant, name, role)
        cls.theirs = cls.collector(f"{THEIRS}-collector", cls.watched, [cls.target(cluster(14), f"{THEIRS}-server")],
                                   token=cls.book.enrolment_token(cls.tenant))
        threading.Thread(target=cls.work, daemon=True).start()
        cls.theirs.wait_pushed()

    @classmethod
    def work(cls):
        """What leaves marks in our rows: a session's name and a statement's text. Again and again: what ran before the first reading is no increment."""
        session = cls.pg.connect(application=OURS["application"])
        with session.cursor() as cursor:
            for _ in range(300):
                try:
                    cursor.execute(f'select count(*) as "{OURS["text"]}" from pg_class')
                    cursor.execute("select pg_sleep(1)")
                except Exception:  # noqa: BLE001 - the cluster stops before
                    return

    def sign_in(self, name):
        api = Api(self.watched.people_port)
        api.login(name, self.watched.password)
        return api

    def assert_honest_goes_on(self):
        before = self.honest.status()["frames_acked"]
        self.eventually("the honest collector pushes", lambda: self.honest.status()["frames_acked"] > before, 10)
