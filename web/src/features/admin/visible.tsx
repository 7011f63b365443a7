import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import { useClient } from 'urql';
import type { AdminVisibleQuery, TitleStatus } from '~/gql/graphql';
import { Chip } from '~/ui/chip';
import { AdminVisibleDocument } from './title-data';

const everyMs = 300;
const longestMs = 10_000;

type Seen = 'asking' | 'waiting' | 'visible' | 'slow';

/** Follows a saved version until viewers see it: asks every 300 ms, ten seconds at most. */
function useVisible(id: string, version: number, status: TitleStatus): Seen {
  const client = useClient();
  const key = `${id} ${version} ${status}`;
  const [kept, setKept] = useState<{ key: string; seen: Seen }>({ key, seen: 'asking' });
  useEffect(() => {
    if (status !== 'PUBLISHED') return;
    let timer: ReturnType<typeof setTimeout>;
    let gone = false;
    const began = Date.now();
    const ask = async () => {
      const { data } = await client.query(AdminVisibleDocument, { id }, { requestPolicy: 'network-only' }).toPromise();
      if (gone) return;
      if (isVisible(data, version)) return setKept({ key, seen: 'visible' });
      const late = Date.now() - began > longestMs;
      setKept({ key, seen: late ? 'slow' : 'waiting' });
      if (!late) timer = setTimeout(() => void ask(), everyMs);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [client, id, version, status, key]);
  return kept.key === key ? kept.seen : 'asking';
}

const isVisible = (data: AdminVisibleQuery | undefined, version: number) => (data?.titleRecord?.title?.version ?? -1) >= version;

/** saved → indexed → visible, as three words of which the reached ones are lit. */
export function VisibleChips({ id, version, status, dirty }: { id: string; version: number; status: TitleStatus; dirty: boolean }) {
  const { t } = useLingui();
  const seen = useVisible(id, version, status);
  const done = seen === 'visible';
  return (
    <div role="status" aria-label={t`State of the last change`} className="flex flex-wrap items-center gap-1.5">
      {dirty ? (
        <Chip tone="warn">
          <Trans>Not saved yet</Trans>
        </Chip>
      ) : (
        <Chip tone="ok">
          <Trans>Saved</Trans>
        </Chip>
      )}
      {status === 'PUBLISHED' && !dirty && (
        <>
          <span aria-hidden className="text-text-3">
            →
          </span>
          <Chip tone={done ? 'ok' : seen === 'slow' ? 'warn' : 'plain'}>
            {done ? <Trans>Indexed</Trans> : seen === 'slow' ? <Trans>Not indexed yet</Trans> : <Trans>Indexing…</Trans>}
          </Chip>
          {done && (
            <>
              <span aria-hidden className="text-text-3">
                →
              </span>
              <Chip tone="ok">
                <Trans>Visible</Trans>
              </Chip>
            </>
          )}
        </>
      )}
    </div>
  );
}
