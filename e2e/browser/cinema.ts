import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test as base } from '@playwright/test';

export interface Cinema {
  url: string;
  adminPassword: string;
}

/** A port that nobody listens on, below those that the system gives to outgoing connections and above those of the stories in Go: it stays free until it is bound. */
async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 28_000 + Math.floor(Math.random() * 4_000);
    const free = await new Promise<boolean>((done) => {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port');
}

/** Starts the built program on a new data folder and waits for its ready line. */
async function start(dir: string, settings: Record<string, string> = {}): Promise<{ cinema: Cinema; child: ChildProcess; log: () => string }> {
  // Whoever says how it is reached has chosen the port.
  const port = settings.CINEMA_PUBLIC_URL ? Number(new URL(settings.CINEMA_PUBLIC_URL).port) : await freePort();
  const binary = process.env.CINEMA_BIN ?? resolve(import.meta.dirname, '../../bin/cinema');
  const child = spawn(binary, [], {
    env: { ...process.env, CINEMA_DATA_DIR: dir, CINEMA_LISTEN: `127.0.0.1:${port}`, CINEMA_OPS_LISTEN: `127.0.0.1:${await freePort()}`, CINEMA_DEMO: 'true', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  await new Promise<void>((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`no ready line in 90 s\n${log}`)), 90_000);
    const read = (chunk: Buffer) => {
      log += chunk.toString();
      if (/NetflixAtHome is ready/.test(log) && /login admin, password \S+\n/.test(log)) {
        clearTimeout(timer);
        done();
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => fail(new Error(`it ended with ${code}\n${log}`)));
  });
  const adminPassword = /login admin, password (\S+)/.exec(log)?.[1] ?? '';
  // localhost, as a person types it: cookies and secure contexts behave as at home.
  return { cinema: { url: `http://localhost:${port}`, adminPassword }, child, log: () => log };
}

export const test = base.extend<object, { cinema: Cinema; settings: Record<string, string> }>({
  /** Environment variables of the program, of which a file may want its own. */
  settings: [{}, { scope: 'worker', option: true }],
  cinema: [
    async ({ settings }, use) => {
      const dir = mkdtempSync(join(tmpdir(), 'cinema-e2e-'));
      const { cinema, child } = await start(dir, settings);
      await use(cinema);
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
    { scope: 'worker', timeout: 120_000 },
  ],
});

export { expect } from '@playwright/test';
