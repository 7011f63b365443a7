import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { askAgain, whenFresh } from '~/lib/fresh';
import { localeStore } from '~/lib/i18n';
import { samePath } from '~/lib/paths';
import { useStore } from '~/lib/store';
import { Button } from '~/ui/button';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { useFactorWords } from './factor-words';
import { beginWith, finishWith, providers, takeReturn, unlink, useOwnWays, type Provider } from './provider-api';

/** The accounts with others that sign in to this one. It is also where a provider's answer to a link or a confirmation comes back to. */
export function Linked() {
  const { t } = useLingui();
  const words = useFactorWords();
  const navigate = useNavigate();
  const locale = useStore(localeStore);
  const { ways, again } = useOwnWays();
  const [all, setAll] = useState<readonly Provider[]>([]);
  const [busy, setBusy] = useState<string>();
  useEffect(() => {
    let gone = false;
    providers().then((found) => !gone && setAll(found), () => undefined);
    return () => {
      gone = true;
    };
  }, []);

  const finish = useRef(async () => {
    const back = takeReturn();
    if (!back) return;
    try {
      const { aim, to, step } = await finishWith(back);
      if (step && !(await askAgain(step))) return;
      again();
      toast(aim === 'LINK' ? t`The accounts are linked.` : t`Confirmed. You have ten minutes for what you wanted to do.`);
      if (samePath(to) !== '/account') await navigate({ href: samePath(to), replace: true });
    } catch (caught) {
      toast(words(caught), { tone: 'danger' });
    }
  });
  useEffect(() => void finish.current(), []);

  const act = async (which: string, work: () => Promise<unknown>) => {
    setBusy(which);
    try {
      await whenFresh(work);
    } catch (caught) {
      toast(words(caught), { tone: 'danger' });
    }
    setBusy(undefined);
    again();
  };
  const identities = ways?.identities ?? [];
  if (all.length === 0 && identities.length === 0) return null;
  const day = (at: string) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(at));
  const open = all.filter((p) => !identities.some((i) => i.providerId === p.id));

  return (
    <section aria-labelledby="linked">
      <h3 id="linked" className="mt-8 font-medium">
        <Trans>Linked accounts</Trans>
      </h3>
      <p className="mt-1 mb-3 text-sm text-text-2">
        <Trans>You can sign in with each of them instead of a password.</Trans>
      </p>
      {identities.length > 0 && (
        <ul className="mb-4 divide-y divide-line rounded-md border border-line">
          {identities.map(({ id, provider, providerId, label, usedAt }) => (
            <li key={id} className="flex flex-wrap items-center gap-4 p-4">
              <div className="min-w-0 flex-1 basis-48">
                <div className="font-medium break-words">{provider}</div>
                <div className="text-sm break-words text-text-3">
                  {[label, providerId ? (usedAt ? t`last used ${day(usedAt)}` : t`never used`) : t`not offered here any more`].filter(Boolean).join(' · ')}
                </div>
              </div>
              <Button variant="ghost" icon={icons.trash} busy={busy === id} onClick={() => void act(id, () => unlink(id))} aria-label={t`Unlink ${provider}`}>
                <Trans>Unlink</Trans>
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div className="flex flex-wrap gap-3">
        {open.map(({ id, name }) => (
          <Button key={id} icon="plus" busy={busy === id} onClick={() => void act(id, () => beginWith(id, 'LINK', '/account'))}>
            <Trans>Link with {name}</Trans>
          </Button>
        ))}
      </div>
    </section>
  );
}
