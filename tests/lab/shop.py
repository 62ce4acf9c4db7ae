"""A shop: schema, data, and a workload of some 250 different statements with three planted problems.

  lock_pile_up     once a minute a checkout updates a stock row and then sits idle in its transaction, others queue behind it
  slow_statement   orders are looked up by tracking code; half way its index is dropped
  bloat            table basket_state is updated all the time, with autovacuum off for it

Several databases, users and application names; names with quotes, newlines and 63 bytes of UTF-8; prepared statements,
temporary tables, JSON. The rate is held to about RATE statements a second, so that two cores have room for the rest.

  PYTHONPATH=tests python3 -m lab.shop --port 5432 --seconds 60        (superuser postgres, trust)
"""

import argparse
import random
import signal
import threading
import time

import psycopg2

from lab.postgres import quote

RATE = 120                        # statements a second, all threads together
SHOP = "shop"
ARCHIVE = 'archive "ü"\nnew line'  # a database name that breaks whoever does not quote
DATABASES = (SHOP, ARCHIVE)
USERS = ("shop_web", "shop_batch", "shop_report")
LONG_NAME = "é" * 31 + "x"        # 63 bytes, the longest name PostgreSQL keeps
HOSTILE_TABLES = ('say "hello"', "it's; drop table x --", "line\nbreak", LONG_NAME)
HOSTILE_SCHEMA = 'Schema "Q"'
PROBLEMS = ("lock_pile_up", "slow_statement", "bloat")
SLOW_SEARCH = "tracking_code"     # finds the statement that slows down in the list of queries
BLOATED_TABLE = "basket_state"
LOCK_HOLD_SECONDS = 12            # how long the idle transaction keeps its row
ORDERS = 40_000

SCHEMA = """
create table categories (id int primary key, name text not null, parent int references categories);
create table products (id int primary key, category int not null references categories, sku text unique not null, name text not null,
  price numeric(10,2) not null, weight float8, attributes jsonb not null, active bool not null default true, created timestamptz not null);
create table customers (id int primary key, email text unique not null, name text not null, country text, city text, zip text,
  points int not null default 0, settings jsonb, created timestamptz not null);
create table orders (id bigserial primary key, customer int not null references customers, state text not null, total numeric(12,2) not null,
  tracking_code text not null, channel text, coupon text, created timestamptz not null, shipped timestamptz);
create table order_lines (order_id bigint not null, line int not null, product int not null, quantity int not null,
  price numeric(10,2) not null, primary key (order_id, line));
create table payments (id bigserial primary key, order_id bigint not null, method text not null, amount numeric(12,2) not null,
  state text not null, created timestamptz not null);
create table stock (product int primary key, warehouse int not null, quantity int not null, reserved int not null default 0, checked timestamptz);
create table reviews (id bigserial primary key, product int not null, customer int not null, stars int not null, body text, created timestamptz not null);
create table events (id bigserial primary key, kind text not null, customer int, payload jsonb not null, created timestamptz not null);
create table basket_state (id int primary key, version int not null, body text not null) with (autovacuum_enabled = off, fillfactor = 100);
create table never_indexed (a int, b text);
create table always_empty (id int primary key);

insert into categories select i, 'category ' || i, nullif(i / 8, 0) from generate_series(1, 60) i;
insert into products select i, 1 + i % 60, 'SKU-' || i, 'product ' || md5(i::text), 1 + i % 500, nullif(i % 7, 0),
  jsonb_build_object('colour', (array['red','green','blue'])[1 + i % 3], 'size', i % 12, 'tags', jsonb_build_array(i % 5, i % 9)),
  i % 20 <> 0, now() - i * interval '1 hour' from generate_series(1, 2000) i;
insert into customers select i, 'c' || i || '@example.com', 'customer ' || md5(i::text), (array['DE','FR','GB','US',null])[1 + i % 5],
  'city ' || i % 100, lpad((i * 37 % 100000)::text, 5, '0'), i % 1000, '{"newsletter": true}', now() - i * interval '1 hour'
  from generate_series(1, 5000) i;
insert into orders (customer, state, total, tracking_code, channel, coupon, created, shipped)
  select 1 + i % 5000, (array['new','paid','shipped','done','returned'])[1 + i % 5], i % 900, 'T' || md5(i::text),
  (array['web','app','phone'])[1 + i % 3], case when i % 10 = 0 then 'SAVE' || i % 50 end, now() - i * interval '1 minute',
  case when i % 5 > 1 then now() - i * interval '30 seconds' end from generate_series(1, %(orders)s) i;
insert into order_lines select 1 + i / 2, i % 2, 1 + i % 2000, 1 + i % 4, i % 300 from generate_series(0, 2 * %(orders)s - 1) i;
insert into payments (order_id, method, amount, state, created) select i, (array['card','transfer','voucher'])[1 + i % 3], i % 900,
  (array['open','done','failed'])[1 + i % 3], now() - i * interval '1 minute' from generate_series(1, %(orders)s) i;
insert into stock select i, i % 4, 1000000, 0, now() from generate_series(1, 2000) i;
insert into reviews (product, customer, stars, body, created) select 1 + i % 2000, 1 + i % 5000, 1 + i % 5, md5(i::text), now() - i * interval '1 minute'
  from generate_series(1, 10000) i;
insert into basket_state select i, 0, repeat('x', 400) from generate_series(1, 2000) i;
insert into never_indexed select i, i::text from generate_series(1, 3000) i;
create index orders_customer on orders (customer);
create index orders_created on orders (created);
create index orders_tracking_code on orders (tracking_code);
create index order_lines_product on order_lines (product);
create index payments_order on payments (order_id);
create index reviews_product on reviews (product);
create index events_created on events (created);
create index products_attributes on products using gin (attributes);
create index basket_state_version on basket_state (version);
create unique index "unused ""index"" 'x'" on customers (lower(name), id);
"""


