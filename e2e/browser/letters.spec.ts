import { createServer, type Server } from 'node:net';
import type { Page } from '@playwright/test';
import { expect, test } from './cinema.ts';
import { looks, someone } from './page.ts';

const port = 28_000 + Math.floor(Math.random() * 3_999); // of the mail server; the cinema's is the next one

test.use({
  settings: [
    { CINEMA_DEMO: 'false', CINEMA_PUBLIC_URL: `http://localhost:${port + 1}`, CINEMA_SMTP_ADDR: `127.0.0.1:${port}`, CINEMA_SMTP_TLS: 'none', CINEMA_SMTP_FROM: 'cinema@example.org' },
    { scope: 'worker' },
  ],
});

/** Letters by whom they are for: a mail server that speaks the least of SMTP (RFC 5321). */
const letters = new Map<string, string[]>();
let server: Server;
test.beforeAll(async () => {
  server = createServer((socket) => {
    let rest = '';
    let to = '';
    let text: string[] | undefined;
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('220 here');
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString()).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (text && line !== '.') text.push(line);
        else if (text) {
          letters.set(to, [...(letters.get(to) ?? []), text.join('\n')]);
          text = undefined;
          say('250 kept');
        } else if (line === 'DATA') {
          text = [];
          say('354 go on');
        } else if (line === 'QUIT') {
          say('221 bye');
          socket.end();
        } else {
          to = /^RCPT TO:<(.*)>/.exec(line)?.[1] ?? to;
          say('250 good');
        }
      }
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
});
test.afterAll(() => new Promise((done) => server.close(done)));

/** The link to a page in the nth letter to an address. */
async function link(to: string, nth: number, page: string) {
  await expect.poll(() => letters.get(to)?.length ?? 0).toBe(nth);
  const text = (letters.get(to)?.at(-1) ?? '').replace(/=\n/g, '').replace(/=3D/g, '=');
  const found = new RegExp(`http://\\S+/${page}#[\\w.-]+`).exec(text)?.[0];
  expect(found, text).toBeTruthy();
  return found ?? '';
}

async function signIn(page: Page, login: string, password: string) {
  await page.getByLabel('Login or e-mail').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
}

async function changeAddress(page: Page, button: string, address: string) {
  await page.getByRole('button', { name: button }).press('Enter');
  await expect(page.getByLabel('New address')).toBeFocused();
  await page.keyboard.type(address);
  await page.keyboard.press('Enter');
  await expect(page.getByText(/A link is on its way to/)).toBeVisible();
}

test('an address is proved, helps when the password is forgotten, and is taken back', async ({ page, cinema, browser }) => {
  test.setTimeout(180_000);
  const elsewhere = await someone(browser);
  await page.goto(`${cinema.url}/signup?next=/account`);
  await page.getByLabel('Login or e-mail').fill('ann');
  await page.getByLabel('Password', { exact: true }).fill('violet tractor 41');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/account/);

  await test.step('the address counts once its letter was answered', async () => {
    await changeAddress(page, 'Add an address', 'ann@example.org');
    await looks(page, 'letters-sent');
    await elsewhere.goto(await link('ann@example.org', 1, 'confirm-email'));
    await looks(elsewhere, 'letters-confirm');
    await elsewhere.getByRole('button', { name: 'Confirm the address' }).press('Enter');
    await expect(elsewhere.getByText('ann@example.org is the address of your account')).toBeVisible();
    await page.reload();
    await expect(page.getByText('ann@example.org', { exact: true })).toBeVisible();
  });
  await test.step('a stranger to the cinema is told the same', async () => {
    await elsewhere.goto(`${cinema.url}/signin`);
    await elsewhere.getByRole('link', { name: 'Forgot the password?' }).press('Enter');
    for (const login of ['nobody@example.org', 'ann@example.org']) {
      await elsewhere.goto(`${cinema.url}/forgot`);
      await elsewhere.getByLabel('Login or e-mail').fill(login);
      await elsewhere.keyboard.press('Enter');
      await expect(elsewhere.getByText('If there is such an account and it has an e-mail address')).toBeVisible();
    }
    await looks(elsewhere, 'letters-forgot');
    expect([...letters.keys()]).toEqual(['ann@example.org']);
  });
  await test.step('the letter leads to a new password, with which one signs in by the address', async () => {
    await elsewhere.goto(await link('ann@example.org', 2, 'reset'));
    await elsewhere.getByLabel('New password').fill('violet tractor 42');
    await elsewhere.keyboard.press('Enter');
    await expect(elsewhere.getByText('all devices are signed out')).toBeVisible();
    await page.goto(`${cinema.url}/account`);
    await expect(page).toHaveURL(/\/signin/);
    await signIn(page, 'ann@example.org', 'violet tractor 42');
    await expect(page).toHaveURL(/\/account/);
  });
  await test.step('whoever has the old address takes it back', async () => {
    const before = letters.get('ann@example.org')?.length ?? 0;
    await changeAddress(page, 'Change the address', 'thief@example.org');
    await elsewhere.goto(await link('thief@example.org', 1, 'confirm-email'));
    await elsewhere.getByRole('button', { name: 'Confirm the address' }).press('Enter');
    await expect(elsewhere.getByText('thief@example.org is the address')).toBeVisible();
    await elsewhere.goto(await link('ann@example.org', before + 1, 'undo-email'));
    await looks(elsewhere, 'letters-undo');
    await elsewhere.getByRole('button', { name: 'It was not me' }).press('Enter');
    await expect(elsewhere.getByText('ann@example.org is the address again')).toBeVisible();
    await looks(elsewhere, 'letters-undone');
    await page.goto(`${cinema.url}/account`);
    await expect(page).toHaveURL(/\/signin/);
  });
  await elsewhere.context().close();
});
