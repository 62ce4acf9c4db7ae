// Axes and fonts that every chart shares.

import type uPlot from "uplot";
import { axisText, tick } from "../lib/format";
import { color } from "./paint";

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function timeAxis(): uPlot.Axis {
  return {
    stroke: color("--text-3"),
    font: FONT,
    size: 26,
    gap: 4,
    space: 74,
    grid: { show: false },
    ticks: { stroke: color("--border"), size: 4, width: 1 },
    values: (_u, splits, _axis, _space, step) => splits.map((ms) => tick(ms, step)),
  };
}

const POWERS_OF_TWO = Array.from({ length: 60 }, (_, i) => 2 ** (i - 10));

/** `binary`: ticks at powers of two, for bytes. */
export function valueAxis(format: (v: number) => string, size = 46, binary = false): uPlot.Axis {
  return {
    ...(binary ? { incrs: POWERS_OF_TWO } : {}),
    stroke: color("--text-3"),
    font: FONT,
    size,
    gap: 6,
    space: 34,
    grid: { stroke: color("--grid"), width: 1 },
    ticks: { show: false },
    values: (_u, splits) => splits.map((v) => (v === 0 ? "0" : axisText(format, v))),
  };
}
