// The one place that calls fetch.

import type { Problem, Session } from "./schema";

/** A refusal of the server in its own words, or a connection that failed (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail || title);
  }
}

let csrf = "";
let signedOut: () => void = () => {};

/** Remembers the token of a session's answer for requests that change something. */
export function remember(session: Session): Session {
  csrf = session.csrf;
  return session;
}

/** Called whenever an answer says that nobody is signed in. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

type Params = Record<string, string | number | null | undefined>;

/** `path` with the parameters that have a value. */
export function url(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== null && v !== undefined && v !== "") query.set(k, String(v));
  const text = query.toString();
  return `/api/v1${path}${text ? `?${text}` : ""}`;
}

async function call<T>(method: string, target: string, body: unknown, signal: AbortSignal | null): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(target, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal, credentials: "same-origin", cache: "no-store" });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError(0, "No answer", "The server does not answer. It may be restarting, or the network is down.");
  }
  if (answer.status === 204) return undefined as T;
  const json: unknown = await answer.json().catch(() => null);
  if (answer.ok && json !== null) return json as T;
  if (answer.status === 401) signedOut();
  const problem = (json ?? {}) as Partial<Problem>;
  throw new ApiError(answer.status, problem.title ?? `HTTP ${answer.status}`, problem.detail ?? "The server gave no reason.");
}

export const get = <T>(path: string, params: Params, signal: AbortSignal): Promise<T> => call<T>("GET", url(path, params), undefined, signal);
export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>("POST", url(path), body, null);
