import AxeBuilder from '@axe-core/playwright';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from './cinema.ts';

function homeFilm(): string {
  const path = join(mkdtempSync(join(tmpdir(), 'home-film-')), 'home film.mp4');
  execFileSync('ffmpeg', [
    '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=24:duration=6', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=6',
    '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '48', '-c:a', 'aac', '-shortest', path,
  ]);
  return path;
}

test('an admin corrects a title, uploads a film, and sees who watched', async ({ page, cinema }) => {
  test.setTimeout(180_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));

  await test.step('signs in', async () => {
    await page.goto(`${cinema.url}/signin?next=/admin/titles`);
    await page.getByLabel('Login or e-mail').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(cinema.adminPassword);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page).toHaveURL(/\/admin\/titles/);
    await expect(page.getByRole('table')).toBeVisible();
  });
  await test.step('makes a film and corrects its name until viewers see it', async () => {
    await page.getByRole('button', { name: 'New title' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Original name').fill('Home film');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await expect(page.getByLabel('Original name')).toHaveValue('Home film');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByLabel('Original name').fill('Our summer film');
    await page.keyboard.press('ControlOrMeta+s');
    await expect(page.getByRole('status', { name: 'State of the last change' })).toContainText('Visible');
    const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa']).analyze();
    expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
  });
  await test.step('a text is refused as a film, in words', async () => {
    const text = join(mkdtempSync(join(tmpdir(), 'no-film-')), 'x.mp4');
    writeFileSync(text, 'this is not a film\n'.repeat(500));
    await page.getByLabel('Choose a file: Film').setInputFiles(text);
    await expect(page.getByText(/This is not a film/)).toBeVisible();
  });
  const address = page.url();
  await test.step('uploads a film and sees it become watchable', async () => {
    await page.getByRole('button', { name: 'Close' }).first().click();
    const film = homeFilm();
    expect(readFileSync(film).length).toBeGreaterThan(10_000);
    await page.getByLabel('Choose a file: Film').setInputFiles(film);
    await expect(page.getByText(/^(Ready|Plays)/).first()).toBeVisible({ timeout: 120_000 });
    const id = address.split('/').pop()!.split('?')[0];
    await page.goto(`${cinema.url}/title/${id}`);
    await page.getByRole('link', { name: 'Play' }).first().click();
    await expect.poll(() => page.locator('video').evaluate((v: HTMLVideoElement) => v.currentTime), { timeout: 30_000 }).toBeGreaterThan(1);
  });
  await test.step('sees it on the dashboard', async () => {
    // The figures are drawn when the page is opened, some seconds behind.
    await expect(async () => {
      await page.goto(`${cinema.url}/admin?demo=false`);
      await expect(page.getByText('Our summer film').first()).toBeVisible({ timeout: 5_000 });
    }).toPass({ timeout: 60_000 });
  });
  expect(errors).toEqual([]);
});
