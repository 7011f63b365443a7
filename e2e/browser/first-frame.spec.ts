import { expect, test } from './cinema.ts';

// Prints a figure for `make bench`; it asserts nothing about time.
test.skip(!process.env.CINEMA_BENCH, 'a measurement: make bench');

test('first-frame', async ({ page, cinema }) => {
  await page.goto(`${cinema.url}/signup`);
  await page.getByLabel('Login or e-mail').fill('bench');
  await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await page.getByRole('button', { name: 'Make an account' }).click();
  await page.goto(`${cinema.url}/search?q=trip to the moon`);
  await page.getByRole('main').getByRole('link', { name: /Trip to the Moon/ }).first().click();
  const times: number[] = [];
  for (let run = 0; run < Number(process.env.BENCH_REPEATS ?? 5); run++) {
    const play = page.getByRole('link', { name: /^(Play|Resume)/ }).first();
    await play.waitFor();
    const began = Date.now();
    await play.click();
    await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0 && (document.querySelector('video')?.readyState ?? 0) >= 2, undefined, { polling: 'raf' });
    times.push(Date.now() - began);
    await page.goBack();
  }
  times.sort((a, b) => a - b);
  console.log(`first frame in Chromium on loopback, from the press (≤ 1 s)  [min ${times[0]}  median ${times[times.length >> 1]}  max ${times.at(-1)} ms, ${times.length} runs]`);
  expect(times.length).toBeGreaterThan(0);
});