def create(cluster):
    """Roles, databases, schema and data in a running cluster. About three seconds on one core."""
    for user in USERS:
        cluster.sql(f"create role {user} login")
    for name in DATABASES:
        cluster.sql(f"create database {quote(name)}")
        cluster.sql("create extension pg_stat_statements", database=name)
        cluster.sql(f"grant temporary, create on database {quote(name)} to public")
    cluster.sql(SCHEMA.replace("%(orders)s", str(ORDERS)), database=SHOP)
    cluster.sql("grant all on all tables in schema public to public; grant all on all sequences in schema public to public", database=SHOP)
    hostile = "".join(f"create table {quote(HOSTILE_SCHEMA)}.{quote(t)} ({quote('Id ' + t[:20])} serial primary key, v text);"
                      for t in HOSTILE_TABLES)
    for name in DATABASES:
        cluster.sql(f"create schema {quote(HOSTILE_SCHEMA)}; {hostile} grant all on schema {quote(HOSTILE_SCHEMA)} to public;"
                    f"grant all on all tables in schema {quote(HOSTILE_SCHEMA)} to public;"
                    f"grant all on all sequences in schema {quote(HOSTILE_SCHEMA)} to public", database=name)
    cluster.sql("analyze", database=SHOP)


def shapes():
    """[(user, application, SQL, parameter maker)]: each entry is a query of its own in pg_stat_statements."""
    def r(n):
        return random.randint(1, n)

    found = []

    def add(user, application, sql, make=lambda: ()):
        found.append((user, application, sql, make))

    # Point reads: every table by key, with different columns asked for.
    reads = {"products": ("name", "price", "weight", "attributes", "sku, price", "active, created", "*"),
             "customers": ("email", "name", "country, city", "points", "settings", "name, email, zip", "*"),
             "orders": ("state", "total", "tracking_code", "channel, coupon", "created, shipped", "customer, total", "*"),
             "payments": ("state", "amount", "method", "method, state, amount", "*"),
             "reviews": ("stars", "body", "stars, body", "*"),
             "categories": ("name", "parent", "*")}
    size = {"products": 2000, "customers": 5000, "orders": ORDERS, "payments": ORDERS, "reviews": 10000, "categories": 60}
    for table, columns in reads.items():
        for column in columns:
            add("shop_web", "web", f"select {column} from {table} where id = %s", lambda n=size[table]: (r(n),))
            add("shop_web", "mobile", f"select {column} from {table} where id = any(%s) order by id", lambda n=size[table]: ([r(n) for _ in range(5)],))
    # Reports: aggregates by different columns over different measures.
    groups = {"orders": ("state", "channel", "coupon", "date_trunc('day', created)", "state, channel"),
              "customers": ("country", "city", "country, city", "points / 100"),
              "products": ("category", "active", "attributes->>'colour'", "(attributes->>'size')::int")}
    measures = {"orders": ("count(*)", "sum(total)", "avg(total)", "max(shipped - created)"),
                "customers": ("count(*)", "sum(points)", "max(created)"),
                "products": ("count(*)", "avg(price)", "sum(weight)")}
    for table, keys in groups.items():
        for key in keys:
            for measure in measures[table]:
                add("shop_report", "report", f"select {key}, {measure} from {table} where id %% 16 = %s group by {key} order by 2 desc nulls last limit 20",
                    lambda: (r(16) - 1,))
    # Joins.
    for what in ("sum(l.quantity * l.price)", "count(distinct o.customer)", "max(o.created)", "avg(l.quantity)"):
        for side in ("c.country", "o.channel", "o.state", "p.category"):
            add("shop_report", "report", f"select {side}, {what} from orders o join order_lines l on l.order_id = o.id join products p on p.id = l.product "
                f"join customers c on c.id = o.customer where o.id between %s and %s group by {side}", lambda: (lambda a: (a, a + 400))(r(ORDERS - 400)))
    for extra in ("", " and o.state = 'paid'", " and o.total > 100", " and o.coupon is not null"):
        for order in ("o.created desc", "o.total", "o.id"):
            add("shop_web", "web", f"select o.id, o.total, c.name from orders o join customers c on c.id = o.customer where c.id = %s{extra} order by {order} limit 10",
                lambda: (r(5000),))
    # Searches.
    for column in ("name", "email", "city", "zip"):
        for operator in ("like", "ilike", "not like"):
            add("shop_web", "search", f"select id, {column} from customers where {column} {operator} %s and id < 800 limit 20", lambda: (f"%{r(99)}%",))
    for path in ("colour", "size", "tags"):
        add("shop_web", "search", f"select count(*) from products where attributes ? '{path}' and category = %s", lambda: (r(60),))
        add("shop_web", "search", f"select attributes->'{path}' from products where id = %s", lambda: (r(2000),))
        add("shop_batch", "import", f"update products set attributes = jsonb_set(attributes, '{{{path}}}', to_jsonb(%s::int)) where id = %s", lambda: (r(12), r(2000)))
    add("shop_web", "search", "select id from products where attributes @> %s::jsonb limit 10", lambda: ('{"colour": "red"}',))
    # Writes.
    for column, value in (("state", "'paid'"), ("shipped", "now()"), ("total", "total + 1"), ("channel", "'app'"), ("coupon", "null")):
        add("shop_web", "checkout", f"update orders set {column} = {value} where id = %s", lambda: (r(ORDERS),))
        add("shop_batch", "nightly", f"update orders set {column} = {value} where customer = %s and state = 'new'", lambda: (r(5000),))
    for column, value in (("points", "points + 1"), ("city", "'city ' || points"), ("settings", "'{\"newsletter\": false}'"), ("zip", "'10115'")):
        add("shop_web", "web", f"update customers set {column} = {value} where id = %s", lambda: (r(5000),))
    add("shop_web", "checkout", "insert into orders (customer, state, total, tracking_code, channel, created) values (%s, 'new', %s, %s, 'web', now())",
        lambda: (r(5000), r(900), f"T{random.random()}"))
    add("shop_web", "checkout", "insert into payments (order_id, method, amount, state, created) values (%s, 'card', %s, 'open', now()) returning id",
        lambda: (r(ORDERS), r(900)))
    add("shop_web", "web", "insert into reviews (product, customer, stars, body, created) values (%s, %s, %s, 'it is good', now())", lambda: (r(2000), r(5000), r(5)))
    for kind in ("view", "click", "search", "login", "logout"):
        add("shop_web", "tracker", f"insert into events (kind, customer, payload, created) values ('{kind}', %s, '{{}}', now()) /* {kind} */", lambda: (r(5000),))
        add("shop_batch", "tracker", f"insert into events (kind, payload, created) select '{kind}', jsonb_build_object('n', i), now() from generate_series(1, %s) i", lambda: (r(20),))
    add("shop_batch", "nightly", "delete from events where id in (select id from events order by created limit %s)", lambda: (50,))
    add("shop_batch", "nightly", "delete from reviews where id = %s", lambda: (r(10000),))
    add("shop_batch", "nightly", "update stock set checked = now() where product = %s", lambda: (2 + r(1900),))
    add("shop_batch", "nightly", "select count(*) from never_indexed where a = %s", lambda: (r(3000),))
    # Windows, common table expressions, sets, catalog.
    for partition in ("channel", "state", "customer"):
        for function in ("rank()", "row_number()", "sum(total)", "lag(total)"):
            add("shop_report", "report", f"select id, {function} over (partition by {partition} order by created) from orders where customer between %s and %s",
                lambda: (lambda a: (a, a + 20))(r(4900)))
    for depth in (1, 2, 3):
        add("shop_report", "report", f"with recursive t as (select id, parent, 1 as depth from categories where id = %s union all select c.id, c.parent, depth + 1 "
            f"from categories c join t on c.parent = t.id where depth < {depth + 1}) select {', '.join(['count(*)'] * depth)} from t", lambda: (r(60),))
    for combine in ("union", "intersect", "except", "union all"):
        add("shop_report", "report", f"select product from order_lines where order_id = %s {combine} select product from reviews where customer = %s", lambda: (r(ORDERS), r(5000)))
    for catalog in ("pg_class", "pg_index", "pg_attribute", "pg_namespace"):
        add("shop_batch", "admin", f"select count(*) from {catalog} where oid::text <> %s" if catalog in ("pg_class", "pg_namespace") else f"select count(*) from {catalog} where {'indrelid' if catalog == 'pg_index' else 'attrelid'}::text <> %s",
            lambda: (str(r(9)),))
    for count in (2, 3, 4, 5):
        add("shop_web", "web", "select " + ", ".join(["%s::int"] * count) + " /* keep-alive */", lambda n=count: tuple(range(n)))
    return found


