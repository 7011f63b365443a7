import { delay, graphql, HttpResponse } from 'msw';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RefreshSessionMutation, SignInMutation, SignOutMutation } from '~/gql/graphql';
import { refuse, session } from '~/test/app';
import { server } from '~/test/server';
import { freshToken, renew, sessionStore, signOut } from './session';
import { signIn } from './sign-in';

let renewals = 0;
const renewing = (token: () => string | null, lifeMs = 300_000) =>
  graphql.mutation<RefreshSessionMutation>('RefreshSession', async ({ request }) => {
    renewals++;
    expect(request.headers.get('x-cinema-client')).toBe('web');
    await delay(5);
    const accessToken = token();
    if (!accessToken) return refuse('UNAUTHENTICATED');
    return HttpResponse.json({
      data: { __typename: 'Mutation', refreshSession: { ...session, accessToken, expiresAt: new Date(Date.now() + lifeMs).toISOString() } },
    });
  });

beforeEach(() => {
  renewals = 0;
  sessionStore.set({ status: 'unknown' });
});

describe('the session', () => {
  it('renews once, however many ask', async () => {
    server.use(renewing(() => `token-${renewals}`));
    expect(await Promise.all([freshToken(), freshToken(), renew(), freshToken()])).toEqual(['token-1', 'token-1', true, 'token-1']);
    expect(renewals).toBe(1);
    expect(await freshToken()).toBe('token-1');
    expect(renewals).toBe(1);
  });

  it('is out when there is nothing to renew', async () => {
    server.use(renewing(() => null));
    expect(await freshToken()).toBeNull();
    expect(sessionStore.get().status).toBe('out');
    expect(await freshToken()).toBeNull();
    expect(renewals).toBe(1);
  });

  it('stays in while the server is away', async () => {
    server.use(renewing(() => 'token'));
    await renew();
    server.use(graphql.mutation('RefreshSession', () => HttpResponse.error() as never));
    expect(await renew()).toBe(true);
    expect(sessionStore.get().status).toBe('in');
  });

  it('keeps the token out of storage, and leaves on sign-out', async () => {
    server.use(
      graphql.mutation<SignInMutation>('SignIn', () => HttpResponse.json({ data: { __typename: 'Mutation', signIn: { ...session, __typename: 'SignInPayload', accessToken: 'secret' } } })),
      graphql.mutation<SignOutMutation>('SignOut', ({ request }) => {
        expect(request.headers.get('authorization')).toBe('Bearer secret');
        return HttpResponse.json({ data: { __typename: 'Mutation', signOut: { __typename: 'SignOutPayload', signedOut: true } } });
      }),
    );
    await signIn('anna', 'password');
    expect(JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie).not.toContain('secret');
    await signOut();
    expect(sessionStore.get().status).toBe('out');
  });

  it('passes on why a sign-in was refused', async () => {
    server.use(graphql.mutation('SignIn', () => refuse('INVALID', { field: 'login', reason: 'TOO_SHORT' })));
    await expect(signIn('a', 'b')).rejects.toMatchObject({ code: 'INVALID', field: 'login', reason: 'TOO_SHORT' });
  });
});
