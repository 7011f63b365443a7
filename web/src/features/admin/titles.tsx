import { plural } from '@lingui/core/macro';
import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminTitlesQuery, TitleRecordSort } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { can } from '~/lib/session';
import { Button } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Select } from '~/ui/field';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { LazyMenu } from '~/ui/lazy-menu';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { toast } from '~/ui/toast';
import { genreName, titleName } from './names';
import { NewTitle } from './new-title';
import { LoadError, Page, RowsSkeleton } from './page';
import { SearchBox } from './search-box';
import { titleColumns, type TitleColumn, type TitlesSearch } from './search';
import { MediaChip, StatusChip } from './status';
import { Thumb } from './thumb';
import { usePages } from '~/lib/use-pages';
import { useRowKeys } from './use-row-keys';

const TitlesDocument = graphql(/* GraphQL */ `
  query AdminTitles($query: String, $filter: TitleRecordFilter, $sort: TitleRecordSort, $first: Int!, $after: String) {
    titleRecords(query: $query, filter: $filter, sort: $sort, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges {
        cursor
        node {
          id
          kind
          version
          status
          originalName
          year
          endYear
          demo
          updatedAt
          posterUrl(width: 200)
          translations { locale name }
          genres { id slug translations { locale name } }
          media { ...AdminMedia }
        }
      }
    }
  }
`);

const GenreChoices = graphql(/* GraphQL */ `
  query AdminGenreChoices { genreRecords { id slug translations { locale name } } }
`);

const Publish = graphql(/* GraphQL */ `
  mutation PublishTitles($input: PublishTitlesInput!) { publishTitles(input: $input) { records { id version status updatedAt } } }
`);
const Delete = graphql(/* GraphQL */ `
  mutation DeleteTitles($input: TitleIdsInput!) { deleteTitles(input: $input) { records { id version status updatedAt } } }
`);
const Restore = graphql(/* GraphQL */ `
  mutation RestoreTitles($input: TitleIdsInput!) { restoreTitles(input: $input) { records { id version status updatedAt } } }
`);

type Row = AdminTitlesQuery['titleRecords']['edges'][number]['node'];

/** How many may be acted on at once. */
const mostAtOnce = 200;