class Workload:
    """Threads that run the shapes, the planted problems, and a report of how much was done."""

    def __init__(self, port, seconds=None, rate=RATE, host="127.0.0.1"):
        self.place = {"host": host, "port": port}
        self.seconds = seconds
        self.rate = rate
        self.stopping = threading.Event()
        self.done = 0
        self.errors = []
        self.begun = time.monotonic()
        self.half = seconds / 2 if seconds else 180.0
        self.threads = []

    def connect(self, user, application, database=SHOP):
        connection = psycopg2.connect(**self.place, dbname=database, user=user, application_name=application, connect_timeout=10)
        connection.autocommit = True
        return connection

    def elapsed(self):
        return time.monotonic() - self.begun

    def start(self):
        self.begun = time.monotonic()
        pools = {}
        for shape in shapes():
            pools.setdefault(shape[:2], []).append(shape[2:])
        total = sum(map(len, pools.values()))
        for (user, application), pool in pools.items():
            self._thread(self._run_shapes, user, application, pool, self.rate * 0.75 * len(pool) / total)
        self._thread(self._slow_statement)
        self._thread(self._bloat)
        self._thread(self._hostile)
        self._thread(self._prepared_and_temporary)
        self._thread(self._lock_pile_up)
        return self

    def _thread(self, function, *args):
        def guarded():
            while not self.stopping.is_set():
                try:
                    function(*args)
                except psycopg2.Error as error:  # the server went away, or a statement was refused: say so and go on
                    self.errors.append(str(error).strip())
                    self.stopping.wait(1)

        thread = threading.Thread(target=guarded, name=function.__name__, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _run_shapes(self, user, application, pool, rate):
        with_cursor = self.connect(user, application)
        cursor = with_cursor.cursor()
        order = list(pool)
        while not self.stopping.is_set():
            random.shuffle(order)           # every shape is seen once a round, in another order
            for sql, make in order:
                cursor.execute(sql, make())
                self.done += 1
                if self.stopping.wait(random.expovariate(rate)):
                    break
        with_cursor.close()

    def _slow_statement(self):
        connection = self.connect("shop_web", "track and trace")
        cursor = connection.cursor()
        dropped = False
        while not self.stopping.wait(0.1):
            if not dropped and self.elapsed() > self.half:
                owner = self.connect("postgres", "migration")
                owner.cursor().execute("drop index if exists orders_tracking_code")
                owner.close()
                dropped = True
            cursor.execute("select id, state, shipped from orders where tracking_code = %s", (f"T{random.random()}",))
            self.done += 1
        connection.close()

    def _bloat(self):
        connection = self.connect("shop_batch", "baskets")
        cursor = connection.cursor()
        while not self.stopping.wait(0.25):
            cursor.execute("update basket_state set version = version + 1 where id %% 40 = %s", (random.randrange(40),))
            self.done += 1
        connection.close()

    def _hostile(self):
        connection = self.connect("shop_batch", 'app "ü"\n\'x\'', ARCHIVE)
        cursor = connection.cursor()
        while not self.stopping.wait(0.5):
            table = f"{quote(HOSTILE_SCHEMA)}.{quote(random.choice(HOSTILE_TABLES))}"
            cursor.execute(f"insert into {table} (v) values (%s)", ("a 'secret' value",))
            cursor.execute(f"select count(*) from {table} where v = %s", ("x",))
            self.done += 2
        connection.close()

    def _prepared_and_temporary(self):
        connection = self.connect("shop_report", "prepared")
        cursor = connection.cursor()
        cursor.execute("prepare top_sellers(int) as select product, sum(quantity) from order_lines where order_id between $1 and $1 + 100 group by 1 order by 2 desc limit 5")
        while not self.stopping.wait(1.0):
            cursor.execute("execute top_sellers(%s)", (random.randint(1, ORDERS),))
            cursor.execute("create temporary table latest as select * from orders where id > %s", (ORDERS - 100,))
            cursor.execute("select count(*), sum(total) from latest")
            cursor.execute("drop table latest")
            self.done += 4
        connection.close()

    def _lock_pile_up(self):
        """Holds one stock row from an idle transaction, lets five others queue, then gives way; once a minute."""
        if self.stopping.wait(8 if self.elapsed() < 8 else 60 - LOCK_HOLD_SECONDS):
            return
        holder = self.connect("shop_web", "stuck checkout")
        holder.autocommit = False
        holder.cursor().execute("update stock set quantity = quantity - 1 where product = 1")
        waiters = []
        for _ in range(5):
            def wait():
                try:
                    connection = self.connect("shop_web", "checkout queue")
                    connection.cursor().execute("update stock set reserved = reserved + 1, checked = now() where product = 1")
                    self.done += 1
                    connection.close()
                except psycopg2.Error as error:
                    self.errors.append(str(error).strip())
            waiters.append(threading.Thread(target=wait, daemon=True))
            waiters[-1].start()
        self.stopping.wait(LOCK_HOLD_SECONDS)
        holder.rollback()
        holder.close()
        for waiter in waiters:
            waiter.join(10)

    def wait(self):
        """Until the time is over or stop() is called."""
        self.stopping.wait(self.seconds)
        return self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(15)
        return self


def main():
    parser = argparse.ArgumentParser(description="Runs the shop's workload against a cluster that has its schema.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=None, help="stop by itself; default: never")
    parser.add_argument("--rate", type=float, default=RATE, help="statements a second")
    options = parser.parse_args()
    workload = Workload(options.port, options.seconds, options.rate).start()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: workload.stopping.set())
    workload.wait()
    print(f"workload: {workload.done} statements in {workload.elapsed():.0f} s, {len(workload.errors)} errors", flush=True)
    for error in workload.errors[:5]:
        print(f"workload error: {error}", flush=True)


if __name__ == "__main__":
    main()
