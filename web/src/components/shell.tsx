import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { Session } from "../api/schema";
import { useHotkeys } from "../state/hotkeys";
import { setTheme, useTheme, type Theme } from "../state/theme";
import { keepTime, useView } from "../state/view";
import { ErrorBoundary } from "./error-boundary";
import { HelpDialog } from "./help-dialog";
import { Popover } from "./popover";
import { RangePicker } from "./range-picker";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

export function Brand() {
  return (
    <>
      <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#2456c9" />
        <path d="M5 25v-6h4v6zM11 25V14h4v11zM17 25v-8h4v8zM23 25V8h4v17z" fill="#fff" fillOpacity=".92" />
        <path d="M4 11.5h24" stroke="#ffb84d" strokeWidth="2" strokeDasharray="3 2" />
      </svg>
      <span>pgAnalytics</span>
    </>
  );
}

/** The last server that was looked at: where "g s" and "g q" lead from elsewhere. */
let lastServer: string | null = null;

/** Bar, page, and the keys that work everywhere. */
export function Shell({ session, onLogout, children }: { session: Session; onLogout: () => void; children: ReactNode }) {
  const [path, navigate] = useLocation();
  const view = useView();
  const [help, setHelp] = useState(false);
  const server = /^\/servers\/(\d+)/.exec(path)?.[1];
  if (server) lastServer = server;
  const go = (to: string) => navigate(keepTime(to, view.params));
  const toServer = (rest: string) => go(lastServer === null ? "/" : `/servers/${lastServer}${rest}`);
  useHotkeys({
    "?": () => setHelp(true),
    "g f": () => go("/"),
    "g c": () => go("/collectors"),
    "g s": () => toServer(""),
    "g q": () => toServer("/queries"),
    "[": () => view.move(-1),
    "]": () => view.range.kind === "absolute" && view.move(1),
    z: () => view.zoomOut(),
    Escape: () => (view.brush ? view.clearBrush() : document.activeElement instanceof HTMLElement && document.activeElement.blur()),
  });
  const link = (to: string, text: string, current: boolean) => (
    <Link href={keepTime(to, view.params)} aria-current={current ? "page" : undefined}>{text}</Link>
  );
  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="bar">
        <Link className="brand" href={keepTime("/", view.params)} aria-label="pgAnalytics, fleet"><Brand /></Link>
        <nav aria-label="Main">
          {link("/", "Fleet", path === "/")}
          {link("/collectors", "Collectors", path === "/collectors")}
        </nav>
        <div className="tools">
          <RangePicker range={view.range} onRange={view.setRange} onMove={view.move} onZoomOut={view.zoomOut} />
          <button className="quiet icon narrow-hide" title="Keyboard ( ? )" aria-label="Keyboard help" onClick={() => setHelp(true)}>?</button>
          <Popover title={`Signed in as ${session.user.name}`} label={<span className="clip" style={{ maxWidth: 90 }}>{session.user.name}</span>} testid="user">
            {() => <UserMenu session={session} onLogout={onLogout} />}
          </Popover>
        </div>
      </header>
      <main id="main" tabIndex={-1}><ErrorBoundary at={path}>{children}</ErrorBoundary></main>
      <HelpDialog open={help} onClose={() => setHelp(false)} />
    </>
  );
}

function UserMenu({ session, onLogout }: { session: Session; onLogout: () => void }) {
  const { theme } = useTheme();
  return (
    <>
      <div className="muted">{session.user.name}, {session.user.role}</div>
      <div className="choices" style={{ gridTemplateColumns: "repeat(3, 1fr)" }} role="group" aria-label="Theme">
        {THEMES.map((t) => <button key={t} aria-pressed={t === theme} onClick={() => setTheme(t)} data-testid={`theme-${t}`}>{t}</button>)}
      </div>
      <button onClick={onLogout} data-testid="logout">Sign out</button>
    </>
  );
}
