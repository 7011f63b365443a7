import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './cinema.ts';

const password = 'correct horse battery';

async function axe(page: Page) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
}

/** CINEMA_SHOTS names a folder for pictures of the pages, to be looked at. */
async function shot(page: Page, name: string) {
  if (process.env.CINEMA_SHOTS) await page.screenshot({ path: `${process.env.CINEMA_SHOTS}/${name}.png` });
}

test('a family: a child’s profile, a PIN, and who is watching', async ({ page, cinema }) => {
  test.setTimeout(180_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${cinema.url}/signup`);
  await page.getByLabel('Login or e-mail').fill('family');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Make an account' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  const dialog = page.getByRole('dialog');
  await test.step('adds a child’s profile with a limit and a picture', async () => {
    await page.goto(`${cinema.url}/account`);
    await page.getByRole('button', { name: 'Add a profile' }).click();
    await dialog.getByLabel('Name').fill('Kim');
    await dialog.getByRole('radio', { name: 'Fox' }).check({ force: true });
    await dialog.getByLabel(/A child’s profile/).check();
    await dialog.getByLabel('Age limit').selectOption('6');
    await axe(page);
    await shot(page, 'profile-dialog');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await expect(page.getByText('Child, up to 6')).toBeVisible();
  });
  await test.step('gives the own profile a PIN', async () => {
    await page.getByRole('button', { name: 'Edit family' }).click();
    await dialog.getByRole('button', { name: 'Set a PIN' }).click();
    await dialog.getByLabel('New PIN').fill('4821');
    await dialog.getByLabel('Password of the account').fill('not this one');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(dialog.getByText('This is not the account’s password.')).toBeVisible();
    await axe(page);
    await dialog.getByLabel('Password of the account').fill(password);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText('With a PIN')).toBeVisible();
  });
  await test.step('asks after a sign-in who is watching, by keyboard', async () => {
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByLabel('Login or e-mail').fill('family');
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page.getByRole('heading', { name: 'Who is watching?' })).toBeVisible();
    await axe(page);
    await shot(page, 'chooser-desktop');
    await page.setViewportSize({ width: 360, height: 740 });
    await shot(page, 'chooser-phone');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1440, height: 900 });
    const kim = page.getByRole('button', { name: /Kim/ });
    await expect(kim).toBeFocused();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByRole('button', { name: /family/ })).toBeFocused();
    await page.keyboard.press('ArrowRight');
    await expect(kim).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Profile: Kim' })).toBeVisible();
    await shot(page, 'child-home');
  });
  await test.step('the child sees what is for children, and manages nothing', async () => {
    await page.goto(`${cinema.url}/search`);
    const ratings = await page.evaluate(async () => {
      const refreshed = await fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-cinema-client': 'e2e' },
        body: JSON.stringify({ query: 'mutation { refreshSession { accessToken } }' }),
      });
      const { data } = (await refreshed.json()) as { data: { refreshSession: { accessToken: string } } };
      const answer = await fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${data.refreshSession.accessToken}` },
        body: JSON.stringify({ query: '{ titles(first: 100) { edges { node { ageRating } } } }' }),
      });
      const list = (await answer.json()) as { data: { titles: { edges: { node: { ageRating: number | null } }[] } } };
      return list.data.titles.edges.map((e) => e.node.ageRating);
    });
    for (const rating of ratings) expect(rating ?? 99).toBeLessThanOrEqual(6);
    await page.goto(`${cinema.url}/account`);
    await expect(page.getByRole('button', { name: 'Add a profile' })).toHaveCount(0);
    await expect(page.getByRole('button', { name: /^Edit/ })).toHaveCount(0);
    await expect(page.getByRole('button', { name: 'Change the password' })).toHaveCount(0);
    await axe(page);
  });
  await test.step('and leaves it only by the PIN', async () => {
    await page.goto(cinema.url);
    await page.getByRole('button', { name: 'Profile: Kim' }).click();
    await page.getByRole('menuitem', { name: 'Who is watching' }).click();
    await page.getByRole('button', { name: /family/ }).click();
    await dialog.getByLabel('PIN', { exact: true }).fill('1111');
    await dialog.getByRole('button', { name: 'Go on' }).click();
    await expect(dialog.getByText('The PIN is wrong.')).toBeVisible();
    await axe(page);
    await shot(page, 'pin');
    await dialog.getByLabel('PIN', { exact: true }).fill('4821');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('button', { name: 'Profile: family' })).toBeVisible();
  });
  expect(errors).toEqual([]);
});
