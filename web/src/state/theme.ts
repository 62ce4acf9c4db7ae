import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";
const listeners = new Set<() => void>();
const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", () => listeners.forEach((l) => l()));

function chosen(): Theme {
  const t = document.documentElement.dataset.theme;
  return t === "light" || t === "dark" ? t : "system";
}

export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  listeners.forEach((l) => l());
}

/** The choice, and what it comes to; canvases draw again when the latter changes. */
export function useTheme(): { theme: Theme; dark: boolean } {
  const key = useSyncExternalStore(
    (l) => (listeners.add(l), () => listeners.delete(l)),
    () => `${chosen()}/${chosen() === "dark" || (chosen() === "system" && system.matches)}`,
  );
  const [theme, dark] = key.split("/");
  return { theme: theme as Theme, dark: dark === "true" };
}
