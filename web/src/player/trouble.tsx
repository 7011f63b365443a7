import { Trans } from '@lingui/react/macro';
import { useEffect, useRef, type ReactNode } from 'react';
import { useStore } from '~/lib/store';
import { Button } from '~/ui/button';
import { Icon } from '~/ui/icon';
import type { Player } from './player';

/** What is wrong, what was kept, and the way on: over the picture, announced at once. */
export function TroubleView({ player, onLeave }: { player: Player; onLeave: () => void }) {
  const trouble = useStore(player.store, (s) => s.trouble);
  const slow = useStore(player.store, (s) => s.slow && s.stalled);
  const blocked = useStore(player.store, (s) => s.blocked);
  const levels = useStore(player.store, (s) => s.levels);
  const level = useStore(player.store, (s) => s.level);

  if (trouble) {
    const leave = (
      <Button key="leave" size="lg" onClick={onLeave}>
        <Trans>Back to the title</Trans>
      </Button>
    );
    const again = (
      <Button key="again" size="lg" variant="primary" onClick={() => player.retry()}>
        <Trans>Try again</Trans>
      </Button>
    );
    switch (trouble) {
      case 'offline':
        return (
          <Notice icon="offline" title={<Trans>You are offline</Trans>} actions={[again, leave]}>
            <Trans>Your place is kept. The film goes on by itself when the connection is back.</Trans>
          </Notice>
        );
      case 'network':
        return (
          <Notice title={<Trans>The film stopped coming</Trans>} actions={[again, leave]}>
            <Trans>The cinema does not answer at the moment. Your place is kept.</Trans>
          </Notice>
        );
      case 'expired':
        return (
          <Notice title={<Trans>The link to the film has ended</Trans>} actions={[again, leave]}>
            <Trans>A new one was refused. Your place is kept; you may have to sign in again.</Trans>
          </Notice>
        );
      case 'unsupported':
        return (
          <Notice title={<Trans>This browser cannot play the film</Trans>} actions={[leave]}>
            <Trans>Open the cinema in a newer browser. Your place is kept.</Trans>
          </Notice>
        );
      case 'broken':
        return (
          <Notice title={<Trans>The film’s file is damaged</Trans>} actions={[again, leave]}>
            <Trans>It could not be played from here on. Whoever manages this cinema can upload it again. Your place is kept.</Trans>
          </Notice>
        );
    }
  }
  if (blocked) {
    return (
      <div className="absolute inset-0 grid place-items-center">
        <button
          type="button"
          onClick={() => player.play()}
          className="flex items-center gap-3 rounded-full bg-accent px-8 py-4 text-lg font-medium text-accent-ink hover:bg-accent-hover"
        >
          <Icon name="play" size={28} />
          <Trans>Play</Trans>
        </button>
      </div>
    );
  }
  if (slow) {
    const lowest = levels[levels.length - 1];
    return (
      <div role="status" className="absolute inset-x-0 top-1/2 mt-12 flex flex-col items-center gap-3 px-4 text-center text-sm text-white">
        <span className="rounded-sm bg-black/70 px-3 py-1.5">
          <Trans>The connection is slow. The film goes on as soon as enough has come.</Trans>
        </span>
        {lowest && level !== lowest.id && levels.length > 1 && (
          <Button onClick={() => player.setLevel(lowest.id)}>
            <Trans>Go on in {lowest.height}p</Trans>
          </Button>
        )}
      </div>
    );
  }
  return null;
}

interface NoticeProps {
  icon?: 'offline' | 'alert';
  title: ReactNode;
  children: ReactNode;
  actions: ReactNode[];
}

function Notice({ icon = 'alert', title, children, actions }: NoticeProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.querySelector('button')?.focus(), []);
  return (
    <div className="absolute inset-0 grid place-items-center bg-black/80 px-6">
      <div ref={box} role="alert" className="flex max-w-md flex-col items-start gap-3 text-white">
        <Icon name={icon} size={28} className="text-warn" />
        <h2 className="text-lg font-semibold">{title}</h2>
        <p className="text-sm text-white/80">{children}</p>
        <div className="mt-3 flex flex-wrap gap-3">{actions}</div>
      </div>
    </div>
  );
}
