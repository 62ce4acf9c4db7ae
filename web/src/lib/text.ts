// Text from outside, made harmless to read. Nothing here is for safety of the page: React writes text as text.

const NAMES: Record<string, string> = { "\n": "⏎", "\r": "␍", "\t": "⇥", "\u007f": "␡" };

/** Shows control characters, zero-width characters and changes of direction that would deceive the reader of a name. */
export function visible(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) => {
    const named = NAMES[c];
    if (named) return named;
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "�";
  });
}

/** A sentence of the server for a person: begins large, unless its first word is a name, and ends with a stop. */
export function sentence(text: string): string {
  const t = text.trim();
  const begun = /^[a-z][a-z]*[ ,:]/.test(t) ? t[0]!.toUpperCase() + t.slice(1) : t;
  return begun === "" || /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** A statement on one line, for tables. */
export const oneLine = (sql: string): string => visible(sql.replace(/\s+/g, " ").trim());
