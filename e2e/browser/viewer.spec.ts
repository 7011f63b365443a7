import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './cinema.ts';

const password = 'correct horse battery';

async function signUp(page: Page, url: string, login: string) {
  await page.goto(`${url}/signup`);
  await page.getByLabel('Login or e-mail').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Make an account' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
}

async function axe(page: Page) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
}

test.describe.configure({ mode: 'serial' });

test('a newcomer registers, finds a film in spite of a typo, watches it and resumes', async ({ page, cinema }) => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));

  await test.step('the first visit leads to sign-in', async () => {
    await page.goto(cinema.url);
    await expect(page).toHaveURL(/\/signin/);
    await axe(page);
  });
  await test.step('registers', () => signUp(page, cinema.url, 'newcomer'));
  await test.step('browses', async () => {
    await expect(page.getByRole('region', { name: 'Featured today' })).toBeVisible();
    await expect(page.getByRole('heading', { name: 'New', exact: true })).toBeVisible();
    await axe(page);
  });
  let film = '';
  await test.step('finds a film by keyboard in spite of a typo', async () => {
    await page.keyboard.press('/');
    const box = page.getByRole('searchbox', { name: 'Titles and people' });
    await expect(box).toBeFocused();
    await box.fill('trip to the moone');
    const hit = page.getByRole('main').getByRole('link', { name: /Trip to the Moon/ }).first();
    await expect(hit).toBeVisible();
    await expect(page).toHaveURL(/q=/);
    await axe(page);
    await hit.click();
    await expect(page.getByRole('heading', { level: 1, name: /A Trip to the Moon/ })).toBeVisible();
    film = page.url();
    await axe(page);
  });
  await test.step('watches it', async () => {
    await page.getByRole('link', { name: 'Play' }).first().click();
    await expect(page).toHaveURL(/\/watch\//);
    const video = page.locator('video');
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime), { timeout: 30_000 }).toBeGreaterThan(1);
    await page.keyboard.press('k');
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.paused)).toBe(true);
    await page.keyboard.press('5'); // half way
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(8);
    await page.keyboard.press('k');
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime), { timeout: 20_000 }).toBeGreaterThan(13);
    await page.keyboard.press('k');
  });
  await test.step('comes back and resumes', async () => {
    await page.goto(cinema.url);
    await expect(page.getByRole('heading', { name: 'Continue watching' })).toBeVisible();
    await page.goto(film);
    await page.getByRole('link', { name: /Resume at/ }).first().click();
    const video = page.locator('video');
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime), { timeout: 30_000 }).toBeGreaterThan(10);
  });
  await test.step('goes on in Russian', async () => {
    await page.goto(`${cinema.url}/account`);
    await page.getByRole('button', { name: /^Edit/ }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox').first().selectOption('ru');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(page.locator('html')).toHaveAttribute('lang', 'ru');
    await page.goto(film);
    await expect(page.getByRole('heading', { level: 1, name: 'Путешествие на Луну' })).toBeVisible();
  });
  expect(errors).toEqual([]);
});

test('an owner sees the devices, signs one out, and changes the password', async ({ page, browser, cinema }) => {
  await signUp(page, cinema.url, 'owner');
  const other = await (await browser.newContext({ userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' })).newPage();
  const signIn = async (with_: string) => {
    await other.goto(`${cinema.url}/signin`);
    await other.getByLabel('Login or e-mail').fill('owner');
    await other.getByLabel('Password', { exact: true }).fill(with_);
    await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  };
  await signIn('not this one');
  await expect(other.getByRole('alert')).toBeVisible();
  await signIn(password);
  await expect(other.getByRole('navigation', { name: 'Main' })).toBeVisible();

  await page.goto(`${cinema.url}/account`);
  await expect(page.getByText(/^This device/)).toBeVisible();
  await expect(page.getByText('Firefox on Linux').first()).toBeVisible();
  await expect(page.getByText('Wrong password')).toBeVisible();
  await axe(page);
  await page.getByRole('button', { name: 'Sign out Firefox on Linux' }).click();
  await expect(page.getByRole('button', { name: 'Sign out Firefox on Linux' })).toHaveCount(0);
  await other.goto(cinema.url);
  await expect(other).toHaveURL(/\/signin/);

  await page.getByRole('button', { name: 'Change the password' }).click();
  const dialog = page.getByRole('dialog');
  const change = async (present: string, next: string) => {
    await dialog.getByLabel('Present password').fill(present);
    await dialog.getByLabel('New password').fill(next);
    await dialog.getByRole('button', { name: 'Change the password' }).click();
  };
  await change('a guess of mine', 'orange balloon 1977');
  await expect(dialog.getByText('This is not the present password.')).toBeVisible();
  await axe(page);
  await change(password, 'orange balloon 1977');
  await expect(dialog).toHaveCount(0);
  await signIn('orange balloon 1977');
  await expect(other.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await other.context().close();
});

test('the page keeps together from a phone to a wall', async ({ page, cinema }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await signUp(page, cinema.url, 'phone');
  for (const width of [360, 768, 1440, 2560]) {
    await page.setViewportSize({ width, height: 800 });
    for (const path of ['/', '/search?q=a', '/account']) {
      await page.goto(cinema.url + path);
      await expect(page.getByRole('main')).toBeVisible();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, `${path} at ${width}`).toBeLessThanOrEqual(0);
    }
  }
});
