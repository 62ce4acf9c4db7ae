// One listener for the whole page. Components add commands while they are mounted; the newest one wins.

import { useEffect, useRef } from "react";
import { NO_KEYS, press } from "../lib/keys";

type Command = (event: KeyboardEvent) => void;
const stacks = new Map<string, { run: Command }[]>();
let keys = NO_KEYS;

const EDITABLE = "input:not([type=checkbox]), textarea, select, [contenteditable]";

function listen(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.matches(EDITABLE) && event.key !== "Escape") return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && target?.matches("a, button, summary")) return;
  const { command, state } = press(keys, event.key, event.timeStamp);
  keys = state;
  const stack = command === null ? undefined : stacks.get(command);
  const top = stack?.[stack.length - 1];
  if (!top) return;
  event.preventDefault();
  top.run(event);
}

/** Adds commands ("j", "g f") while the component is mounted and `enabled`. The set of names must not change. */
export function useHotkeys(commands: Record<string, Command>, enabled = true): void {
  const latest = useRef(commands);
  latest.current = commands;
  const names = Object.keys(commands).join("|");
  useEffect(() => {
    if (!enabled) return;
    if (stacks.size === 0) window.addEventListener("keydown", listen);
    const entries = names.split("|").map((name) => {
      const entry = { run: (e: KeyboardEvent) => latest.current[name]?.(e) };
      const stack = stacks.get(name) ?? [];
      stacks.set(name, [...stack, entry]);
      return { name, entry };
    });
    return () => {
      for (const { name, entry } of entries) {
        const rest = (stacks.get(name) ?? []).filter((e) => e !== entry);
        if (rest.length) stacks.set(name, rest);
        else stacks.delete(name);
      }
      if (stacks.size === 0) window.removeEventListener("keydown", listen);
    };
  }, [names, enabled]);
}
