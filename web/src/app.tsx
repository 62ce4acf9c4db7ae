import { Route, Switch } from "wouter";
import { useLogout, useSession } from "./api/session";
import { Blank } from "./components/panel";
import { Shell } from "./components/shell";
import { CollectorsPage } from "./pages/collectors";
import { FleetPage } from "./pages/fleet";
import { LoginPage } from "./pages/login";
import { MissingPage, QueryPage } from "./pages/query";
import { ServerPage } from "./pages/server";

/** Nothing is shown before somebody has signed in. */
export function App() {
  const session = useSession();
  const logout = useLogout();
  if (session.isPending) return null;
  if (session.data === undefined) {
    return <Blank title="The server does not answer" text={session.error?.detail ?? ""}><button onClick={() => session.refetch()}>Try again</button></Blank>;
  }
  if (session.data === null) return <LoginPage />;
  return (
    <Shell session={session.data} onLogout={() => logout.mutate()}>
      <Switch>
        <Route path="/"><FleetPage /></Route>
        <Route path="/collectors"><CollectorsPage /></Route>
        <Route path="/servers/:id/*?">{(p) => (/^\d+$/.test(p.id) ? <ServerPage key={p.id} id={Number(p.id)} /> : <MissingPage />)}</Route>
        <Route path="/queries/:id">{(p) => <QueryPage key={p.id} id={decodeURIComponent(p.id)} />}</Route>
        <Route><MissingPage /></Route>
      </Switch>
    </Shell>
  );
}
