import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { FactorsQuery, TotpSetUp } from '~/gql/graphql';
import { whenFresh } from '~/lib/fresh';
import { localeStore } from '~/lib/i18n';
import { passkeyPlace, type PasskeyPlace } from '~/lib/passkeys';
import { useUser } from '~/lib/session';
import { useStore } from '~/lib/store';
import { Button, IconButton } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { Skeleton } from '~/ui/skeleton';
import { toast } from '~/ui/toast';
import { addPasskey, beginTotp, deletePasskey, deleteTotp, makeRecoveryCodes, renamePasskey, type Added } from './factor-api';
import { useFactorWords } from './factor-words';
import { RecoveryCodes } from './recovery-codes';
import { PasskeyNote } from './sign-in';
import { TotpForm } from './totp-form';

const FactorsDocument = graphql(/* GraphQL */ `
  query Factors {
    me { id factors { totp recoveryCodes required passkeys { id name createdAt usedAt synced here } } }
  }
`);

type Passkey = NonNullable<FactorsQuery['me']['factors']>['passkeys'][number];

/** What the account proves itself with beside its password: passkeys, an app, recovery codes. */
export function Factors() {
  const { t } = useLingui();
  const words = useFactorWords();
  const { user } = useUser();
  const day = useDay();
  const [{ data, error }, again] = useQuery({ query: FactorsDocument, requestPolicy: 'cache-and-network' });
  const [place, setPlace] = useState<PasskeyPlace>();
  const [busy, setBusy] = useState<string>();
  const [setUp, setSetUp] = useState<Pick<TotpSetUp, 'setUp' | 'key' | 'url' | 'qrCode'>>();
  const [codes, setCodes] = useState<readonly string[]>();
  const [renaming, setRenaming] = useState<Passkey>();
  useEffect(() => {
    passkeyPlace().then(setPlace, () => undefined);
  }, []);
  const factors = data?.me.factors;

  /** Does it, asks who is there if need be, and shows what there is then. */
  const act = async (which: string, work: () => Promise<unknown>) => {
    setBusy(which);
    try {
      await whenFresh(work);
    } catch (caught) {
      toast(words(caught), { tone: 'danger' });
    }
    setBusy(undefined);
    again({ requestPolicy: 'network-only' });
  };
  const onAdded = (added: Added, done: string) => {
    setSetUp(undefined);
    if (added.codes) setCodes(added.codes);
    else toast(done);
  };

  if (!factors) {
    if (!error) return <Skeleton className="mt-8 h-40 w-full" />;
    return (
      <div role="alert" className="mt-8 flex flex-wrap items-center gap-4 rounded-md border border-line p-4 text-sm">
        <span className="flex-1">{words(error)}</span>
        <Button size="sm" icon={icons.restart} onClick={() => again({ requestPolicy: 'network-only' })}>
          <Trans>Try again</Trans>
        </Button>
      </div>
    );
  }
  const some = !!factors.totp || factors.passkeys.length > 0;
  return (
    <>
      <h3 className="mt-8 font-medium">
        <Trans>Second factor</Trans>
      </h3>
      <p className="mt-1 mb-3 text-sm text-text-2">
        {some ? (
          <Trans>The password alone does not sign you in: an app, a passkey or a recovery code comes with it.</Trans>
        ) : (
          <Trans>With an app or a passkey, nobody gets in who only knows your password.</Trans>
        )}
      </p>
      <ul className="divide-y divide-line rounded-md border border-line">
        <Row title={<Trans>Authenticator app</Trans>} note={factors.totp ? t`Set up on ${day(factors.totp)}` : t`A code from your phone, without a network`}>
          {factors.totp ? (
            <Button variant="ghost" icon={icons.trash} busy={busy === 'app'} onClick={() => void act('app', deleteTotp)} aria-label={t`Remove the authenticator app`}>
              <Trans>Remove</Trans>
            </Button>
          ) : (
            <Button icon="plus" busy={busy === 'app'} onClick={() => void act('app', async () => setSetUp(await beginTotp()))} aria-label={t`Set up an authenticator app`}>
              <Trans>Set up</Trans>
            </Button>
          )}
        </Row>
        {factors.passkeys.map((passkey) => (
          <Row
            key={passkey.id}
            title={passkey.name}
            note={[
              passkey.here ? t`Passkey` : t`Passkey of another address`,
              passkey.usedAt ? t`last used ${day(passkey.usedAt)}` : t`never used`,
              passkey.synced ? t`on several devices` : '',
            ]
              .filter(Boolean)
              .join(' · ')}
          >
            <IconButton icon={icons.pencil} label={t`Rename ${passkey.name}`} onClick={() => setRenaming(passkey)} />
            <IconButton icon={icons.trash} label={t`Delete ${passkey.name}`} busy={busy === passkey.id} onClick={() => void act(passkey.id, () => deletePasskey(passkey.id))} />
          </Row>
        ))}
        {some && (
          <Row
            title={<Trans>Recovery codes</Trans>}
            note={<Plural value={factors.recoveryCodes} _0="none left" one="# left" other="# left" />}
            danger={factors.recoveryCodes < 3}
          >
            <Button variant="ghost" icon={icons.restart} busy={busy === 'codes'} onClick={() => void act('codes', async () => setCodes(await makeRecoveryCodes()))}>
              <Trans>Make new ones</Trans>
            </Button>
          </Row>
        )}
      </ul>
      {place?.at === 'here' && (
        <Button
          className="mt-4"
          icon="plus"
          busy={busy === 'passkey'}
          onClick={() => void act('passkey', async () => onAdded(await addPasskey(), t`The passkey is added.`))}
        >
          <Trans>Add a passkey</Trans>
        </Button>
      )}
      <PasskeyNote place={place} />
      {setUp && (
        <Dialog open onOpenChange={(open) => !open && setSetUp(undefined)} title={<Trans>Authenticator app</Trans>} closeLabel={t`Close`}>
          <TotpForm
            setUp={setUp}
            onAdded={(added) => {
              onAdded(added, t`The authenticator app is set up.`);
              again({ requestPolicy: 'network-only' });
            }}
          />
        </Dialog>
      )}
      {codes && (
        <Dialog
          open
          onOpenChange={(open) => !open && setCodes(undefined)}
          title={<Trans>Recovery codes</Trans>}
          closeLabel={t`Close`}
          footer={
            <Button variant="primary" onClick={() => setCodes(undefined)}>
              <Trans>I have kept them</Trans>
            </Button>
          }
        >
          <RecoveryCodes codes={codes} login={user.login} />
        </Dialog>
      )}
      {renaming && (
        <RenameDialog
          passkey={renaming}
          onClose={() => {
            setRenaming(undefined);
            again({ requestPolicy: 'network-only' });
          }}
        />
      )}
    </>
  );
}

