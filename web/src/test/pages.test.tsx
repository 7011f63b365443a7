import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { graphql, HttpResponse } from 'msw';
import { describe, expect, it } from 'vitest';
import type {
  ContinueCardFragment,
  HomeQuery,
  SearchFirstQuery,
  SetListedMutation,
  FinishSignInMutation,
  PasskeySupportQuery,
  SignInMutation,
  TitleCardFragment,
  TitlePageQuery,
} from '~/gql/graphql';
import { sessionStore } from '~/lib/session';
import { open, refuse, session, signedIn } from './app';
import { server } from './server';

const card = (id: string, name: string): TitleCardFragment & { __typename: 'Film' } => ({ __typename: 'Film', id, name, year: 1927, poster: null });

const emptyHome: HomeQuery = {
  __typename: 'Query',
  featured: null,
  continueWatching: [],
  added: { __typename: 'TitleConnection', edges: [] },
  popular: [],
  myList: [],
  genres: [],
} as HomeQuery;

const home = (data: Partial<HomeQuery>) => graphql.query<HomeQuery>('Home', () => HttpResponse.json({ data: { ...emptyHome, ...data } }));

const film = (over: Partial<Extract<NonNullable<TitlePageQuery['title']>, { __typename: 'Film' }>> = {}): TitlePageQuery => ({
  __typename: 'Query',
  title: {
    ...card('t1', 'Metropolis'),
    originalName: 'Metropolis',
    originalLanguage: 'de',
    tagline: '',
    description: 'A city.',
    ageRating: 12,
    countries: ['DE'],
    listed: false,
    myRating: null,
    genres: [{ __typename: 'Genre', id: 'g1', name: 'Drama' }],
    still: null,
    credits: [
      { __typename: 'Credit', kind: 'ACTOR', character: 'Maria', person: { __typename: 'Person', id: 'p1', name: 'Brigitte Helm' } },
    ],
    similar: [
      {
        __typename: 'SimilarTitle',
        reason: 'SAME_DIRECTOR',
        genre: null,
        person: { __typename: 'Person', id: 'p2', name: 'Fritz Lang' },
        title: card('t2', 'Destiny'),
      },
    ],
    durationMs: 9_180_000,
    watchState: { __typename: 'WatchState', positionMs: 2_530_000, durationMs: 9_180_000, finished: false },
    playback: { __typename: 'Playback', durationMs: 9_180_000, complete: true },
    ...over,
  },
});

const noPasskeys = graphql.query<PasskeySupportQuery>('PasskeySupport', () =>
  HttpResponse.json({ data: { __typename: 'Query', passkeySupport: { __typename: 'PasskeySupport', available: false, address: 'http://cinema.example' } } }),
);

