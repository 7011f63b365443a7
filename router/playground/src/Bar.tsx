import { type FormEvent, useState, useSyncExternalStore } from 'react';
import type { Session } from './session';

/** Who is signed in, or a form to sign in. */
export function Bar({ session }: { session: Session }) {
  const { known, user } = useSyncExternalStore(session.subscribe, session.snapshot);
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(e: FormEvent<HTMLFormElement>) {
    e.preventDefault();
    const form = new FormData(e.currentTarget);
    setBusy(true);
    setFault(await session.signIn(String(form.get('login')), String(form.get('password'))));
    setBusy(false);
  }

  return (
    <header className="bar">
      <a className="brand" href="/">
        NetflixAtHome
      </a>
      <span className="where">Playground</span>
      <span className="gap" />
      {!known ? (
        <span className="quiet">…</span>
      ) : user ? (
        <>
          <span className="quiet" title={user.permissions.join(', ')}>
            Signed in as <b>{user.name}</b>
          </span>
          <button type="button" onClick={() => void session.signOut()}>
            Sign out
          </button>
        </>
      ) : (
        <form onSubmit={(e) => void submit(e)}>
          <span role="alert" className="fault">
            {fault}
          </span>
          <input name="login" aria-label="Login" placeholder="Login" autoComplete="username" required />
          <input name="password" type="password" aria-label="Password" placeholder="Password" autoComplete="current-password" required />
          <button type="submit" className="primary" disabled={busy}>
            {busy ? 'Signing in…' : 'Sign in'}
          </button>
        </form>
      )}
    </header>
  );
}
