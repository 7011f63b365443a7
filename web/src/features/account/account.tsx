import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useFaultText } from '~/lib/faults';
import { activate, keepLocale, localeStore, type Locale } from '~/lib/i18n';
import { usePageTitle } from '~/lib/page';
import { signOut, useUser, type Profile } from '~/lib/session';
import { useStore } from '~/lib/store';
import { setTheme, themeStore, type Theme } from '~/lib/theme';
import { Avatar } from '~/ui/avatar';
import { Button, ButtonLink } from '~/ui/button';
import { Field, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { PinForm } from './pin-form';
import { ProfileDialog } from './profile-dialog';

const mostProfiles = 6;

/** `security` is what the auth feature has to say of the account. */
export function AccountPage({ security }: { security: ReactNode }) {
  const { t } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate();
  const { user, profile } = useUser();
  const theme = useStore(themeStore);
  const locale = useStore(localeStore);
  const [pinOf, setPinOf] = useState<Profile | null>(null);
  const [editing, setEditing] = useState<Profile | 'new' | null>(null);
  usePageTitle(t`Account`);

  const leave = async () => {
    try {
      await signOut();
      await navigate({ to: '/signin', search: {} });
    } catch (error) {
      toast(words(error), { tone: 'danger' });
    }
  };

  return (
    <main id="main" tabIndex={-1} className="gutter mx-auto max-w-4xl pt-24 pb-16">
      <h1 className="text-xl font-semibold tracking-tight">
        <Trans>Account</Trans>
      </h1>
      <p className="mt-1 text-sm text-text-2">
        {user.name === user.login ? user.login : `${user.name} · ${user.login}`}
      </p>

      <section className="mt-10" aria-labelledby="profiles">
        <h2 id="profiles" className="text-lg font-semibold tracking-tight">
          <Trans>Profiles</Trans>
        </h2>
        <p className="mt-1 mb-4 text-sm text-text-2">
          <Trans>Each has its own list, ratings and places in films.</Trans>
        </p>
        <ul className="divide-y divide-line rounded-md border border-line">
          {user.profiles.map((p) => (
            <li key={p.id} className="flex flex-wrap items-center gap-4 p-4">
              <Avatar name={p.name} colour={p.colour} avatar={p.avatar} size={44} />
              <div className="min-w-32 flex-1">
                <div className="font-medium">{p.name}</div>
                <div className="text-sm text-text-3">
                  {[p.id === profile.id ? t`Watching now` : null, p.child ? t`Child, up to ${p.ageLimit}` : null, p.hasPin ? t`With a PIN` : null, p.locale === 'ru' ? 'Русский' : p.locale === 'en' ? 'English' : null]
                    .filter(Boolean)
                    .join(' · ')}
                </div>
              </div>
              <div className="flex gap-2">
                {p.id !== profile.id && (
                  <ButtonLink to="/profiles" search={{ to: p.id, next: '/account' }} aria-label={t`Switch to ${p.name}`}>
                    <Trans>Switch</Trans>
                  </ButtonLink>
                )}
                {!profile.child && (
                  <Button variant="ghost" icon={icons.pencil} onClick={() => setEditing(p)} aria-label={t`Edit ${p.name}`}>
                    <Trans>Edit</Trans>
                  </Button>
                )}
              </div>
            </li>
          ))}
        </ul>
        {profile.child ? (
          <p className="mt-4 text-sm text-text-3">
            <Trans>A child’s profile manages neither profiles nor the account. Go on as another profile for that.</Trans>
          </p>
        ) : user.profiles.length < mostProfiles ? (
          <Button className="mt-4" icon="plus" onClick={() => setEditing('new')}>
            <Trans>Add a profile</Trans>
          </Button>
        ) : (
          <p className="mt-4 text-sm text-text-3">
            <Trans>{mostProfiles} profiles are the most an account can have.</Trans>
          </p>
        )}
      </section>

      <section className="mt-12" aria-labelledby="device">
        <h2 id="device" className="mb-4 text-lg font-semibold tracking-tight">
          <Trans>On this device</Trans>
        </h2>
        <div className="grid gap-6 sm:grid-cols-2">
          <Field label={<Trans>Theme</Trans>}>
            {(control) => (
              <Select {...control} value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
                <option value="dark">{t`Dark`}</option>
                <option value="light">{t`Light`}</option>
                <option value="system">{t`As the system`}</option>
              </Select>
            )}
          </Field>
          <Field
            label={<Trans>Language</Trans>}
            hint={profile.locale ? <Trans>The language of this profile is set in the profile itself.</Trans> : undefined}
          >
            {(control) => (
              <Select
                {...control}
                value={locale}
                disabled={!!profile.locale}
                onChange={(event) => {
                  const next = event.target.value as Locale;
                  keepLocale(next);
                  void activate(next);
                }}
              >
                <option value="ru" lang="ru">
                  Русский
                </option>
                <option value="en" lang="en">
                  English
                </option>
              </Select>
            )}
          </Field>
        </div>
      </section>

      {!profile.child && security}

      <section className="mt-12 border-t border-line pt-8">
        <Button icon="out" onClick={() => void leave()}>
          <Trans>Sign out</Trans>
        </Button>
      </section>

      {editing && (
        <ProfileDialog
          key={editing === 'new' ? 'new' : editing.id}
          profile={editing === 'new' ? null : editing}
          nth={user.profiles.length}
          last={user.profiles.length === 1}
          current={editing !== 'new' && editing.id === profile.id}
          onClose={() => setEditing(null)}
          onPin={() => {
            setPinOf(editing === 'new' ? null : editing);
            setEditing(null);
          }}
        />
      )}
      {pinOf && <PinForm profile={pinOf} login={user.login} onClose={() => setPinOf(null)} />}
    </main>
  );
}
