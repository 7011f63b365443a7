import { graphql } from '~/gql/gql';
import { execute, Fault } from '~/lib/api/transport';
import { flushed } from '~/lib/events/record';
import { alone, enter, freshToken, tellTabs } from '~/lib/session';

const SwitchProfile = graphql(/* GraphQL */ `
  mutation SwitchProfile($input: SwitchProfileInput!) { switchProfile(input: $input) { ...SessionFields } }
`);

/** Too many wrong PINs: the next is looked at after so many seconds. */
export class TooSoon extends Fault {
  constructor(
    fault: Fault,
    readonly seconds: number,
  ) {
    super(fault.code, fault.message, fault.field, fault.reason);
  }
}

/** Goes on as another profile; `pin` where it asks for one. Throws a Fault. */
export async function switchProfile(profileId: string, pin?: string): Promise<void> {
  // What the profile that leaves has just done is its own: it goes out under its name.
  await flushed();
  const token = await freshToken();
  let seconds = 0;
  const asking: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    seconds = Number(response.headers.get('retry-after'));
    return response;
  };
  try {
    const { switchProfile: payload } = await alone(() =>
      execute(SwitchProfile, { input: { profileId, pin: pin ?? null } }, { token, fetch: asking }),
    );
    enter(payload);
  } catch (error) {
    throw error instanceof Fault && seconds > 0 ? new TooSoon(error, seconds) : error;
  }
  tellTabs();
}
