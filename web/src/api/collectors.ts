import { useQuery } from "@tanstack/react-query";
import { get, type ApiError } from "./client";
import type { CollectorList } from "./schema";
import { REFRESH_MS } from "./windowed";

export const useCollectors = () =>
  useQuery<CollectorList, ApiError>({
    queryKey: ["listCollectors", ""],
    queryFn: ({ signal }) => get("/collectors", {}, signal),
    refetchInterval: REFRESH_MS,
  });
