import { expect, it } from "vitest";
import { oneLine, sentence, visible } from "./text";

it.each([
  ["plain", "plain"],
  ["a\nb", "a⏎b"],
  ["\u0000\u001b[31m", "␀␛[31m"],
  ["evil\u202egnp.exe", "evil�gnp.exe"],
  ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ["Straße 数据 🐘", "Straße 数据 🐘"],
])("visible(%j) is %j", (a, b) => expect(visible(a)).toBe(b));

it.each([
  ["no collector has enrolled yet", "No collector has enrolled yet."],
  ["postgres.tables was not read", "postgres.tables was not read."],
  ["pg_stat_statements is absent.", "pg_stat_statements is absent."],
  ["", ""],
])("sentence(%j) is %j", (a, b) => expect(sentence(a)).toBe(b));

it("oneLine folds white space", () => expect(oneLine("  SELECT 1,\n\t  2\r\n")).toBe("SELECT 1, 2"));
