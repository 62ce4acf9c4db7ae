import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// PGA_URL: a running server whose API the development server passes on.
const backend = process.env.PGA_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows no data: fonts or scripts
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { host: "127.0.0.1", proxy: { "/api": backend, "/-/": backend } },
  test: { include: ["src/**/*.test.ts"], environment: "node", env: { TZ: "UTC" } },
});