describe('signing in', () => {
  it('asks visitors to sign in and brings them back where they wanted to go', async () => {
    server.use(
      graphql.mutation('RefreshSession', () => refuse('UNAUTHENTICATED')),
      graphql.mutation<SignInMutation>('SignIn', ({ variables }) => {
        const { password } = variables.input as { password: string };
        if (password !== 'right') return refuse('UNAUTHENTICATED');
        return HttpResponse.json({ data: { __typename: 'Mutation', signIn: { ...session, __typename: 'SignInPayload' } } });
      }),
      noPasskeys,
      graphql.query<TitlePageQuery>('TitlePage', () => HttpResponse.json({ data: film() })),
      graphql.mutation('RecordEvents', () => refuse('UNAVAILABLE')),
    );
    const router = open('/title/t1');
    const user = userEvent.setup();
    const login = await screen.findByLabelText('Login or e-mail');
    expect(router.state.location.search).toEqual({ next: '/title/t1' });
    expect(login.getAttribute('autocomplete')).toBe('username webauthn');

    await user.click(screen.getByRole('button', { name: 'Sign in' }));
    expect(screen.getByText('Enter your login.')).toBeTruthy();

    await user.type(login, 'anna');
    await user.type(screen.getByLabelText('Password'), 'wrong{enter}');
    expect((await screen.findByText('The login or the password is wrong.')).getAttribute('role')).toBe('alert');

    await user.clear(screen.getByLabelText('Password'));
    await user.type(screen.getByLabelText('Password'), 'right{enter}');
    expect(await screen.findByRole('heading', { name: 'Metropolis' })).toBeTruthy();
    expect(router.state.location.pathname).toBe('/title/t1');
  });

  it('asks for a second factor after the password, and says what is wrong with it', async () => {
    const due = { __typename: 'SecondFactor', ticket: 'sealed', setUp: false, totp: true, passkey: false, recoveryCode: true } as const;
    const shown: unknown[] = [];
    server.use(
      graphql.mutation('RefreshSession', () => refuse('UNAUTHENTICATED')),
      noPasskeys,
      graphql.mutation<SignInMutation>('SignIn', () =>
        HttpResponse.json({ data: { __typename: 'Mutation', signIn: { __typename: 'SignInPayload', secondFactor: due } } }),
      ),
      graphql.mutation<FinishSignInMutation>('FinishSignIn', ({ variables }) => {
        shown.push(variables.input);
        if ((variables.input as { code?: string }).code) return refuse('INVALID', { field: 'input.code', reason: 'WRONG_CODE' });
        return HttpResponse.json({ data: { __typename: 'Mutation', finishSignIn: session } });
      }),
      graphql.query<TitlePageQuery>('TitlePage', () => HttpResponse.json({ data: film() })),
      graphql.mutation('RecordEvents', () => refuse('UNAVAILABLE')),
    );
    const router = open('/signin?next=/title/t1');
    const user = userEvent.setup();
    expect(await screen.findByText('No passkeys at this address: they need https and a name.')).toBeTruthy();
    await user.type(screen.getByLabelText('Login or e-mail'), 'anna');
    await user.type(screen.getByLabelText('Password'), 'right{enter}');
    const code = await screen.findByLabelText('Code');
    expect(code.getAttribute('autocomplete')).toBe('one-time-code');
    expect(router.state.location.href).not.toContain('sealed');
    await user.type(code, '123456{enter}');
    expect(await screen.findByText('This code is wrong or was used already. Wait for the next one.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Use a recovery code' }));
    await user.type(screen.getByLabelText('Recovery code'), 'aaaa-bbbb{enter}');
    await waitFor(() => expect(sessionStore.get().status).toBe('in'));
    expect(shown).toEqual([
      { ticket: 'sealed', code: '123456' },
      { ticket: 'sealed', recoveryCode: 'aaaa-bbbb' },
    ]);
  });

  it('shows a taken login at its field', async () => {
    server.use(
      graphql.mutation('RefreshSession', () => refuse('UNAUTHENTICATED')),
      graphql.query('WaysIn', () => HttpResponse.json({ data: { waysIn: { signUp: 'OPEN', mail: true } } })),
      graphql.mutation('SignUp', () => refuse('CONFLICT', { field: 'input.login', reason: 'LOGIN_TAKEN' })),
    );
    open('/signup');
    const user = userEvent.setup();
    await user.type(await screen.findByLabelText('Login or e-mail'), 'anna');
    await user.type(screen.getByLabelText('Password'), 'long enough{enter}');
    expect(await screen.findByText('This login is taken. Choose another one.')).toBeTruthy();
    expect(screen.getByLabelText('Login or e-mail').getAttribute('aria-invalid')).toBe('true');
    expect(document.activeElement).toBe(screen.getByLabelText('Login or e-mail'));
  });
});

