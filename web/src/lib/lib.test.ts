import { describe, expect, it } from 'vitest';
import { clientHeaders, traceparent } from './api/transport';
import { readDevice } from './events/device';
import { clock, length } from './format';
import { parseMarks } from './marks';
import { samePath } from './paths';
import { filterCount, readTitleSearch, toFilter, toggle } from './title-search';
import { uuid7 } from './uuid7';
import { parseThumbnails, thumbnailAt } from './vtt';
import { inkOn } from '~/ui/avatar';

describe('clock', () => {
  it.each([
    [0, '0:00'],
    [-5, '0:00'],
    [2_530_000, '42:10'],
    [59_999, '0:59'],
    [3_723_000, '1:02:03'],
  ])('%i ms is %s', (ms, want) => expect(clock(ms)).toBe(want));
});

describe('length', () => {
  it.each([
    [5_700_000, 'en', '1 hr 35 min'],
    [3_600_000, 'en', '1 hr'],
    [20_000, 'en', '1 min'],
    [5_700_000, 'ru', '1 ч 35 мин'],
  ])('%i ms in %s', (ms, locale, want) => expect(length(ms, locale).replace(/\u00a0/g, ' ')).toBe(want));
});

describe('uuid7', () => {
  it('carries its time and version, and sorts by time', () => {
    const id = uuid7(0x0123456789ab, (bytes) => bytes.fill(0xff));
    expect(id).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
    expect(uuid7(1_000) < uuid7(2_000)).toBe(true);
  });
});

describe('traceparent', () => {
  it('numbers each operation anew, and asks for nothing', () => {
    const one = traceparent();
    expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(traceparent()).not.toBe(one);
    expect(clientHeaders().traceparent).not.toBe(clientHeaders().traceparent);
  });
});

describe('samePath', () => {
  it.each([
    ['/title/x?y=1#z', '/title/x?y=1#z'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example/', '/'],
    ['javascript:alert(1)', '/'],
    ['/signin?next=/a', '/'],
    [undefined, '/'],
    [['/a'], '/'],
  ])('%j leads to %s', (next, want) => expect(samePath(next)).toBe(want));
});

describe('the address of a search', () => {
  it('keeps what makes sense and drops the rest', () => {
    expect(
      readTitleSearch({ q: 'metro', genre: ['g1', 'g1', 'g2'], decade: ['1920', 'x', 1925], kind: 'FILM', lang: ['de', '<b>'], age: '12', other: 1 }),
    ).toEqual({ q: 'metro', genre: ['g1', 'g2'], decade: [1920], kind: ['FILM'], lang: ['de'], age: 12 });
    expect(readTitleSearch({ q: '', genre: [], kind: ['FILM', 'SERIES'], age: '99' })).toEqual({});
    expect(readTitleSearch({ q: 1984 })).toEqual({ q: '1984' });
  });
  it('becomes the filter of the API', () => {
    expect(toFilter({ decade: [1920], kind: ['SERIES'] })).toEqual({
      ageRatingMax: null, genreIds: null, kinds: ['SERIES'], languages: null, yearFrom: 1920, yearTo: 1929,
    });
    expect(filterCount({ q: 'x', genre: ['a', 'b'], age: 0 })).toBe(3);
  });
  it('toggles', () => {
    expect(toggle(undefined, 1)).toEqual([1]);
    expect(toggle([1, 2], 1)).toEqual([2]);
    expect(toggle([1], 1)).toBeUndefined();
  });
});

describe('marks', () => {
  it.each([
    ['«Metro»polis', [['Metro', true], ['polis', false]]],
    ['plain', [['plain', false]]],
    ['', []],
    ['open « only', [['open « only', false]]],
  ])('%s', (text, want) => expect(parseMarks(text).map((p) => [p.text, p.marked])).toEqual(want));
});

describe('thumbnails', () => {
  const vtt = `WEBVTT

1
00:00:00.000 --> 00:00:04.000
sprite.jpg?sig=a#xywh=0,0,160,90

00:04.000 --> 00:08.000 align:start
sprite.jpg?sig=a#xywh=160,0,160,90

00:08.000 --> 00:07.000
backwards.jpg#xywh=0,0,1,1

00:20.000 --> 00:24.000
no-part.jpg
`;
  const list = parseThumbnails(vtt, 'http://cinema.test/media/x/thumbs.vtt');
  it('reads cues with parts of sprites, relative to the file', () => {
    expect(list).toEqual([
      { fromMs: 0, toMs: 4000, url: 'http://cinema.test/media/x/sprite.jpg?sig=a', x: 0, y: 0, width: 160, height: 90 },
      { fromMs: 4000, toMs: 8000, url: 'http://cinema.test/media/x/sprite.jpg?sig=a', x: 160, y: 0, width: 160, height: 90 },
    ]);
  });
  it.each([
    [0, 0],
    [3_999, 0],
    [4_000, 160],
    [8_000, undefined],
    [-1, undefined],
  ])('at %i ms', (ms, x) => expect(thumbnailAt(list, ms)?.x).toBe(x));
});

describe('device', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36', 'Chromium 156', 'Linux', 'desktop'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1', 'Safari 19', 'iOS', 'phone'],
    ['Mozilla/5.0 (Linux; Android 16; SM-X900) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36', 'Chromium 150', 'Android', 'tablet'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140', 'Windows', 'desktop'],
  ])('%s', (agent, browser, system, kind) => expect(readDevice(agent)).toEqual({ browser, system, kind }));
});

describe('ink on a colour', () => {
  it.each([['#ffffff', '#111'], ['#000000', '#fff'], ['#d9a441', '#111'], ['#1d2f6f', '#fff']])('%s takes %s', (colour, ink) => expect(inkOn(colour)).toBe(ink));
});
