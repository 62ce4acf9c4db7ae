import type { Range } from "../lib/range";
import { get } from "./client";
import type { Load, ServerDetail, ServerList } from "./schema";
import { useWindowed } from "./windowed";

export const DIMENSIONS = ["wait_class", "wait_event", "query", "database", "user", "application", "client"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const useServers = (range: Range, points: number) =>
  useWindowed<ServerList>(["listServers", ""], range, [points], (w, signal) => get("/servers", { ...w, points }, signal));

export const useServer = (id: number, range: Range) =>
  useWindowed<ServerDetail>(["getServer", id], range, [], (w, signal) => get(`/servers/${id}`, { ...w }, signal));

export const useLoad = (id: number, range: Range, by: Dimension, points: number) =>
  useWindowed<Load>(["getLoad", id], range, [by, points], (w, signal) => get(`/servers/${id}/load`, { ...w, by, points }, signal), points > 0);
