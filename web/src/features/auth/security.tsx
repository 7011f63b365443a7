import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { DevicesQuery, SignInsQuery } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { localeStore } from '~/lib/i18n';
import { useUser } from '~/lib/session';
import { useStore } from '~/lib/store';
import { usePages } from '~/lib/use-pages';
import { Button } from '~/ui/button';
import { icons } from '~/ui/more-icons';
import { Skeleton } from '~/ui/skeleton';
import { toast } from '~/ui/toast';
import { ConfirmHost } from './confirm-host';
import { Email } from './email';
import { Factors } from './factors';
import { Linked } from './linked';
import { PasswordDialog } from './password-dialog';
import { useOwnWays } from './provider-api';

const DevicesDocument = graphql(/* GraphQL */ `
  query Devices {
    me { id sessions { id current createdAt usedAt client { kind browser system address network } } }
  }
`);
const SignInsDocument = graphql(/* GraphQL */ `
  query SignIns($first: Int!, $after: String) {
    me {
      id
      signIns(first: $first, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges { cursor node { at method outcome provider client { kind browser system address network } } }
      }
    }
  }
`);
const EndSession = graphql(/* GraphQL */ `
  mutation EndSession($input: EndSessionInput!) { endSession(input: $input) { ended user { id sessions { id } } } }
`);
const EndSessions = graphql(/* GraphQL */ `
  mutation EndSessions($input: EndSessionsInput!) { endSessions(input: $input) { ended user { id sessions { id } } } }
`);

type Session = DevicesQuery['me']['sessions'][number];
type Client = Session['client'];
type SignIn = SignInsQuery['me']['signIns']['edges'][number]['node'];

/** The password, the devices that are signed in, and who tried to. */
export function Security() {
  const { t } = useLingui();
  const { user } = useUser();
  const [changing, setChanging] = useState(false);
  const has = useOwnWays().ways?.password ?? true;
  const history = usePages(SignInsDocument, { first: 10 }, (data: SignInsQuery) => data.me.signIns);
  return (
    <section className="mt-12" aria-labelledby="security">
      <h2 id="security" className="mb-4 text-lg font-semibold tracking-tight">
        <Trans>Security</Trans>
      </h2>
      <Button icon={icons.pencil} onClick={() => setChanging(true)}>
        {has ? <Trans>Change the password</Trans> : <Trans>Set a password</Trans>}
      </Button>
      <Email />
      <Factors />
      <Linked />
      <Devices />
      <h3 className="mt-8 mb-3 font-medium">
        <Trans>Sign-ins</Trans>
      </h3>
      {history.error && history.nodes.length === 0 ? (
        <Failed error={history.error} again={history.again} />
      ) : history.loading && history.nodes.length === 0 ? (
        <Skeleton className="h-24 w-full" />
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {history.nodes.map((entry, i) => (
            <Entry key={`${entry.at} ${i}`} entry={entry} />
          ))}
        </ul>
      )}
      {history.hasMore && (
        <Button className="mt-4" variant="ghost" busy={history.loading} onClick={history.more}>
          <Trans>Show more</Trans>
        </Button>
      )}
      <ConfirmHost />
      {changing && <PasswordDialog first={!has} login={user.login} onClose={() => setChanging(false)} closeLabel={t`Close`} />}
    </section>
  );
}

function Devices() {
  const words = useFaultText();
  const { t } = useLingui();
  const [{ data, error }, again] = useQuery({ query: DevicesDocument, requestPolicy: 'cache-and-network' });
  const [{ fetching: endingAll }, endAll] = useMutation(EndSessions);
  const [, end] = useMutation(EndSession);
  const [ending, setEnding] = useState<string>();
  const sessions = data?.me.sessions;

  const finish = async (session: Session) => {
    setEnding(session.id);
    const result = await end({ input: { id: session.id } });
    setEnding(undefined);
    if (result.error) toast(words(toFault(result.error)), { tone: 'danger' });
    again({ requestPolicy: 'network-only' });
  };
  const finishAll = async () => {
    const result = await endAll({ input: {} });
    const n = result.data?.endSessions.ended;
    if (result.error) toast(words(toFault(result.error)), { tone: 'danger' });
    else toast(n === 0 ? t`No other device was signed in.` : t`The other devices are signed out.`);
    again({ requestPolicy: 'network-only' });
  };

  return (
    <>
      <h3 className="mt-8 mb-3 font-medium">
        <Trans>Devices that are signed in</Trans>
      </h3>
      {!sessions ? (
        error ? <Failed error={error} again={() => again({ requestPolicy: 'network-only' })} /> : <Skeleton className="h-24 w-full" />
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {sessions.map((session) => (
            <Device key={session.id} session={session} busy={ending === session.id} end={() => void finish(session)} />
          ))}
        </ul>
      )}
      {sessions && sessions.length > 1 && (
        <Button className="mt-4" icon="out" busy={endingAll} onClick={() => void finishAll()}>
          <Plural value={sessions.length - 1} one="Sign out the other device" other="Sign out # other devices" />
        </Button>
      )}
    </>
  );
}

