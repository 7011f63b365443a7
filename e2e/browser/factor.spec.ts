import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import type { CDPSession, Page } from '@playwright/test';
import { expect, test } from './cinema.ts';

const password = 'correct horse battery';

async function signUp(page: Page, url: string, login: string) {
  await page.goto(`${url}/signup`);
  await page.getByLabel('Login or e-mail').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Make an account' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
}

async function showPassword(page: Page, login: string) {
  await page.getByLabel('Login or e-mail').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

async function signOut(page: Page, url: string) {
  await page.goto(`${url}/account`);
  await page.getByRole('main').getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page.getByLabel('Login or e-mail')).toBeVisible();
}

async function axe(page: Page) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
}

async function narrow(page: Page) {
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** The code of an authenticator app (RFC 6238), of `ahead` steps from now. */
function code(key: string, ahead = 0) {
  let bits = '';
  for (const c of key.replaceAll(' ', '')) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  const secret = Buffer.from(bits.match(/.{8}/g)!.map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const at = mac[19]! & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A phone's or laptop's own authenticator, which finds its owner there and verified. */
async function authenticator(page: Page): Promise<{ cdp: CDPSession; id: string }> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  return { cdp, id: authenticatorId };
}

const documents = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../schema/persisted-operations.json'), 'utf8')) as Record<string, string>;

/** Has the server's next answer to an operation say that the sign-in is too old. */
async function staleOnce(page: Page, operation: string) {
  const hash = Object.keys(documents).find((h) => documents[h]!.includes(`mutation ${operation}`))!;
  let told = false;
  await page.route('**/graphql', async (route) => {
    if (told || !route.request().postData()?.includes(hash)) return route.fallback();
    told = true;
    await route.fulfill({
      json: { data: null, errors: [{ message: 'Confirm that it is you to go on.', extensions: { code: 'FORBIDDEN', reason: 'REAUTHENTICATION_REQUIRED' } }] },
    });
  });
  return () => told;
}

test.describe.configure({ mode: 'serial' });

// Many pages, each read through for accessibility.
test.slow();

test('a passkey signs in alone, and after the password', async ({ page, cinema }) => {
  const { cdp, id } = await authenticator(page);
  await signUp(page, cinema.url, 'keykeeper');
  await page.goto(`${cinema.url}/account`);
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  const dialog = page.getByRole('dialog', { name: 'Recovery codes' });
  await expect(dialog.getByRole('listitem')).toHaveCount(10);
  await axe(page);
  await narrow(page);
  await dialog.getByRole('button', { name: 'I have kept them' }).click();
  expect((await cdp.send('WebAuthn.getCredentials', { authenticatorId: id })).credentials).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }]);
  await page.getByRole('button', { name: /^Rename/ }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('My laptop');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('My laptop')).toBeVisible();
  await expect(page.getByText(/never used/)).toBeVisible();
  await axe(page);
  await narrow(page);

  // Nobody is there yet: what the form offers of itself stays open.
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false });
  await signOut(page, cinema.url);
  await expect(page.getByLabel('Login or e-mail')).toHaveAttribute('autocomplete', 'username webauthn');
  await expect(page.getByRole('button', { name: 'Sign in with a passkey' })).toBeVisible();
  await axe(page);
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: true });
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false });
  await signOut(page, cinema.url);
  await showPassword(page, 'keykeeper');
  await expect(page.getByRole('heading', { name: 'One more step' })).toBeVisible();
  await axe(page);
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: true });
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  await page.goto(`${cinema.url}/account`);
  await expect(page.getByText(/last used/)).toBeVisible();
  await expect(page.getByText('Signed in with a passkey')).toBeVisible();
  const told = await staleOnce(page, 'DeletePasskey');
  await page.getByRole('button', { name: 'Delete My laptop' }).click();
  const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
  await axe(page);
  await confirm.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(confirm).toHaveCount(0);
  await expect(page.getByText('My laptop')).toHaveCount(0);
  expect(told()).toBe(true);
});

