import { expect, test, type Cinema } from './cinema.ts';

// Prints a figure for `make bench`; it asserts nothing about time.
test.skip(!process.env.CINEMA_BENCH, 'a measurement: make bench');

async function ask<T>({ url }: Cinema, query: string, token?: string): Promise<T> {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-cinema-client': 'bench', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await answer.json()) as { data: T; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Waits until no film is being made: what is measured is the player, not the transcoder beside it. */
async function untilQuiet(cinema: Cinema) {
  const admin = await ask<{ signIn: { accessToken: string } }>(cinema, `mutation { signIn(input: {login: "admin", password: ${JSON.stringify(cinema.adminPassword)}}) { accessToken } }`);
  await expect
    .poll(() => ask<{ demo: { state: string } }>(cinema, '{ demo { state } }', admin.signIn.accessToken).then((d) => d.demo.state), { timeout: 280_000, intervals: [1_000] })
    .toBe('READY');
}

test('first-frame', async ({ browser, cinema }) => {
  test.setTimeout(600_000);
  await untilQuiet(cinema);
  const first: number[] = [];
  const again: number[] = [];
  for (let run = 0; run < Number(process.env.BENCH_REPEATS ?? 5); run++) {
    // A browser that has never been here, so that the player's code is fetched too.
    const page = await browser.newPage();
    await page.goto(`${cinema.url}/signup`);
    await page.getByLabel('Login or e-mail').fill(`bench${run}`);
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByRole('searchbox').or(page.getByRole('navigation', { name: 'Main' })).first().waitFor();
    await page.goto(`${cinema.url}/search?q=trip to the moon`);
    await page.getByRole('main').getByRole('link', { name: /Trip to the Moon/ }).first().click();
    for (const times of [first, again]) {
      const play = page.getByRole('link', { name: /^(Play|Resume)/ }).first();
      await play.waitFor();
      await page.waitForLoadState('networkidle');
      // Inside the page, from the press to the frame that is handed to the screen.
      const shown = page.evaluate(
        () =>
          new Promise<number>((done) => {
            let pressed = 0;
            document.addEventListener('click', () => (pressed = performance.now()), { capture: true, once: true });
            const wait = () => {
              const video = document.querySelector('video');
              if (video) video.requestVideoFrameCallback(() => done(performance.now() - pressed));
              else requestAnimationFrame(wait);
            };
            wait();
          }),
      );
      await play.click();
      times.push(Math.round(await shown));
      await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0);
      await page.goBack();
    }
    await page.close();
  }
  for (const [name, times] of [['for the first time', first], ['again', again]] as const) {
    times.sort((a, b) => a - b);
    console.log(`first frame in Chromium, from the press, ${name}`.padEnd(58), `(≤ 1 s)  [min ${times[0]}  median ${times[times.length >> 1]}  max ${times.at(-1)} ms, ${times.length} runs]`);
    expect(times.length).toBeGreaterThan(0);
  }
});
