import { Client, fetchExchange, gql } from '@urql/core';
import { pipe, subscribe } from 'wonka';
import { describe, expect, it } from 'vitest';
import { changed, newest } from './newest';

const Names = gql`
  query Names { names }
`;

/** A client whose answers the test gives, in the order that it likes. */
function hold() {
  const asked: ((names: string) => void)[] = [];
  const { exchange, watch } = newest();
  const client = new Client({
    url: 'http://cinema.test/graphql',
    preferGetMethod: false,
    fetch: () =>
      new Promise((answer) => {
        asked.push((names) => answer(Response.json({ data: { names } })));
      }),
    exchanges: [exchange, fetchExchange],
  });
  watch(client);
  const shown: string[] = [];
  const ask = () =>
    pipe(
      client.query(Names, {}, { requestPolicy: 'network-only' }),
      subscribe(({ data, stale }) => !stale && data && shown.push((data as { names: string }).names)),
    );
  return { ask, asked, shown };
}

const settle = () => new Promise((done) => setTimeout(done, 10));

describe('a query asked for again', () => {
  it('is answered by the one under way where nothing changed', async () => {
    const { ask, asked } = hold();
    ask();
    ask();
    await settle();
    expect(asked).toHaveLength(1);
  });

  it('is sent once more after a change, and the answer from before it is dropped', async () => {
    const { ask, asked, shown } = hold();
    ask();
    await settle();
    changed();
    ask();
    await settle();
    asked[0]?.('before');
    await settle();
    expect(asked).toHaveLength(2);
    asked[1]?.('after');
    await settle();
    expect(new Set(shown)).toEqual(new Set(['after']));
  });
});