function Device({ session, busy, end }: { session: Session; busy: boolean; end: () => void }) {
  const { t } = useLingui();
  const moment = useMoment();
  const name = useClientName()(session.client);
  const network = useNetwork()(session.client);
  return (
    <li className="flex flex-wrap items-center gap-4 p-4">
      <div className="min-w-48 flex-1">
        <div className="font-medium">{name}</div>
        <div className="text-sm text-text-3">
          {[session.current ? t`This device` : t`Last used ${moment(session.usedAt)}`, network].filter(Boolean).join(' · ')}
        </div>
      </div>
      {!session.current && (
        <Button variant="ghost" icon="out" busy={busy} onClick={end} aria-label={t`Sign out ${name}`}>
          <Trans>Sign out</Trans>
        </Button>
      )}
    </li>
  );
}

function Entry({ entry }: { entry: SignIn }) {
  const moment = useMoment();
  const name = useClientName()(entry.client);
  const network = useNetwork()(entry.client);
  const failed = entry.outcome !== 'SUCCEEDED';
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-1 p-4">
      <div className="min-w-48 flex-1">
        <div className={failed ? 'font-medium text-danger' : 'font-medium'}>
          {entry.outcome === 'WRONG_PASSWORD' ? (
            <Trans>Wrong password</Trans>
          ) : entry.outcome === 'BLOCKED' ? (
            <Trans>Refused: the account is blocked</Trans>
          ) : entry.outcome === 'SECOND_FACTOR_DUE' ? (
            entry.provider ? (
              <Trans>Vouched for by {entry.provider}, no second factor</Trans>
            ) : (
              <Trans>Right password, no second factor</Trans>
            )
          ) : entry.outcome === 'WRONG_FACTOR' ? (
            entry.method.endsWith('PASSKEY') ? (
              <Trans>Wrong passkey</Trans>
            ) : entry.provider ? (
              <Trans>Vouched for by {entry.provider}, wrong code</Trans>
            ) : (
              <Trans>Right password, wrong code</Trans>
            )
          ) : entry.method === 'SIGN_UP' ? (
            entry.provider ? (
              <Trans>Account made with {entry.provider}</Trans>
            ) : (
              <Trans>Account made</Trans>
            )
          ) : entry.method === 'PROVIDER' ? (
            <Trans>Signed in with {entry.provider}</Trans>
          ) : entry.provider ? (
            <Trans>Signed in with {entry.provider} and a second factor</Trans>
          ) : entry.method === 'PASSKEY' ? (
            <Trans>Signed in with a passkey</Trans>
          ) : entry.method === 'PASSWORD_AND_RECOVERY_CODE' ? (
            <Trans>Signed in with a recovery code</Trans>
          ) : entry.method !== 'PASSWORD' ? (
            <Trans>Signed in with a second factor</Trans>
          ) : (
            <Trans>Signed in</Trans>
          )}
        </div>
        <div className="text-sm text-text-3">{[name, network].filter(Boolean).join(' · ')}</div>
      </div>
      <time dateTime={entry.at} className="text-sm text-text-2 tabular-nums">
        {moment(entry.at)}
      </time>
    </li>
  );
}

function Failed({ error, again }: { error: unknown; again: () => void }) {
  const words = useFaultText();
  return (
    <div role="alert" className="flex flex-wrap items-center gap-4 rounded-md border border-line p-4 text-sm">
      <span className="flex-1">{words(error)}</span>
      <Button size="sm" icon={icons.restart} onClick={again}>
        <Trans>Try again</Trans>
      </Button>
    </div>
  );
}

function useMoment() {
  const locale = useStore(localeStore);
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  return (at: string) => format.format(new Date(at));
}

function useClientName() {
  const { t } = useLingui();
  return ({ browser, system, kind }: Client) => {
    if (browser && system) return t`${browser} on ${system}`;
    if (browser || system) return browser || system;
    return kind === 'OTHER' ? t`A program` : t`An unknown device`;
  };
}

function useNetwork() {
  const { t } = useLingui();
  return ({ network, address }: Client) => {
    switch (network) {
      case 'THIS_MACHINE':
        return t`on the cinema’s own machine`;
      case 'LOCAL':
        return t`home network, ${address}`;
      case 'INTERNET':
        return t`internet, ${address}`;
      default:
        return '';
    }
  };
}
