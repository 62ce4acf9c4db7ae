"""Records plans of the real servers for src/sql/plan_test.cc: `python3 -m lab.plan_fixtures 12 13` writes src/sql/testdata/plans-12.jsonl, ….

Each line is {"query", "source": explain | analyze | auto_explain, "format": json | text, "text"}; what auto_explain says is the whole message.
"""

import json
import sys

from lab import machine, postgres

SCHEMA = """
create table customers (id int primary key, name text not null, city text);
create table orders (id int primary key, customer int not null references customers, state text not null, total numeric);
create index orders_customer on orders (customer);
insert into customers select i, 'customer ' || i, 'city ' || i % 10 from generate_series(1, 2000) i;
insert into orders select i, 1 + i % 2000, (array['open', 'paid'])[1 + i % 2], i from generate_series(1, 20000) i;
analyze;
"""
QUERIES = {
    "join": "select c.name, sum(o.total) from customers c join orders o on o.customer = c.id where c.city = 'city 3' and o.total > 70717273"
            " group by c.name order by 2 desc limit 5",
    "index": "select * from orders where id = 42 and state <> 'canary'",
    "left": "select c.id from customers c left join orders o on o.customer = c.id and o.state = 'canary' where o.id is null",
    "subplan": "with big as materialized (select customer, count(*) n from orders group by customer) select name, (select max(total) from orders o"
               " where o.customer = c.id) from customers c where id in (select customer from big where n > 5) and city = (select min(city) from customers)",
    "update": "update orders set state = 'canary''s\nsecond line' where customer = 7 returning id",
    "union": "select id from customers where name = 'canary' union select customer from orders where state in ('canary', 'open') order by 1",
    "except": "select id from customers except select customer from orders where total < 10",
    "values": "select * from (values (1, 'canary'), (2, 'b')) v (a, b) join generate_series(1, 3) g on g = v.a",
    "window": "select id, row_number() over (partition by customer order by total desc) from orders where id < 100",
    "backward": "select id from orders order by id desc limit 3",
    "bitmap": "select count(*) from orders where customer between 10 and 40 or customer = 70717273",
}
PARALLEL = ("set max_parallel_workers_per_gather = 2", "set parallel_setup_cost = 0", "set parallel_tuple_cost = 0",
            "set min_parallel_table_scan_size = 0")


def record(major):
    cluster = postgres.Cluster(major).create().start()
    try:
        cluster.sql(SCHEMA)
        entries = []

        def add(query, source, form, text):
            entries.append({"query": query, "source": source, "format": form, "text": text})

        with cluster.connect() as session, session.cursor() as cursor:
            def plan(options, text):
                cursor.execute(f"explain ({options}) {text}")
                rows = [row[0] for row in cursor.fetchall()]
                return "\n".join(rows) if isinstance(rows[0], str) else json.dumps(rows[0])

            cursor.execute("set max_parallel_workers_per_gather = 0")
            for name, text in QUERIES.items():
                for form in ("json", "text"):
                    add(name, "explain", form, plan(f"format {form}", text))
                    add(name, "analyze", form, plan(f"analyze, buffers, verbose, format {form}", text))
            for setting in ("log_min_duration = 0", "log_analyze = on", "log_buffers = on", "log_level = notice"):
                cursor.execute(f"set auto_explain.{setting}")
            for form in ("json", "text"):
                cursor.execute(f"set auto_explain.log_format = {form}")
                for name in ("join", "index", "update"):
                    session.notices.clear()
                    cursor.execute(QUERIES[name])
                    add(name, "auto_explain", form, session.notices[-1].removeprefix("NOTICE:").strip())
            cursor.execute("set auto_explain.log_min_duration = -1")
            for setting in PARALLEL:
                cursor.execute(setting)
            for form in ("json", "text"):
                add("parallel", "explain", form, plan(f"format {form}", "select count(*) from orders where total > 70717273"))
        path = machine.ROOT / f"src/sql/testdata/plans-{major}.jsonl"
        path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")
        print(f"{path}: {len(entries)} plans")
    finally:
        cluster.close()


if __name__ == "__main__":
    for number in sys.argv[1:]:
        record(int(number))
