import { describe, expect, it } from 'vitest';
import { Fault } from '~/lib/api/transport';
import { step, type Phase, type Step, type Upload } from './upload';

const begin: Upload = { kind: 'SOURCE', ownerId: 'film_1', filename: 'a.mkv', size: 100, sent: 0, phase: 'opening', speed: 0 };
const opened: Step = { type: 'opened', assetId: 'asset_1' };
const progress = (sent: number): Step => ({ type: 'progress', sent, speed: 10 });
const run = (...steps: Step[]) => steps.reduce(step, begin);

describe('an upload', () => {
  const cases: [string, Step[], Phase, number][] = [
    ['begins to send once it is open', [opened], 'sending', 0],
    ['counts what was sent', [opened, progress(40)], 'sending', 40],
    ['pauses and keeps its place', [opened, progress(40), { type: 'pause' }], 'paused', 40],
    ['stays paused when the chunk before the pause reports late', [opened, progress(40), { type: 'pause' }, progress(48)], 'paused', 48],
    ['goes on after a pause', [opened, progress(40), { type: 'pause' }, { type: 'resume' }, progress(60)], 'sending', 60],
    ['waits while the network is away', [opened, progress(40), { type: 'lost' }], 'waiting', 40],
    ['goes on by itself when it is back', [opened, progress(40), { type: 'lost' }, progress(50)], 'sending', 50],
    ['can be paused while it waits', [opened, { type: 'lost' }, { type: 'pause' }], 'paused', 0],
    ['is checked once all is there', [opened, progress(90), { type: 'sent' }], 'checking', 100],
    ['is still checked when the server is', [opened, { type: 'sent' }, { type: 'settled', state: 'CHECKING' }], 'checking', 100],
    ['is done when it is in use', [opened, { type: 'sent' }, { type: 'settled', state: 'READY' }], 'done', 100],
    ['stays done', [opened, { type: 'sent' }, { type: 'settled', state: 'READY' }, { type: 'pause' }, { type: 'lost' }], 'done', 100],
    ['ends when it was cancelled elsewhere', [opened, { type: 'settled', state: 'CANCELLED' }], 'failed', 0],
    ['goes on after a failure', [opened, progress(30), { type: 'failed', fault: new Fault('NETWORK', '') }, { type: 'resume' }], 'sending', 30],
    ['does not begin to send twice', [opened, { type: 'pause' }, opened], 'paused', 0],
  ];
  it.each(cases)('%s', (_, steps, phase, sent) => {
    const now = run(...steps);
    expect(now.phase).toBe(phase);
    expect(now.sent).toBe(sent);
  });

  it('says why it was refused', () => {
    const now = run(opened, { type: 'sent' }, { type: 'settled', state: 'REFUSED', refusal: 'The film is longer than 12 hours.' });
    expect(now.phase).toBe('refused');
    expect(now.fault?.message).toBe('The film is longer than 12 hours.');
  });

  it('forgets the failure when it goes on', () => {
    expect(run(opened, { type: 'failed', fault: new Fault('NETWORK', '') }, { type: 'resume' }).fault).toBeUndefined();
  });
});
