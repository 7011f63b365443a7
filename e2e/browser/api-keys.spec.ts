import { expect, test } from './cinema.ts';
import { looks } from './page.ts';

test('an API key is made by keyboard, used by a program, and revoked', async ({ page, cinema, request }) => {
  test.setTimeout(240_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const ask = (key: string, query: string) => request.post(`${cinema.url}/graphql`, { data: { query }, headers: { authorization: `Bearer ${key}` } });
  let key = '';

  await test.step('the section is empty at first', async () => {
    await page.goto(`${cinema.url}/signin?next=/account`);
    await page.getByLabel('Login or e-mail').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(cinema.adminPassword);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page.getByText('There is no key yet.')).toBeVisible();
  });
  await test.step('a key is made by keyboard', async () => {
    await page.getByRole('button', { name: 'Make a key' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Make a key' });
    await dialog.getByRole('button', { name: 'Make the key' }).click();
    await expect(dialog.getByText('Give it a name.')).toBeVisible();
    await expect(dialog.getByLabel('Name')).toBeFocused();
    await page.keyboard.type('Nightly import');
    await dialog.getByLabel('See accounts').focus();
    await page.keyboard.press('Space');
    await looks(page, 'api-keys-make');
    await page.keyboard.press('Enter');
    const made = page.getByRole('dialog', { name: 'The key is made' });
    key = (await made.getByLabel('API key', { exact: true }).textContent()) ?? '';
    expect(key).toMatch(/^cinema_[0-9A-Za-z]{49}$/);
    await looks(page, 'api-keys-made');
    await page.keyboard.press('Escape');
    await expect(made).toBeHidden();
    await expect(page.getByText('Never used')).toBeVisible();
    expect(await page.content()).not.toContain(key);
  });
  await test.step('a program uses it', async () => {
    const answer = await ask(key, '{ me { login } users { totalCount } }');
    expect(answer.status()).toBe(200);
    expect((await answer.json()).data.me.login).toBe('admin');
    await page.reload();
    await expect(page.getByRole('listitem').filter({ hasText: 'Nightly import' })).toContainText('Last used');
    await looks(page, 'api-keys-keys');
  });
  await test.step('it is revoked, and administration shows both', async () => {
    await page.getByRole('button', { name: 'Revoke Nightly import' }).focus();
    await page.keyboard.press('Enter');
    await expect(page.getByText('There is no key yet.')).toBeVisible();
    await expect(page.getByRole('heading', { name: 'API keys' })).toBeFocused();
    await expect.poll(async () => (await (await ask(key, '{ me { login } }')).json()).errors?.[0].extensions.code).toBe('UNAUTHENTICATED');
    await page.goto(`${cinema.url}/admin/audit?action=key.`);
    await expect(page.getByRole('row', { name: /API key made/ })).toBeVisible();
    await expect(page.getByRole('row', { name: /API key revoked/ })).toBeVisible();
  });
  await test.step('in Russian too', async () => {
    await page.evaluate(() => localStorage.setItem('cinema.locale', 'ru'));
    await page.goto(`${cinema.url}/account`);
    await page.getByRole('button', { name: 'Создать ключ' }).click();
    await expect(page.getByRole('dialog', { name: 'Создать ключ' }).getByLabel('Видеть аккаунты')).toBeVisible();
    await looks(page, 'api-keys-make-ru');
  });
  expect(errors).toEqual([]);
});
