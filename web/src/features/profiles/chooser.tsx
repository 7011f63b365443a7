import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { samePath } from '~/lib/paths';
import { useUser, type Profile } from '~/lib/session';
import { Avatar } from '~/ui/avatar';
import { Brand } from '~/ui/brand';
import { ButtonLink } from '~/ui/button';
import { cx } from '~/ui/cx';
import { icons } from '~/ui/more-icons';
import { PinDialog } from './pin-dialog';
import { switchProfile } from './switch';

/** Which neighbour an arrow key leads to, in a row that wraps. */
const steps: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** "Who is watching?": after a sign-in, and whenever somebody else sits down. `to` has been chosen elsewhere. */
export function Chooser({ next, to }: { next?: string; to?: string }) {
  const { t } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate();
  const { user, profile } = useUser();
  const [asking, setAsking] = useState<Profile | null>(null);
  const [busy, setBusy] = useState<string>();
  const [error, setError] = useState<string>();
  const list = useRef<HTMLUListElement>(null);
  usePageTitle(t`Who is watching?`);

  const leave = () => navigate({ href: samePath(next), replace: true });
  const choose = async (chosen: Profile) => {
    if (busy) return;
    setError(undefined);
    if (chosen.hasPin) {
      setAsking(chosen);
      return;
    }
    setBusy(chosen.id);
    try {
      if (chosen.id !== profile.id) await switchProfile(chosen.id);
      await leave();
    } catch (failed) {
      setError(words(failed));
      setBusy(undefined);
    }
  };
  const begun = useRef(false);
  useEffect(() => {
    const chosen = user.profiles.find((p) => p.id === to);
    if (begun.current) return;
    begun.current = true;
    // Once it was chosen, the page is made anew for it, and leaves.
    if (chosen && chosen.id !== profile.id) queueMicrotask(() => void choose(chosen));
    else list.current?.querySelector<HTMLElement>('[aria-current=true]')?.focus();
    // Once, when the page opens.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  const onKey = (event: KeyboardEvent) => {
    const buttons = Array.from(list.current?.querySelectorAll<HTMLElement>('button') ?? []);
    const at = buttons.indexOf(event.target as HTMLElement);
    const step = steps[event.key];
    const place = event.key === 'Home' ? 0 : event.key === 'End' ? buttons.length - 1 : step === undefined ? undefined : at + step;
    if (at < 0 || place === undefined) return;
    event.preventDefault();
    buttons[(place + buttons.length) % buttons.length]?.focus();
  };

  return (
    <div className="flex min-h-dvh flex-col">
      <header className="gutter flex h-16 items-center">
        <Brand />
      </header>
      <main id="main" tabIndex={-1} className="gutter flex flex-1 flex-col items-center justify-center pb-24">
        <h1 className="mb-8 text-center text-xl font-semibold tracking-tight">
          <Trans>Who is watching?</Trans>
        </h1>
        {/* Arrow keys go from one to the next; Tab does too. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
        <ul ref={list} onKeyDown={onKey} className="flex max-w-3xl flex-wrap justify-center gap-4 sm:gap-6">
          {user.profiles.map((p) => (
            <li key={p.id}>
              <button
                type="button"
                aria-current={p.id === profile.id}
                aria-busy={p.id === busy || undefined}
                onClick={() => void choose(p)}
                className={cx(
                  'flex w-32 flex-col items-center gap-2 rounded-md p-3 transition-colors hover:bg-surface-2 sm:w-36',
                  busy && p.id !== busy && 'opacity-50',
                )}
              >
                <Avatar name={p.name} colour={p.colour} avatar={p.avatar} size={96} />
                <span className="w-full truncate text-center font-medium">{p.name}</span>
                <span className="min-h-5 text-xs text-text-2">
                  {[p.child ? t`Child, up to ${p.ageLimit}` : null, p.hasPin ? t`With a PIN` : null].filter(Boolean).join(' · ')}
                </span>
              </button>
            </li>
          ))}
        </ul>
        <div role="alert" className="mt-6 text-sm text-danger empty:hidden">
          {error}
        </div>
        {!profile.child && (
          <ButtonLink to="/account" variant="ghost" icon={icons.pencil} className="mt-8">
            <Trans>Manage profiles</Trans>
          </ButtonLink>
        )}
      </main>
      {asking && <PinDialog profile={asking} onPin={(pin) => switchProfile(asking.id, pin).then(leave)} onClose={() => setAsking(null)} />}
    </div>
  );
}