describe('home', () => {
  it('has a hero, what was begun, and rows', async () => {
    signedIn();
    const begun: ContinueCardFragment = {
      __typename: 'ContinueWatching',
      playable: { __typename: 'Film', id: 't3', name: 'Nosferatu' },
      title: { ...card('t3', 'Nosferatu'), still: null, poster: null },
      watchState: { __typename: 'WatchState', positionMs: 600_000, durationMs: 1_200_000, lastSeenAt: '2026-01-01T00:00:00Z' },
    };
    server.use(
      home({
        featured: {
          ...card('t1', 'Metropolis'), tagline: 'A city.', description: '', genres: [], still: null,
          durationMs: 1, watchState: null, playback: { __typename: 'Playback', durationMs: 1 },
        },
        continueWatching: [begun],
        popular: [card('t4', 'The Kid')],
      }),
    );
    open('/');
    const hero = await screen.findByRole('region', { name: 'Featured today' });
    expect(within(hero).getByRole('link', { name: 'Play' }).getAttribute('href')).toBe('/watch/t1');
    const row = screen.getByRole('list', { name: 'Continue watching' });
    expect(within(row).getByRole('link', { name: /Nosferatu/ }).getAttribute('href')).toBe('/watch/t3');
    expect(within(row).getByRole('img', { name: '50 % watched' })).toBeTruthy();
    expect(within(screen.getByRole('list', { name: 'Popular' })).getByRole('link', { name: /The Kid/ })).toBeTruthy();
  });

  it('shows what was played a moment ago, though the server has it only now', async () => {
    signedIn();
    localStorage.setItem('cinema.played', String(Date.now()));
    server.use(graphql.mutation('RecordEvents', () => refuse('UNAVAILABLE')));
    server.use(home({ popular: [card('t4', 'The Kid')] }));
    open('/');
    await screen.findByRole('list', { name: 'Popular' });
    expect(screen.queryByRole('list', { name: 'Continue watching' })).toBeNull();
    server.use(
      home({
        continueWatching: [
          {
            __typename: 'ContinueWatching',
            playable: { __typename: 'Film', id: 't3', name: 'Nosferatu' },
            title: { ...card('t3', 'Nosferatu'), still: null, poster: null },
            watchState: { __typename: 'WatchState', positionMs: 600_000, durationMs: 1_200_000, lastSeenAt: '2026-01-01T00:00:00Z' },
          },
        ],
      }),
    );
    expect(await screen.findByRole('list', { name: 'Continue watching' }, { timeout: 5_000 })).toBeTruthy();
    localStorage.removeItem('cinema.played');
  });

  it('says what to do when the catalogue is empty', async () => {
    signedIn();
    server.use(home({}));
    open('/');
    expect(await screen.findByText('The catalogue is empty')).toBeTruthy();
  });

  it('says what happened when it fails, and tries again', async () => {
    signedIn();
    server.use(graphql.query('Home', () => refuse('UNAVAILABLE'), { once: true }), home({}));
    open('/');
    expect(await screen.findByText('The catalogue could not be loaded')).toBeTruthy();
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('The catalogue is empty')).toBeTruthy();
  });

  it('renews the token once when it is refused, and goes on', async () => {
    signedIn();
    let refused = 0;
    server.use(
      graphql.query('Home', () => (refused++ === 0 ? refuse('UNAUTHENTICATED') : (undefined as never))),
      home({}),
    );
    open('/');
    expect(await screen.findByText('The catalogue is empty')).toBeTruthy();
  });

  it('moves along a row with the arrow keys', async () => {
    signedIn();
    server.use(home({ popular: [card('a', 'First'), card('b', 'Second'), card('c', 'Third')] }));
    open('/');
    const first = await screen.findByRole('link', { name: /First/ });
    first.focus();
    await userEvent.keyboard('{ArrowRight}');
    expect(document.activeElement?.textContent).toContain('Second');
    await userEvent.keyboard('{End}');
    expect(document.activeElement?.textContent).toContain('Third');
    expect(first.getAttribute('tabindex')).toBe('-1');
  });
});

