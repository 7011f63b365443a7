import { graphql } from '~/gql/gql';
import type { SessionFieldsFragment } from '~/gql/graphql';
import { createStore, useStore } from './store';
import { execute, Fault } from './api/transport';

export const SessionFields = graphql(/* GraphQL */ `
  fragment SessionFields on SessionPayload {
    accessToken
    expiresAt
    profile { id name colour avatar locale child ageLimit hasPin }
    user {
      id
      login
      name
      permissions
      profiles { id name colour avatar locale child ageLimit hasPin }
    }
  }
`);

const RefreshSession = graphql(/* GraphQL */ `
  mutation RefreshSession { refreshSession { ...SessionFields } }
`);

const SignOut = graphql(/* GraphQL */ `
  mutation SignOut { signOut { signedOut } }
`);

export type Profile = SessionFieldsFragment['profile'];
export type User = SessionFieldsFragment['user'];

/** Who is signed in. The access token lives here and nowhere else; the refresh token is a cookie we cannot read. */
export type SessionState =
  | { status: 'unknown' }
  | { status: 'out' }
  | { status: 'in'; token: string; expiresAt: number; user: User; profile: Profile };

export const sessionStore = createStore<SessionState>({ status: 'unknown' });

/** Renew this long before the end, so that no request meets an ended token. */
const renewBeforeMs = 60_000;
/** The server names the end by its clock; ours may be off, so life is counted from the answer. */
const leastLifeMs = 30_000;

let timer: ReturnType<typeof setTimeout> | undefined;
let renewing: Promise<boolean> | undefined;

/** Tells the other tabs that the session changed hands. */
const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('cinema.session');
export const tellTabs = () => channel?.postMessage('changed');

/** Takes over a session that was opened or renewed. */
export function enter(payload: SessionFieldsFragment) {
  const expiresAt = Math.max(Date.parse(payload.expiresAt), Date.now() + leastLifeMs);
  sessionStore.set({ status: 'in', token: payload.accessToken, expiresAt, user: payload.user, profile: payload.profile });
  clearTimeout(timer);
  timer = setTimeout(() => void renew(), Math.max(expiresAt - Date.now() - renewBeforeMs, leastLifeMs / 2));
}

function leave() {
  clearTimeout(timer);
  sessionStore.set({ status: 'out' });
}

/** One tab at a time: the refresh cookie is used once and replaced. */
export async function alone<T>(work: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return work();
  return navigator.locks.request('cinema.session', work) as Promise<T>;
}

/**
 * Renews the access token; however many ask, one request goes out. Resolves to
 * whether someone is signed in. Without an answer the session stays as it was:
 * being offline is not being signed out.
 */
export function renew(): Promise<boolean> {
  renewing ??= alone(async () => {
    try {
      const { refreshSession } = await execute(RefreshSession, {}, { signal: AbortSignal.timeout(15_000) });
      enter(refreshSession);
      return true;
    } catch (error) {
      if (error instanceof Fault && (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN')) {
        leave();
        return false;
      }
      const now = sessionStore.get();
      if (now.status === 'in') {
        clearTimeout(timer);
        timer = setTimeout(() => void renew(), 10_000);
        return true;
      }
      throw error;
    }
  }).finally(() => {
    renewing = undefined;
  });
  return renewing;
}

/** A token that is good for at least a few seconds more; null when signed out. */
export async function freshToken(): Promise<string | null> {
  const now = sessionStore.get();
  if (now.status === 'out') return null;
  if (now.status === 'unknown' || now.expiresAt - Date.now() < 10_000) await renew().catch(() => false);
  const after = sessionStore.get();
  return after.status === 'in' ? after.token : null;
}

/** Resolves once it is known whether someone is signed in. Throws a Fault when the program cannot be reached. */
export async function settled(): Promise<SessionState> {
  if (sessionStore.get().status === 'unknown') await renew();
  return sessionStore.get();
}

/** Goes on as whom the work signs in, or as the work makes the session. */
export async function enterBy(work: () => Promise<SessionFieldsFragment>): Promise<void> {
  enter(await alone(work));
  tellTabs();
}

export async function signOut(): Promise<void> {
  const token = await freshToken();
  await alone(() => execute(SignOut, {}, { token }));
  leave();
  tellTabs();
}

/** Takes over a change of the signed-in account or its profiles, as mutations return them. */
export function noteUser(user: User) {
  sessionStore.set((now) => {
    if (now.status !== 'in') return now;
    return { ...now, user, profile: user.profiles.find((p) => p.id === now.profile.id) ?? now.profile };
  });
}

/** Follows other tabs, and renews on return to a tab whose timers slept. */
export function startSession() {
  channel?.addEventListener('message', () => void renew().catch(() => false));
  document.addEventListener('visibilitychange', () => {
    const now = sessionStore.get();
    if (document.visibilityState === 'visible' && now.status === 'in' && now.expiresAt - Date.now() < renewBeforeMs) {
      void renew().catch(() => false);
    }
  });
}

export const useSession = () => useStore(sessionStore);

/** The account that is signed in. Only below a signed-in route. */
export function useUser(): { user: User; profile: Profile } {
  const now = useSession();
  if (now.status !== 'in') throw new Error('useUser: nobody is signed in');
  return now;
}

export const can = (permission: string, state: SessionState = sessionStore.get()) =>
  state.status === 'in' && state.user.permissions.includes(permission);