export function Titles({ search }: { search: TitlesSearch }) {
  const { t, i18n } = useLingui();
  const navigate = useNavigate({ from: '/admin/titles' });
  const writes = can('title:write');
  const [creating, setCreating] = useState(false);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());

  const set = (change: Partial<TitlesSearch>, replace = false) =>
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...change }).filter(([, v]) => v !== undefined && v !== '')) as TitlesSearch,
      replace,
      resetScroll: false,
    });

  const list = usePages(
    TitlesDocument,
    {
      first: 50,
      query: search.q ?? null,
      sort: search.sort ?? 'UPDATED',
      filter: {
        kinds: search.kind ? [search.kind] : null,
        statuses: search.status ? [search.status] : null,
        genreIds: search.genre ? [search.genre] : null,
        playable: search.playable ? search.playable === 'yes' : null,
      },
    },
    (data: AdminTitlesQuery) => data.titleRecords,
  );
  const rows = list.nodes;
  const chosen = rows.filter((row) => picked.has(row.id));
  const total = list.data?.titleRecords.totalCount;

  const toggle = (id: string) =>
    setPicked((now) => {
      const next = new Set(now);
      if (!next.delete(id) && next.size < mostAtOnce) next.add(id);
      return next;
    });
  const open = (id: string) => void navigate({ to: '/admin/titles/$id', params: { id } });
  const keys = useRowKeys({
    count: rows.length,
    onOpen: (i) => rows[i] && open(rows[i].id),
    onToggle: writes ? (i) => rows[i] && toggle(rows[i].id) : undefined,
  });

  const sort = (by: TitleRecordSort) => ({
    sort: (search.sort ?? 'UPDATED') === by ? (by === 'NAME' ? ('asc' as const) : ('desc' as const)) : ('none' as const),
    onSort: () => set({ sort: by === 'UPDATED' ? undefined : by }),
  });
  const shows = (column: TitleColumn) => !search.hide?.includes(column);
  const filtered = !!(search.q || search.kind || search.status || search.genre || search.playable);

  return (
    <Page
      title={t`Titles`}
      note={total !== undefined && <Plural value={total} one="# title" other="# titles" />}
      actions={
        writes && (
          <Button variant="primary" icon="plus" onClick={() => setCreating(true)}>
            <Trans>New title</Trans>
          </Button>
        )
      }
    >
      <Filters search={search} set={set} filtered={filtered} />
      {writes && <BulkBar rows={chosen} clear={() => setPicked(new Set())} />}
      {list.error && rows.length === 0 ? (
        <LoadError what={<Trans>The titles could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && rows.length === 0 ? (
        <RowsSkeleton />
      ) : rows.length === 0 ? (
        filtered ? (
          <EmptyState
            icon="search"
            title={<Trans>No title fits</Trans>}
            action={
              <Button onClick={() => set({ q: undefined, kind: undefined, status: undefined, genre: undefined, playable: undefined })}>
                <Trans>Drop the filters</Trans>
              </Button>
            }
          >
            <Trans>Look for a part of the name in any language, or drop a filter.</Trans>
          </EmptyState>
        ) : (
          <EmptyState
            icon="film"
            title={<Trans>No titles yet</Trans>}
            action={
              writes && (
                <Button variant="primary" icon="plus" onClick={() => setCreating(true)}>
                  <Trans>New title</Trans>
                </Button>
              )
            }
          >
            <Trans>Make a film or a series, upload it, and publish it when it is ready.</Trans>
          </EmptyState>
        )
      ) : (
        <>
          <Table label={t`Titles`} className="lg:max-h-[calc(100dvh-190px)]">
            <thead>
              <tr>
                {writes && (
                  <Th className="w-11 pr-0">
                    <PickAll
                      label={t`Pick all that are loaded`}
                      state={chosen.length === 0 ? 'none' : chosen.length === rows.length ? 'all' : 'some'}
                      onPress={() => setPicked(chosen.length === rows.length ? new Set() : new Set(rows.slice(0, mostAtOnce).map((row) => row.id)))}
                    />
                  </Th>
                )}
                <Th className="min-w-44" {...sort('NAME')}>
                  <Trans>Name</Trans>
                </Th>
                {shows('kind') && (
                  <Th className="max-md:hidden">
                    <Trans>Kind</Trans>
                  </Th>
                )}
                {shows('year') && (
                  <Th className="max-sm:hidden" {...sort('YEAR')}>
                    <Trans>Year</Trans>
                  </Th>
                )}
                {shows('genres') && (
                  <Th className="max-xl:hidden">
                    <Trans>Genres</Trans>
                  </Th>
                )}
                <Th>
                  <Trans>State</Trans>
                </Th>
                {shows('media') && (
                  <Th className="max-sm:hidden">
                    <Trans>Film</Trans>
                  </Th>
                )}
                {shows('updated') && (
                  <Th className="max-md:hidden" {...sort('UPDATED')}>
                    <Trans>Changed</Trans>
                  </Th>
                )}
              </tr>
            </thead>
            <tbody {...keys.body}>
              {rows.map((row, i) => {
                const name = titleName(row, i18n.locale);
                return (
                  <Tr key={row.id} {...keys.row(i)} aria-selected={picked.has(row.id)} className="focus-visible:-outline-offset-2">
                    {writes && (
                      <Td className="w-11 pr-0">
                        <label className="-m-2 grid size-11 cursor-pointer place-items-center">
                          <input
                            type="checkbox"
                            tabIndex={-1}
                            className="size-4 accent-(--accent)"
                            checked={picked.has(row.id)}
                            onChange={() => toggle(row.id)}
                            aria-label={t`Pick “${name}”`}
                          />
                        </label>
                      </Td>
                    )}
                    <Td className="py-1.5">
                      <Link
                        to="/admin/titles/$id"
                        params={{ id: row.id }}
                        tabIndex={-1}
                        className="flex min-h-11 items-center gap-3 font-medium text-text-1 hover:underline"
                      >
                        <Thumb url={row.posterUrl} />
                        <span className="min-w-0">
                          <span className="line-clamp-2">{name}</span>
                          {name !== row.originalName && <span className="line-clamp-1 text-xs font-normal text-text-3">{row.originalName}</span>}
                        </span>
                      </Link>
                    </Td>
                    {shows('kind') && (
                      <Td className="text-text-2 max-md:hidden">{row.kind === 'FILM' ? <Trans>Film</Trans> : <Trans>Series</Trans>}</Td>
                    )}
                    {shows('year') && (
                      <Td className="whitespace-nowrap text-text-2 max-sm:hidden">
                        {row.year}
                        {row.endYear && row.endYear !== row.year ? `–${row.endYear}` : ''}
                      </Td>
                    )}
                    {shows('genres') && (
                      <Td className="max-w-64 text-text-2 max-xl:hidden">
                        <span className="line-clamp-1">{row.genres.map((genre) => genreName(genre, i18n.locale)).join(', ')}</span>
                      </Td>
                    )}
                    <Td>
                      <StatusChip status={row.status} />
                    </Td>
                    {shows('media') && (
                      <Td className="max-sm:hidden">{row.kind === 'FILM' ? <MediaChip media={row.media} /> : <span className="text-text-3">—</span>}</Td>
                    )}
                    {shows('updated') && (
                      <Td className="whitespace-nowrap text-text-2 max-md:hidden">
                        <time dateTime={row.updatedAt}>
                          {new Date(row.updatedAt).toLocaleString(i18n.locale, { dateStyle: 'medium', timeStyle: 'short' })}
                        </time>
                      </Td>
                    )}
                  </Tr>
                );
              })}
            </tbody>
          </Table>
          <div className="mt-3 flex flex-wrap items-center gap-4 text-xs text-text-3">
            {list.hasMore && (
              <Button onClick={list.more} busy={list.loading}>
                <Trans>Load more</Trans>
              </Button>
            )}
            {list.error && <span role="alert">{t`Some rows could not be loaded.`}</span>}
            <span className="ml-auto hidden pointer-fine:inline">
              <Trans>
                <kbd>j</kbd> <kbd>k</kbd> move · <kbd>x</kbd> picks · <kbd>Enter</kbd> opens
              </Trans>
            </span>
          </div>
        </>
      )}
      {creating && <NewTitle onClose={() => setCreating(false)} onMade={open} />}
    </Page>
  );
}

function PickAll({ label, state, onPress }: { label: string; state: 'none' | 'some' | 'all'; onPress: () => void }) {
  return (
    <label className="-m-2 grid size-10 cursor-pointer place-items-center">
      <input
        type="checkbox"
        className="size-4 accent-(--accent)"
        aria-label={label}
        checked={state === 'all'}
        onChange={onPress}
        ref={(box) => {
          if (box) box.indeterminate = state === 'some';
        }}
      />
    </label>
  );
}

interface FiltersProps {
  search: TitlesSearch;
  set: (change: Partial<TitlesSearch>, replace?: boolean) => void;
  filtered: boolean;
}

function Filters({ search, set, filtered }: FiltersProps) {
  const { t, i18n } = useLingui();
  const [{ data }] = useQuery({ query: GenreChoices });
  const columnName: Record<TitleColumn, string> = { kind: t`Kind`, year: t`Year`, genres: t`Genres`, media: t`Film`, updated: t`Changed` };
  const genres = (data?.genreRecords ?? [])
    .map((genre) => ({ id: genre.id, name: genreName(genre, i18n.locale) }))
    .sort((a, b) => a.name.localeCompare(b.name, i18n.locale));
  const field = 'w-[calc(50%-4px)] sm:w-36';
  return (
    <div className="mb-3 flex flex-wrap items-center gap-2">
      <SearchBox label={t`Search titles`} value={search.q ?? ''} onChange={(q) => set({ q: q || undefined }, true)} />
      <Select aria-label={t`Kind`} className={field} value={search.kind ?? ''} onChange={(e) => set({ kind: (e.target.value || undefined) as TitlesSearch['kind'] })}>
        <option value="">{t`Any kind`}</option>
        <option value="FILM">{t`Films`}</option>
        <option value="SERIES">{t`Series`}</option>
      </Select>
      <Select aria-label={t`State`} className={field} value={search.status ?? ''} onChange={(e) => set({ status: (e.target.value || undefined) as TitlesSearch['status'] })}>
        <option value="">{t`Any state`}</option>
        <option value="PUBLISHED">{t`Published`}</option>
        <option value="DRAFT">{t`Drafts`}</option>
        <option value="DELETED">{t`Deleted`}</option>
      </Select>
      <Select aria-label={t`Genre`} className={field} value={search.genre ?? ''} onChange={(e) => set({ genre: e.target.value || undefined })}>
        <option value="">{t`Any genre`}</option>
        {genres.map((genre) => (
          <option key={genre.id} value={genre.id}>
            {genre.name}
          </option>
        ))}
      </Select>
      <Select aria-label={t`Film`} className={field} value={search.playable ?? ''} onChange={(e) => set({ playable: (e.target.value || undefined) as TitlesSearch['playable'] })}>
        <option value="">{t`With or without film`}</option>
        <option value="yes">{t`Can be played`}</option>
        <option value="no">{t`Cannot be played`}</option>
      </Select>
      {filtered && (
        <Button variant="ghost" size="sm" icon="close" onClick={() => set({ q: undefined, kind: undefined, status: undefined, genre: undefined, playable: undefined })}>
          <Trans>Clear</Trans>
        </Button>
      )}
      <LazyMenu
        label={t`Columns`}
        className="ml-auto hidden h-10 items-center gap-2 rounded-md px-3 text-sm text-text-2 hover:bg-surface-2 hover:text-text-1 md:inline-flex"
        face={
          <>
            <Icon name={icons.list} size={18} />
            <Trans>Columns</Trans>
          </>
        }
      >
        {({ MenuItem }) =>
          titleColumns.map((column) => {
            const shown = !search.hide?.includes(column);
            return (
              <MenuItem
                key={column}
                onSelect={(event) => {
                  event.preventDefault();
                  const hide = titleColumns.filter((c) => (c === column ? shown : search.hide?.includes(c)));
                  set({ hide: hide.length ? hide : undefined }, true);
                }}
              >
                <span className="grid size-4 place-items-center text-accent-text">{shown && <Icon name="check" size={16} />}</span>
                {columnName[column]}
                <span className="sr-only">{shown ? t`shown` : t`hidden`}</span>
              </MenuItem>
            );
          })
        }
      </LazyMenu>
    </div>
  );
}

/** What can be done to the picked rows at once; each can be undone. */
function BulkBar({ rows, clear }: { rows: readonly Row[]; clear: () => void }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [, publish] = useMutation(Publish);
  const [, remove] = useMutation(Delete);
  const [, restore] = useMutation(Restore);
  const ids = rows.map((row) => row.id);
  const deleted = rows.filter((row) => row.status === 'DELETED').map((row) => row.id);
  const failed = (error: unknown) => toast(words(error), { tone: 'danger' });

  const bringBack = async (back: string[]) => {
    const { error } = await restore({ input: { ids: back } });
    if (error) failed(error);
    else toast(t`${plural(back.length, { one: '# title is back.', other: '# titles are back.' })}`);
  };
  const drop = async () => {
    const gone = rows.filter((row) => row.status !== 'DELETED').map((row) => row.id);
    const { error } = await remove({ input: { ids: gone } });
    if (error) return failed(error);
    clear();
    toast(t`${plural(gone.length, { one: '# title is deleted.', other: '# titles are deleted.' })}`, {
      action: { label: t`Undo`, onPress: () => void bringBack(gone) },
    });
  };
  const show = async (published: boolean) => {
    const changing = rows.filter((row) => row.status === (published ? 'DRAFT' : 'PUBLISHED')).map((row) => row.id);
    if (changing.length === 0) return;
    const { error } = await publish({ input: { ids: changing, published } });
    if (error) return failed(error);
    clear();
    toast(
      published
        ? t`${plural(changing.length, { one: '# title is published.', other: '# titles are published.' })}`
        : t`${plural(changing.length, { one: '# title is hidden.', other: '# titles are hidden.' })}`,
      {
        action: {
          label: t`Undo`,
          onPress: () =>
            void publish({ input: { ids: changing, published: !published } }).then((result) => {
              if (result.error) failed(result.error);
            }),
        },
      },
    );
  };

  return (
    <div role="status" className={cx(rows.length > 0 && 'mb-3')}>
      {rows.length > 0 && (
        <div className="flex flex-wrap items-center gap-2 rounded-md bg-surface-2 p-2 pl-4 text-sm">
          <span className="mr-2 font-medium">
            <Plural value={rows.length} one="# picked" other="# picked" />
          </span>
          <Button size="sm" className="bg-surface-3" disabled={!rows.some((row) => row.status === 'DRAFT')} onClick={() => void show(true)}>
            <Trans>Publish</Trans>
          </Button>
          <Button size="sm" className="bg-surface-3" disabled={!rows.some((row) => row.status === 'PUBLISHED')} onClick={() => void show(false)}>
            <Trans>Hide</Trans>
          </Button>
          {deleted.length > 0 && (
            <Button
              size="sm"
              className="bg-surface-3"
              icon={icons.restart}
              onClick={() => {
                clear();
                void bringBack(deleted);
              }}
            >
              <Trans>Bring back</Trans>
            </Button>
          )}
          <Button size="sm" className="bg-surface-3" icon={icons.trash} disabled={deleted.length === ids.length} onClick={() => void drop()}>
            <Trans>Delete</Trans>
          </Button>
          <Button size="sm" variant="ghost" className="ml-auto" onClick={clear}>
            <Trans>Clear the choice</Trans>
          </Button>
        </div>
      )}
    </div>
  );
}
