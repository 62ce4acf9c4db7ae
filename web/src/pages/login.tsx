import { useState, type FormEvent } from "react";
import { useLogin } from "../api/session";
import { Brand } from "../components/shell";
import { useTitle } from "../state/hooks";

/** Shown in place of any page until somebody signs in; the address stays, and so does what it asks for. */
export function LoginPage() {
  useTitle("Sign in");
  const login = useLogin();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    login.mutate({ name, password });
  };
  return (
    <main className="login">
      <form onSubmit={submit} data-testid="login" aria-label="Sign in">
        <h1 className="brand"><Brand /></h1>
        {login.error && <p className="notice bad" role="alert">{login.error.status === 401 ? "The name or the password is wrong." : login.error.detail}</p>}
        <label>Name <input name="name" autoComplete="username" autoFocus required maxLength={128} value={name} onChange={(e) => setName(e.target.value)} /></label>
        <label>Password <input name="password" type="password" autoComplete="current-password" required maxLength={1024} value={password} onChange={(e) => setPassword(e.target.value)} /></label>
        <button type="submit" className="primary" disabled={login.isPending}>Sign in</button>
      </form>
    </main>
  );
}
