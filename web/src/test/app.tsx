import { i18n } from '@lingui/core';
import { I18nProvider } from '@lingui/react';
import { createMemoryHistory, createRouter, RouterProvider } from '@tanstack/react-router';
import { render } from '@testing-library/react';
import { graphql, HttpResponse } from 'msw';
import type { RecordEventsMutation, RefreshSessionMutation, SessionFieldsFragment } from '~/gql/graphql';
import { router } from '~/app/router';
import { sessionStore } from '~/lib/session';
import { server } from './server';

export const profile: SessionFieldsFragment['profile'] = {
  __typename: 'Profile', id: 'profile_1', name: 'Anna', colour: '#d9704f', avatar: 'LETTER', locale: null, child: false, ageLimit: null, hasPin: false,
};

export const session: SessionFieldsFragment = {
  __typename: 'SessionPayload',
  accessToken: 'token-1',
  expiresAt: new Date(Date.now() + 300_000).toISOString(),
  profile,
  user: { __typename: 'User', id: 'user_1', login: 'anna', name: 'Anna', permissions: [], profiles: [profile] },
};

/** Refuses with a code, as the router does. */
export const refuse = (code: string, extra: Record<string, string> = {}) =>
  HttpResponse.json({ data: null, errors: [{ message: code, extensions: { code, ...extra } }] }) as unknown as HttpResponse<never>;

export function signedIn() {
  server.use(
    graphql.query('AdminCatalogue', () => HttpResponse.json({ data: { __typename: 'Query', genres: [] } })),
    graphql.mutation<RefreshSessionMutation>('RefreshSession', () =>
      HttpResponse.json({ data: { __typename: 'Mutation', refreshSession: session } }),
    ),
    graphql.mutation<RecordEventsMutation>('RecordEvents', ({ variables }) =>
      HttpResponse.json({
        data: {
          __typename: 'Mutation',
          recordEvents: { __typename: 'RecordEventsPayload', accepted: (variables.input as { events: unknown[] }).events.length, rejected: [] },
        },
      }),
    ),
  );
}

/** The whole app at an address, as a browser would open it. */
export function open(path: string) {
  sessionStore.set({ status: 'unknown' });
  const here = createRouter({ ...router.options, history: createMemoryHistory({ initialEntries: [path] }) });
  render(
    <I18nProvider i18n={i18n}>
      <RouterProvider router={here as never} />
    </I18nProvider>,
  );
  return here;
}
