export interface Example {
  name: string;
  about: string;
  query: string;
  variables?: string;
}

const json = (v: unknown) => JSON.stringify(v, null, 2);

// Replaced by what a search finds; an id is opaque.
const filmId = 'film_…';

export const examples: Example[] = [
  {
    name: 'Browse',
    about: 'The front page: catalogue, watch state and lists from three services at once.',
    query: `# Sign in above, then press ▶ (Ctrl-Enter).
query Browse($locale: Locale) {
  featured { id name(locale: $locale) tagline(locale: $locale) }
  continueWatching {
    title { id name(locale: $locale) }
    watchState { positionMs durationMs }
  }
  titles(sort: ADDED, first: 12) {
    totalCount
    edges {
      node {
        __typename
        id
        name(locale: $locale)
        year
        genres { slug name(locale: $locale) }
        listed
        ... on Film { durationMs watchState { positionMs finished } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
    variables: json({ locale: 'en' }),
  },
  {
    name: 'Search with a typo',
    about: 'The search forgives; suggestion says what it understood.',
    query: `query SearchWithTypo($query: String!) {
  titles(query: $query, first: 10) {
    totalCount
    suggestion
    edges { highlight node { id name year } }
    facets {
      genres { count genre { name } }
      decades { from count }
    }
  }
}
`,
    variables: json({ query: 'nosferatoo' }),
  },
  {
    name: 'Film and playback',
    about: 'One film with its people, and how to play it.',
    query: `query FilmAndPlayback($id: ID!) {
  title(id: $id) {
    id
    name
    description
    year
    credits(first: 10) { kind character person { id name } }
    similar(first: 6) { reason title { id name } }
    ... on Film {
      durationMs
      watchState { positionMs finished }
      playback { url expiresAt renditions { name height } subtitles { locale label url } }
    }
  }
}
`,
    variables: json({ id: filmId }),
  },
  {
    name: 'Watch (subscription)',
    about: 'Opens a viewing session; stop it and the session ends.',
    query: `subscription Watch($input: WatchInput!) {
  watch(input: $input) { sessionId serverTime resumePositionMs ended }
}
`,
    variables: json({
      input: {
        sessionUuid: '01990000-0000-7000-8000-000000000001',
        playableId: filmId,
        titleId: filmId,
        durationMs: 600000,
        device: { kind: 'desktop', system: 'Playground', browser: 'GraphiQL' },
      },
    }),
  },
  {
    name: 'Record events',
    about: 'What a player sends. An event with the same id counts once.',
    query: `mutation RecordEvents($input: RecordEventsInput!) {
  recordEvents(input: $input) {
    accepted
    rejected { index code message }
  }
}
`,
    variables: json({
      input: {
        device: { kind: 'desktop', system: 'Playground', browser: 'GraphiQL' },
        events: [
          { id: '01990000-0000-7000-8000-000000000002', name: 'PAGE_VIEWED', at: new Date().toISOString(), page: '/playground' },
        ],
      },
    }),
  },
  {
    name: 'Admin: correct a title',
    about: 'Needs title:write. It reaches the search within a second.',
    query: `mutation CorrectTitle($input: UpdateTitleInput!) {
  updateTitle(input: $input) {
    record { id version originalName year status updatedAt }
  }
}
`,
    variables: json({ input: { id: filmId, year: 1922 } }),
  },
  {
    name: 'Statistics',
    about: 'Needs stats:read. Fed through the event log into the analytics.',
    query: `query Statistics($from: Date!, $to: Date!) {
  activityByDay(from: $from, to: $to) { day events activeProfiles views meanViewsPerPlayable watchedMs }
  topTitles(from: $from, to: $to, first: 10) { views viewers watchedMs title { id name } }
  playbackQuality(from: $from, to: $to) { plays firstFrameP95Ms rebufferRatio failures }
  watchingNow { startedAt positionMs playing title { name } device { kind system browser } }
}
`,
    variables: json({
      from: new Date(Date.now() - 29 * 86_400_000).toISOString().slice(0, 10),
      to: new Date().toISOString().slice(0, 10),
    }),
  },
];
