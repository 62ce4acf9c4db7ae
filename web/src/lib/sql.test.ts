import { describe, expect, it } from "vitest";
import { broken, tokens } from "./sql";

const kinds = (sql: string) => tokens(sql).filter((t) => t.kind !== "space").map((t) => `${t.kind}:${t.text}`);

describe("tokens", () => {
  it.each([
    ["SELECT a FROM t", ["keyword:SELECT", "ident:a", "keyword:FROM", "ident:t"]],
    ["x = $1", ["ident:x", "other:=", "param:$1"]],
    ["'it''s' 1.5e3", ["string:'it''s'", "number:1.5e3"]],
    ["$fn$ body $fn$", ["string:$fn$ body $fn$"]],
    ['"Or""der"', ['ident:"Or""der"']],
    ["-- note\n1", ["comment:-- note", "number:1"]],
    ["/* cut", ["comment:/* cut"]],
    ["'cut", ["string:'cut"]],
    ["größe", ["ident:größe"]],
  ])("%s", (sql, expected) => expect(kinds(sql)).toEqual(expected));

  it.each(["", "'", "\"", "$$", "SELECT '\\", "\u0000\ud800", "🐘 <img src=x onerror=alert(1)>", "(((((", "/*/*/*"])("loses nothing of %j", (sql) =>
    expect(tokens(sql).map((t) => t.text).join("")).toBe(sql));

  it("takes long unfinished text in good time", () => {
    const start = performance.now();
    tokens("'".repeat(50_000));
    tokens("/*".repeat(25_000));
    tokens("$a$".repeat(17_000));
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("broken", () => {
  it("breaks a long line before its clauses, not within brackets", () =>
    expect(broken("SELECT o.id, (SELECT count(*) FROM items i WHERE i.o = o.id) FROM orders o LEFT JOIN customers c ON c.id = o.c WHERE o.state = $1 ORDER BY o.id LIMIT $2")).toBe(
      [
        "SELECT o.id, (SELECT count(*) FROM items i WHERE i.o = o.id)",
        "FROM orders o",
        "  LEFT JOIN customers c",
        "    ON c.id = o.c",
        "WHERE o.state = $1",
        "ORDER BY o.id",
        "LIMIT $2",
      ].join("\n"),
    ));
  it("leaves short text and text with line breaks alone", () => {
    expect(broken("SELECT 1 FROM t")).toBe("SELECT 1 FROM t");
    const own = `SELECT something_long_enough,\n${" ".repeat(60)}1 FROM t`;
    expect(broken(own)).toBe(own);
  });
});
