import { describe, expect, it } from 'vitest';
import { changesOf, type TitleValues } from './title-values';

const base: TitleValues = {
  originalName: 'Metropolis',
  originalLanguage: 'de',
  translations: [
    { locale: 'en', name: 'Metropolis', tagline: '', description: 'A city.' },
    { locale: 'ru', name: '', tagline: '', description: '' },
  ],
  year: '1927',
  endYear: '',
  minutes: '153',
  ageRating: '12',
  countries: ['DE'],
  genres: [{ id: 'genre_1', label: 'Drama' }],
  credits: [{ personId: 'person_1', personName: 'Fritz Lang', kind: 'DIRECTOR', characters: [] }],
};

describe('what is sent of a title', () => {
  it('is nothing when nothing changed', () => {
    expect(changesOf(base, structuredClone(base))).toEqual({});
  });

  it('is nothing when only words of the form changed', () => {
    expect(changesOf(base, { ...base, genres: [{ id: 'genre_1', label: 'Драма' }], originalName: 'Metropolis ' })).toEqual({});
  });

  const cases: [string, Partial<TitleValues>, object][] = [
    ['a number', { year: '1926' }, { year: 1926 }],
    ['an emptied number as null', { ageRating: '' }, { ageRating: null }],
    ['minutes as milliseconds, with either sign of fractions', { minutes: '2,5' }, { durationMs: 150_000 }],
    ['the genres by their ids', { genres: [{ id: 'genre_2', label: 'Noir' }] }, { genreIds: ['genre_2'] }],
    [
      'translations without the empty ones',
      { translations: [base.translations[0]!, { locale: 'ru', name: ' Метрополис ', tagline: '', description: '' }] },
      {
        translations: [
          { locale: 'en', name: 'Metropolis', tagline: '', description: 'A city.' },
          { locale: 'ru', name: 'Метрополис', tagline: '', description: '' },
        ],
      },
    ],
    [
      'credits in their order, without empty characters',
      { credits: [{ personId: 'person_2', personName: 'Brigitte Helm', kind: 'ACTOR', characters: [{ locale: 'en', name: 'Maria' }, { locale: 'ru', name: ' ' }] }, base.credits[0]!] },
      {
        credits: [
          { personId: 'person_2', kind: 'ACTOR', characters: [{ locale: 'en', name: 'Maria' }] },
          { personId: 'person_1', kind: 'DIRECTOR', characters: [] },
        ],
      },
    ],
  ];
  it.each(cases)('is %s', (_, change, sent) => {
    expect(changesOf(base, { ...base, ...change })).toEqual(sent);
  });
});
