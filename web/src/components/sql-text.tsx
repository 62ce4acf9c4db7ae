import { useMemo, useState } from "react";
import { broken, tokens } from "../lib/sql";

const SHOWN_MAX = 20_000; // characters that are coloured; beyond them text is plain

/** A statement, lightly coloured. Copying gives it as it was sent. */
export function SqlText({ text }: { text: string }) {
  const [asSent, setAsSent] = useState(false);
  const [copied, setCopied] = useState(false);
  const layout = useMemo(() => broken(text), [text]);
  const shown = asSent ? text : layout;
  const parts = useMemo(() => tokens(shown.slice(0, SHOWN_MAX)), [shown]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyByHand(text); // plain HTTP on another address than loopback has no clipboard
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <>
      <pre className="sqltext" tabIndex={0} aria-label="Text of the statement" data-testid="sql">
        {parts.map((t, i) => (t.kind === "space" || t.kind === "other" || t.kind === "ident" ? t.text : <span key={i} className={`k-${t.kind}`}>{t.text}</span>))}
        {shown.slice(SHOWN_MAX)}
      </pre>
      <div className="row" style={{ marginTop: 8 }}>
        <button onClick={copy} data-testid="copy">{copied ? "Copied" : "Copy"}</button>
        {layout !== text && <button className="quiet" aria-pressed={asSent} onClick={() => setAsSent(!asSent)}>As sent</button>}
        <span className="sr" role="status">{copied ? "The statement is on the clipboard." : ""}</span>
      </div>
    </>
  );
}

function copyByHand(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
