// Numbers for people: three significant digits and a unit. The exact value goes into the title next to it (`exact`).

export const NONE = "–";
type Maybe = number | null | undefined;
const missing = (x: Maybe): x is null | undefined => x === null || x === undefined || Number.isNaN(x);

/** About three significant digits: 125, 12.5, 1.25, 0.12, 0.012. */
function digits(x: number): string {
  const a = Math.abs(x);
  if (a >= 99.95) return x.toFixed(0);
  if (a >= 9.995) return x.toFixed(1);
  if (a >= 0.0995) return x.toFixed(2);
  return String(Number(x.toPrecision(2)));
}

function scaled(x: number, base: number, units: readonly string[]): string {
  let i = 0;
  let v = x;
  while (i < units.length - 1 && Math.abs(v) >= base * 0.9995) {
    v /= base;
    i++;
  }
  return `${digits(v)}${units[i]}`;
}

/** 1234567 is "1.23 M". Whole numbers below 1000 stay whole. */
export function count(x: Maybe): string {
  if (missing(x)) return NONE;
  if (Number.isInteger(x) && Math.abs(x) < 1000) return String(x);
  if (Math.abs(x) > 0 && Math.abs(x) < 0.005) return x < 0 ? "> −0.01" : "< 0.01";
  return scaled(x, 1000, ["", " k", " M", " G", " T", " P"]);
}

export function bytes(x: Maybe): string {
  if (missing(x)) return NONE;
  return scaled(x, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]).replace(/^(-?\d+)\.\d+ B$/, "$1 B");
}

/** Seconds: "340 µs", "12.5 ms", "1.25 s", "2 min 13 s", "3 h 4 min", "5 d 2 h". */
export function duration(seconds: Maybe): string {
  if (missing(seconds)) return NONE;
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.9995e-6) return `${digits(seconds * 1e9)} ns`;
  if (seconds < 0.9995e-3) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 59.95) return `${Number.isInteger(seconds) ? seconds : digits(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 3600) return pair(s, 60, "min", 1, "s");
  if (s < 86400) return pair(s, 3600, "h", 60, "min");
  return pair(s, 86400, "d", 3600, "h");
}

function pair(s: number, big: number, bigName: string, small: number, smallName: string): string {
  const a = Math.floor(s / big);
  const b = Math.floor((s - a * big) / small);
  return b === 0 ? `${a} ${bigName}` : `${a} ${bigName} ${b} ${smallName}`;
}

export const milliseconds = (ms: Maybe): string => duration(missing(ms) ? null : ms / 1000);

/** A rate per second, minute or hour, whichever leaves a number to read. */
export function rate(perSecond: Maybe): string {
  if (missing(perSecond)) return NONE;
  if (perSecond === 0 || perSecond >= 0.0995) return `${count(perSecond)}/s`;
  return perSecond * 60 >= 0.0995 ? `${count(perSecond * 60)}/min` : `${count(perSecond * 3600)}/h`;
}

/** A share of 0 to 1 as "12.3 %". */
export function percent(share: Maybe): string {
  if (missing(share)) return NONE;
  const p = share * 100;
  return p > 0 && p < 0.05 ? "< 0.1 %" : `${p >= 99.95 || p === 0 ? p.toFixed(0) : p.toFixed(1)} %`;
}

/** A change between two values, "+12 %", "×3.4" from twice on; null without a base. */
export function change(now: Maybe, then: Maybe): string | null {
  if (missing(now) || missing(then) || then === 0) return null;
  const r = now / then;
  if (r >= 2) return `×${digits(r)}`;
  const p = Math.round((r - 1) * 100);
  return p === 0 ? "±0 %" : `${p > 0 ? "+" : "−"}${Math.abs(p)} %`;
}

/** The exact value for a title, grouped: "1,234,567.25". */
export const exact = (x: Maybe): string => (missing(x) ? "no data" : x.toLocaleString("en-US", { maximumFractionDigits: 9 }));

const two = (n: number): string => String(n).padStart(2, "0");
const day = (d: Date): string => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
const minute = (d: Date): string => `${two(d.getHours())}:${two(d.getMinutes())}`;

/** Local time, with seconds, and with the day when it is not today's. */
export function time(ms: Maybe, now: number = Date.now()): string {
  if (missing(ms)) return NONE;
  const d = new Date(ms);
  const clock = `${minute(d)}:${two(d.getSeconds())}`;
  return day(d) === day(new Date(now)) ? clock : `${day(d)} ${clock}`;
}

/** UTC for a title. */
export const utc = (ms: Maybe): string => (missing(ms) ? "no data" : `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`);

/** "14:05:10 – 14:20:00", with the day where it is needed. */
export function period(from: number, to: number, now: number = Date.now()): string {
  const sameDay = day(new Date(from)) === day(new Date(to));
  const end = sameDay ? time(to, to) : time(to, now);
  return `${time(from, now)} – ${end}`;
}

/** Label of a tick on a time axis whose ticks are `step` ms apart. */
export function tick(ms: number, step: number): string {
  const d = new Date(ms);
  if (step >= 86_400_000) return day(d).slice(5);
  if (d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0) return day(d).slice(5);
  return step < 60_000 ? `${minute(d)}:${two(d.getSeconds())}` : minute(d);
}

/** One unit is enough for an age: "12 s", "20 min", "5 h", "3 d". */
function age(s: number): string {
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  return s < 36 * 3600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} d`;
}

/** A tick of a value axis: `format` without the zeros that the step does not need. */
export const axisText = (format: (v: number) => string, v: number): string => format(v).replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

/** "just now", "12 s ago", "in 3 d". */
export function ago(ms: Maybe, now: number = Date.now()): string {
  if (missing(ms)) return "never";
  const s = Math.round((now - ms) / 1000);
  if (Math.abs(s) < 2) return "just now";
  const length = age(Math.abs(s));
  return s > 0 ? `${length} ago` : `in ${length}`;
}
