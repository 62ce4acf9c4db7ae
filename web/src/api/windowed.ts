// Queries over a time range: a relative range is resolved when it is fetched and fetched again every ten seconds;
// what was shown before stays until the new answer is there.

import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { rangeKey, resolve, type Range, type Window } from "../lib/range";
import type { ApiError } from "./client";

export const REFRESH_MS = 10_000;
export type Answer<T> = UseQueryResult<T, ApiError>;
type Part = string | number | null | undefined;

/**
 * `what` names the operation and the thing it is about: an answer about something else is never shown in between.
 * `how` are the other parameters.
 */
export function useWindowed<T>(
  what: readonly [string, Part],
  range: Range,
  how: readonly Part[],
  fetch: (w: Window, signal: AbortSignal) => Promise<T>,
  enabled = true,
): Answer<T> {
  return useQuery<T, ApiError>({
    queryKey: [...what, rangeKey(range), ...how],
    queryFn: ({ signal }) => fetch(resolve(range, Date.now()), signal),
    refetchInterval: range.kind === "relative" ? REFRESH_MS : false,
    placeholderData: (data, query) => (query?.queryKey[0] === what[0] && query.queryKey[1] === what[1] ? data : undefined),
    enabled,
  });
}
