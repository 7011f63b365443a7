import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import { toFault, useFaultText } from '~/lib/faults';
import { noteUser, type Profile } from '~/lib/session';
import type { Avatar as AvatarName } from '~/gql/graphql';
import { Avatar } from '~/ui/avatar';
import { Button } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Dialog } from '~/ui/dialog';
import { Checkbox, Field, Input, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { AvatarField } from './avatar-field';

/* Profiles are few: every change returns the whole account, and the session takes it over. */
export const AccountFields = graphql(/* GraphQL */ `
  fragment Account on User {
    id
    login
    name
    permissions
    profiles { id name colour avatar locale child ageLimit hasPin }
  }
`);

const CreateProfile = graphql(/* GraphQL */ `
  mutation CreateProfile($input: CreateProfileInput!) { createProfile(input: $input) { user { ...Account } } }
`);
const UpdateProfile = graphql(/* GraphQL */ `
  mutation UpdateProfile($input: UpdateProfileInput!) { updateProfile(input: $input) { user { ...Account } } }
`);
const DeleteProfile = graphql(/* GraphQL */ `
  mutation DeleteProfile($input: DeleteProfileInput!) { deleteProfile(input: $input) { user { ...Account } } }
`);

/** Colours that stand apart for most eyes, and names for those who do not see them. */
const colours = ['#d9704f', '#d9a441', '#7fa650', '#3f9c8f', '#4f8fd9', '#7d6fd0', '#c05f9c', '#8a8f98'] as const;

const ages = [0, 6, 12, 16, 18] as const;

interface Props {
  /** Null makes a new one. */
  profile: Profile | null;
  /** The last profile cannot be deleted. */
  last: boolean;
  /** The profile that is watching cannot be deleted from under itself. */
  current: boolean;
  /** How many profiles there are: the next one gets the next colour. */
  nth: number;
  onClose: () => void;
  /** Asks for the PIN's own dialog. */
  onPin: () => void;
}

export function ProfileDialog({ profile, last, current, nth, onClose, onPin }: Props) {
  const { t } = useLingui();
  const words = useFaultText();
  const [, create] = useMutation(CreateProfile);
  const [, update] = useMutation(UpdateProfile);
  const [, remove] = useMutation(DeleteProfile);
  const [name, setName] = useState(profile?.name ?? '');
  const [colour, setColour] = useState<string>(profile?.colour ?? colours[nth % colours.length]!);
  const [locale, setLocale] = useState(profile?.locale ?? '');
  const [avatar, setAvatar] = useState<AvatarName>(profile?.avatar ?? 'LETTER');
  const [child, setChild] = useState(profile?.child ?? false);
  const [age, setAge] = useState(profile?.ageLimit ?? 12);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const palette: readonly string[] = (colours as readonly string[]).includes(colour) ? colours : [colour, ...colours];

  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) {
      setError(t`Enter a name.`);
      input.current?.focus();
      return;
    }
    setBusy(true);
    const values = { name: name.trim(), colour, avatar, locale: locale || null, child, ...(child ? { ageLimit: age } : {}) };
    const result = profile ? await update({ input: { id: profile.id, ...values } }) : await create({ input: values });
    setBusy(false);
    if (result.error) {
      setError(words(toFault(result.error)));
      return;
    }
    const data = result.data;
    const user = data && ('createProfile' in data ? data.createProfile.user : data.updateProfile.user);
    if (user) noteUser(user);
    onClose();
  };

  const drop = async () => {
    if (!profile) return;
    // A profile does not come back: its list and places go with it. So this one asks.
    if (!sure) {
      setSure(true);
      return;
    }
    setBusy(true);
    const { data, error: failed } = await remove({ input: { id: profile.id } });
    setBusy(false);
    if (failed) {
      setError(words(toFault(failed)));
      return;
    }
    if (data) noteUser(data.deleteProfile.user);
    toast(t`The profile “${profile.name}” is deleted.`);
    onClose();
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={profile ? <Trans>Edit the profile</Trans> : <Trans>New profile</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          {profile && !last && !current && !profile.hasPin && (
            <Button variant={sure ? 'danger' : 'ghost'} icon={icons.trash} onClick={() => void drop()} className="mr-auto">
              {sure ? <Trans>Delete with its list and history</Trans> : <Trans>Delete</Trans>}
            </Button>
          )}
          <Button type="submit" form="profile" variant="primary" busy={busy}>
            {profile ? <Trans>Save</Trans> : <Trans>Add</Trans>}
          </Button>
        </>
      }
    >
      <form id="profile" noValidate onSubmit={(event) => void save(event)} className="flex flex-col gap-5">
        <div className="flex items-end gap-4">
          <Avatar name={name || '?'} colour={colour} avatar={avatar} size={44} />
          <Field label={t`Name`} error={error} className="flex-1">
            {(control) => (
              <Input {...control} ref={input} value={name} onChange={(event) => setName(event.target.value)} maxLength={40} autoComplete="off" />
            )}
          </Field>
        </div>
        <AvatarField name={name} colour={colour} value={avatar} onChange={setAvatar} />
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium text-text-2">
            <Trans>Colour</Trans>
          </legend>
          <div className="flex flex-wrap gap-1">
            {palette.map((c, i) => (
              <label key={c} className="grid size-11 cursor-pointer place-items-center">
                <input type="radio" name="colour" value={c} checked={c === colour} onChange={() => setColour(c)} className="peer sr-only" aria-label={t`Colour ${i + 1}`} />
                <span
                  className={cx(
                    'size-8 rounded-md peer-checked:outline-2 peer-checked:outline-offset-2 peer-checked:outline-text-1 peer-focus-visible:ring-2 peer-focus-visible:ring-focus peer-focus-visible:ring-offset-4 peer-focus-visible:ring-offset-surface-1',
                  )}
                  style={{ background: c }}
                />
              </label>
            ))}
          </div>
        </fieldset>
        <Field label={t`Language`}>
          {(control) => (
            <Select {...control} value={locale} onChange={(event) => setLocale(event.target.value)}>
              <option value="">{t`As the browser`}</option>
              <option value="ru" lang="ru">
                Русский
              </option>
              <option value="en" lang="en">
                English
              </option>
            </Select>
          )}
        </Field>
        <Checkbox label={<Trans>A child’s profile: only titles for children</Trans>} checked={child} onChange={(event) => setChild(event.target.checked)} />
        {child && (
          <Field label={t`Age limit`} hint={t`Titles with a higher rating, and those without one, are not there for this profile.`}>
            {(control) => (
              <Select {...control} value={age} onChange={(event) => setAge(Number(event.target.value))}>
                {ages.map((a) => (
                  <option key={a} value={a}>{`${a}+`}</option>
                ))}
              </Select>
            )}
          </Field>
        )}
        {profile && (
          <div className="flex items-center justify-between gap-4 border-t border-line pt-5">
            <div className="text-sm">
              <div className="font-medium">PIN</div>
              <div className="text-text-3">{profile.hasPin ? t`Asked for when someone goes on as this profile.` : t`Anyone at this device can go on as this profile.`}</div>
            </div>
            <Button onClick={onPin}>{profile.hasPin ? t`Change or take away` : t`Set a PIN`}</Button>
          </div>
        )}
      </form>
    </Dialog>
  );
}
