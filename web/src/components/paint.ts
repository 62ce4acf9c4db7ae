// Colours for canvases: the values that the tokens have in the theme of the moment.

import type { Paint } from "../lib/palette";

let probe: HTMLElement | null = null;

/** The colour a token stands for now, as rgb(). */
export function color(token: string): string {
  if (!probe) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}

const channels = (rgb: string): number[] => (rgb.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);

/** `share` of `a`, the rest of `b`. */
export function mix(a: string, b: string, share: number): string {
  const [x, y] = [channels(a), channels(b)];
  return `rgb(${x.map((v, i) => Math.round(v * share + y[i]! * (1 - share))).join(" ")})`;
}

/** A paint's colour; shades move towards the panel. */
export function paintColor(paint: Paint | undefined, panel = color("--panel")): string {
  const base = color(paint?.token ?? "--wait-other");
  return paint && paint.shade > 0 ? mix(base, panel, 1 - 0.22 * Math.min(paint.shade, 3)) : base;
}
