// Who is signed in. The access token lives in memory only; the refresh token is
// a cookie that scripts cannot read, shared with the web app of the same origin.

export interface User {
  login: string;
  name: string;
  permissions: string[];
}

export interface SessionState {
  /** False until the first answer on whether there is a session. */
  known: boolean;
  user: User | null;
}

interface SessionPayload {
  accessToken: string;
  expiresAt: string;
  user: User;
}

interface Answer<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

const fields = 'accessToken expiresAt user { login name permissions }';

/** The header that no page of another site can send. */
export const clientHeader = { 'x-cinema-client': 'playground' };

export async function post<T>(body: unknown, token: string | null): Promise<Answer<T>> {
  const response = await fetch('/graphql', {
    method: 'POST',
    credentials: 'same-origin',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...clientHeader,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Answer<T>;
}

export class Session {
  private state: SessionState = { known: false, user: null };
  private token: string | null = null;
  private expires = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private renewing: Promise<void> | null = null;
  private readonly listeners = new Set<() => void>();

  /** Called with each new token. */
  onToken: (token: string | null) => void = () => {};

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): SessionState => this.state;

  /** The token to send, renewed first when it is about to end. */
  async current(): Promise<string | null> {
    if (!this.state.known || (this.token && Date.now() > this.expires - 5_000)) await this.refresh();
    return this.token;
  }

  /** Renews the session by its cookie; at most one call is under way. */
  refresh(): Promise<void> {
    this.renewing ??= post<{ refreshSession: SessionPayload }>(
      { query: `mutation RefreshSession { refreshSession { ${fields} } }`, operationName: 'RefreshSession' },
      null,
    )
      .then((answer) => this.take(answer.data?.refreshSession ?? null))
      // Offline: what is known stays, and the next call tries again.
      .catch(() => this.publish({ ...this.state, known: true }))
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  /** Signs in; returns what to tell the user when it fails. */
  async signIn(login: string, password: string): Promise<string | null> {
    try {
      const answer = await post<{ signIn: SessionPayload }>(
        {
          query: `mutation SignIn($input: SignInInput!) { signIn(input: $input) { ${fields} } }`,
          operationName: 'SignIn',
          variables: { input: { login, password } },
        },
        null,
      );
      if (!answer.data?.signIn) return answer.errors?.[0]?.message ?? 'Sign-in failed.';
      if (!answer.data.signIn.accessToken) return 'This account has a second factor: sign in on the cinema’s own page, then come back.';
      this.take(answer.data.signIn);
      return null;
    } catch {
      return 'The server does not answer.';
    }
  }

  async signOut(): Promise<void> {
    const token = this.token;
    this.take(null);
    await post({ query: 'mutation SignOut { signOut { signedOut } }', operationName: 'SignOut' }, token).catch(() => {});
  }

  private take(payload: SessionPayload | null): void {
    clearTimeout(this.timer);
    this.token = payload?.accessToken ?? null;
    this.expires = payload ? Date.parse(payload.expiresAt) : 0;
    if (payload) {
      const wait = Math.max(this.expires - Date.now() - 30_000, 5_000);
      this.timer = setTimeout(() => void this.refresh(), Math.min(wait, 2 ** 31 - 1));
    }
    this.onToken(this.token);
    this.publish({ known: true, user: payload?.user ?? null });
  }

  private publish(state: SessionState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
