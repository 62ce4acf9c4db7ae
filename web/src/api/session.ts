import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { ApiError, get, onSignedOut, post, remember } from "./client";
import type { Credentials, Session } from "./schema";

const KEY = ["getSession", ""];

/** The session; null when nobody is signed in. */
export function useSession() {
  const client = useQueryClient();
  useEffect(() => onSignedOut(() => client.setQueryData(KEY, null)), [client]);
  return useQuery<Session | null, ApiError>({
    queryKey: KEY,
    queryFn: async ({ signal }) => {
      try {
        return remember(await get<Session>("/session", {}, signal));
      } catch (e) {
        if (e instanceof ApiError && e.status === 401) return null;
        throw e;
      }
    },
    staleTime: Infinity,
  });
}

export function useLogin() {
  const client = useQueryClient();
  return useMutation<Session, ApiError, Credentials>({
    mutationFn: async (credentials) => remember(await post<Session>("/login", credentials)),
    onSuccess: (session) => client.setQueryData(KEY, session),
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation<void, ApiError>({
    mutationFn: () => post<void>("/logout"),
    onSettled: () => {
      client.setQueryData(KEY, null);
      client.removeQueries({ predicate: (q) => q.queryKey[0] !== KEY[0] });
    },
  });
}
