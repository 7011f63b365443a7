import { graphql } from '~/gql/gql';
import { execute } from '~/lib/api/transport';
import { makePasskey } from '~/lib/passkeys';
import { enterBy, freshToken } from '~/lib/session';

const BeginTotp = graphql(/* GraphQL */ `
  mutation BeginTotp($input: SetUpInput!) { beginTotp(input: $input) { setUp key url qrCode } }
`);
const AddTotp = graphql(/* GraphQL */ `
  mutation AddTotp($input: AddTotpInput!) { addTotp(input: $input) { recoveryCodes session { ...SessionFields } } }
`);
const DeleteTotp = graphql(/* GraphQL */ `
  mutation DeleteTotp { deleteTotp { factors { recoveryCodes } } }
`);
const BeginPasskey = graphql(/* GraphQL */ `
  mutation BeginPasskey($input: SetUpInput!) { beginPasskey(input: $input) { challenge options } }
`);
const AddPasskey = graphql(/* GraphQL */ `
  mutation AddPasskey($input: AddPasskeyInput!) { addPasskey(input: $input) { recoveryCodes session { ...SessionFields } } }
`);
const RenamePasskey = graphql(/* GraphQL */ `
  mutation RenamePasskey($input: RenamePasskeyInput!) { renamePasskey(input: $input) { factors { recoveryCodes } } }
`);
const DeletePasskey = graphql(/* GraphQL */ `
  mutation DeletePasskey($input: DeletePasskeyInput!) { deletePasskey(input: $input) { factors { recoveryCodes } } }
`);
const MakeRecoveryCodes = graphql(/* GraphQL */ `
  mutation MakeRecoveryCodes { makeRecoveryCodes { recoveryCodes } }
`);

/* Past the cache: what is asked and answered here belongs into no store. A ticket stands for the session that is not there yet. */
const by = async (ticket?: string) => ({ token: ticket ? null : await freshToken() });

export const beginTotp = async (ticket?: string) => (await execute(BeginTotp, { input: { ticket } }, await by(ticket))).beginTotp;

/** What setting a factor up brings: recovery codes, if it was the first, and with a ticket the way in. */
export interface Added {
  codes: readonly string[] | null | undefined;
  enter?: () => Promise<void>;
}

export async function addTotp(setUp: string, code: string, ticket?: string): Promise<Added> {
  const { recoveryCodes, session } = (await execute(AddTotp, { input: { setUp, code, ticket } }, await by(ticket))).addTotp;
  return { codes: recoveryCodes, enter: session ? () => enterBy(() => Promise.resolve(session)) : undefined };
}

export async function addPasskey(ticket?: string): Promise<Added> {
  const call = await by(ticket);
  const { beginPasskey } = await execute(BeginPasskey, { input: { ticket } }, call);
  const made = await makePasskey(beginPasskey);
  const { recoveryCodes, session } = (await execute(AddPasskey, { input: { answer: made, ticket } }, call)).addPasskey;
  return { codes: recoveryCodes, enter: session ? () => enterBy(() => Promise.resolve(session)) : undefined };
}

export const deleteTotp = async () => execute(DeleteTotp, {}, await by());
export const renamePasskey = async (id: string, name: string) => execute(RenamePasskey, { input: { id, name } }, await by());
export const deletePasskey = async (id: string) => execute(DeletePasskey, { input: { id } }, await by());
export const makeRecoveryCodes = async () => (await execute(MakeRecoveryCodes, {}, await by())).makeRecoveryCodes.recoveryCodes ?? [];
