import { Upload as TusUpload, type DetailedError } from 'tus-js-client';
import type { AssetKind, AssetState } from '~/gql/graphql';
import { clientHeaders, Fault, faultOf } from '~/lib/api/transport';
import { freshToken, renew } from '~/lib/session';
import { createStore } from '~/lib/store';

/**
 * An upload as it goes on, apart from the page that began it: leaving the page
 * does not end it, a reload does, and then the same file picked again goes on
 * at the server's offset.
 *
 *	opening ─► sending ⇄ paused
 *	              ⇅ waiting (the network is away; it comes back by itself)
 *	              ▼
 *	           checking ─► done · refused        anywhere ─► failed
 */
export type Phase = 'opening' | 'sending' | 'paused' | 'waiting' | 'checking' | 'done' | 'refused' | 'failed';

export interface Upload {
  kind: AssetKind;
  ownerId: string;
  filename: string;
  size: number;
  sent: number;
  phase: Phase;
  assetId?: string;
  /** Bytes in a second, as of late; 0 when unknown. */
  speed: number;
  /** Why it failed or was refused. */
  fault?: Fault;
}

export type Step =
  | { type: 'opened'; assetId: string }
  | { type: 'progress'; sent: number; speed: number }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'lost' }
  | { type: 'sent' }
  | { type: 'settled'; state: AssetState; refusal?: string | null }
  | { type: 'failed'; fault: Fault };

/** What an upload becomes; a step that does not fit where it stands changes nothing. */
export function step(now: Upload, event: Step): Upload {
  const ended = now.phase === 'done' || now.phase === 'refused';
  if (ended) return now;
  switch (event.type) {
    case 'opened':
      return now.phase === 'opening' ? { ...now, phase: 'sending', assetId: event.assetId } : now;
    case 'progress':
      // A pause may be overtaken by the last word of the chunk before it.
      return now.phase === 'sending' || now.phase === 'waiting'
        ? { ...now, phase: 'sending', sent: event.sent, speed: event.speed }
        : { ...now, sent: Math.max(now.sent, event.sent) };
    case 'pause':
      return now.phase === 'sending' || now.phase === 'waiting' ? { ...now, phase: 'paused', speed: 0 } : now;
    case 'resume':
      return now.phase === 'paused' || now.phase === 'failed' ? { ...now, phase: 'sending', fault: undefined } : now;
    case 'lost':
      return now.phase === 'sending' ? { ...now, phase: 'waiting', speed: 0 } : now;
    case 'sent':
      return { ...now, phase: 'checking', sent: now.size, speed: 0 };
    case 'settled':
      if (event.state === 'READY') return { ...now, phase: 'done', sent: now.size };
      if (event.state === 'REFUSED') return { ...now, phase: 'refused', fault: new Fault('INVALID', event.refusal ?? '') };
      if (event.state === 'CANCELLED') return { ...now, phase: 'failed', fault: new Fault('NOT_FOUND', 'cancelled') };
      return now;
    case 'failed':
      // A file that was looked at and refused is not sent again; anything else may be.
      return { ...now, phase: event.fault.code === 'INVALID' ? 'refused' : 'failed', speed: 0, fault: event.fault };
  }
}

export const slotOf = (kind: AssetKind, ownerId: string) => `${kind} ${ownerId}`;

/** Uploads by slot: one file at a time for each picture or film. */
export const uploadsStore = createStore<Readonly<Record<string, Upload>>>({});

const running = new Map<string, TusUpload>();

const chunkBytes = 8 * 1024 * 1024;
const retryMs = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

function apply(slot: string, event: Step) {
  uploadsStore.set((all) => {
    const now = all[slot];
    return now ? { ...all, [slot]: step(now, event) } : all;
  });
}

/** What the answer of a refused PATCH says; it has GraphQL's shape. */
function faultOfAnswer(error: unknown): Fault {
  const response = (error as Partial<DetailedError>).originalResponse;
  if (!response) return new Fault('NETWORK', error instanceof Error ? error.message : String(error));
  try {
    const body = JSON.parse(response.getBody()) as { errors?: { message: string; extensions?: Record<string, unknown> }[] };
    if (body.errors?.[0]) return faultOf(body.errors[0]);
  } catch {
    // Not ours: something in between answered.
  }
  return new Fault('UNAVAILABLE', `${response.getStatus()}`);
}

