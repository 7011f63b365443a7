import AxeBuilder from '@axe-core/playwright';
import { expect, type Browser, type Page } from '@playwright/test';

const phone = { width: 360, height: 740 };
const desktop = { width: 1440, height: 900 };

/** Nothing on the page keeps anyone out. */
export async function clean(page: Page) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa']).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
}

/** On a phone and on a desktop: nothing is wider than the page, and nothing keeps anyone out. SHOTS is a folder for pictures of it. */
export async function looks(page: Page, name: string) {
  for (const viewport of [phone, desktop]) {
    await page.setViewportSize(viewport);
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
    await clean(page);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}-${viewport.width}.png`, fullPage: true });
  }
}

/** Another browser: nothing of the first one's is known in it. */
export const someone = async (browser: Browser, locale = 'en-GB') => (await browser.newContext({ locale, viewport: desktop })).newPage();
