import { expect, test } from './cinema.ts';

// Nobody listens on port 1: Elasticsearch is away from the start on.
test.use({ settings: { CINEMA_ELASTICSEARCH_URL: 'http://127.0.0.1:1', CINEMA_DEMO: 'false' } });

test('while the search index is away a viewer is told so, and can try again', async ({ page, cinema }) => {
  await page.goto(`${cinema.url}/signup`);
  await page.getByLabel('Login or e-mail').fill('patient');
  await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
  await page.getByRole('button', { name: 'Make an account' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await expect(page.getByText('The catalogue could not be loaded')).toBeVisible();
  // It never was there: nothing old is shown, and nothing is said of it.
  await expect(page.getByText(/The catalogue is shown as it was/)).toHaveCount(0);
  await page.screenshot({ path: '../../.cache/playwright/away-home.png' });

  await page.goto(`${cinema.url}/search?q=metropolis`);
  await expect(page.getByRole('heading', { name: 'Search does not work at the moment' })).toBeVisible();
  await expect(page.getByText(/Nothing for/)).toHaveCount(0);
  await page.screenshot({ path: '../../.cache/playwright/away-search.png' });
  const asked = page.waitForRequest((r) => r.url().endsWith('/graphql') && !!r.postData()?.includes('metropolis'));
  await page.getByRole('main').getByRole('button', { name: 'Try again' }).click();
  await asked;
  await page.setViewportSize({ width: 360, height: 740 });
  await page.screenshot({ path: '../../.cache/playwright/away-search-phone.png' });
});
