import type { Page } from '@playwright/test';
import { expect, test } from './cinema.ts';
import { looks, someone } from './page.ts';

test.use({ settings: [{ CINEMA_DEMO: 'false', CINEMA_SIGN_UP: 'invitation' }, { scope: 'worker' }] });

/** The link that the page shows this once. */
const shown = (page: Page) => page.getByRole('textbox', { name: 'Link', exact: true }).inputValue();

async function enter(page: Page, url: string, login: string, password: string, label = 'Login or e-mail', word = 'Password', button = 'Sign in') {
  await page.goto(url);
  await page.getByLabel(label).fill(login);
  await page.getByLabel(word, { exact: true }).fill(password);
  await page.getByRole('button', { name: button, exact: true }).click();
}

test('an invitation makes an account, and a link gives it a new password', async ({ page, cinema, browser }) => {
  test.setTimeout(180_000);
  const neighbour = await someone(browser, 'ru-RU');
  let invitation = '';

  await test.step('strangers cannot sign up', async () => {
    await neighbour.goto(`${cinema.url}/signup`);
    await expect(neighbour.getByText('по приглашению')).toBeVisible();
    await looks(neighbour, 'ways-no-sign-up');
  });
  await test.step('the admin invites by keyboard', async () => {
    await enter(page, `${cinema.url}/signin?next=/admin/users`, 'admin', cinema.adminPassword);
    await page.getByRole('link', { name: 'Invitations' }).press('Enter');
    await page.getByLabel('Note').focus();
    await page.keyboard.type('The neighbour');
    await page.keyboard.press('Enter');
    await expect(page.getByText('This is the link to hand over')).toBeVisible();
    invitation = await shown(page);
    await expect(page.getByText('The neighbour')).toBeVisible();
    await looks(page, 'ways-invitations');
  });
  await test.step('the neighbour makes an account with it, once', async () => {
    await neighbour.goto(invitation);
    await neighbour.getByLabel('Логин или почта').fill('neighbour');
    await looks(neighbour, 'ways-invited');
    await neighbour.getByLabel('Пароль', { exact: true }).fill('violet tractor 41');
    await neighbour.keyboard.press('Enter');
    await expect(neighbour.getByRole('navigation').first()).toBeVisible();
    const other = await someone(browser);
    await other.goto(invitation);
    await expect(other.getByText('Ask whoever invited you for another one.')).toBeVisible();
    await looks(other, 'ways-spent');
    await other.context().close();
  });
  await test.step('another one is withdrawn', async () => {
    await page.reload();
    await expect(page.getByText('None is open')).toBeVisible();
    await page.getByLabel('Note').fill('Somebody else');
    await page.getByRole('button', { name: 'Make an invitation' }).click();
    await page.getByRole('button', { name: 'Withdraw the invitation: Somebody else' }).press('Enter');
    await expect(page.getByText('The invitation is withdrawn.')).toBeVisible();
    await expect(page.getByText('None is open')).toBeVisible();
  });
  let link = '';
  await test.step('the admin makes a link for a new password', async () => {
    await page.goto(`${cinema.url}/admin/users`);
    await page.getByRole('row').filter({ hasText: 'neighbour' }).press('Enter');
    await expect(page.getByRole('heading', { name: 'Ways back' })).toBeVisible();
    await page.getByRole('button', { name: 'Make a link for a new password' }).press('Enter');
    await expect(page.getByRole('textbox', { name: 'Link', exact: true })).toBeVisible();
    link = await shown(page);
    await looks(page, 'ways-ways-back');
  });
  await test.step('its owner follows it, and is signed out everywhere else', async () => {
    const elsewhere = await someone(browser);
    await elsewhere.goto(link);
    await expect(elsewhere.getByLabel('Login')).toHaveValue('neighbour');
    await elsewhere.getByLabel('New password').fill('violet tractor 42');
    await looks(elsewhere, 'ways-new-password');
    await elsewhere.getByLabel('New password').press('Enter');
    await expect(elsewhere.getByText('all devices are signed out')).toBeVisible();
    await looks(elsewhere, 'ways-changed');
    await elsewhere.goto(link);
    await expect(elsewhere.getByRole('link', { name: 'Ask for another link' })).toBeVisible();
    await elsewhere.context().close();
    await neighbour.reload();
    await expect(neighbour).toHaveURL(/\/signin/);
  });
  await test.step('the old password is no longer one, the new one is', async () => {
    await enter(neighbour, `${cinema.url}/signin?next=/account`, 'neighbour', 'violet tractor 41', 'Логин или почта', 'Пароль', 'Войти');
    await expect(neighbour.getByText('Неверный логин или пароль.')).toBeVisible();
    await neighbour.getByLabel('Пароль', { exact: true }).fill('violet tractor 42');
    await neighbour.getByRole('button', { name: 'Войти', exact: true }).click();
    await expect(neighbour).toHaveURL(/\/account/);
    await looks(neighbour, 'ways-account');
  });
  await neighbour.context().close();
});
