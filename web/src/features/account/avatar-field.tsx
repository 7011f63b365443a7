import { Trans, useLingui } from '@lingui/react/macro';
import type { Avatar as AvatarName } from '~/gql/graphql';
import { Avatar } from '~/ui/avatar';

interface Props {
  name: string;
  colour: string;
  value: AvatarName;
  onChange: (value: AvatarName) => void;
}

/** The drawings to choose a profile's picture from. */
export function AvatarField({ name, colour, value, onChange }: Props) {
  const { t } = useLingui();
  const words: Record<AvatarName, string> = {
    LETTER: t`First letter`,
    CAT: t`Cat`,
    DOG: t`Dog`,
    FOX: t`Fox`,
    OWL: t`Owl`,
    FISH: t`Fish`,
    ROCKET: t`Rocket`,
    STAR: t`Star`,
    LEAF: t`Leaf`,
    CROWN: t`Crown`,
    ROBOT: t`Robot`,
    GHOST: t`Ghost`,
  };
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium text-text-2">
        <Trans>Picture</Trans>
      </legend>
      <div className="flex flex-wrap gap-1">
        {(Object.keys(words) as AvatarName[]).map((a) => (
          <label key={a} title={words[a]} className="grid size-12 cursor-pointer place-items-center">
            <input type="radio" name="avatar" value={a} checked={a === value} onChange={() => onChange(a)} className="peer sr-only" aria-label={words[a]} />
            <span className="rounded-md peer-checked:outline-2 peer-checked:outline-offset-2 peer-checked:outline-text-1 peer-focus-visible:ring-2 peer-focus-visible:ring-focus peer-focus-visible:ring-offset-4 peer-focus-visible:ring-offset-surface-1">
              <Avatar name={name || '?'} colour={colour} avatar={a} size={36} />
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
