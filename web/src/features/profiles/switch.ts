import { graphql } from '~/gql/gql';
import { execute } from '~/lib/api/transport';
import { flushed } from '~/lib/events/record';
import { alone, enter, freshToken, tellTabs } from '~/lib/session';

const SwitchProfile = graphql(/* GraphQL */ `
  mutation SwitchProfile($input: SwitchProfileInput!) { switchProfile(input: $input) { ...SessionFields } }
`);

/** Goes on as another profile; `pin` where it asks for one. Throws a Fault. */
export async function switchProfile(profileId: string, pin?: string): Promise<void> {
  // What the profile that leaves has just done is its own: it goes out under its name.
  await flushed();
  const token = await freshToken();
  const { switchProfile: payload } = await alone(() => execute(SwitchProfile, { input: { profileId, pin: pin ?? null } }, { token }));
  enter(payload);
  tellTabs();
}
