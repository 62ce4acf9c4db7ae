// A light look at SQL for people: enough to colour it and to break a long line, never to understand it. Any text is accepted.

export type TokenKind = "keyword" | "string" | "number" | "param" | "comment" | "ident" | "space" | "other";
export interface Token {
  kind: TokenKind;
  text: string;
}

const KEYWORDS = new Set(
  `all alter analyze and any array as asc begin between by call case cast close coalesce collate commit conflict constraint copy create cross cube current
   cursor declare deallocate default delete desc distinct do drop else end except exists explain extract fetch filter first following for foreign from full
   function grant group grouping having if ilike in index inner insert intersect into is isolation join key last lateral left level like limit listen lock
   materialized merge natural not nothing notify null nulls of offset on only or order outer over partition preceding prepare primary range recursive
   references refresh reindex release reset returning revoke right rollback rollup row rows savepoint select set sets share show similar skip locked some
   start table tablesample temp temporary then ties to transaction trigger true false truncate type unbounded union unique unlogged update using vacuum
   values view when where window with within work`.split(/\s+/),
);

// One alternative per kind, in order of precedence; an unfinished string or comment runs to the end of the text.
const SCANNER = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))`,
    String.raw`(?<string>[eE]?'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|\$(?<tag>[A-Za-z_]*)\$[\s\S]*?(?:\$\k<tag>\$|$))`,
    String.raw`(?<ident>"(?:[^"]|"")*(?:"|$))`,
    String.raw`(?<param>\$\d+|\?)`,
    String.raw`(?<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{N}_$]*)`,
    String.raw`(?<space>\s+)`,
    String.raw`(?<other>[\s\S])`,
  ].join("|"),
  "gu",
);

/** Tokens of any text; joined together they are the text. Linear in practice, and cut after `limit` characters by the caller's choice. */
export function tokens(sql: string): Token[] {
  const out: Token[] = [];
  for (const m of sql.matchAll(SCANNER)) {
    const g = m.groups!;
    const text = m[0];
    const kind: TokenKind = g.comment !== undefined ? "comment"
      : g.string !== undefined ? "string"
      : g.ident !== undefined ? "ident"
      : g.param !== undefined ? "param"
      : g.number !== undefined ? "number"
      : g.word !== undefined ? (KEYWORDS.has(text.toLowerCase()) ? "keyword" : "ident")
      : g.space !== undefined ? "space"
      : "other";
    const last = out[out.length - 1];
    if (last && last.kind === kind && (kind === "other" || kind === "space")) last.text += text;
    else out.push({ kind, text });
  }
  return out;
}

const BREAKS = new Set(["from", "where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "values", "set", "returning", "join", "left", "right", "inner", "cross", "full", "on", "for", "window"]);
const JOINED = new Set(["left", "right", "inner", "cross", "full", "outer"]); // no second break before the join that follows

/** Breaks a statement of one line before its clauses at the top level; text that has line breaks stays as it was sent. */
export function broken(sql: string): string {
  if (sql.length < 60 || /[\n\r]/.test(sql.trim())) return sql;
  let depth = 0;
  let before = "";
  let out = "";
  for (const t of tokens(sql)) {
    const word = t.kind === "keyword" ? t.text.toLowerCase() : "";
    if (t.kind === "other") depth += t.text.split("(").length - t.text.split(")").length;
    const clause = BREAKS.has(word) && depth === 0 && before !== "" && !(word === "join" && JOINED.has(before)) && !(word === "on" && before === "distinct")
      && !(word === "for" && before === "") && !(word === "from" && before === "distinct");
    if (clause) out = `${out.trimEnd()}\n${word === "on" ? "    " : /^(left|right|inner|cross|full|join)$/.test(word) ? "  " : ""}`;
    out += t.text;
    if (t.kind !== "space") before = word || t.text;
  }
  return out;
}