describe('search', () => {
  const answer = (names: string[], over: Partial<SearchFirstQuery['titles']> = {}): SearchFirstQuery => ({
    __typename: 'Query',
    titles: {
      __typename: 'TitleConnection',
      totalCount: names.length,
      suggestion: null,
      edges: names.map((name, i) => ({ __typename: 'TitleEdge', cursor: String(i), highlight: name.replace(/^(.{3})/, '«$1»'), node: card(`t-${name}`, name) })),
      pageInfo: { __typename: 'PageInfo', endCursor: null, hasNextPage: false },
      facets: {
        __typename: 'TitleFacets',
        genres: [{ __typename: 'GenreFacet', count: 7, genre: { __typename: 'Genre', id: 'g1', name: 'Drama' } }],
        decades: [],
        kinds: [],
        languages: [],
      },
      ...over,
    },
    people: { __typename: 'PersonConnection', edges: [] },
  });

  it('answers as one types, keeps it in the address, and narrows', async () => {
    signedIn();
    const asked: Record<string, unknown>[] = [];
    server.use(
      graphql.query<SearchFirstQuery>('SearchFirst', ({ variables }) => {
        asked.push(variables);
        return HttpResponse.json({ data: variables.query ? answer(['Metropolis']) : answer(['Metropolis', 'The Kid']) });
      }),
    );
    const router = open('/search');
    const user = userEvent.setup();
    expect(await screen.findByText('2 titles')).toBeTruthy();
    await user.type(screen.getByRole('searchbox'), 'met');
    expect(await screen.findByText('1 title')).toBeTruthy();
    expect(router.state.location.search).toEqual({ q: 'met' });
    expect(screen.getByText('Met').tagName).toBe('MARK');

    await user.click(screen.getByRole('button', { name: /Drama/ }));
    await waitFor(() => expect(router.state.location.search).toEqual({ q: 'met', genre: ['g1'] }));
    await waitFor(() => expect(asked.at(-1)).toMatchObject({ query: 'met', filter: { genreIds: ['g1'] }, locale: 'en' }));
    await user.click(screen.getByRole('button', { name: 'Drop the filter “Drama”' }));
    await waitFor(() => expect(router.state.location.search).toEqual({ q: 'met' }));
  });

  it('is no dead end: it suggests, and shows what others watch', async () => {
    signedIn();
    server.use(
      graphql.query<SearchFirstQuery>('SearchFirst', () => HttpResponse.json({ data: answer([], { suggestion: 'metropolis' }) })),
      graphql.query('PopularInstead', () => HttpResponse.json({ data: { __typename: 'Query', popular: [card('t4', 'The Kid')] } })),
    );
    open('/search?q=metripolos');
    expect(await screen.findByText('Nothing for “metripolos”')).toBeTruthy();
    expect(await screen.findByRole('link', { name: /The Kid/ })).toBeTruthy();
    await userEvent.click(screen.getByRole('button', { name: 'metropolis' }));
    expect((screen.getByRole('searchbox') as HTMLInputElement).value).toBe('metropolis');
  });
});

describe('a title', () => {
  it('offers to resume, names the cast and why others are similar', async () => {
    signedIn();
    server.use(graphql.query<TitlePageQuery>('TitlePage', () => HttpResponse.json({ data: film() })));
    open('/title/t1');
    expect((await screen.findByRole('link', { name: 'Resume at 42:10' })).getAttribute('href')).toBe('/watch/t1');
    expect(screen.getByRole('link', { name: /Brigitte Helm.*Maria/ })).toBeTruthy();
    expect(screen.getByText('By Fritz Lang')).toBeTruthy();
    await waitFor(() => expect(document.title).toBe('Metropolis · NetflixAtHome')); // set once the page is painted
  });

  it('puts it on the list with a way back', async () => {
    signedIn();
    const set: boolean[] = [];
    server.use(
      graphql.query<TitlePageQuery>('TitlePage', () => HttpResponse.json({ data: film({ listed: set.at(-1) ?? false }) })),
      graphql.mutation<SetListedMutation>('SetListed', ({ variables }) => {
        const { listed } = variables.input as { listed: boolean };
        set.push(listed);
        return HttpResponse.json({
          data: { __typename: 'Mutation', setListed: { __typename: 'SetListedPayload', title: { __typename: 'Film', id: 't1', listed } } },
        });
      }),
    );
    open('/title/t1');
    const user = userEvent.setup();
    const button = await screen.findByRole('button', { name: 'My list' });
    await user.click(button);
    await waitFor(() => expect(button.getAttribute('aria-pressed')).toBe('true'));
    await user.click(await screen.findByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(set).toEqual([true, false]));
  });

  it('says when it is not there', async () => {
    signedIn();
    server.use(graphql.query<TitlePageQuery>('TitlePage', () => HttpResponse.json({ data: { __typename: 'Query', title: null } })));
    open('/title/gone');
    expect(await screen.findByText('This title is not here')).toBeTruthy();
  });
});

it('shows a page of its own for an unknown address', async () => {
  signedIn();
  open('/nowhere');
  expect(await screen.findByText('There is nothing at this address')).toBeTruthy();
});
