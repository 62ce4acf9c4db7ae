// Draws the stack of a load chart into uPlot's canvas.

import type uPlot from "uplot";
import { gaps, type Stack } from "../lib/stack";
import { color, mix } from "./paint";

export interface Scene {
  from: number;
  to: number;
  step: number; // ms per bucket
  t: readonly number[];
  stack: Stack;
  cores: number | null;
  colors: ReadonlyMap<string, string>;
  /** The band that stands out; the others step back. */
  lit: string | null;
}

/** Bars of one bucket each, snapped to device pixels so that neighbours leave no seam; a gap of one pixel when they are wide. */
export function drawStack(u: uPlot, scene: Scene): void {
  const { ctx } = u;
  const panel = color("--panel");
  const left = u.bbox.left;
  const right = u.bbox.left + u.bbox.width;
  const x = (ms: number) => Math.min(right, Math.max(left, Math.round(u.valToPos(ms, "x", true))));
  const y = (v: number) => Math.round(u.valToPos(v, "y", true));
  const xs = scene.t.map(x);
  const ends = scene.t.map((ms) => x(ms + scene.step));
  const air = (ends[0] ?? 0) - (xs[0] ?? 0) >= 6 * devicePixelRatio ? Math.round(devicePixelRatio) : 0;
  const hair = Math.round(devicePixelRatio);

  ctx.save();
  ctx.beginPath();
  ctx.rect(left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  for (const [a, b] of gaps(scene.stack.total)) hatch(u, xs[a]!, ends[b]!);
  for (const edge of scene.stack.edges) {
    const base = scene.colors.get(edge.key) ?? panel;
    ctx.fillStyle = scene.lit === null || scene.lit === edge.key ? base : mix(base, panel, 0.32);
    ctx.beginPath();
    for (let i = 0; i < xs.length; i++) {
      const lower = edge.lower[i]!;
      const upper = edge.upper[i]!;
      if (!(upper > lower)) continue;
      const top = y(upper);
      const height = y(lower) - top;
      // A hair between bands that are thick enough tells them apart where colours do not.
      ctx.rect(xs[i]!, top, Math.max(1, ends[i]! - xs[i]! - air), height >= 6 * hair ? height - hair : height);
    }
    ctx.fill();
  }
  ctx.restore();
  drawCores(u, scene.cores, y);
}

function drawCores(u: uPlot, cores: number | null, y: (v: number) => number): void {
  if (cores === null) return;
  const { ctx, bbox } = u;
  const r = devicePixelRatio;
  const above = cores > (u.scales.y?.max ?? 0);
  const text = above ? `↑ ${cores} cores` : `${cores} cores`;
  const at = above ? bbox.top : y(cores);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = color("--cores");
  if (!above) {
    ctx.lineWidth = 1.25 * r;
    ctx.setLineDash([5 * r, 4 * r]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, at);
    ctx.lineTo(bbox.left + bbox.width, at);
    ctx.stroke();
  }
  ctx.font = `600 ${11 * r}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = above ? "top" : "bottom";
  ctx.lineWidth = 3 * r;
  ctx.setLineDash([]);
  ctx.strokeStyle = color("--panel");
  const [tx, ty] = [bbox.left + bbox.width - 4 * r, above ? at + 3 * r : at - 3 * r];
  ctx.strokeText(text, tx, ty);
  ctx.fillText(text, tx, ty);
  ctx.restore();
}

/** Diagonal lines, and the words where they fit: nobody watched here. */
export function hatch(u: uPlot, from: number, to: number): void {
  const { ctx, bbox } = u;
  const r = devicePixelRatio;
  if (to <= from) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, bbox.top, to - from, bbox.height);
  ctx.clip();
  ctx.fillStyle = color("--sunken");
  ctx.fillRect(from, bbox.top, to - from, bbox.height);
  ctx.strokeStyle = color("--border");
  ctx.lineWidth = r;
  ctx.beginPath();
  for (let x = from - bbox.height; x < to; x += 7 * r) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  if (to - from > 64 * r) {
    ctx.font = `${11 * r}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.lineWidth = 4 * r;
    ctx.strokeStyle = color("--sunken");
    ctx.fillStyle = color("--text-3");
    ctx.strokeText("no data", (from + to) / 2, bbox.top + bbox.height / 2);
    ctx.fillText("no data", (from + to) / 2, bbox.top + bbox.height / 2);
  }
  ctx.restore();
}
