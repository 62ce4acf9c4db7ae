import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import { expect, it } from "vitest";

/** Sentences may change without a word here; shapes may not. */
const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\s+/g, " ").trim();

it("schema.ts is what api/openapi.yaml generates (npm run types)", async () => {
  const description = new URL("../../../api/openapi.yaml", import.meta.url);
  const generated = astToString(await openapiTS(description, { rootTypes: true, rootTypesNoSchemaPrefix: true }));
  const committed = readFileSync(new URL("schema.ts", import.meta.url), "utf8");
  expect(withoutComments(committed)).toBe(withoutComments(generated));
});
