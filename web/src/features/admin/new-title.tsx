import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { TitleKind } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { uuid7 } from '~/lib/uuid7';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input, Select } from '~/ui/field';
import { languages } from './names';

const CreateTitle = graphql(/* GraphQL */ `
  mutation CreateTitle($input: CreateTitleInput!) { createTitle(input: $input) { record { id } } }
`);

/** The least a title needs; the rest is filled in on its page. */
export function NewTitle({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [{ fetching }, create] = useMutation(CreateTitle);
  // Pressed again after an answer that was lost, it makes no second one.
  const [titleUuid, setTitleUuid] = useState(uuid7);
  const [error, setError] = useState<{ name?: string; year?: string; all?: string }>({});

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const name = String(data.get('name')).trim();
    const year = String(data.get('year')).trim();
    const wrong = {
      name: name ? undefined : t`Enter a name.`,
      year: year && !(Number(year) >= 1870 && Number(year) <= 2100) ? t`Enter a year from 1870 to 2100, or none.` : undefined,
    };
    setError(wrong);
    if (wrong.name || wrong.year) {
      form.querySelector<HTMLElement>(wrong.name ? '[name=name]' : '[name=year]')?.focus();
      return;
    }
    const result = await create({
      input: {
        titleUuid,
        kind: String(data.get('kind')) as TitleKind,
        originalName: name,
        originalLanguage: String(data.get('language')) || null,
        year: year ? Number(year) : null,
      },
    });
    if (result.error || !result.data) {
      if (toFault(result.error).code === 'CONFLICT') setTitleUuid(uuid7()); // It was made by another name.
      return setError({ all: words(result.error) });
    }
    onMade(result.data.createTitle.record.id);
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>New title</Trans>}
      description={<Trans>It begins as a draft that only this panel shows.</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" form="new-title" variant="primary" busy={fetching}>
            <Trans>Make it</Trans>
          </Button>
        </>
      }
    >
      <form id="new-title" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium text-text-2">
            <Trans>What is it?</Trans>
          </legend>
          <div className="flex gap-2">
            {(['FILM', 'SERIES'] as const).map((kind) => (
              <label key={kind} className="flex h-11 flex-1 cursor-pointer items-center gap-3 rounded-md border border-line-strong px-3 text-sm has-checked:border-accent has-checked:bg-surface-2">
                <input type="radio" name="kind" value={kind} defaultChecked={kind === 'FILM'} className="size-4 accent-(--accent)" />
                {kind === 'FILM' ? <Trans>Film</Trans> : <Trans>Series</Trans>}
              </label>
            ))}
          </div>
        </fieldset>
        <Field label={t`Original name`} hint={t`As in the language it was made in.`} error={error.name}>
          {(control) => <Input {...control} name="name" maxLength={300} autoFocus autoComplete="off" />}
        </Field>
        <div className="grid grid-cols-[2fr_1fr] gap-4">
          <Field label={t`Original language`}>
            {(control) => (
              <Select {...control} name="language" defaultValue="">
                <option value="">{t`Not known`}</option>
                {languages(i18n.locale).map(({ code, name }) => (
                  <option key={code} value={code}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t`Year`} error={error.year}>
            {(control) => <Input {...control} name="year" inputMode="numeric" maxLength={4} autoComplete="off" />}
          </Field>
        </div>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {error.all}
        </div>
      </form>
    </Dialog>
  );
}
