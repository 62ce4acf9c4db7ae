import { exact, NONE } from "../lib/format";

/** A number for people, its exact value in the title. No data is a dash in grey, never a zero. */
export function Num({ value, as, unit = "" }: { value: number | null | undefined; as: (x: number | null | undefined) => string; unit?: string }) {
  const text = as(value);
  return (
    <span className={text === NONE ? "none" : undefined} title={value === null || value === undefined ? "no data" : `${exact(value)} ${unit}`.trim()}>
      {text}
    </span>
  );
}

/** A small bar for a share of 0 to 1; `warn` and `bad` are where it changes colour. */
export function Meter({ share, warn = 2, bad = 2, plain = false }: { share: number | null; warn?: number; bad?: number; plain?: boolean }) {
  if (share === null) return <span className="meter" aria-hidden="true" />;
  const level = share >= bad ? "bad" : share >= warn ? "warn" : plain ? "share" : "";
  return (
    <span className="meter" aria-hidden="true">
      <i className={level} style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }} />
    </span>
  );
}