function Row({ title, note, danger, children }: { title: ReactNode; note: ReactNode; danger?: boolean; children: ReactNode }) {
  return (
    <li className="flex flex-wrap items-center gap-4 p-4">
      <div className="min-w-48 flex-1">
        <div className="font-medium break-words">{title}</div>
        <div className={danger ? 'text-sm text-danger' : 'text-sm text-text-3'}>{note}</div>
      </div>
      <div className="flex gap-2">{children}</div>
    </li>
  );
}

function RenameDialog({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const { t } = useLingui();
  const words = useFactorWords();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get('name')).trim();
    if (!name) return setError(t`Enter a name.`);
    setBusy(true);
    try {
      await renamePasskey(passkey.id, name);
      onClose();
    } catch (caught) {
      setBusy(false);
      setError(words(caught));
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>Rename the passkey</Trans>}
      closeLabel={t`Close`}
      footer={
        <Button type="submit" form="rename-passkey" variant="primary" busy={busy}>
          <Trans>Save</Trans>
        </Button>
      }
    >
      <form id="rename-passkey" noValidate onSubmit={(event) => void submit(event)}>
        <Field label={t`Name`} error={error}>
          {(control) => <Input {...control} name="name" defaultValue={passkey.name} maxLength={40} autoFocus />}
        </Field>
      </form>
    </Dialog>
  );
}

function useDay() {
  const locale = useStore(localeStore);
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
  return (at: string) => format.format(new Date(at));
}
