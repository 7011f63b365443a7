import { expect, test } from './cinema.ts';
import { clean, looks, someone } from './page.ts';

test('an admin makes a role, gives it, takes a right from it, and deletes an account', async ({ page, cinema, browser }) => {
  test.setTimeout(240_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const helper = await someone(browser);

  await test.step('a viewer signs up and sees nothing to manage', async () => {
    await helper.goto(`${cinema.url}/signup`);
    await helper.getByLabel('Login or e-mail').fill('helper');
    await helper.getByLabel('Password', { exact: true }).fill('violet tractor 41');
    await helper.getByRole('button', { name: 'Make an account' }).click();
    await expect(helper.getByRole('navigation').first()).toBeVisible();
    await expect(helper.getByRole('link', { name: 'Manage' })).toHaveCount(0);
  });
  await test.step('the admin makes a role by keyboard', async () => {
    await page.goto(`${cinema.url}/signin?next=/admin/roles`);
    await page.getByLabel('Login or e-mail').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(cinema.adminPassword);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page.getByRole('list', { name: 'Roles' }).getByRole('heading')).toHaveCount(4);
    await page.getByRole('button', { name: 'New role' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'New role' });
    await expect(dialog.getByLabel('Name')).toBeFocused();
    await page.keyboard.type('Help desk');
    await dialog.getByLabel('See accounts, their devices and sign-ins').focus();
    await page.keyboard.press('Space');
    await clean(page);
    await page.keyboard.press('Enter');
    await expect(dialog).toBeHidden();
    await expect(page.getByRole('heading', { name: 'Help desk' })).toBeVisible();
    await looks(page, 'roles-roles');
  });
  await test.step('finds the account by keyboard and gives the role', async () => {
    await page.goto(`${cinema.url}/admin/users?role=VIEWER&blocked=no`);
    await page.getByRole('searchbox').fill('help');
    await expect(page.getByRole('row')).toHaveCount(2);
    await looks(page, 'roles-users');
    await page.getByRole('row').nth(1).focus();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: 'helper' })).toBeVisible();
    await page.getByRole('checkbox', { name: /Help desk/ }).focus();
    await page.keyboard.press('Space');
    await expect(page.getByText(/helper is now/)).toBeVisible();
    await expect(page.getByRole('heading', { name: 'Sign-ins' })).toBeVisible();
    await looks(page, 'roles-user');
  });
  await test.step('the holder stays signed in and may manage', async () => {
    await helper.reload();
    await helper.getByRole('link', { name: 'Manage' }).first().click();
    await expect(helper).toHaveURL(/\/admin\/users/);
    await expect(helper.getByRole('table')).toBeVisible();
    await expect(helper.getByRole('link', { name: 'Roles' })).toHaveCount(0);
  });
  await test.step('what the role loses ends at once', async () => {
    // The page's own events would learn of it too, and who asks first decides what is shown: here it is the search.
    await helper.route('**/graphql', (route) => (route.request().postData()?.includes('"events"') ? route.abort() : route.fallback()));
    await page.goto(`${cinema.url}/admin/roles`);
    await page.getByRole('button', { name: 'Change “Help desk”' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('See accounts, their devices and sign-ins').uncheck();
    await expect(dialog.getByText(/loses this at once/)).toBeVisible();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(dialog).toBeHidden();
    await helper.getByRole('searchbox').fill('adm');
    await expect(helper.getByText('Your account may not do this.')).toBeVisible();
  });
  await test.step('deletes the role with a place for its holder, and then the account', async () => {
    await page.getByRole('button', { name: 'Delete “Help desk”' }).click();
    await expect(page.getByLabel('They get instead')).toHaveValue('VIEWER');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(page.getByRole('heading', { name: 'Help desk' })).toBeHidden();
    await page.goto(`${cinema.url}/admin/users?q=helper`);
    await page.getByRole('link', { name: 'helper' }).click();
    await page.getByRole('button', { name: 'Delete the account' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(page).toHaveURL(/\/admin\/users$/);
    await helper.reload();
    await expect(helper.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
  });
  await test.step('all of it is in the log', async () => {
    await page.getByRole('link', { name: 'Audit log' }).click();
    const rows = page.getByRole('region', { name: 'Audit log' }).getByRole('row');
    await expect(rows.filter({ hasNotText: 'API key' })).toHaveCount(6); // other stories make keys
    await expect(rows.nth(1)).toContainText('Account deleted');
    await expect(rows.nth(1)).toContainText('a deleted account');
    await page.getByLabel('What was done').selectOption('role.update');
    await expect(rows).toHaveCount(2);
    await expect(rows.nth(1)).toContainText('user:read');
    await looks(page, 'roles-audit');
    await page.getByLabel('By whom: login').fill('nobody');
    await expect(page.getByText('Nothing of that kind')).toBeVisible();
  });
  expect(errors).toEqual([]);
  await helper.close();
});
