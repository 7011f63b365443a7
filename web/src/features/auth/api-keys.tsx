import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { ApiKeysQuery } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { orThrow, whenFresh } from '~/lib/fresh';
import { localeStore } from '~/lib/i18n';
import { useStore } from '~/lib/store';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Checkbox, Field, Input, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { Skeleton } from '~/ui/skeleton';
import { toast } from '~/ui/toast';

const ApiKeysDocument = graphql(/* GraphQL */ `
  query ApiKeys {
    me { id apiKeys { most grantable keys { id name hint scopes createdAt expiresAt usedAt } } }
  }
`);
const CreateApiKey = graphql(/* GraphQL */ `
  mutation CreateApiKey($input: CreateApiKeyInput!) { createApiKey(input: $input) { key apiKey { id } } }
`);
const RevokeApiKey = graphql(/* GraphQL */ `
  mutation RevokeApiKey($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { revokedId } }
`);

type ApiKey = NonNullable<ApiKeysQuery['me']['apiKeys']>['keys'][number];

/** Keys by which programs act for the account. */
export default function ApiKeys() {
  const { t } = useLingui();
  const words = useKeyWords();
  const [{ data, error }, again] = useQuery({ query: ApiKeysDocument, requestPolicy: 'cache-and-network' });
  const [, revoke] = useMutation(RevokeApiKey);
  const [ending, setEnding] = useState<string>();
  const [making, setMaking] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const all = data?.me.apiKeys;
  const reload = () => again({ requestPolicy: 'network-only' });

  const end = async (key: ApiKey) => {
    setEnding(key.id);
    const result = await revoke({ input: { id: key.id } });
    setEnding(undefined);
    if (result.error) toast(words(result.error), { tone: 'danger' });
    else {
      toast(t`The key ${key.name} is revoked.`);
      heading.current?.focus(); // the button that had it is gone
    }
    reload();
  };

  return (
    <section className="mt-12" aria-labelledby="api-keys">
      <h2 id="api-keys" ref={heading} tabIndex={-1} className="text-lg font-semibold tracking-tight">
        <Trans>API keys</Trans>
      </h2>
      <p className="mt-1 mb-4 text-sm text-text-2">
        <Trans>For programs that use the cinema in your name. A key may never do more than you may, and nothing with accounts and sign-ins.</Trans>
      </p>
      {!all ? (
        error ? (
          <div role="alert" className="flex flex-wrap items-center gap-4 rounded-md border border-line p-4 text-sm">
            <span className="flex-1">{words(error)}</span>
            <Button size="sm" icon={icons.restart} onClick={reload}>
              <Trans>Try again</Trans>
            </Button>
          </div>
        ) : (
          <Skeleton className="h-24 w-full" />
        )
      ) : all.keys.length > 0 ? (
        <ul className="divide-y divide-line rounded-md border border-line">
          {all.keys.map((key) => (
            <Row key={key.id} apiKey={key} busy={ending === key.id} end={() => void end(key)} />
          ))}
        </ul>
      ) : (
        <p className="rounded-md border border-line p-4 text-sm text-text-3">
          <Trans>There is no key yet.</Trans>
        </p>
      )}
      {all &&
        (all.keys.length < all.most ? (
          <Button className="mt-4" icon="plus" onClick={() => setMaking(true)}>
            <Trans>Make a key</Trans>
          </Button>
        ) : (
          <p className="mt-4 text-sm text-text-3">
            <Trans>{all.most} keys are the most an account can have.</Trans>
          </p>
        ))}
      {making && all && (
        <MakeDialog
          grantable={all.grantable}
          onMade={reload}
          onClose={() => {
            setMaking(false);
            reload();
          }}
        />
      )}
    </section>
  );
}

function Row({ apiKey, busy, end }: { apiKey: ApiKey; busy: boolean; end: () => void }) {
  const { t } = useLingui();
  const may = useScopeText();
  const locale = useStore(localeStore);
  const day = (at: string) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(at));
  const moment = (at: string) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));
  const ended = new Date(apiKey.expiresAt) <= new Date();
  return (
    <li className="flex flex-wrap items-center gap-4 p-4">
      <div className="min-w-48 flex-1">
        <div className="font-medium break-words">
          {apiKey.name} <code className="font-mono text-sm font-normal text-text-3">{apiKey.hint}…</code>
        </div>
        <div className="text-sm text-text-3">
          <span className={ended ? 'text-danger' : undefined}>{ended ? t`Ended ${day(apiKey.expiresAt)}` : t`Ends ${day(apiKey.expiresAt)}`}</span>
          {' · '}
          {apiKey.usedAt ? t`Last used ${moment(apiKey.usedAt)}` : t`Never used`}
        </div>
        <div className="mt-1 text-sm text-text-2">{[t`Browse and watch`, ...apiKey.scopes.map(may)].join(', ')}</div>
      </div>
      <Button variant="ghost" icon={icons.trash} busy={busy} onClick={end} aria-label={t`Revoke ${apiKey.name}`}>
        <Trans>Revoke</Trans>
      </Button>
    </li>
  );
}

