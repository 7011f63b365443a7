import { screen, waitFor } from '@testing-library/react';
import { graphql, HttpResponse } from 'msw';
import { beforeEach, describe, expect, it } from 'vitest';
import { standing } from '~/lib/standing';
import { open, refuse, signedIn } from './app';
import { server } from './server';

const emptyHome = {
  __typename: 'Query',
  featured: null,
  continueWatching: [],
  added: { __typename: 'TitleConnection', edges: [] },
  popular: [],
  myList: [],
  genres: [],
};

/** How long the page may take to ask again by itself. */
const soon = { timeout: 15_000 };

beforeEach(() => standing.set({ poor: 0, returned: 0 }));

describe('while a part is away', () => {
  it('says that the catalogue may be old, and no more once it is back', async () => {
    signedIn();
    let away = true;
    const asked: boolean[] = [];
    server.use(
      graphql.query('Home', () => {
        asked.push(away);
        return HttpResponse.json({ data: emptyHome, ...(away && { extensions: { stale: { since: '2026-01-02T03:04:05Z' } } }) });
      }),
    );
    open('/');
    expect(await screen.findByText('The catalogue is empty')).toBeTruthy();
    expect(await screen.findByText(/The catalogue is shown as it was on January 2 at/, undefined, soon)).toBeTruthy();
    away = false;
    await waitFor(() => expect(screen.queryByText(/shown as it was/)).toBeNull(), soon);
    expect(asked.at(-1)).toBe(false);
  });

  it('does not take a search that fails for one that finds nothing, and shows the results once there are some', async () => {
    signedIn();
    let away = true;
    const titles = {
      __typename: 'TitleConnection',
      totalCount: 1,
      suggestion: null,
      edges: [
        { __typename: 'TitleEdge', cursor: '0', highlight: 'Metropolis', node: { __typename: 'Film', id: 't1', name: 'Metropolis', year: 1927, poster: null } },
      ],
      pageInfo: { __typename: 'PageInfo', endCursor: null, hasNextPage: false },
      facets: { __typename: 'TitleFacets', genres: [], decades: [], kinds: [], languages: [] },
    };
    server.use(
      graphql.query('SearchFirst', () =>
        away
          ? refuse('UNAVAILABLE')
          : HttpResponse.json({ data: { __typename: 'Query', titles, people: { __typename: 'PersonConnection', edges: [] } } }),
      ),
    );
    open('/search?q=metro');
    expect(await screen.findByText('Search does not work at the moment')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
    expect(screen.queryByText(/Nothing for/)).toBeNull();
    away = false;
    expect(await screen.findByText('1 title', undefined, soon)).toBeTruthy();
    expect(screen.queryByText('Search does not work at the moment')).toBeNull();
  });

  it('says that what was watched is kept here while nobody takes it', async () => {
    signedIn();
    server.use(graphql.query('Home', () => HttpResponse.json({ data: emptyHome })));
    let away = true;
    server.use(
      graphql.mutation('RecordEvents', () =>
        away ? refuse('UNAVAILABLE') : HttpResponse.json({ data: { __typename: 'Mutation', recordEvents: { __typename: 'RecordEventsPayload', accepted: 1, rejected: [] } } }),
      ),
    );
    open('/'); // which is a fact to be recorded
    expect(await screen.findByText(/is kept on this device/, undefined, soon)).toBeTruthy();
    away = false;
    await waitFor(() => expect(screen.queryByText(/is kept on this device/)).toBeNull(), soon);
  });
});
