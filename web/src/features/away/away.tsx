import { Trans, useLingui } from '@lingui/react/macro';
import { useLocation } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { askAgain, standing } from '~/lib/standing';
import { useStore } from '~/lib/store';
import { Icon } from '~/ui/icon';

/** An answer that is old once may be the next one's no more: nothing is said before one was asked again. */
const sureMs = 3_000;
const firstMs = 1_500;
const lastMs = 60_000;
/** What was kept of the time when a part was away is gone by then, in the server too. */
const settleMs = 1_000;

/** Asks one of what failed again, less and less often; and once it is answered, all the others. */
function startAsking(): () => void {
  let wait = firstMs;
  let timer: ReturnType<typeof setTimeout>;
  const later = () => {
    timer = setTimeout(() => {
      askAgain();
      wait = Math.min(lastMs, wait * 2);
      later();
      // Not all viewers at the same moment.
    }, wait * (0.75 + Math.random() / 2));
  };
  let settling: ReturnType<typeof setTimeout> | undefined;
  let { returned } = standing.get();
  const stop = standing.subscribe(() => {
    const now = standing.get();
    if (now.returned === returned) return;
    returned = now.returned;
    settling ??= setTimeout(() => {
      settling = undefined;
      askAgain(true);
    }, settleMs);
  });
  later();
  return () => {
    stop();
    clearTimeout(timer);
    clearTimeout(settling);
  };
}

/** Says what is missing while a part of the cinema is away, and goes when it is back. It is there only meanwhile. */
export default function Away() {
  const { t } = useLingui();
  const since = useStore(standing, (s) => s.since);
  const keeping = useStore(standing, (s) => s.keeping);
  const path = useLocation({ select: (l) => l.pathname });
  useEffect(startAsking, []);
  const [sure, setSure] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSure(true), sureMs);
    return () => clearTimeout(timer);
  }, []);
  const about = `${since ? 'since' : ''} ${keeping ? 'keeping' : ''}`;
  const [closed, setClosed] = useState('');
  // The player has words of its own: this would lie over its controls.
  if (!sure || about === ' ' || closed === about || path.startsWith('/watch/')) return null;
  const Words = path.startsWith('/admin') ? ForAdmins : ForViewers;
  return (
    <div className="fixed inset-x-0 bottom-0 z-[55] flex items-center justify-center gap-3 border-t border-line bg-surface-2 py-1 pr-2 pl-4 text-sm">
      <Icon name="info" size={18} className="shrink-0 text-warn" />
      <div className="flex min-w-0 flex-col gap-1 py-2">
        <Words since={since} keeping={keeping} />
      </div>
      <button
        type="button"
        aria-label={t`Close`}
        onClick={() => setClosed(about)}
        className="grid size-11 shrink-0 place-items-center rounded-md text-text-3 hover:text-text-1"
      >
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}

interface Props {
  since?: string;
  keeping?: boolean;
}

function ForViewers({ since, keeping }: Props) {
  const when = useWhen(since);
  return (
    <>
      {since && (
        <p>
          <Trans>The catalogue is shown as it was {when}. Films play as always; search and what is new come back by themselves.</Trans>
        </p>
      )}
      {keeping && (
        <p>
          <Trans>Where you stopped is kept on this device and will be sent later; “Continue watching” may be behind.</Trans>
        </p>
      )}
    </>
  );
}

function ForAdmins({ since, keeping }: Props) {
  const when = useWhen(since);
  return (
    <>
      {since && (
        <p>
          <Trans>Viewers see the catalogue as it was {when}, and cannot search. Saving works; changes show once the search index is back.</Trans>
        </p>
      )}
      {keeping && (
        <p>
          <Trans>Viewing is not recorded at the moment: browsers keep it and send it later. Saving works.</Trans>
        </p>
      )}
    </>
  );
}

/** “at 14:05”, or with the day if that is another. */
function useWhen(since: string | undefined): string {
  const { t, i18n } = useLingui();
  if (!since) return '';
  const at = new Date(since);
  const time = new Intl.DateTimeFormat(i18n.locale, { hour: '2-digit', minute: '2-digit' }).format(at);
  if (at.toDateString() === new Date().toDateString()) return t`at ${time}`;
  const day = new Intl.DateTimeFormat(i18n.locale, { day: 'numeric', month: 'long' }).format(at);
  return t`on ${day} at ${time}`;
}