interface MakeProps {
  grantable: readonly string[];
  onMade: () => void;
  onClose: () => void;
}

function MakeDialog({ grantable, onMade, onClose }: MakeProps) {
  const { t } = useLingui();
  const words = useKeyWords();
  const may = useScopeText();
  const input = useRef<HTMLInputElement>(null);
  const [, create] = useMutation(CreateApiKey);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<{ name?: string; all?: string }>({});
  const [made, setMade] = useState<string>();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const name = String(data.get('name')).trim();
    if (!name) {
      setFailed({ name: t`Give it a name.` });
      return input.current?.focus();
    }
    const expiresAt = new Date(Date.now() + Number(data.get('days')) * 86_400_000).toISOString();
    setBusy(true);
    setFailed({});
    try {
      const result = await whenFresh(async () => orThrow(await create({ input: { name, expiresAt, scopes: data.getAll('scope').map(String) } })));
      if (result?.data) {
        setMade(result.data.createApiKey.key);
        onMade();
      }
    } catch (error) {
      if (toFault(error).field === 'input.name') {
        setFailed({ name: words(error) });
        input.current?.focus();
      } else setFailed({ all: words(error) });
    }
    setBusy(false);
  };

  if (made) return <Made apiKey={made} onClose={onClose} />;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>Make a key</Trans>}
      closeLabel={t`Close`}
      footer={
        <Button type="submit" form="make-key" variant="primary" busy={busy}>
          <Trans>Make the key</Trans>
        </Button>
      }
    >
      <form id="make-key" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <Field label={t`Name`} hint={t`What it is for, such as the program that gets it.`} error={failed.name}>
          {(control) => <Input {...control} ref={input} name="name" maxLength={40} autoComplete="off" />}
        </Field>
        <Field label={t`Ends after`}>
          {(control) => (
            <Select {...control} name="days" defaultValue="90">
              <option value="7">{t`7 days`}</option>
              <option value="30">{t`30 days`}</option>
              <option value="90">{t`90 days`}</option>
              <option value="365">{t`A year`}</option>
            </Select>
          )}
        </Field>
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium text-text-2">
            <Trans>What it may</Trans>
          </legend>
          <div className="flex flex-col divide-y divide-line rounded-md border border-line">
            <Checkbox className="px-4 py-2 has-disabled:opacity-60" checked disabled readOnly label={t`Browse and watch`} />
            {grantable.map((scope) => (
              <Checkbox key={scope} className="px-4 py-2" name="scope" value={scope} label={may(scope)} />
            ))}
          </div>
        </fieldset>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {failed.all}
        </div>
      </form>
    </Dialog>
  );
}

/** The key, this once. */
function Made({ apiKey, onClose }: { apiKey: string; onClose: () => void }) {
  const { t } = useLingui();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(apiKey);
      toast(t`The key is copied.`);
    } catch {
      toast(t`The browser did not let the key be copied. Select it.`, { tone: 'danger' });
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>The key is made</Trans>}
      description={<Trans>Copy it now: it is not shown again.</Trans>}
      closeLabel={t`Close`}
      footer={
        <Button variant="primary" onClick={onClose}>
          <Trans>Done</Trans>
        </Button>
      }
    >
      <div className="flex flex-col items-start gap-4">
        <div aria-label={t`API key`} role="textbox" aria-readonly tabIndex={0} className="block w-full rounded-md border border-line bg-surface-0 p-4 font-mono text-sm break-all select-all">
          {apiKey}
        </div>
        {navigator.clipboard && (
          <Button size="sm" onClick={() => void copy()}>
            <Trans>Copy the key</Trans>
          </Button>
        )}
        <p className="text-sm text-text-2">
          <Trans>A program shows it with each request:</Trans> <code className="mt-1 block font-mono break-words">Authorization: Bearer {apiKey.slice(0, 11)}…</code>
        </p>
      </div>
    </Dialog>
  );
}

/** What a permission lets a program do, in a few words. */
function useScopeText(): (scope: string) => string {
  const { t } = useLingui();
  const words: Record<string, string> = {
    'audit:read': t`Read the audit log`,
    'stats:read': t`See the statistics`,
    'title:read': t`See the records of titles`,
    'title:write': t`Change titles`,
    'upload:write': t`Upload files`,
    'user:read': t`See accounts`,
    'user:write': t`Make and delete synthetic viewers`,
  };
  return (scope) => words[scope] ?? scope;
}

function useKeyWords(): (error: unknown) => string {
  const { t } = useLingui();
  const words = useFaultText();
  return (error) => {
    switch (toFault(error).reason) {
      case 'TOO_MANY_API_KEYS':
        return t`This is one key too many. Revoke another one first.`;
      case 'BEYOND_YOURS':
        return t`You may no longer do what the key should. Reload the page.`;
      default:
        return words(error);
    }
  };
}
