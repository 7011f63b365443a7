import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './cinema';

const port = 28_000 + Math.floor(Math.random() * 4_000);

test.use({
  settings: [
    {
      CINEMA_DEMO: 'false',
      CINEMA_OIDC: 'home,office',
      CINEMA_OIDC_HOME_NAME: 'Home',
      CINEMA_OIDC_HOME_ISSUER: `http://127.0.0.1:${port}`,
      CINEMA_OIDC_HOME_CLIENT_ID: 'cinema',
      CINEMA_OIDC_HOME_CLIENT_SECRET: 'provider-secret',
      // Nobody is there.
      CINEMA_OIDC_OFFICE_NAME: 'The office',
      CINEMA_OIDC_OFFICE_ISSUER: 'http://127.0.0.1:9',
      CINEMA_OIDC_OFFICE_CLIENT_ID: 'cinema',
    },
    { scope: 'worker' },
  ],
});

/** Goes to the provider. The cinema asked for it when it started, before there was one, and lets one that is away be for some seconds. */
async function goThere(page: Page, button: string) {
  await expect(async () => {
    await page.getByRole('button', { name: button }).press('Enter', { timeout: 2000 });
    await page.waitForURL(/\/login\/username/, { timeout: 2000 });
  }).toPass({ timeout: 30_000 });
}

/** The provider's own page: what its user types there. */
async function signInThere(page: Page, name: string) {
  await page.waitForURL(/\/login\/username/);
  await page.locator('[name=username]').fill(name);
  await page.locator('[name=password]').fill('verysecure');
  await page.locator('[name=password]').press('Enter');
}

const shot = async (page: Page, name: string) => {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
};

let provider: ChildProcess;
test.beforeAll(async ({ cinema }) => {
  test.setTimeout(180_000); // it is built first
  provider = spawn('go', ['run', './provider/serve', String(port), `${cinema.url}/signin/with/home`], {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await expect
    .poll(() => fetch(`http://127.0.0.1:${port}/.well-known/openid-configuration`).then((r) => r.status, () => 0), { timeout: 150_000 })
    .toBe(200);
});
test.afterAll(async () => {
  const ended = new Promise((done) => provider.once('exit', done));
  provider.stdin?.end();
  await ended;
});

test('a stranger signs in with an account elsewhere, sets a password, unlinks and links', async ({ page, cinema }) => {
  await page.goto(`${cinema.url}/account`);
  await page.getByRole('button', { name: 'Continue with The office' }).click();
  await expect(page.getByText('cannot be reached at the moment')).toBeVisible();
  await shot(page, 'signin');
  await goThere(page, 'Continue with Home');
  await signInThere(page, 'ann');
  await page.waitForURL(`${cinema.url}/account`);
  await expect(page.getByRole('heading', { name: 'Linked accounts' })).toBeVisible();
  await expect(page.getByText('ann@example.org · last used')).toBeVisible();
  await expect(page.getByText('Account made with Home')).toBeVisible();
  await shot(page, 'account');

  await page.getByRole('button', { name: 'Unlink Home' }).click();
  await expect(page.getByText('This is the only way to sign in')).toBeVisible();
  await page.getByRole('button', { name: 'Set a password' }).click();
  await shot(page, 'set-password');
  await page.locator('[name=newPassword]').fill('correct horse battery');
  await page.getByRole('dialog').getByRole('button', { name: 'Set a password' }).click();
  await expect(page.getByText('The password is set.')).toBeVisible();
  await page.getByRole('button', { name: 'Unlink Home' }).click();
  await page.getByRole('button', { name: 'Link with Home' }).click();
  await signInThere(page, 'ann');
  await page.waitForURL(`${cinema.url}/account`);
  await expect(page.getByText('The accounts are linked.')).toBeVisible();
  await expect(page.getByText('ann@example.org · never used')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Change the password' })).toBeVisible();
});

test('on a phone, in Russian: what was not begun here, or was broken off, says so', async ({ browser, cinema }) => {
  const context = await browser.newContext({ locale: 'ru-RU', viewport: { width: 360, height: 740 } });
  const page = await context.newPage();
  await page.goto(`${cinema.url}/signin/with/home?error=access_denied&state=sign_in.x`);
  await expect(page.getByText('Ничего не вышло')).toBeVisible();
  await shot(page, 'stopped-360');
  await page.goto(`${cinema.url}/signin/with/home?code=stolen&state=sign_in.x`);
  await expect(page.getByText('Начните сначала')).toBeVisible();
  expect(page.url()).toBe(`${cinema.url}/signin`);
  await page.goto(`${cinema.url}/signup?next=%2Faccount`);
  await goThere(page, 'Продолжить с Home');
  await signInThere(page, 'bob');
  await page.waitForURL(`${cinema.url}/account`);
  await expect(page.getByRole('heading', { name: 'Связанные аккаунты' })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await shot(page, 'account-360');
  await context.close();
});
