import { cleanup, configure } from '@testing-library/react';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { i18n } from '@lingui/core';
import { messages as base } from '~/locales/en/base.po';
import { messages as viewer } from '~/locales/en/viewer.po';
import { server } from './server';

// A busy machine is slow, not wrong.
configure({ asyncUtilTimeout: 5_000 });

// What jsdom lacks and the pages use.
window.matchMedia ??= ((query: string) => ({ matches: false, media: query, addEventListener() {}, removeEventListener() {} })) as never;
window.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;
class Observer {
  constructor(private readonly call: (entries: { isIntersecting: boolean }[], self: unknown) => void) {}
  observe() {
    // Everything is near: rows that wait for their turn get it.
    queueMicrotask(() => this.call([{ isIntersecting: true }], this));
  }
  unobserve() {}
  disconnect() {}
}
vi.stubGlobal('IntersectionObserver', Observer);
vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });

beforeAll(() => server.listen({ onUnhandledRequest: 'error' }));
beforeEach(() => {
  i18n.load('en', { ...base, ...viewer });
  i18n.activate('en');
});
afterEach(() => {
  cleanup();
  server.resetHandlers();
  localStorage.clear();
});
afterAll(() => server.close());
