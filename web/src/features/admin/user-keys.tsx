import { Trans, useLingui } from '@lingui/react/macro';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { orThrow } from '~/lib/fresh';
import { Button } from '~/ui/button';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { LoadError, RowsSkeleton } from './page';
import { useMoment, useRightsFault } from './rights';

const KeysDocument = graphql(/* GraphQL */ `
  query AdminUserKeys($id: ID!) {
    user(id: $id) { id apiKeys { keys { id name hint scopes expiresAt usedAt } } }
  }
`);
const RevokeKey = graphql(/* GraphQL */ `
  mutation RevokeUserKey($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { revokedId } }
`);

/** The keys by which programs act for the account. */
export function UserKeys({ id, writes }: { id: string; writes: boolean }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const moment = useMoment();
  const [{ data, error }, again] = useQuery({ query: KeysDocument, variables: { id }, requestPolicy: 'cache-and-network' });
  const [{ fetching }, revoke] = useMutation(RevokeKey);
  const keys = data?.user?.apiKeys?.keys;
  const reload = () => again({ requestPolicy: 'network-only' });
  const end = async (key: string, name: string) => {
    try {
      orThrow(await revoke({ input: { id: key } }));
      toast(t`The key ${name} is revoked.`);
    } catch (caught) {
      toast(words(caught), { tone: 'danger' });
    }
    reload();
  };
  if (!keys) return error ? <LoadError what={<Trans>The API keys could not be loaded</Trans>} error={error} again={reload} /> : <RowsSkeleton rows={1} />;
  if (keys.length === 0)
    return (
      <p className="text-sm text-text-3">
        <Trans>None.</Trans>
      </p>
    );
  return (
    <ul className="divide-y divide-line rounded-md border border-line">
      {keys.map((key) => (
        <li key={key.id} className="flex flex-wrap items-center gap-x-4 px-4 py-2 text-sm">
          <div className="min-w-48 flex-1">
            <div className="font-medium break-words">
              {key.name} <code className="font-mono font-normal text-text-3">{key.hint}…</code>
            </div>
            <div className="text-text-3">
              {[t`Until ${moment(key.expiresAt)}`, key.usedAt ? t`Last used ${moment(key.usedAt)}` : t`Never used`, key.scopes.join(', ')].filter(Boolean).join(' · ')}
            </div>
          </div>
          {writes && (
            <Button size="sm" variant="ghost" icon={icons.trash} busy={fetching} aria-label={t`Revoke ${key.name}`} onClick={() => void end(key.id, key.name)}>
              <Trans>Revoke</Trans>
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}
