import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { graphql, HttpResponse, ws } from 'msw';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AdminRecordFragment } from '~/gql/graphql';
import { open, refuse, session, signedIn } from './app';
import { server } from './server';

const socket = ws.link('ws://*/graphql');

beforeEach(() => {
  signedIn();
  server.use(
    // News of jobs: a connection on which none come.
    socket.addEventListener('connection', ({ client }) => {
      client.addEventListener('message', (event) => {
        if ((JSON.parse(String(event.data)) as { type: string }).type === 'connection_init') client.send(JSON.stringify({ type: 'connection_ack' }));
      });
    }),
    graphql.mutation('RefreshSession', () =>
      HttpResponse.json({
        data: {
          __typename: 'Mutation',
          refreshSession: { ...session, user: { ...session.user, permissions: ['title:read', 'title:write', 'upload:write'] } },
        },
      }),
    ),
    graphql.query('AdminGenreChoices', () => HttpResponse.json({ data: { genreRecords: [] } })),
    graphql.query('AdminGenrePicker', () => HttpResponse.json({ data: { genreRecords: [] } })),
  );
});

describe('the list of titles', () => {
  it('deletes what was picked by key at once, and brings it back by Undo', async () => {
    const names: Record<string, string> = { film_1: 'Metropolis', film_2: 'Faust', film_3: 'Nosferatu' };
    const deleted = new Set<string>();
    const calls: [string, string[]][] = [];
    const idsOf = (variables: unknown) => (variables as { input: { ids: string[] } }).input.ids;
    const answer = (name: string, ids: string[]) =>
      HttpResponse.json({
        data: {
          [name]: {
            __typename: 'TitleRecordsPayload',
            records: ids.map((id) => ({ __typename: 'TitleRecord', id, version: 2, status: deleted.has(id) ? 'DELETED' : 'DRAFT', updatedAt: '2026-11-02T10:00:00.000Z' })),
          },
        },
      }) as unknown as HttpResponse<never>;
    server.use(
      graphql.query('AdminTitles', () => {
        const edges = Object.entries(names)
          .filter(([id]) => !deleted.has(id))
          .map(([id, originalName]) => ({
            __typename: 'TitleRecordEdge',
            cursor: id,
            node: {
              __typename: 'TitleRecord', id, kind: 'FILM', version: 1, status: 'DRAFT', originalName, year: 1927, endYear: null, demo: false,
              updatedAt: '2026-11-01T10:00:00.000Z', posterUrl: null, translations: [], genres: [], media: null,
            },
          }));
        return HttpResponse.json({
          data: { titleRecords: { __typename: 'TitleRecordConnection', totalCount: edges.length, pageInfo: { __typename: 'PageInfo', hasNextPage: false, endCursor: null }, edges } },
        });
      }),
      graphql.mutation('DeleteTitles', ({ variables }) => {
        calls.push(['delete', idsOf(variables)]);
        idsOf(variables).forEach((id) => deleted.add(id));
        return answer('deleteTitles', idsOf(variables));
      }),
      graphql.mutation('RestoreTitles', ({ variables }) => {
        calls.push(['restore', idsOf(variables)]);
        idsOf(variables).forEach((id) => deleted.delete(id));
        return answer('restoreTitles', idsOf(variables));
      }),
    );
    open('/admin/titles');
    const user = userEvent.setup();
    await screen.findByText('Faust');
    // To the first row, pick it, one further down, pick that too.
    await user.keyboard('jxjx');
    expect(screen.getByText('2 picked')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Delete' }));
    await waitFor(() => expect(screen.queryByText('Metropolis')).toBeNull());
    expect(screen.getByText('Nosferatu')).toBeTruthy();
    await user.click(await screen.findByRole('button', { name: 'Undo' }));
    expect(await screen.findByText('Metropolis')).toBeTruthy();
    expect(calls).toEqual([
      ['delete', ['film_1', 'film_2']],
      ['restore', ['film_1', 'film_2']],
    ]);
  }, 20_000); // The first page of the panel brings its code along.
});

const record: AdminRecordFragment = {
  __typename: 'TitleRecord', id: 'film_1', kind: 'FILM', version: 3, status: 'DRAFT', originalName: 'Metropolis', originalLanguage: 'de', year: 1927, endYear: null,
  durationMs: 9_180_000, ageRating: 12, countries: ['DE'], demo: false, updatedAt: '2026-11-01T10:00:00.000Z',
  translations: [{ __typename: 'TitleTranslation', locale: 'en', name: 'Metropolis', tagline: '', description: '' }],
  genres: [], credits: [], seasons: [], assets: [], posterUrl: null, stillUrl: null, media: null,
};

describe('the page of a title', () => {
  let newest = record;
  const sent: unknown[] = [];
  beforeEach(() => {
    newest = record;
    sent.length = 0;
    server.use(
      graphql.query('AdminTitle', () => HttpResponse.json({ data: { titleRecord: newest } })),
      graphql.query('AdminChanges', () => HttpResponse.json({ data: { titleRecord: { __typename: 'TitleRecord', id: 'film_1', changes: [] } } })),
      // As the server does: an old version is refused.
      graphql.mutation('UpdateTitle', ({ variables }) => {
        const { version, ...change } = (variables as { input: Record<string, unknown> }).input;
        sent.push({ version, ...change });
        if (version !== newest.version) return refuse('CONFLICT', { reason: 'VERSION' });
        newest = { ...newest, ...change, version: newest.version + 1 };
        return HttpResponse.json({ data: { updateTitle: { __typename: 'TitleRecordPayload', record: newest } } });
      }),
    );
  });
  const retype = async (user: ReturnType<typeof userEvent.setup>, year: string) => {
    const box = await screen.findByLabelText<HTMLInputElement>('Year');
    await user.clear(box);
    await user.type(box, year);
    return box;
  };

  it('saves by Ctrl S only what changed', async () => {
    open('/admin/titles/film_1');
    const user = userEvent.setup();
    await retype(user, '1926');
    expect(screen.getAllByText('Not saved yet').length).toBeGreaterThan(0);
    await user.keyboard('{Control>}s{/Control}');
    await waitFor(() => expect(sent).toEqual([{ id: 'film_1', version: 3, year: 1926 }]));
    await waitFor(() => expect(screen.queryByText('Not saved yet')).toBeNull());
    expect(screen.getByText('Saved')).toBeTruthy();
  });

  it('saves over a change that touched nothing on the form', async () => {
    open('/admin/titles/film_1');
    const user = userEvent.setup();
    await retype(user, '1926');
    newest = { ...newest, status: 'PUBLISHED', version: 4 }; // such as one's own press on Publish a moment ago
    await user.keyboard('{Control>}s{/Control}');
    await waitFor(() =>
      expect(sent).toEqual([
        { id: 'film_1', version: 3, year: 1926 },
        { id: 'film_1', version: 4, year: 1926 },
      ]),
    );
    await waitFor(() => expect(screen.queryByText('Not saved yet')).toBeNull());
    expect(screen.queryByText('Someone else saved first')).toBeNull();
  });

  it('says what is wrong with a year and sends nothing', async () => {
    open('/admin/titles/film_1');
    const user = userEvent.setup();
    const box = await retype(user, '12');
    await user.keyboard('{Control>}s{/Control}');
    expect(await screen.findByText('Enter a year from 1870 to 2100, or none.')).toBeTruthy();
    expect(box.getAttribute('aria-invalid')).toBe('true');
    expect(sent).toEqual([]);
  });

  it('meets a conflict with a choice: mine is saved over theirs, theirs stays elsewhere', async () => {
    open('/admin/titles/film_1');
    const user = userEvent.setup();
    await retype(user, '1926');
    newest = { ...record, version: 7, originalName: 'Theirs' };
    await user.keyboard('{Control>}s{/Control}');
    await user.click(await screen.findByRole('button', { name: 'Keep mine' }));
    await waitFor(() => expect(sent[1]).toEqual({ id: 'film_1', version: 7, year: 1926 }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(screen.getByLabelText<HTMLInputElement>('Original name').value).toBe('Theirs');
    expect(screen.getByLabelText<HTMLInputElement>('Year').value).toBe('1926');
  });

  it('takes over theirs when asked to', async () => {
    open('/admin/titles/film_1');
    const user = userEvent.setup();
    await retype(user, '1926');
    newest = { ...record, version: 7, year: 1930 };
    await user.keyboard('{Control>}s{/Control}');
    await user.click(await screen.findByRole('button', { name: 'Load theirs' }));
    await waitFor(() => expect(screen.getByLabelText<HTMLInputElement>('Year').value).toBe('1930'));
    expect(sent).toHaveLength(1);
  });
});
