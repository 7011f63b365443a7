import { cacheExchange, type Cache } from '@urql/exchange-graphcache';

/** Which types a fragment on a name matches. Concrete types match themselves: without an entry the cache would guess. */
const possibleTypes = {
  Title: ['Film', 'Series'],
  Playable: ['Film', 'Episode'],
  Film: ['Film'],
  Series: ['Series'],
  Episode: ['Episode'],
};

/** Types without an id of their own: kept inside what holds them. */
const embedded = [
  'ActivityDay', 'ApiKeys', 'AuditConnection', 'AuditEdge', 'Client', 'ContinueWatching', 'Credit', 'CreditRecord', 'DecadeFacet', 'DemoStatus', 'Device', 'Factors', 'GenreFacet',
  'Image', 'KindFacet', 'LanguageFacet', 'MediaJobConnection', 'MediaJobEdge', 'MediaState', 'NameTranslation', 'PageInfo', 'Permission',
  'PersonConnection', 'PersonEdge', 'PersonRecordConnection', 'PersonRecordEdge', 'Playback', 'PlaybackQuality',
  'RecordChange', 'Rendition', 'Role', 'SearchTerm', 'SignIn', 'SignInConnection', 'SignInEdge', 'SimilarTitle', 'SubtitleTrack', 'TitleConnection', 'TitleEdge',
  'TitleFacets', 'TitleRecordConnection', 'TitleRecordEdge', 'TitleTranslation', 'TopTitle', 'UserConnection', 'UserEdge',
  'WatchState', 'WatchUpdate',
];

/** Forgets every stored answer of a query field, so that it is asked again when it is next shown. */
function forget(cache: Cache, ...fields: string[]) {
  for (const field of cache.inspectFields('Query')) {
    if (fields.includes(field.fieldName)) cache.invalidate('Query', field.fieldName, field.arguments);
  }
}

const forgetting =
  (...fields: string[]) =>
  (_result: unknown, _args: unknown, cache: Cache) =>
    forget(cache, ...fields);

/** Lists that a change of the catalogue can alter. */
const titleLists = ['titleRecords', 'titles', 'featured', 'genres', 'myList', 'popular', 'continueWatching'];

/** The one cache. An object that a mutation returns is updated by its id; lists it may enter or leave are forgotten here. */
export function makeCache() {
  return cacheExchange({
    possibleTypes,
    keys: Object.fromEntries(embedded.map((name) => [name, () => null])),
    updates: {
      Mutation: {
        setListed: forgetting('myList'),
        forgetProgress: forgetting('continueWatching'),
        createTitle: forgetting(...titleLists),
        updateTitle: forgetting('titles'),
        deleteTitles: forgetting(...titleLists),
        restoreTitles: forgetting(...titleLists),
        publishTitles: forgetting(...titleLists),
        createGenre: forgetting('genreRecords', 'genres'),
        deleteGenre: forgetting('genreRecords', 'genres', 'titles'),
        createPerson: forgetting('personRecords', 'people'),
        deletePerson: forgetting('personRecords', 'people', 'titles'),
        removeDemo: forgetting(...titleLists, 'demo', 'genreRecords', 'personRecords'),
      },
    },
  });
}
