import type { Collector, Server } from "../api/schema";

export type ServerStatus = Server["status"];
export type CollectorStatus = Collector["status"];
const MEANING: Record<ServerStatus | CollectorStatus, { tone: string; text: string }> = {
  fresh: { tone: "good", text: "Fresh: readings arrive" },
  stale: { tone: "faint", text: "Stale: the collector has gone quiet" },
  unreachable: { tone: "bad", text: "Unreachable: the collector cannot connect" },
  waiting: { tone: "faint", text: "Waiting for the first reading" },
  to_be_approved: { tone: "faint", text: "To be approved by a person" },
  locked: { tone: "bad", text: "Locked: an old certificate of it came back" },
  revoked: { tone: "faint", text: "Revoked: refused for good" },
};

/** Shape and colour: a filled disc, a hollow one, a cross, a dotted ring. Grey is not green. */
export function StatusMark({ status, reason, label = false }: { status: ServerStatus | CollectorStatus; reason?: string | null; label?: boolean }) {
  const { tone, text } = MEANING[status];
  return (
    <span className={`status ${tone}`} title={reason ? `${text}. ${reason}` : text}>
      <svg viewBox="0 0 10 10" role="img" aria-label={status}>
        {status === "fresh" && <circle cx="5" cy="5" r="4" fill="currentColor" />}
        {status === "stale" && <circle cx="5" cy="5" r="3.6" fill="none" stroke="currentColor" strokeWidth="1.6" />}
        {(status === "waiting" || status === "to_be_approved") && <circle cx="5" cy="5" r="3.6" fill="none" stroke="currentColor" strokeWidth="1.6" strokeDasharray="1.8 1.8" />}
        {(status === "unreachable" || status === "locked" || status === "revoked") && <path d="M1.5 1.5l7 7M8.5 1.5l-7 7" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />}
      </svg>
      {label && <span>{status}</span>}
    </span>
  );
}