export interface Begin {
  kind: AssetKind;
  ownerId: string;
  file: File;
  /** Opens the upload, or names the one to go on with. */
  open: () => Promise<{ assetId: string; uploadUrl: string }>;
  /** Where the file stands once its bytes are there; null when it cannot be told. */
  look: (assetId: string) => Promise<{ state: AssetState; refusal?: string | null } | null>;
  /** The file is in use, or was refused. */
  onSettled: () => void;
}

/** Begins an upload, or goes on with one. The promise ends with it. */
export async function startUpload({ kind, ownerId, file, open, look, onSettled }: Begin): Promise<void> {
  const slot = slotOf(kind, ownerId);
  await running.get(slot)?.abort();
  running.delete(slot);
  uploadsStore.set((all) => ({
    ...all,
    [slot]: { kind, ownerId, filename: file.name, size: file.size, sent: 0, phase: 'opening', speed: 0 },
  }));
  let opened;
  try {
    opened = await open();
  } catch (error) {
    apply(slot, { type: 'failed', fault: error instanceof Fault ? error : faultOfAnswer(error) });
    return;
  }
  const { assetId, uploadUrl } = opened;
  apply(slot, { type: 'opened', assetId });
  try {
    await new Promise<void>((done, fail) => {
      let mark = { at: performance.now(), sent: -1, speed: 0 };
      const upload = new TusUpload(file, {
        uploadUrl,
        chunkSize: chunkBytes,
        retryDelays: retryMs,
        storeFingerprintForResuming: false,
        removeFingerprintOnSuccess: true,
        // A token lives for minutes, an upload for hours: each request takes the one of its time.
        async onBeforeRequest(request) {
          const token = await freshToken();
          if (token) request.setHeader('authorization', `Bearer ${token}`);
          for (const [name, value] of Object.entries(clientHeaders())) request.setHeader(name, value);
        },
        onProgress(sent) {
          const at = performance.now();
          if (mark.sent < 0 || sent < mark.sent) mark = { at, sent, speed: 0 };
          else if (at - mark.at > 1_000) {
            const speed = ((sent - mark.sent) * 1000) / (at - mark.at);
            mark = { at, sent, speed: mark.speed ? mark.speed * 0.6 + speed * 0.4 : speed };
          }
          apply(slot, { type: 'progress', sent, speed: mark.speed });
        },
        onShouldRetry(error) {
          const status = error.originalResponse?.getStatus() ?? 0;
          const again = status === 0 || status === 409 || status === 423 || status === 401 || status === 429 || status >= 500;
          // The account's rights changed: the next request comes with a token that says so.
          if (status === 401) void renew().catch(() => false);
          if (again) apply(slot, { type: 'lost' });
          return again;
        },
        onSuccess: () => done(),
        onError: (error) => fail(error),
      });
      running.set(slot, upload);
      upload.start();
    });
  } catch (error) {
    apply(slot, { type: 'failed', fault: faultOfAnswer(error) });
    onSettled();
    return;
  }
  running.delete(slot);
  apply(slot, { type: 'sent' });
  await settle(slot, assetId, look);
  onSettled();
}

/** Asks where a file stands until it is decided: at first often, then every two seconds, ten minutes at most. */
async function settle(slot: string, assetId: string, look: Begin['look']) {
  const until = Date.now() + 10 * 60_000;
  for (let wait = 250; Date.now() < until; wait = Math.min(2_000, wait * 1.5)) {
    const found = await look(assetId);
    if (found) {
      apply(slot, { type: 'settled', ...found });
      if (found.state !== 'UPLOADING' && found.state !== 'CHECKING') return;
    }
    await new Promise((done) => setTimeout(done, wait));
  }
  apply(slot, { type: 'failed', fault: new Fault('UNAVAILABLE', 'the file is still being checked') });
}

export function pauseUpload(slot: string) {
  apply(slot, { type: 'pause' });
  void running.get(slot)?.abort();
}

/** Goes on after a pause or a failure of the network. */
export function resumeUpload(slot: string) {
  const upload = running.get(slot);
  if (!upload) return;
  apply(slot, { type: 'resume' });
  upload.start();
}

export const canResume = (slot: string) => running.has(slot);

/** Forgets an upload here; what the server keeps of it is the caller's business. */
export async function dropUpload(slot: string): Promise<void> {
  await running.get(slot)?.abort();
  running.delete(slot);
  uploadsStore.set((all) => {
    const rest = { ...all };
    delete rest[slot];
    return rest;
  });
}
