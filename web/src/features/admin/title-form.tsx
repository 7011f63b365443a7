import { Trans, useLingui } from '@lingui/react/macro';
import { useBlocker } from '@tanstack/react-router';
import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import { Controller, useForm } from 'react-hook-form';
import { useClient, useMutation } from 'urql';
import type { AdminRecordFragment } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { languageName } from '~/lib/format';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input, Select, Textarea } from '~/ui/field';
import { Tabs } from '~/ui/tabs';
import { toast } from '~/ui/toast';
import { CreditsField } from './credits-field';
import { genreName, languages, personName } from './names';
import { CountriesField, GenresField } from './pick-fields';
import { Seasons } from './seasons';
import { AdminTitleDocument, UpdateTitleDocument } from './title-data';
import { changesOf, toValues, type TitleValues } from './title-values';

interface Props {
  record: AdminRecordFragment;
  writes: boolean;
  onDirty: (dirty: boolean) => void;
}

/** Where the form began: what is sent is the difference to it. */
interface Base {
  version: number;
  values: TitleValues;
}

/** The fields of a title. Saves by button and by Ctrl or ⌘ S; warns before unsaved words are left. */
export function TitleForm({ record, writes, onDirty }: Props) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const client = useClient();
  const [, update] = useMutation(UpdateTitleDocument);
  const read = useCallback(
    (from: AdminRecordFragment) => toValues(from, { genre: (g) => genreName(g, i18n.locale), person: (p) => personName(p, i18n.locale) }),
    [i18n.locale],
  );
  const [base, setBase] = useState<Base>(() => ({ version: record.version, values: read(record) }));
  const [conflict, setConflict] = useState<AdminRecordFragment | null>(null);
  const [tab, setTab] = useState(i18n.locale);
  const saving = useRef(false);
  const form = useForm<TitleValues>({ defaultValues: base.values });
  const { register, control, handleSubmit, reset, getValues, setValue, setError, watch, formState } = form;
  // The compiler cannot follow watch(); what it returns is new on each render anyway.
  // eslint-disable-next-line react-hooks/incompatible-library
  const values = watch();
  const dirty = Object.keys(changesOf(base.values, values)).length > 0;
  const { errors } = formState;

  useEffect(() => onDirty(dirty), [dirty, onDirty]);
  const blocker = useBlocker({ shouldBlockFn: () => dirty, enableBeforeUnload: () => dirty, withResolver: true });

  const takeOver = useCallback(
    (from: AdminRecordFragment) => {
      const fresh = read(from);
      setBase({ version: from.version, values: fresh });
      reset(fresh);
    },
    [read, reset],
  );

  // Another's change that arrives while nothing was touched here is simply shown.
  // With words of our own the base stays, and saving meets the conflict.
  if (!dirty && record.version > base.version && formState.isSubmitting === false) {
    const fresh = read(record);
    setBase({ version: record.version, values: fresh });
  }
  useEffect(() => {
    if (JSON.stringify(changesOf(base.values, getValues())) === '{}') reset(base.values);
  }, [base, getValues, reset]);

  const save = async (version: number, began: TitleValues, now: TitleValues): Promise<void> => {
    const input = changesOf(began, now);
    if (Object.keys(input).length === 0) return;
    const { data, error } = await update({ input: { id: record.id, version, ...input } });
    if (data) {
      const saved = data.updateTitle.record;
      const fresh = read(saved);
      setBase({ version: saved.version, values: fresh });
      // What was typed while it was on its way stays typed.
      if (JSON.stringify(getValues()) === JSON.stringify(now)) reset(fresh);
      setConflict(null);
      return;
    }
    const fault = toFault(error);
    if (fault.code === 'CONFLICT' && fault.reason !== 'DELETED') {
      const newest = await client.query(AdminTitleDocument, { id: record.id }, { requestPolicy: 'network-only' }).toPromise();
      const theirs = newest.data?.titleRecord;
      if (theirs) {
        // What changed is not on this form, such as one's own press on Publish a moment ago: there is nothing to
        // decide. A version that is no newer could not be refused for its age, so this ends.
        if (theirs.version > version && conflictFields(began, read(theirs)).length === 0) return save(theirs.version, began, now);
        return setConflict(theirs);
      }
    }
    const field = fieldOf(fault.field);
    if (field) setError(field, { message: fault.message }, { shouldFocus: true });
    else toast(words(fault), { tone: 'danger' });
  };

  const submit = useCallback(
    (event?: React.BaseSyntheticEvent) =>
      void handleSubmit(async (now) => {
        if (saving.current) return;
        saving.current = true;
        try {
          await saveLatest.current(structuredClone(now));
        } finally {
          saving.current = false;
        }
      })(event),
    [handleSubmit],
  );
  const saveLatest = useRef((now: TitleValues) => save(base.version, base.values, now));
  useEffect(() => {
    saveLatest.current = (now) => save(base.version, base.values, now);
  });

  useEffect(() => {
    if (!writes) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (!document.querySelector('[role=dialog]')) submit();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [writes, submit]);

  const yearRule = {
    validate: (typed: string) => !typed.trim() || (/^\d{4}$/.test(typed.trim()) && +typed >= 1870 && +typed <= 2100) || t`Enter a year from 1870 to 2100, or none.`,
  };
  const locales = values.translations.map((x) => x.locale);

  return (
    <div className="flex min-w-0 flex-col gap-8">
      <form id="title-form" noValidate onSubmit={submit} className="flex min-w-0 flex-col gap-8">
        <fieldset disabled={!writes} className="contents">
          <Group title={<Trans>In the original</Trans>}>
            <div className="grid gap-4 sm:grid-cols-[2fr_1fr]">
              <Field label={t`Original name`} error={errors.originalName?.message}>
                {(c) => <Input {...c} className="pointer-fine:h-10" maxLength={300} {...register('originalName', { validate: (v) => !!v.trim() || t`Enter a name.` })} />}
              </Field>
              <Field label={t`Original language`} error={errors.originalLanguage?.message}>
                {(c) => (
                  <Select {...c} {...register('originalLanguage')}>
                    <option value="">{t`Not known`}</option>
                    {languages(i18n.locale, base.values.originalLanguage ? [base.values.originalLanguage] : []).map(({ code, name }) => (
                      <option key={code} value={code}>
                        {name}
                      </option>
                    ))}
                  </Select>
                )}
              </Field>
            </div>
            <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
              <Field label={record.kind === 'FILM' ? t`Year` : t`First year`} error={errors.year?.message}>
                {(c) => <Input {...c} className="pointer-fine:h-10" inputMode="numeric" {...register('year', yearRule)} />}
              </Field>
              {record.kind === 'SERIES' && (
                <Field label={t`Last year`} error={errors.endYear?.message}>
                  {(c) => (
                    <Input
                      {...c}
                      className="pointer-fine:h-10"
                      inputMode="numeric"
                      {...register('endYear', {
                        validate: (typed, all) => {
                          const right = yearRule.validate(typed);
                          if (right !== true) return right;
                          return !typed.trim() || !all.year.trim() || +typed >= +all.year || t`It cannot end before it began.`;
                        },
                      })}
                    />
                  )}
                </Field>
              )}
              {record.kind === 'FILM' && (
                <Field label={t`Length, minutes`} error={errors.minutes?.message}>
                  {(c) => (
                    <Input
                      {...c}
                      className="pointer-fine:h-10"
                      inputMode="decimal"
                      {...register('minutes', {
                        validate: (typed) => !typed.trim() || (Number(typed.replace(',', '.')) > 0 && Number(typed.replace(',', '.')) <= 1440) || t`Enter minutes, or none.`,
                      })}
                    />
                  )}
                </Field>
              )}
              <Field label={t`Age rating`} error={errors.ageRating?.message}>
                {(c) => (
                  <Select {...c} {...register('ageRating')}>
                    <option value="">{t`Not rated`}</option>
                    {[...new Set(['0', '6', '12', '16', '18', ...(base.values.ageRating ? [base.values.ageRating] : [])])]
                      .sort((a, b) => +a - +b)
                      .map((age) => (
                        <option key={age} value={age}>
                          {age}+
                        </option>
                      ))}
                  </Select>
                )}
              </Field>
            </div>
          </Group>

          <Group
            title={<Trans>Words</Trans>}
            action={
              <Select
                aria-label={t`Add a language`}
                className="max-w-44"
                value=""
                onChange={(event) => {
                  const locale = event.target.value;
                  if (!locale) return;
                  setValue('translations', [...getValues('translations'), { locale, name: '', tagline: '', description: '' }]);
                  setTab(locale);
                }}
              >
                <option value="">{t`Add a language`}</option>
                {languages(i18n.locale)
                  .filter(({ code }) => !locales.includes(code))
                  .map(({ code, name }) => (
                    <option key={code} value={code}>
                      {name}
                    </option>
                  ))}
              </Select>
            }
          >
            <Tabs
              label={t`Languages`}
              value={locales.includes(tab) ? tab : (locales[0] ?? 'en')}
              onChange={setTab}
              tabs={values.translations.map((translation, i) => ({
                value: translation.locale,
                label: (
                  <span className={errors.translations?.[i] ? 'text-danger' : translation.name ? undefined : 'text-text-3'}>{languageName(translation.locale, i18n.locale)}</span>
                ),
                content: (
                  <div className="flex flex-col gap-4" lang={translation.locale}>
                    <Field label={t`Name`} error={errors.translations?.[i]?.name?.message}>
                      {(c) => (
                        <Input
                          {...c}
                          className="pointer-fine:h-10"
                          maxLength={300}
                          {...register(`translations.${i}.name`, {
                            validate: (name, all) => {
                              const x = all.translations[i];
                              return !!name.trim() || !(x?.tagline.trim() || x?.description.trim()) || t`Words in this language need a name.`;
                            },
                          })}
                        />
                      )}
                    </Field>
                    <Field label={t`Tagline`}>{(c) => <Input {...c} className="pointer-fine:h-10" maxLength={300} {...register(`translations.${i}.tagline`)} />}</Field>
                    <Field label={t`Description`}>{(c) => <Textarea {...c} rows={6} maxLength={10_000} {...register(`translations.${i}.description`)} />}</Field>
                  </div>
                ),
              }))}
            />
          </Group>

          <Group title={<Trans>Filed under</Trans>}>
            <div className="grid gap-6 sm:grid-cols-2">
              <div>
                <h3 className="mb-1.5 text-sm font-medium text-text-2">
                  <Trans>Genres</Trans>
                </h3>
                <Controller control={control} name="genres" render={({ field }) => <GenresField value={field.value} onChange={field.onChange} />} />
              </div>
              <div>
                <h3 className="mb-1.5 text-sm font-medium text-text-2">
                  <Trans>Countries</Trans>
                </h3>
                <Controller control={control} name="countries" render={({ field }) => <CountriesField value={field.value} onChange={field.onChange} />} />
              </div>
            </div>
          </Group>

          <Group title={<Trans>Cast and crew</Trans>}>
            <Controller control={control} name="credits" render={({ field }) => <CreditsField value={field.value} onChange={field.onChange} locales={locales} />} />
          </Group>
        </fieldset>
      </form>

      {record.kind === 'SERIES' && (
        <Group title={<Trans>Seasons and episodes</Trans>}>
          <Seasons record={record} writes={writes} onVersion={(version) => setBase((now) => ({ ...now, version }))} />
        </Group>
      )}

      <Dialog
        open={!!conflict}
        onOpenChange={(open) => !open && setConflict(null)}
        title={<Trans>Someone else saved first</Trans>}
        description={<Trans>The title changed since you opened it. Nothing you typed is lost.</Trans>}
        closeLabel={t`Close`}
        footer={
          <>
            <Button
              onClick={() => {
                if (conflict) takeOver(conflict);
                setConflict(null);
              }}
            >
              <Trans>Load theirs</Trans>
            </Button>
            <Button
              variant="primary"
              onClick={() => {
                if (!conflict) return;
                void save(conflict.version, base.values, structuredClone(getValues()));
              }}
            >
              <Trans>Keep mine</Trans>
            </Button>
          </>
        }
      >
        <p className="text-sm text-text-2">
          <Trans>“Keep mine” saves only the fields you changed; theirs stay in the others. “Load theirs” drops what you typed.</Trans>
        </p>
      </Dialog>

      <Dialog
        open={blocker.status === 'blocked'}
        onOpenChange={(open) => !open && blocker.reset?.()}
        title={<Trans>Leave without saving?</Trans>}
        description={<Trans>What you changed on this title is not saved yet.</Trans>}
        closeLabel={t`Close`}
        footer={
          <>
            <Button onClick={() => blocker.proceed?.()}>
              <Trans>Leave</Trans>
            </Button>
            <Button variant="primary" onClick={() => blocker.reset?.()}>
              <Trans>Stay</Trans>
            </Button>
          </>
        }
      >
        {null}
      </Dialog>
    </div>
  );
}

/** The field of the form behind the path that the server names, such as input.year. */
function fieldOf(path: string | undefined): 'originalName' | 'originalLanguage' | 'year' | 'endYear' | 'minutes' | 'ageRating' | undefined {
  switch (path?.replace(/^input\./, '')) {
    case 'originalName':
      return 'originalName';
    case 'originalLanguage':
      return 'originalLanguage';
    case 'year':
      return 'year';
    case 'endYear':
      return 'endYear';
    case 'durationMs':
      return 'minutes';
    case 'ageRating':
      return 'ageRating';
    default:
      return undefined;
  }
}

const conflictFields = (began: TitleValues, theirs: TitleValues) => Object.keys(changesOf(began, theirs));

const Group = ({ title, action, children }: { title: ReactNode; action?: ReactNode; children: ReactNode }) => (
  <section className="flex flex-col gap-4">
    <div className="flex flex-wrap items-center justify-between gap-3 border-b border-line pb-2">
      <h2 className="text-base font-semibold">{title}</h2>
      {action}
    </div>
    {children}
  </section>
);
