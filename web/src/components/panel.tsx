import type { ReactNode } from "react";
import type { ApiError } from "../api/client";
import { time } from "../lib/format";
import { sentence } from "../lib/text";

/** What a panel must know of a query to say where its data stands. */
export interface PanelState {
  data: unknown;
  error: ApiError | null;
  isFetching: boolean;
  isPlaceholderData: boolean;
  dataUpdatedAt: number;
  refetch: () => unknown;
}

interface Props {
  title?: ReactNode;
  tools?: ReactNode;
  state: PanelState;
  /** Nothing to show although there is an answer; `reason` then says why. */
  empty?: boolean;
  reason?: string | null | undefined;
  /** Said when the server gives no reason. */
  emptyText?: string;
  flush?: boolean;
  testid?: string;
  children: ReactNode;
}

/** A titled box that keeps old data visible and dimmed while new data is on its way, and never is empty without a reason. */
export function Panel({ title, tools, state, empty = false, reason, emptyText = "There is no data in this window.", flush = false, testid, children }: Props) {
  const has = state.data !== undefined;
  const waiting = state.isFetching && (!has || state.isPlaceholderData);
  return (
    <section className="panel" data-testid={testid} aria-busy={waiting}>
      {waiting && <div className="busy" />}
      {(title || tools) && (
        <header>
          {title && <h2>{title}</h2>}
          {tools && <div className="right">{tools}</div>}
        </header>
      )}
      {has && state.error && (
        <p className="notice" role="status">
          Shown is what was known at {time(state.dataUpdatedAt)}. {sentence(state.error.detail)}
        </p>
      )}
      {has && !empty && reason && (
        <p className="notice" role="status">
          {sentence(reason)}
        </p>
      )}
      <div className={`${flush ? "body flush" : "body"}${has && (state.isPlaceholderData || state.error) ? " stale" : ""}`}>
        {!has && !state.error && <Blank className="waiting" title="Loading…" />}
        {!has && state.error && (
          <Blank title={state.error.title} text={state.error.detail}>
            <button onClick={() => state.refetch()}>Try again</button>
          </Blank>
        )}
        {has && empty && <Blank title="Nothing to show" text={reason ?? emptyText} />}
        {has && !empty && children}
      </div>
    </section>
  );
}

/** Said in place of content; what stands between backticks is a command. */
export function Blank({ title, text, className = "", children }: { title: string; text?: string; className?: string; children?: ReactNode }) {
  return (
    <div className={`blank ${className}`} data-testid="blank">
      <strong>{title}</strong>
      {text && <p>{sentence(text).split("`").map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</p>}
      {children}
    </div>
  );
}