test('an authenticator app and recovery codes', async ({ page, cinema }) => {
  await signUp(page, cinema.url, 'appkeeper');
  await page.goto(`${cinema.url}/account`);
  const told = await staleOnce(page, 'BeginTotp');
  await page.getByRole('button', { name: 'Set up an authenticator app' }).click();
  const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
  await confirm.getByLabel('Password', { exact: true }).fill('not this one');
  await page.keyboard.press('Enter');
  await expect(confirm.getByText('This is not the present password.')).toBeVisible();
  await confirm.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  const setUp = page.getByRole('dialog', { name: 'Authenticator app' });
  await expect(setUp.getByRole('img', { name: 'QR code of the key' })).toBeVisible();
  expect(told()).toBe(true);
  await axe(page);
  await narrow(page);
  const key = await setUp.locator('code').innerText();
  await setUp.getByLabel('Code that the app shows').fill(code(key, 20));
  await page.keyboard.press('Enter');
  await expect(setUp.getByText(/This code is wrong/)).toBeVisible();
  // The sign-in may grow old while the app is being looked for.
  const late = await staleOnce(page, 'AddTotp');
  await setUp.getByLabel('Code that the app shows').fill(code(key));
  await page.keyboard.press('Enter');
  await confirm.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  const kept = page.getByRole('dialog', { name: 'Recovery codes' });
  await expect(kept.getByRole('listitem')).toHaveCount(10);
  expect(late()).toBe(true);
  const recovery = await kept.getByRole('listitem').allInnerTexts();
  const [file] = await Promise.all([page.waitForEvent('download'), kept.getByRole('button', { name: 'Save as a file' }).click()]);
  expect(readFileSync(await file.path(), 'utf8')).toContain(recovery[9]!);
  await kept.getByRole('button', { name: 'I have kept them' }).click();

  await signOut(page, cinema.url);
  await showPassword(page, 'appkeeper');
  await page.getByLabel('Code', { exact: true }).fill(code(key, 20));
  await page.keyboard.press('Enter');
  await expect(page.getByText(/This code is wrong/)).toBeVisible();
  await axe(page);
  await narrow(page);
  // The step of the code that set it up is used: the next one is let pass early.
  await page.getByLabel('Code', { exact: true }).fill(code(key, 1));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();

  await signOut(page, cinema.url);
  await showPassword(page, 'appkeeper');
  await page.getByRole('button', { name: 'Use a recovery code' }).click();
  await page.getByLabel('Recovery code').fill(recovery[0]!);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('navigation', { name: 'Main' })).toBeVisible();
  await page.goto(`${cinema.url}/account`);
  await expect(page.getByText('9 left')).toBeVisible();
  await expect(page.getByText('Signed in with a recovery code')).toBeVisible();
  await expect(page.getByText('Right password, wrong code')).toBeVisible();

  // What cannot be undone asks for both again.
  const again = await staleOnce(page, 'DeleteTotp');
  await page.getByRole('button', { name: 'Remove the authenticator app' }).click();
  await confirm.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  await expect(confirm.getByText('Your account has a second factor: show that too.')).toBeVisible();
  await axe(page);
  await narrow(page);
  await confirm.getByLabel('Code', { exact: true }).fill(code(key, 20));
  await page.keyboard.press('Enter');
  await expect(confirm.getByText(/This code is wrong/)).toBeVisible();
  await confirm.getByRole('button', { name: 'Use a recovery code' }).click();
  await confirm.getByLabel('Recovery code').fill(recovery[1]!);
  await page.keyboard.press('Enter');
  await expect(confirm).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Set up an authenticator app' })).toBeVisible();
  expect(again()).toBe(true);
});

test('who comes by another address is told where passkeys work', async ({ page, cinema }) => {
  await page.goto(`${cinema.url.replace('localhost', '127.0.0.1')}/signin`);
  await expect(page.getByText(`Passkeys work at ${cinema.url} only.`)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sign in with a passkey' })).toHaveCount(0);
});
