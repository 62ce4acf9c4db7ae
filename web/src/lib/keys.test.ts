import { expect, it } from "vitest";
import { NO_KEYS, press } from "./keys";

it("joins g with the key that follows", () => {
  const g = press(NO_KEYS, "g", 0);
  expect(g.command).toBeNull();
  expect(press(g.state, "f", 500).command).toBe("g f");
});
it("forgets g after a second", () => expect(press(press(NO_KEYS, "g", 0).state, "j", 1500).command).toBe("j"));
it("takes other keys as they are", () => expect(press(NO_KEYS, "?", 0).command).toBe("?"));
